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

export function complainer(defects: Defect[], field: string): Complain {
  let told = 0
  return (offset, reason, kind = 'encoding') => {
    const bit = kind === 'encoding' ? 1 : 2
    if (defects.length >= maxDefects) {
      if ((told & bit) !== 0 || defects.length >= maxFirsts) return
      if (defects.some((it) => it.field === field && it.kind === kind)) return
    }
    told |= bit
    defects.push({ field, offset, reason, kind })
  }
}

// I10. A list of a million bad entries has shown what it is long before.
const maxDefects = 32
/**
 * That a field is unreadable is known however many blemishes stand before it: the first of each field and kind is kept. There
 * are fewer fields than this whose defects are forgiven.
 */
const maxFirsts = 96

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
