import type { TraceContext } from '../observe/recording.ts'
import { headerValues } from './header-values.ts'
import type { TracingPlan } from './plan.ts'
import { parseTraceParent, parseTraceState, sampledFlag, type TraceParent, traceParentText } from './trace-context.ts'
import type { TraceIds } from './trace-ids.ts'
import { withoutLine } from './websocket.ts'

/** What a head says of the traces that its request is in. */
export interface TracedHead {
  /** A line of the head is a traceparent or tracestate. */
  readonly traceFields: boolean
  readonly lines: string
}

/** Distributed tracing as a generation has it. */
export class Tracing {
  /** Requests that fail have spans whatever was decided. */
  readonly failures: boolean
  /** Sampled requests are told. */
  readonly spans: boolean
  readonly #sample: number
  readonly #ids: TraceIds

  constructor(plan: TracingPlan, ids: TraceIds) {
    this.failures = plan.failures && plan.spans
    this.spans = plan.spans
    this.#sample = plan.sample
    this.#ids = ids
  }

  /** @returns null where the request is in no trace, and brought nothing that must not cross */
  begin(head: TracedHead): RequestTrace | null {
    if (!this.spans) return head.traceFields ? this.#followed(head) : null
    if (!head.traceFields) return this.#decides() ? this.#fresh() : null
    const parent = parentOf(head.lines)
    if (parent === null) return this.#decides() ? this.#fresh() : new RequestTrace(null, '')
    if ((parent.flags & sampledFlag) === 0) return new RequestTrace(this.#child(parent, '', ''), null)
    const upstreamSpanId = this.#ids.spanId()
    const state = stateOf(head.lines)
    const context = this.#child(parent, state, upstreamSpanId)
    return new RequestTrace(context, fieldLines({ ...parent, parentId: upstreamSpanId }, state))
  }

  /** Nobody is told of spans: a parent of our own would be one that no receiver ever has. For log lines alone. */
  #followed({ lines }: TracedHead): RequestTrace | null {
    const parent = parentOf(lines)
    return parent === null ? null : new RequestTrace(this.#child(parent, '', ''), null)
  }

  /** The context of a request that failed and was not to be traced. Its backend was not told of it. */
  failed(trace: RequestTrace | null, lines: string): TraceContext {
    const context = trace?.context ?? null
    if (context !== null) return { ...context, state: stateOf(lines) }
    return { ...this.#root(), sampled: false }
  }

  #decides(): boolean {
    return this.#sample > 0 && Math.random() < this.#sample
  }

  #fresh(): RequestTrace {
    const context = { ...this.#root(), upstreamSpanId: this.#ids.spanId() }
    const { traceId, upstreamSpanId } = context
    return new RequestTrace(context, fieldLines({ traceId, parentId: upstreamSpanId, flags: sampledFlag }, ''))
  }

  #root(): TraceContext {
    const traceId = this.#ids.traceId()
    return { traceId, spanId: this.#ids.spanId(), parentId: '', state: '', sampled: true, upstreamSpanId: '' }
  }

  #child({ traceId, parentId, flags }: TraceParent, state: string, upstreamSpanId: string): TraceContext {
    const sampled = (flags & sampledFlag) !== 0
    return { traceId, spanId: this.#ids.spanId(), parentId, state, sampled, upstreamSpanId }
  }
}

/** The trace that one request is in. */
export class RequestTrace {
  /** null: it is in none; what it brought was not valid. */
  readonly context: TraceContext | null
  /** Lines in the place of those that came; null: those cross. */
  readonly #own: string | null

  constructor(context: TraceContext | null, own: string | null) {
    this.context = context
    this.#own = own
  }

  /** Header lines as the backend gets them. */
  linesFor(lines: string, traceFields: boolean): string {
    if (this.#own === null) return lines
    return (traceFields ? withoutLine(withoutLine(lines, traceparent), tracestate) : lines) + this.#own
  }
}

const traceparent = 'traceparent'
const tracestate = 'tracestate'

/** More than one traceparent is none (Level 2, section 3.3.1). */
function parentOf(lines: string): TraceParent | null {
  const [value, ...others] = headerValues(lines, traceparent)
  return value === undefined || others.length > 0 ? null : parseTraceParent(value)
}

function stateOf(lines: string): string {
  return parseTraceState(headerValues(lines, tracestate))
}

function fieldLines(parent: TraceParent, state: string): string {
  return `${traceparent}: ${traceParentText(parent)}\r\n${state === '' ? '' : `${tracestate}: ${state}\r\n`}`
}
