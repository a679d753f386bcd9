import type { Party } from '../core/errors.ts'
import type { Fault, FaultKind } from '../faults/fault.ts'
import { type VerdictCode, verdictCodes } from '../verdict/codes.ts'

/** A failed dial whose exact cause is asked for. */
export interface DiagnosisQuestion {
  /** Counts up in a worker. */
  readonly id: number
  readonly target: string
  readonly server: string
  readonly snapshot: string
  readonly fault: Fault
}

/** What a diagnosis puts in place of the dialer's own word. */
export interface ExactCause {
  readonly kind: FaultKind
  readonly verdict: VerdictCode
  readonly party: Party
  readonly summary: string
  /** Added to the evidence of the failing connection. */
  readonly evidence: Readonly<Record<string, unknown>>
}

export interface DiagnosisAnswer {
  readonly id: number
  /** null: nothing better than what the dialer said is known. */
  readonly cause: ExactCause | null
}

/** The chain that a server showed in a verified handshake. */
export interface SeenChain {
  readonly target: string
  readonly server: string
  readonly snapshot: string
  /** DER, leaf first, as the runtime has it. */
  readonly chain: readonly Uint8Array[]
}

/** What the data plane asks and tells of its own accord: by messages, so that it imports nothing of diagnosis (I9). */
export interface ControlPort {
  diagnose(question: DiagnosisQuestion): void
  chainSeen(seen: SeenChain): void
}

/**
 * Failures with equal keys have the same cause: the same server under the same trust showed the same leaf and failed with the
 * same words, under the same issuers as far as those are known. `path` false: whatever the issuers were.
 */
export function failureKey(
  { target, server, snapshot, fault }: Omit<DiagnosisQuestion, 'id'>,
  path = pathTells(fault),
): string {
  const { phase, runtimeCode, runtimeText, alert, leaf } = fault.evidence
  const known = [target, server, snapshot, fault.kind, phase, runtimeCode, runtimeText, alert, leaf]
  return JSON.stringify(path ? [...known, fault.evidence['path']] : known)
}

/** The same leaf under other issuers may have failed for one of those; where the name was refused the leaf alone decides. */
export function pathTells({ verdict, evidence: { path } }: Fault): boolean {
  return verdict !== null && verdictCodes[verdict].stage === 'chain' && Array.isArray(path) && path.length > 1
}
