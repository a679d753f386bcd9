/** What one judgement costs (I10). Building the runtime's path has no branches; what could cost more is bounded here. */
export interface Steps {
  candidates: number
  signatures: number
  /** Names compared with name constraints. */
  comparisons: number
  /** Something was left undone because a limit was reached. */
  exhausted: boolean
}

export const newSteps = (): Steps => ({ candidates: 0, signatures: 0, comparisons: 0, exhausted: false })

/** OpenSSL's own limit is one of these for each pair of certificates; 100 KiB of them make a long path of pairs. */
const maxComparisons = 1 << 22

/** What evidence may cost; the path itself has no more signatures than certificates. */
const maxSignatures = 256

/** False where the comparisons are more than may be made. */
export function affordComparisons(steps: Steps, count: number): boolean {
  steps.comparisons += count
  if (steps.comparisons > maxComparisons) steps.exhausted = true
  return !steps.exhausted
}

/** Counts one more signature that is only evidence; false where there were too many. */
export function affordSignature(steps: Steps): boolean {
  if (steps.signatures >= maxSignatures) return false
  steps.signatures += 1
  return true
}
