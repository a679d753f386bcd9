import { readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import { codeOf, messageOf } from '../../core/errors.ts'
import type { AlertInstance } from './history.ts'

/** What alerts know over a restart: what fired, what holds still, and when a notice was sent. No destination and no key (I7). */
export interface KeptAlerts {
  readonly instances: readonly AlertInstance[]
  readonly firing: readonly (readonly [key: string, { readonly id: string; readonly told: boolean }])[]
  /** Ms since the epoch; the oldest first. */
  readonly sent: readonly (readonly [key: string, at: number])[]
}

const Instance = z.object({
  id: z.string(),
  alertId: z.string(),
  name: z.string(),
  organization: z.string(),
  environment: z.string(),
  values: z.record(z.string(), z.string()),
  firedAt: z.number(),
  resolvedAt: z.number().nullable(),
  measured: z.array(z.number()),
  summary: z.string(),
  verdict: z.string(),
  requests: z.array(z.string()),
  notice: z.enum(['sent', 'throttled', 'undeliverable', 'none']),
})

const Kept = z.object({
  version: z.literal(1),
  instances: z.array(Instance),
  firing: z.array(z.tuple([z.string(), z.object({ id: z.string(), told: z.boolean() })])),
  sent: z.array(z.tuple([z.string(), z.number()])),
})

const nothing: KeptAlerts = { instances: [], firing: [], sent: [] }

/** A file that is written whole, beside itself first: a process that is killed leaves the one before. */
export class AlertsFile {
  readonly #file: string | null
  readonly #warn: (code: 'alerts-not-kept', message: string) => void
  #next: KeptAlerts | null = null
  #underWay: Promise<void> | null = null
  #isFailing = false

  constructor(file: string | null, warn: (code: 'alerts-not-kept', message: string) => void) {
    this.#file = file
    this.#warn = warn
  }

  /** Nothing where there is none, or none that can be read; then it begins anew. */
  read(): KeptAlerts {
    if (this.#file === null) return nothing
    try {
      return Kept.parse(JSON.parse(readFileSync(this.#file, 'utf8')))
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') {
        this.#warn(
          'alerts-not-kept',
          `${this.#file} cannot be read, history of alerts begins anew: ${messageOf(error)}`,
        )
      }
      return nothing
    }
  }

  /** Soon; one at a time, and the last that was given. */
  write(kept: KeptAlerts): void {
    if (this.#file === null) return
    this.#next = kept
    this.#underWay ??= this.#writeAll(this.#file).finally(() => (this.#underWay = null))
  }

  async close(): Promise<void> {
    await this.#underWay
  }

  async #writeAll(file: string): Promise<void> {
    for (let kept = this.#next; kept !== null; kept = this.#next) {
      this.#next = null
      try {
        const fresh = `${file}.new`
        await writeFile(fresh, JSON.stringify({ version: 1, ...kept }), { mode: 0o600, flush: true })
        await rename(fresh, file)
        this.#isFailing = false
      } catch (error) {
        if (!this.#isFailing) this.#warn('alerts-not-kept', `${file} cannot be written: ${messageOf(error)}`)
        this.#isFailing = true
      }
    }
  }
}
