import type { Complain } from './defects.ts'
import { childrenOf, contextTag, type DerElement, DerError, DerReader, tags } from './der.ts'
import { readBitString } from './der-values.ts'
import { directoryNames, type GeneralName, readGeneralNames } from './general-name.ts'
import { type Name, type NameAttribute, readAttributes } from './name.ts'

/** RFC 5280 section 4.2.1.13, ReasonFlags. */
const reasonNames = [
  'unused',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
] as const

export type ReasonFlag = (typeof reasonNames)[number]

export interface DistributionPointName {
  readonly fullName: readonly GeneralName[] | null
  /** To be added to the issuer's name: `nameWithin`. */
  readonly relativeName: readonly NameAttribute[] | null
}

export interface DistributionPoint extends DistributionPointName {
  /** null: all reasons. */
  readonly reasons: ReadonlySet<ReasonFlag> | null
  /** null: the certificate's issuer. Empty where the field names nobody who could sign. */
  readonly crlIssuer: readonly Name[] | null
}

/** CRL distribution points or, in the same form, the freshest CRL (RFC 5280 sections 4.2.1.13 and 4.2.1.15). */
export function readDistributionPoints(value: DerElement, complain: Complain): readonly DistributionPoint[] {
  const points = childrenOf(value, 'distribution points', tags.sequence)
  if (points.length === 0) complain(value.start, 'distribution points: names none', 'profile')
  return points.map((point) => {
    const reader = new DerReader(point, 'distribution point', tags.sequence)
    const name = reader.optional('point name', contextTag(0, true))
    const reasons = reader.optional('reasons', contextTag(1, false))
    const crlIssuer = reader.optional('CRL issuer', contextTag(2, true))
    reader.finish('distribution point')
    if (name === null && crlIssuer === null) {
      complain(point.start, 'distribution point: neither a name nor a CRL issuer', 'profile')
    }
    return {
      ...(name === null ? noName : readPointName(name, complain)),
      reasons: reasons === null ? null : readReasons(reasons),
      crlIssuer: crlIssuer === null ? null : directoryNames(readGeneralNames(crlIssuer, 'CRL issuer', complain)),
    }
  })
}

export const noName: DistributionPointName = { fullName: null, relativeName: null }

/** DistributionPointName inside of its explicit tag. */
export function readPointName(wrapper: DerElement, complain: Complain): DistributionPointName {
  const reader = new DerReader(wrapper, 'point name')
  const choice = reader.next('point name')
  reader.finish('point name')
  if (choice.tag === contextTag(0, true)) {
    return { fullName: readGeneralNames(choice, 'full name', complain), relativeName: null }
  }
  if (choice.tag !== contextTag(1, true)) throw new DerError(choice.start, 'point name: neither full nor relative')
  return { fullName: null, relativeName: readAttributes(choice, 'relative name') }
}

export function readReasons(element: DerElement): ReadonlySet<ReasonFlag> {
  return new Set(namedBits(readBitString(element, 'reasons', contextTag(element.tag & 0x1f, false)), reasonNames))
}

/** Names of the bits that are set. */
export function namedBits<T extends string>(
  { bytes, unused }: { bytes: Buffer; unused: number },
  names: readonly T[],
): T[] {
  const bits = bytes.length * 8 - unused
  return names.filter((_, index) => index < bits && (((bytes[index >> 3] as number) >> (7 - (index & 7))) & 1) === 1)
}
