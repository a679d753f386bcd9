import type { MetricFamily } from '../observe/exposition.ts'
import type { RecordedTransaction } from '../observe/recording.ts'
import type { Outlet } from '../observer/outlet.ts'
import type { OtlpPlan } from '../observer/plan.ts'
import type { Encoding, Origin } from './encoding.ts'
import type { Signal } from './schema.ts'

import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import { plainText } from '../observe/line-safe.ts'
import { jsonEncoding, protobufEncoding } from './encoding.ts'
import { Health, receiver } from './health.ts'
import { Lane, type LaneLimits, type Outcome, type Owner, type RetryLimits } from './lane.ts'
import { logRecordOf } from './log-records.ts'
import { attributes } from './messages.ts'
import { MetricConverter } from './metrics.ts'
import { type Answer, openPoster } from './post.ts'
import { signals } from './schema.ts'
import { spansOf } from './spans.ts'

/** Sends telemetry to one receiver. Nothing of it waits for the receiver, and nothing throws for want of one. */
export interface OtlpExporter {
  /** Those without a trace context are left out. */
  spans(transactions: readonly RecordedTransaction[]): void
  /** @param at when the families were read, ms since the epoch */
  metrics(at: number, families: readonly MetricFamily[]): void
  /** For one log; each counts its own losses. */
  outlet(): Outlet
  /** Since it was opened. */
  readonly dropped: { readonly spans: number; readonly metricExports: number; readonly logRecords: number }
  /** Sends what it has, at most for this long. */
  close(timeoutMs: number): Promise<void>
}

/** Who sends it. */
export interface OtlpResource {
  readonly organization: string
  readonly environment: string
  readonly region: string
  readonly hostName: string
  readonly version: string
  readonly instance: string
}

export interface OtlpHooks {
  readonly warn: (code: string, message: string) => void
  readonly now: () => number
}

export interface OtlpLimits {
  readonly lanes: Readonly<Record<Signal, LaneLimits>>
  readonly retry: RetryLimits
}

const MiB = 1024 * 1024

/** I10. Some minutes of a receiver that is away are bridged where little is sent, and some seconds where much is. */
export const otlpLimits: OtlpLimits = {
  lanes: {
    spans: {
      queuedRecords: 16_384,
      queuedBytes: 16 * MiB,
      batchRecords: 512,
      batchBytes: MiB,
      delayMs: 1000,
      overflow: 'newest',
    },
    // A record is a whole export.
    metrics: {
      queuedRecords: 2,
      queuedBytes: 32 * MiB,
      batchRecords: 1,
      batchBytes: MiB,
      delayMs: 0,
      overflow: 'oldest',
    },
    logs: {
      queuedRecords: 65_536,
      queuedBytes: 32 * MiB,
      batchRecords: 4096,
      batchBytes: 2 * MiB,
      delayMs: 1000,
      overflow: 'newest',
    },
  },
  retry: { backoffMs: [500, 30_000], tries: 8, maxAgeMs: 120_000 },
}

export function openOtlp(
  plan: OtlpPlan,
  resource: OtlpResource,
  hooks: OtlpHooks,
  limits: OtlpLimits = otlpLimits,
): OtlpExporter {
  const encoding = plan.encoding === 'json' ? jsonEncoding : protobufEncoding
  const origin = originOf(resource)
  const poster = openPoster(plan, encoding.contentType)
  const health = new Health(plan.endpoint, hooks.warn)
  const owners = { spans: { dropped: 0 }, metrics: { dropped: 0 }, logs: { dropped: 0 } }
  const lost = (signal: Signal) => owners[signal].dropped
  const metrics = new MetricConverter(hooks.now())

  const lane = (signal: Signal): Lane =>
    new Lane({
      limits: limits.lanes[signal],
      retry: limits.retry,
      async prepare(pieces) {
        const request = encoding.request(signal, origin, pieces)
        const body = plan.gzip ? await compress(request, { level: constants.Z_BEST_SPEED }) : request
        return async (abort) => {
          const answer = await poster.post(signals[signal].path, body, abort)
          // What is broken off at the end says nothing of the receiver.
          return abort.aborted
            ? { kind: 'refused' }
            : outcomeOf(answer, { signal, encoding, health, lost, now: hooks.now })
        }
      },
    })
  const lanes = { spans: lane('spans'), metrics: lane('metrics'), logs: lane('logs') }

  return {
    spans(transactions) {
      if (!plan.traces) return
      for (const transaction of transactions) {
        if (transaction.context === null) continue
        // How many it would have been is known only once they are made; its own at least.
        if (lanes.spans.full) owners.spans.dropped++
        else {
          const pieces = spansOf(transaction).map((span) => encoding.record('spans', span))
          lanes.spans.add({ bytes: encoding.join(pieces), records: pieces.length, owner: owners.spans })
        }
      }
    },
    metrics(at, families) {
      if (plan.metrics === null) return
      const pieces = metrics.convert(at, families).map((metric) => encoding.record('metrics', metric))
      if (pieces.length === 0) return
      lanes.metrics.add({ bytes: encoding.join(pieces), records: 1, owner: owners.metrics })
    },
    outlet() {
      return logOutlet(lanes.logs, encoding, ownerWithin(owners.logs), hooks.now)
    },
    get dropped() {
      return {
        spans: owners.spans.dropped,
        metricExports: owners.metrics.dropped,
        logRecords: owners.logs.dropped,
      }
    },
    async close(timeoutMs) {
      await Promise.all(Object.values(lanes).map((each) => each.close(timeoutMs)))
      poster.close()
    },
  }
}

