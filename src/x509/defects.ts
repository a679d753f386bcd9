import { type DerElement, DerError } from './der.ts'

/** Something wrong inside a structure whose frame can be read. */
export interface Defect {
  /** OID of the extension, or the field's name. */
  readonly field: string
  /** In the whole certificate, revocation list or response. */
  readonly offset: number
  readonly reason: string
  /** `encoding`: not what ASN.1 and DER allow, so that readers may differ. `profile`: read without doubt, and RFC 5280 forbids it. */
  readonly kind: 'encoding' | 'profile'
}

/** Takes note of what is wrong at a place, and lets the reading go on. */
export type Complain = (offset: number, reason: string, kind?: Defect['kind']) => void

/** For readers whose caller wants strictness: the first complaint is thrown. */
export const refuse: Complain = (offset, reason) => {
  throw new DerError(offset, reason)
}

export const complainer =
  (defects: Defect[], field: string): Complain =>
  (offset, reason, kind = 'encoding') => {
    if (defects.length < maxDefects) defects.push({ field, offset, reason, kind })
  }

// I10. A list of a million bad entries has shown what it is long before.
const maxDefects = 32

/** What `parse` reads, or null with the reason noted. */
export function attempt<T>(element: DerElement, complain: Complain, parse: (element: DerElement) => T): T | null {
  try {
    return parse(element)
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    complain(error.offset, error.reason)
    return null
  }
}
