import { attempt, type Complain, complainer, type Defect } from './defects.ts'
import { type DerElement, DerError, DerReader, readElement, tags } from './der.ts'
import { readOid, readTime } from './der-values.ts'
import { extensionReader, readExtensionList } from './extension-list.ts'
import { directoryNames, readGeneralNames } from './general-name.ts'
import type { Name } from './name.ts'

/** RFC 5280 section 5.3.1, by number; 7 is not used. */
const reasons = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  null,
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
] as const

export type CrlReason = NonNullable<(typeof reasons)[number]>

export interface CrlEntry {
  readonly serialBytes: Buffer
  /** Who issued the certificate: in an indirect list not the list's own issuer. */
  readonly issuer: Name
  /** Milliseconds since the epoch; null where it cannot be read, which does not make the entry less of a revocation. */
  readonly revokedAt: number | null
  readonly reason: CrlReason | null
  readonly invalidityDate: number | null
  readonly offset: number
  readonly defects: readonly Defect[]
}

const entryOids = { reason: '2.5.29.21', invalidityDate: '2.5.29.24', certificateIssuer: '2.5.29.29' } as const

/** Last arcs of the extensions above and of the hold instruction, which means nothing any more. All start with 2.5.29. */
const knownArcs: readonly number[] = [21, 23, 24, 29]
const certificateIssuerArc = 29

/**
 * One walk over all entries, which may be a million: no object is made for any of them. Throws `DerError` where an entry's
 * frame is broken.
 *
 * @param visit gets the offset of the entry, of its serial number's first and last content octet (exclusive), and of the
 *   extension that names another issuer from here on, or -1; true ends the walk
 * @param critical gets the element of each critical extension that is not known here
 */
export function walkEntries(
  list: DerElement,
  visit: (entry: number, from: number, to: number, issuerAt: number) => boolean,
  critical?: (extension: DerElement) => void,
): void {
  const { bytes, end } = list
  const at = { body: 0, end: 0 }
  for (let entry = list.body; entry < end; entry = at.end) {
    step(bytes, entry, end, tags.sequence, 'revoked certificate', at)
    const entryEnd = at.end
    step(bytes, at.body, entryEnd, tags.integer, 'serial number', at)
    const [from, to] = [at.body, at.end]
    if (from === to) throw new DerError(from, 'serial number: an empty INTEGER')
    const timeTag = bytes[to] === tags.generalizedTime ? tags.generalizedTime : tags.utcTime
    step(bytes, to, entryEnd, timeTag, 'revocation date', at)
    let issuerAt = -1
    if (at.end < entryEnd) {
      step(bytes, at.end, entryEnd, tags.sequence, 'entry extensions', at)
      if (at.end !== entryEnd) throw new DerError(at.end, 'unexpected data at the end of a revoked certificate')
      issuerAt = walkExtensions(bytes, at, critical)
    }
    at.end = entryEnd
    if (visit(entry, from, to, issuerAt)) return
  }
}

interface Place {
  body: number
  end: number
}

function walkExtensions(bytes: Buffer, list: Place, critical?: (extension: DerElement) => void): number {
  const at = { body: 0, end: list.body }
  const { end } = list
  let issuerAt = -1
  while (at.end < end) {
    const start = at.end
    step(bytes, start, end, tags.sequence, 'entry extension', at)
    const extensionEnd = at.end
    step(bytes, at.body, extensionEnd, tags.oid, 'extension type', at)
    const short = at.end - at.body === 3 && bytes[at.body] === 0x55 && bytes[at.body + 1] === 0x1d
    const arc = short ? (bytes[at.body + 2] as number) : -1
    if (arc === certificateIssuerArc) issuerAt = start
    const isCritical = bytes[at.end] === tags.boolean && bytes[at.end + 2] !== 0
    if (isCritical && !knownArcs.includes(arc)) critical?.(readElement(bytes, start, extensionEnd))
    at.end = extensionEnd
  }
  return issuerAt
}

/** `readElement` without its object. */
function step(bytes: Buffer, start: number, limit: number, tag: number, what: string, at: Place): void {
  const length = bytes[start + 1] as number
  // Most elements here are short; every other form goes through the one reader.
  if (bytes[start] === tag && start + 2 <= limit && length < 0x80 && length <= limit - start - 2) {
    at.body = start + 2
    at.end = at.body + length
    return
  }
  const element = readElement(bytes, start, limit)
  if (element.tag !== tag) throw new DerError(start, `${what}: another tag`)
  at.body = element.body
  at.end = element.end
}

/** The entry at `offset`, in full. */
export function readEntry(list: DerElement, offset: number, issuer: Name): CrlEntry {
  const defects: Defect[] = []
  const { bytes } = list
  const reader = new DerReader(readElement(bytes, offset, list.end), 'revoked certificate', tags.sequence)
  const serial = reader.next('serial number', tags.integer)
  const date = reader.next('revocation date')
  const extensionList = reader.done ? null : reader.next('entry extensions')
  const complain = complainer(defects, 'entryExtensions')
  const extensions =
    (extensionList === null ? null : attempt(extensionList, complain, (it) => readExtensionList(it, defects))) ?? []
  const read = extensionReader(extensions, bytes, defects)
  return {
    serialBytes: bytes.subarray(serial.body, serial.end),
    issuer,
    revokedAt: attempt(date, complainer(defects, 'revocationDate'), (it) =>
      readTime(it, 'revocation date', complainer(defects, 'revocationDate')),
    ),
    reason: read(entryOids.reason, readReason),
    invalidityDate: read(entryOids.invalidityDate, (value, complain) => readTime(value, 'invalidity date', complain)),
    offset,
    defects,
  }
}

/** RFC 5280 section 5.3.3: who issued this certificate and those after it, from the extension at `offset`; null where it names nobody. */
export function readCertificateIssuer(list: DerElement, offset: number): Name | null {
  const reader = new DerReader(readElement(list.bytes, offset, list.end), 'certificate issuer', tags.sequence)
  readOid(reader.next('extension type'), 'extension type')
  reader.optional('critical', tags.boolean)
  const wrapped = reader.next('certificate issuer', tags.octetString)
  const names = readElement(list.bytes, wrapped.body, wrapped.end)
  return directoryNames(readGeneralNames(names, 'certificate issuer', () => {}, tags.sequence))[0] ?? null
}

export function readReason(value: DerElement, complain: Complain, tag: number = enumerated): CrlReason | null {
  const number = value.end - value.body === 1 ? (value.bytes[value.body] as number) : -1
  if (value.tag !== tag) throw new DerError(value.start, 'reason: not an ENUMERATED')
  const reason = reasons[number] ?? null
  if (reason === null) complain(value.start, 'a revocation reason that does not exist')
  return reason
}

const enumerated = 0x0a
