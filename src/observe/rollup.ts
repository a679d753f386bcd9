import type { Party } from '../core/errors.ts'
import type { FaultKind } from '../faults/fault.ts'
import type { VerdictCode } from '../verdict/codes.ts'

/** Requests that are alike in everything that monitoring asks about: one cell. */
export interface RollupKey {
  /** `ProxyPlan.key`; '' where no proxy matched. */
  readonly proxyKey: string
  /** Of the proxy; where none matched, the gateway's own. */
  readonly organization: string
  readonly environment: string
  /** '' where no proxy matched. */
  readonly proxy: string
  readonly revision: string
  readonly basePath: string
  readonly listener: string
  /** One of those registered (RFC 9110 section 9, RFC 5789); any other is `_OTHER`, as OpenTelemetry has it. '' where none could be read. */
  readonly method: string
  /** Name in the plan; '' where none was tried. */
  readonly target: string
  /** Sent to the client; 0 where none was. */
  readonly status: number
  /** Of the backend; 0 where none came. */
  readonly targetStatus: number
  /** '' where the request went well. */
  readonly fault: FaultKind | ''
  readonly verdict: VerdictCode | ''
  readonly party: Party | ''
  /** Edge's code of the fault, `messaging.adaptors.http.flow.SslHandshakeFailed`; ''. */
  readonly faultCode: string
  /** `target`, `proxy`, `apigee`, ... as Edge says it; ''. */
  readonly faultSource: string
}

export interface RollupCounts {
  readonly requests: number
  /** Sums; ms and bytes. */
  readonly totalMs: number
  readonly maxMs: number
  /** Requests whose backend began to answer, and the time they took there. */
  readonly targetRequests: number
  readonly targetMs: number
  readonly targetMaxMs: number
  readonly requestBytes: number
  readonly responseBytes: number
  /** By `latencyBucket`. */
  readonly total: Uint32Array
  readonly target: Uint32Array
}

/** One request as monitoring shows it. Of requests with a fault or a status from 400 on, the newest of their cell; of others one. */
export interface RequestSample {
  readonly id: string
  /** Start, ms since the epoch. */
  readonly at: number
  readonly worker: number
  /** `GET /path?query HTTP/1.1` without what is longer than 2,048 characters. */
  readonly request: string
  readonly host: string
  readonly client: string
  readonly totalMs: number
  /** -1: the backend sent no first byte. */
  readonly targetMs: number
  readonly requestBytes: number
  readonly responseBytes: number
  /** `IP:port` of the backend's connection; ''. */
  readonly backend: string
  readonly snapshot: string
  /** The fault's sentence for operators; ''. */
  readonly summary: string
  /** Hex, 32 digits; '' where the request is in no distributed trace. */
  readonly traceId: string
}

export interface RollupRow {
  readonly key: RollupKey
  readonly counts: RollupCounts
  /** Newest last. */
  readonly samples: readonly RequestSample[]
}

/** What one worker has counted since its last message; about one a second, and none while nothing happens. */
export interface RollupMessage {
  readonly worker: number
  /** When its counting began, ms since the epoch; all of it belongs to the minute that this is in. */
  readonly from: number
  readonly rows: readonly RollupRow[]
  /** Requests that were counted under fewer words than their own because there were too many rows (I10). */
  readonly crowded: number
  /** Connections open to backends, by target and snapshot; gauges. */
  readonly connections: readonly { readonly target: string; readonly snapshot: string; readonly open: number }[]
  /** Event-loop delay of the worker since its last message; ms. */
  readonly lag: { readonly p50: number; readonly p99: number; readonly max: number }
}
