import { codeOf, messageOf } from '../core/errors.ts'

export interface SyslogHooks {
  readonly warn: (code: string, message: string) => void
  readonly now: () => number
}

/** Bounds and times of an outlet; see `syslogLimits`. */
export interface SyslogLimits {
  /** What waits for a receiver, in bytes and in messages; beyond it the newest lines are dropped. */
  readonly queuedBytes: number
  readonly queuedRecords: number
  readonly connectTimeoutMs: number
  /** A connection that takes nothing for so long is given up. */
  readonly stallMs: number
  /** Between attempts: from the first, doubled up to the last. */
  readonly backoffMs: readonly [first: number, last: number]
  /** An outage is over when nothing has gone wrong for so long. */
  readonly settleMs: number
  /** UDP: how long the address of a name is used. */
  readonly addressMs: number
}

export const syslogLimits: SyslogLimits = {
  queuedBytes: 8 * 1024 * 1024,
  queuedRecords: 100_000,
  connectTimeoutMs: 10_000,
  stallMs: 60_000,
  backoffMs: [250, 30_000],
  settleMs: 5000,
  addressMs: 60_000,
}

export interface Outage {
  /** Something went wrong; said once per outage. */
  failed: (reason: string) => void
  /** Says nothing any more. */
  stop: () => void
}

/** One warning when an outage begins and one when it is over, whatever happens in between. */
export function createOutage(
  place: string,
  settleMs: number,
  hooks: SyslogHooks,
  works: () => boolean,
  dropped: () => number,
): Outage {
  let last = 0
  let before = 0
  let timer: NodeJS.Timeout | null = null
  const look = () => {
    timer = null
    if (!works() || performance.now() - last < settleMs) return arm()
    const lost = dropped() - before
    hooks.warn('syslog-restored', `syslog ${place}: working again; lines lost meanwhile, as far as known: ${lost}`)
  }
  const arm = () => {
    timer = setTimeout(look, settleMs).unref()
  }
  return {
    failed: (reason) => {
      last = performance.now()
      if (timer !== null) return
      before = dropped()
      hooks.warn('syslog-failing', `syslog ${place}: ${reason}`)
      arm()
    },
    stop: () => {
      if (timer !== null) clearTimeout(timer)
      // Keeps a word from starting another outage.
      timer = setTimeout(() => {}, 0).unref()
    },
  }
}

/** Doubles with every failure in a row; somewhat random, so that many gateways do not come at once. */
export function backoff(failures: number, [first, last]: SyslogLimits['backoffMs']): number {
  return Math.min(last, first * 2 ** Math.min(failures, 20)) * (0.75 + Math.random() / 2)
}

/** Why it failed, as one sentence; that several addresses were tried is one error of many. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map((one: unknown) => messageOf(one)))].join(', ')
  }
  if (codeOf(error) === 'EPROTOTYPE') return 'is a datagram socket; only stream sockets are supported'
  return messageOf(error)
}

/** The lines of a batch, each without its LF. */
export function linesOf(lines: Uint8Array): readonly string[] {
  const text = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength).toString()
  return text.split('\n').filter((line) => line !== '')
}

/** UTF-8, cut before the first character that does not fit. */
export function utf8Within(text: string, bytes: number): Buffer {
  const all = Buffer.from(text)
  if (all.length <= bytes) return all
  let end = bytes
  while (end > 0 && ((all[end] ?? 0) & 0xc0) === 0x80) end--
  return all.subarray(0, end)
}
