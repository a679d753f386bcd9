import { bytesPerUnit } from '../work.ts'
import type { RuntimeCertificate } from './runtime-certificate.ts'

/** What one judgement costs (I10). Building the runtime's path has no branches; what could cost more is bounded here. */
export interface Steps {
  candidates: number
  signatures: number
  /** Cost of the signatures of the path, in units of `work.ts`. */
  pathCost: number
  /** Cost of the signatures that are only evidence. */
  evidenceCost: number
  /** Signatures that would have been evidence and were not verified. */
  untried: number
  /** Names compared with name constraints, and resources with resources. */
  comparisons: number
  /** What of the verification was left undone because a limit was reached. */
  exhausted: 'comparisons' | 'signatures' | null
}

export const newSteps = (): Steps => ({
  candidates: 0,
  signatures: 0,
  pathCost: 0,
  evidenceCost: 0,
  untried: 0,
  comparisons: 0,
  exhausted: null,
})

/** OpenSSL's own limit is one of these for each pair of certificates; 100 KiB of them make a long path of pairs. */
const maxComparisons = 1 << 22

/** 40 ms. Five signatures of the dearest keys that OpenSSL takes, and as many of the usual keys as a path can have. */
const maxPathCost = 400

/** What is missing is named by few certificates. Whoever serves a crowd of them is not worth more. */
const maxEvidenceCost = 64

/** False where the comparisons are more than may be made. */
export function affordComparisons(steps: Steps, count: number): boolean {
  steps.comparisons += count
  if (steps.comparisons <= maxComparisons) return true
  steps.exhausted ??= 'comparisons'
  return false
}

/** Counts a signature that OpenSSL verifies too; false where the path has too many that are dear. */
export function affordLink(steps: Steps, { verifyCost }: RuntimeCertificate): boolean {
  steps.pathCost += verifyCost
  if (steps.pathCost > maxPathCost) {
    steps.exhausted ??= 'signatures'
    return false
  }
  steps.signatures += 1
  return true
}

/** The same for the signature of a list, which has to be hashed too. */
export function affordList(steps: Steps, issuer: RuntimeCertificate, bytes: number): boolean {
  steps.pathCost += Math.floor(bytes / bytesPerUnit)
  return affordLink(steps, issuer)
}

/** Counts one more signature that is only evidence; false where there were too many. The first one may cost what it will. */
export function affordEvidence(steps: Steps, { verifyCost }: RuntimeCertificate): boolean {
  if (steps.evidenceCost > 0 && steps.evidenceCost + verifyCost > maxEvidenceCost) {
    steps.untried += 1
    return false
  }
  steps.evidenceCost += verifyCost
  steps.signatures += 1
  return true
}
