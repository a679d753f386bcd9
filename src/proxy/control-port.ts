import type { Party } from '../core/errors.ts'
import type { Fault, FaultKind } from '../faults/fault.ts'
import type { VerdictCode } from '../verdict/codes.ts'

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
