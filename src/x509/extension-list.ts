import { type Complain, complainer, type Defect } from './defects.ts'
import { type DerElement, DerError, DerReader, readElement, tags } from './der.ts'
import { readBoolean, readOid } from './der-values.ts'

export interface Extension {
  readonly oid: string
  readonly critical: boolean
  /** Content of the OCTET STRING. */
  readonly value: Buffer
  /** Offset of the extension in the whole structure. */
  readonly offset: number
}

interface HasExtensions {
  readonly extensions: readonly Extension[]
}

/** The first extension of that OID, read or unreadable; null where there is none. */
export function extensionOf(holder: HasExtensions, oid: string): Extension | null {
  return holder.extensions.find((extension) => extension.oid === oid) ?? null
}

/** The explicitly tagged field of certificates, revocation lists and OCSP responses that holds them; null: it is not there. */
export function readExtensions(wrapper: DerElement | null, defects: Defect[]): Extension[] {
  if (wrapper === null) return []
  const outer = new DerReader(wrapper, 'extensions')
  const list = outer.next('extensions')
  outer.finish('extensions')
  return readExtensionList(list, defects)
}

/** `Extensions ::= SEQUENCE OF Extension`, RFC 5280 section 4.1. `list` is the SEQUENCE. */
export function readExtensionList(list: DerElement, defects: Defect[]): Extension[] {
  const reader = new DerReader(list, 'extensions', tags.sequence)
  const extensions: Extension[] = []
  if (reader.done) complainer(defects, 'extensions')(list.start, 'an empty list of extensions', 'profile')
  const seen = new Set<string>()
  while (!reader.done) {
    const element = reader.next('extension')
    const extension = readExtension(element, defects)
    // RFC 5280 section 4.2: which of two would count is anybody's guess.
    if (seen.has(extension.oid)) {
      complainer(defects, extension.oid)(element.start, 'the extension appears twice')
    }
    seen.add(extension.oid)
    extensions.push(extension)
  }
  return extensions
}

function readExtension(element: DerElement, defects: Defect[]): Extension {
  const reader = new DerReader(element, 'extension', tags.sequence)
  const oid = readOid(reader.next('extension type'), 'extension type')
  const critical = reader.optional('critical', tags.boolean)
  const value = reader.next('extension value', tags.octetString)
  reader.finish('extension')
  return {
    oid,
    critical: critical !== null && readBoolean(critical, 'critical', complainer(defects, oid)),
    value: value.bytes.subarray(value.body, value.end),
    offset: element.start,
  }
}

type ReadExtension = <T>(oid: string, parse: (value: DerElement, complain: Complain) => T) => T | null

/**
 * Reads values of extensions by OID, each as a whole; what cannot be read gives null and a defect.
 *
 * @param whole the buffer that the extensions are views of, so that offsets are its own
 */
export function extensionReader(extensions: readonly Extension[], whole: Buffer, defects: Defect[]): ReadExtension {
  return (oid, parse) => {
    const extension = extensions.find((candidate) => candidate.oid === oid)
    if (extension === undefined) return null
    const start = extension.value.byteOffset - whole.byteOffset
    const end = start + extension.value.length
    const complain = complainer(defects, oid)
    try {
      const value = readElement(whole, start, end)
      if (value.end !== end) throw new DerError(value.end, 'bytes after the end of the extension value')
      return parse(value, complain)
    } catch (error) {
      if (!(error instanceof DerError)) throw error
      complain(error.offset, error.reason)
      return null
    }
  }
}
