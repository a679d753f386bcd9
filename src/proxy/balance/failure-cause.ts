import type { Party } from '../../core/errors.ts'
import type { Fault, FaultKind } from '../../faults/fault.ts'
import type { VerdictCode } from '../../verdict/codes.ts'

/**
 * Why a try counted as failed: the part of its fault that is kept, so that an ejection or an open breaker can say whom it
 * is about when the fault itself is long gone.
 */
export interface FailureCause {
  /** `status`: a whole response came, and its status is a failure to who counted it. */
  readonly kind: FaultKind | 'status'
  readonly verdict: VerdictCode | null
  readonly party: Party
  /** One sentence for operators, at most `maxSummary` characters. */
  readonly summary: string
}

/** One is kept for each server and breaker, and backends have a say in the text. (I10) */
const maxSummary = 512

/** Without the evidence, which would be kept alive with it. */
export function faultCause({ kind, verdict, party, summary }: Fault): FailureCause {
  return { kind, verdict, party, summary: summary.slice(0, maxSummary) }
}

export function statusCause(status: number): FailureCause {
  return { kind: 'status', verdict: null, party: 'backend', summary: `status ${status}` }
}
