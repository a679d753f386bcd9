import { randomBytes } from 'node:crypto'
import type { FaultProfile } from '../faults/fault.ts'

/**
 * Ids of requests, unique without coordination: a random part drawn once per worker, and a counter. They are names, not
 * secrets. `native` and `apim` use the form of a UUID (version 8, RFC 9562 section 5.8), which the self-hosted gateway's
 * `activityId` needs; `apigee` uses Edge's own form, `ORG-PID-CONNECTION-N`, which its log tools look for.
 */
export class RequestIds {
  readonly #prefix: string
  readonly #edgePrefix: string
  #high = 0
  #low = 0
  #highText = ''
  #edgeCount = 0

  constructor(organization: string, worker: number) {
    const random = randomBytes(8)
    const hex = random.toString('hex')
    const variant = ((Number.parseInt(hex[12] as string, 16) & 3) | 8).toString(16)
    this.#prefix = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}`
    // Ids stand in heads, which are latin1: a letter beyond it would leave its low byte, and U+010A is LF then. (I8)
    this.#edgePrefix = `${organization.replace(/[^\x21-\x7e]/g, '_')}-${process.pid}-${worker}${randomBytes(3).readUIntBE(0, 3)}`
    this.#renewHigh()
  }

  next(profile: FaultProfile): string {
    if (profile === 'apigee') return `${this.#edgePrefix}-${++this.#edgeCount}`
    if (++this.#low === 0x10000) {
      this.#low = 0
      this.#high++
      this.#renewHigh()
    }
    return this.#prefix + this.#highText + hexByte[this.#low >> 8] + hexByte[this.#low & 0xff]
  }

  /** 11 of the 15 counter digits change once in 65,536 requests and are kept as text. */
  #renewHigh(): void {
    const digits = this.#high.toString(16).padStart(11, '0')
    this.#highText = `${digits.slice(0, 3)}-${digits.slice(3)}`
  }
}

const hexByte: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