const compress = promisify<Buffer, { readonly level: number }, Buffer>(gzip)

function originOf(resource: OtlpResource): Origin {
  const { organization, environment, region, hostName, version, instance } = resource
  return {
    resource: {
      attributes: attributes({
        'service.name': 'postern',
        'service.version': version,
        'service.instance.id': instance,
        'host.name': hostName,
        'deployment.environment.name': environment,
        'postern.organization': organization,
        'postern.environment': environment,
        'postern.region': region,
      }),
    },
    scope: { name: 'postern', version },
  }
}

/** What it loses, the other has lost, too. */
function ownerWithin(all: Owner): Owner {
  let own = 0
  return {
    get dropped() {
      return own
    },
    set dropped(dropped) {
      all.dropped += dropped - own
      own = dropped
    },
  }
}

/** Records of one write go into pieces of about this size: few enough to count, small enough to batch. */
const pieceBytes = 64 * 1024

function logOutlet(lane: Lane, encoding: Encoding, owner: Owner, now: () => number): Outlet {
  let closed = false
  return {
    write(lines, records) {
      if (closed || lane.full) {
        owner.dropped += records
        return
      }
      const at = now()
      let pieces: Buffer[] = []
      let bytes = 0
      const add = () => {
        if (pieces.length > 0) lane.add({ bytes: encoding.join(pieces), records: pieces.length, owner })
        pieces = []
        bytes = 0
      }
      for (const line of linesOf(lines)) {
        const piece = encoding.record('logs', logRecordOf(line, at))
        pieces.push(piece)
        bytes += piece.length
        if (bytes >= pieceBytes) add()
      }
      add()
    },
    get dropped() {
      return owner.dropped
    },
    async close(timeoutMs) {
      closed = true
      await lane.flush(timeoutMs)
      lane.forget(owner)
    },
  }
}

function linesOf(lines: Uint8Array): readonly string[] {
  const text = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength).toString()
  return text.split('\n').filter((line) => line !== '')
}

/** OTLP specification, "Retryable Response Codes": these and no others. */
const retryable: ReadonlySet<number> = new Set([429, 502, 503, 504])

interface Sent {
  readonly signal: Signal
  readonly encoding: Encoding
  readonly health: Health
  readonly lost: (signal: Signal) => number
  readonly now: () => number
}

function outcomeOf(answer: Answer, { signal, encoding, health, lost, now }: Sent): Outcome {
  if (answer.kind === 'failed') {
    health.failing(receiver, answer.reason)
    return { kind: 'later', afterMs: 0 }
  }
  health.works(receiver, lost('spans') + lost('metrics') + lost('logs'))
  const { status, retryAfter, body, isJson } = answer
  // Many that take protobuf answer in JSON, as gateways before them do.
  const read = isJson ? jsonEncoding : encoding
  if (status < 200 || status > 299) {
    const said = textOf(() => read.failure(body))
    health.failing(signal, `it answers ${status}${said === '' ? '' : `: ${said}`}`)
    return retryable.has(status) ? { kind: 'later', afterMs: delayOf(retryAfter, now()) } : { kind: 'refused' }
  }
  health.works(signal, lost(signal))
  return { kind: 'taken', rejected: rejectedOf(body, signal, read, health) }
}

function rejectedOf(body: Buffer, signal: Signal, encoding: Encoding, health: Health): number {
  try {
    const partial = encoding.partialSuccess(signal, body)
    if (partial === null) return 0
    const said = textOf(() => partial.message)
    health.partly(signal, `${partial.rejected} of one request were refused${said === '' ? '' : `: ${said}`}`)
    return partial.rejected
  } catch {
    // It has been taken; what else the receiver wanted to say cannot be read, such as a word that is no message.
    return 0
  }
}

/** What a receiver says, made safe for a line of a log. */
function textOf(read: () => string): string {
  try {
    return plainText(read()).slice(0, 300)
  } catch {
    // Many answer a failure with a page, and not with a Status.
    return ''
  }
}

/** RFC 9110 section 10.2.3: seconds, or a date; anything else is none. */
function delayOf(retryAfter: string, now: number): number {
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1000
  const date = retryAfter === '' ? Number.NaN : Date.parse(retryAfter)
  return Number.isNaN(date) ? 0 : Math.max(0, date - now)
}
