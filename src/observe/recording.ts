import type { Party } from '../core/errors.ts'
import type { ConnectionStory } from '../dial/story.ts'
import type { FaultKind, FaultProfile } from '../faults/fault.ts'
import type { VerdictCode } from '../verdict/codes.ts'
import type { BackendRecord } from './events.ts'

/*
 * One request as the data plane has seen it, step by step: plain data that a worker posts when the request has ended. Debug
 * sessions keep it, spans are made of it. It is not masked: it goes no further than the main thread before it is.
 */

export interface RecordedTransaction {
  /** The one id: response header, log lines, events, fault body. */
  readonly id: string
  /** Ids of the debug sessions that take it; empty: it is recorded for its spans alone, without messages. */
  readonly sessions: readonly string[]
  /** null: no distributed trace has it. */
  readonly context: TraceContext | null
  readonly worker: number
  /** Ms since the epoch, with fractions; steps are counted from here. */
  readonly startedAt: number
  readonly totalMs: number
  readonly listener: string
  /** What the client came with; `tls` '' for plain HTTP. */
  readonly client: {
    readonly address: string
    readonly port: number
    readonly protocol: string
    readonly tls: string
  }
  readonly method: string
  readonly uri: string
  readonly host: string
  readonly proxy: RecordedProxy | null
  /** Sent to the client; 0: none. */
  readonly status: number
  readonly requestBytes: number
  readonly responseBytes: number
  readonly backend: BackendRecord | null
  readonly fault: RecordedFault | null
  readonly steps: readonly RecordedStep[]
  /** Steps or bytes that were left out because there were too many (I10). */
  readonly dropped: { readonly steps: number; readonly bytes: number }
}

export interface RecordedProxy {
  readonly key: string
  readonly organization: string
  readonly environment: string
  readonly name: string
  readonly revision: string
  readonly basePath: string
  readonly faults: FaultProfile
}

export interface RecordedFault {
  readonly kind: FaultKind
  readonly verdict: VerdictCode | null
  readonly party: Party
  readonly summary: string
  /** Plain data; no key material (I7). */
  readonly evidence: Readonly<Record<string, unknown>>
}

/**
 * Transactions of which spans are made, as a JSON array: one copy of a text where a graph of objects would be cloned piece by
 * piece, twice on the way to the observer.
 */
export interface SpanBatch {
  readonly text: string
  readonly transactions: number
}

/** What a worker tells of requests that have ended. */
export interface RecordedBatch {
  /** For debug sessions. */
  readonly transactions: readonly RecordedTransaction[]
  /** Those that are for spans alone; null: none. */
  readonly spans: SpanBatch | null
  /** More of either, since the batch before, that there was no room for. */
  readonly lost: number
}

/** W3C Trace Context. All hex, lower case. */
export interface TraceContext {
  readonly traceId: string
  /** Of the span that stands for this request here. */
  readonly spanId: string
  /** Of the caller; '' for a trace that begins here. */
  readonly parentId: string
  readonly state: string
  readonly sampled: boolean
  /** The one that the backend was given as its parent; '' where none was. */
  readonly upstreamSpanId: string
}

export interface RecordedMessage {
  /** First line's parts; of a response `verb` and `uri` are ''. */
  readonly verb: string
  readonly uri: string
  readonly status: number
  readonly reason: string
  /** In their order and spelling. HTTP/2 pseudo-fields are left out. */
  readonly headers: readonly (readonly [name: string, value: string])[]
}

export interface RecordedBody {
  /** First bytes, latin1; decoded text is made of it by whoever shows it. */
  readonly text: string
  /** In all. */
  readonly bytes: number
}

/** `at`: ms from the start of the request. In the order they happened. */
export type RecordedStep = { readonly at: number } & (
  | { readonly type: 'request-received'; readonly message: RecordedMessage }
  /** The whole body has come, or what there is of it when the request ended. */
  | { readonly type: 'request-body'; readonly body: RecordedBody }
  | { readonly type: 'routed'; readonly listener: string; readonly basePath: string; readonly pathSuffix: string }
  | {
      readonly type: 'condition'
      /** Route rule, or flow. */
      readonly name: string
      /** Normalised, as Edge shows it. */
      readonly expression: string
      readonly result: boolean
      readonly reads: readonly VariableRead[]
    }
  | { readonly type: 'route-chosen'; readonly rule: string; readonly target: string; readonly none: boolean }
  | { readonly type: 'variable'; readonly name: string; readonly value: string }
  | { readonly type: 'server-chosen'; readonly target: string; readonly server: string; readonly attempt: number }
  /** The request waits for a connection. */
  | { readonly type: 'waiting'; readonly target: string; readonly server: string }
  | {
      readonly type: 'connected'
      /** The connection was open before this request came. */
      readonly reused: boolean
      /** Requests it has served, this one included. */
      readonly uses: number
      readonly story: ConnectionStory
    }
  | { readonly type: 'connect-failed'; readonly story: ConnectionStory | null; readonly fault: RecordedFault }
  | { readonly type: 'request-sent'; readonly message: RecordedMessage | null }
  | { readonly type: 'informational'; readonly status: number }
  | { readonly type: 'response-received'; readonly message: RecordedMessage | null; readonly protocol: string }
  | { readonly type: 'response-body'; readonly body: RecordedBody }
  | { readonly type: 'try-failed'; readonly fault: RecordedFault }
  | { readonly type: 'tunnel' }
  | { readonly type: 'fault'; readonly fault: RecordedFault }
  /** The head that the client got; `code` and `source` of a fault as its profile renders it, else ''. */
  | {
      readonly type: 'response-sent'
      readonly message: RecordedMessage | null
      readonly code: string
      readonly source: string
    }
  | { readonly type: 'ended' }
)

export interface VariableRead {
  readonly name: string
  /** null: there is no such variable. */
  readonly value: string | null
}

/** What a debug session wants of the data plane; sent to every worker when it begins, and again, without it, when it ends. */
export interface RecordingOrder {
  readonly session: string
  readonly organization: string
  readonly environment: string
  /** Name of the API proxy; all of its proxy endpoints are meant. */
  readonly proxy: string
  /** null: any. */
  readonly revision: string | null
  /** All must hold; names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly query: readonly (readonly [name: string, value: string])[]
  /** Inclusive ranges of the status sent; empty: any. Known at the end, so such a session records more than it keeps. */
  readonly statuses: readonly (readonly [number, number])[]
  readonly failuresOnly: boolean
  /** Of each body that are kept. */
  readonly bodyBytes: number
  /** Of everything that one transaction holds. */
  readonly transactionBytes: number
  /** Ms since the epoch. */
  readonly until: number
  /** Two Int32: transactions taken so far (by `Atomics`, exact over all workers), and how many may be. */
  readonly slots: SharedArrayBuffer
}
