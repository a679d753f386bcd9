import type { Party } from '../core/errors.ts'
import type { VerdictCode } from './codes.ts'
import type { FindingCode } from './findings.ts'

/** What the documentation says about one verdict code. */
export interface CodeText {
  /** What happened and how one recognises it, for whoever is on call. Two to four sentences. */
  readonly meaning: string
  /** What others say for it, and what it is mistaken for. */
  readonly elsewhere: string
  /** Which evidence decides. */
  readonly evidence: string
  /** What each party that can do something does. */
  readonly fix: Readonly<Partial<Record<Exclude<Party, 'client'>, string>>>
  readonly see: readonly (VerdictCode | FindingCode)[]
  /** Why no backend of the lab can cause it; null: one does. */
  readonly notInLab: string | null
}

/** The same for a finding; `act`: what to do about it, if anything. */
export interface FindingText {
  readonly meaning: string
  readonly evidence: string
  readonly act: string
  readonly see: readonly (VerdictCode | FindingCode)[]
}
