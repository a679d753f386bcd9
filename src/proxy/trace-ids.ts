import { randomBytes } from 'node:crypto'

/**
 * Ids of traces and spans (W3C Trace Context sections 3.2.2.3 and 3.2.2.4), random and never all zero. They are names, not
 * secrets: a small fast generator (sfc32), seeded once for a worker.
 */
export class TraceIds {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: Buffer = randomBytes(12)) {
    this.#a = seed.readInt32LE(0)
    this.#b = seed.readInt32LE(4)
    this.#c = seed.readInt32LE(8)
    for (let round = 0; round < 12; round++) this.#next()
  }

  traceId(): string {
    return this.spanId() + this.spanId()
  }

  spanId(): string {
    for (;;) {
      const high = this.#next()
      const low = this.#next()
      if (high !== 0 || low !== 0) return hex(high) + hex(low)
    }
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    this.#c |= 0
    this.#counter |= 0
    return sum >>> 0
  }
}

function hex(word: number): string {
  return (hexPair[word >>> 16] as string) + (hexPair[word & 0xffff] as string)
}

const hexPair: readonly string[] = Array.from({ length: 65_536 }, (_, pair) => pair.toString(16).padStart(4, '0'))
