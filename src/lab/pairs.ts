import type { VerdictCode } from '../verdict/codes.ts'
import { serverNameOf } from './expectation.ts'
import { pairFaults, type PairFault, type PairFaultName } from './pair-faults.ts'

/** One of the two faults planted in a backend, and the certificate that has it. */
export interface PlantedFault {
  readonly fault: PairFaultName
  readonly code: VerdictCode
  /** Common name of the guilty certificate, or of the missing one. */
  readonly guilty: string
}

/** A backend with two faults. A diagnosis reports both; one of them is the verdict, and hides the other. */
export interface Pair {
  readonly name: string
  readonly serverName: string
  readonly subjects: PairSubjects
  readonly planted: readonly [PlantedFault, PlantedFault]
  /** By what has to be mended first, see `orderOfVerdicts`. */
  readonly verdict: VerdictCode
}

/** Common names in one pair; each has its own, so that no other backend's chain is evidence about it. */
export interface PairSubjects {
  readonly leaf: string
  readonly issuing: string
  /** Between root and issuing CA, where there is one. */
  readonly policy: string
  readonly elsewhereRoot: string
}

/**
 * Which of two faults is the verdict, first to last: a path that cannot be built, one that is worthless whatever else is
 * done, what a reissue mends, what needs a sound path to mean anything, identity.
 */
export const orderOfVerdicts: readonly VerdictCode[] = [
  'self-signed-leaf',
  'missing-root',
  'missing-intermediate',
  'bad-signature',
  'unknown-critical-extension',
  'issuer-not-ca',
  'issuer-key-usage',
  'path-length-exceeded',
  'expired',
  'not-yet-valid',
  'wrong-purpose',
  'weak-key',
  'weak-signature',
  'name-constraint-violation',
  'no-subject-alternative-name',
  'name-mismatch',
]

/** Every two faults that one backend can have so that both show. */
export const pairs: readonly Pair[] = combinations(Object.keys(pairFaults) as PairFaultName[])
  .filter(([one, other]) => combine(pairFaults[one], pairFaults[other]))
  .map(([one, other], index) => pairOf(one, other, index + 1))

function pairOf(one: PairFaultName, other: PairFaultName, number: number): Pair {
  const name = `${one}.${other}`
  const serverName = serverNameOf(name)
  const subjects: PairSubjects = {
    leaf: serverName,
    issuing: `Pair ${number} Issuing CA`,
    policy: `Pair ${number} Policy CA`,
    elsewhereRoot: `Pair ${number} Root CA`,
  }
  const plant = (fault: PairFaultName): PlantedFault => {
    const { code, guilty } = pairFaults[fault]
    return { fault, code, guilty: subjects[guilty] }
  }
  const planted = [plant(one), plant(other)] as const
  const rank = (code: VerdictCode) => orderOfVerdicts.indexOf(code)
  const verdict = rank(planted[0].code) <= rank(planted[1].code) ? planted[0].code : planted[1].code
  return { name, serverName, subjects, planted, verdict }
}

function combine(one: PairFault, other: PairFault): boolean {
  const clash = (a: PairFault, b: PairFault) => a.takes.some((part) => b.takes.includes(part) || b.needs.includes(part))
  return !clash(one, other) && !clash(other, one)
}

function combinations<T>(items: readonly T[]): [T, T][] {
  return items.flatMap((one, at) => items.slice(at + 1).map((other): [T, T] => [one, other]))
}
