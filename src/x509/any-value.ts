import { type DerElement, DerError, tags } from './der.ts'
import { readBitString, readInteger, readOid } from './der-values.ts'

const [universalClass, constructed, enumerated] = [0xc0, 0x20, 0x0a]

/**
 * Throws where a value of any type is not one of its own type. OpenSSL looks at values that it does not understand as far as
 * this, and where it finds one broken it reads nothing of the structure around it.
 */
export function checkAnyValue(element: DerElement, what: string): void {
  const { tag } = element
  const length = element.end - element.body
  const refuse = (): never => {
    throw new DerError(element.start, `${what}: a value that is not of its type`)
  }
  if ((tag & universalClass) !== 0 || tag === tags.sequence || tag === tags.set) return
  // Strings in pieces are BER; the end of an indefinite length, and a primitive SEQUENCE, are nothing.
  const number = tag & 0x1f
  if ((tag & constructed) !== 0 || number === 0 || number === 0x10 || number === 0x11) refuse()
  switch (tag) {
    case tags.boolean:
      return length === 1 ? undefined : refuse()
    case tags.null:
      return length === 0 ? undefined : refuse()
    case tags.integer:
    case enumerated:
      readInteger(element, what, tag)
      return
    case tags.oid:
      readOid(element, what)
      return
    case tags.bitString:
      readBitString(element, what)
      return
    case tags.bmpString:
      return length % 2 === 0 ? undefined : refuse()
    case tags.universalString:
      return length % 4 === 0 ? undefined : refuse()
    case tags.utcTime:
      return length >= shortestUtc ? undefined : refuse()
    case tags.generalizedTime:
      return length >= shortestGeneralized ? undefined : refuse()
    default:
  }
}

const shortestUtc = '240101000000Z'.length
const shortestGeneralized = '20240101000000Z'.length
