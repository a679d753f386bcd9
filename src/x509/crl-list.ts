import { attempt, type Complain, complainer, type Defect } from './defects.ts'
import { asBuffer, contextTag, type DerElement, DerError, DerReader, rawOf, readWhole, tags } from './der.ts'
import { readBoolean, readCount, readInteger, readOid, readTime } from './der-values.ts'
import { type CrlEntry, readCertificateIssuer, readEntry, walkEntries } from './crl-entries.ts'
import {
  type DistributionPoint,
  type DistributionPointName,
  noName,
  type ReasonFlag,
  readDistributionPoints,
  readPointName,
  readReasons,
} from './distribution-points.ts'
import { type Extension, extensionReader, readExtensions } from './extension-list.ts'
import { type AuthorityKeyIdentifier, readAuthorityKeyIdentifier } from './extensions.ts'
import { type Name, readName, sameName } from './name.ts'
import { crlExtensionOids, processedCrlExtensions } from './oids.ts'
import { readSignatureAlgorithm, readSignatureBits, type SignatureAlgorithm } from './signature-algorithm.ts'
import { endOfTime, startOfTime } from './validity.ts'

/** One certificate revocation list (RFC 5280 section 5). Nothing here is judged. */
export interface Crl {
  readonly der: Buffer
  readonly tbs: Buffer
  readonly signature: Buffer
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly version: number
  readonly issuer: Name
  /** Milliseconds since the epoch. Where it cannot be read, `endOfTime`: the list is not valid yet, at no time. */
  readonly thisUpdate: number
  /** null: not said. Where it cannot be read, `startOfTime`: always over. */
  readonly nextUpdate: number | null
  readonly entryCount: number
  /**
   * The first entry for a certificate of that issuer (without one: of the list's own), which in an indirect list need not be
   * the list's. Walks the list, which takes less than 100 ms for a million entries.
   */
  entryOf(serialBytes: Buffer, issuer?: Name): CrlEntry | null
  readonly extensions: readonly Extension[]
  readonly crlNumber: bigint | null
  /** Number of the full list that this one is a difference to (section 5.2.4); null: it is a full list. */
  readonly deltaBase: bigint | null
  readonly issuingDistributionPoint: IssuingDistributionPoint | null
  readonly authorityKey: AuthorityKeyIdentifier | null
  readonly freshestCrl: readonly DistributionPoint[] | null
  readonly unknownCriticalExtensions: readonly string[]
  /** Of entries: RFC 5280 section 5.3 forbids to use the list for any certificate then. */
  readonly unknownCriticalEntryExtensions: readonly string[]
  /** An extension that is null may be there and unreadable: look here before its absence means anything. */
  readonly defects: readonly Defect[]
}

/** RFC 5280 section 5.2.5. */
export interface IssuingDistributionPoint extends DistributionPointName {
  readonly onlyUserCertificates: boolean
  readonly onlyCaCertificates: boolean
  readonly onlyAttributeCertificates: boolean
  /** null: all reasons. */
  readonly onlySomeReasons: ReadonlySet<ReasonFlag> | null
  readonly indirect: boolean
}

// I10. The largest public lists have some 10 MB.
const maxBytes = 64 * 1024 * 1024

/** Reads one DER list. Throws `DerError` where the frame, or that of an entry, cannot be read. */
export function parseCrl(bytes: Uint8Array): Crl {
  if (bytes.length > maxBytes) throw new DerError(0, `${bytes.length} bytes, more than the limit of ${maxBytes}`)
  const der = Buffer.from(asBuffer(bytes))
  const defects: Defect[] = []
  const outer = new DerReader(readWhole(der), 'revocation list', tags.sequence)
  const body = outer.next('to-be-signed part', tags.sequence)
  const algorithm = outer.next('signature algorithm', tags.sequence)
  const signature = readSignatureBits(outer.next('signature'), complainer(defects, 'signature'))
  outer.finish('revocation list')

  const reader = new DerReader(body, 'to-be-signed part')
  const versionElement = reader.optional('version', tags.integer)
  const version = versionElement === null ? 1 : readCount(versionElement, 'version') + 1
  const inner = reader.next('signature algorithm', tags.sequence)
  const issuer = readName(reader.next('issuer'), 'issuer')
  const thisUpdate = readUpdate(reader.next('thisUpdate'), 'thisUpdate', defects)
  const hasNext = reader.tag === tags.utcTime || reader.tag === tags.generalizedTime
  const nextUpdate = hasNext ? (readUpdate(reader.next('nextUpdate'), 'nextUpdate', defects) ?? startOfTime) : null
  const list = reader.optional('revoked certificates', tags.sequence)
  const wrapper = reader.optional('extensions', contextTag(0, true))
  reader.finish('to-be-signed part')

  if (wrapper !== null && version !== 2) {
    complainer(defects, 'version')(wrapper.start, `extensions in version ${version}`, 'profile')
  }
  const entries =
    list === null ? { count: 0, issuers: 0, critical: [] } : survey(list, version, complainer(defects, 'entries'))
  const extensions = readExtensions(wrapper, defects)
  const facts = extensionFacts(extensions, der, defects)
  // RFC 5280 section 5.3.3. For some readers whoever stands after it is not the list's own, for others it means nothing.
  if (list !== null && entries.issuers > 0 && facts.issuingDistributionPoint?.indirect !== true) {
    complainer(defects, 'entries')(list.start, 'a certificate issuer in a list that is not indirect')
  }
  return {
    der,
    tbs: rawOf(body),
    signature,
    signatureAlgorithm: readSignatureAlgorithm(algorithm, inner, complainer(defects, 'signatureAlgorithm')),
    version,
    issuer,
    thisUpdate: thisUpdate ?? endOfTime,
    nextUpdate,
    entryCount: entries.count,
    entryOf: (serialBytes, of = issuer) => (list === null ? null : find(list, serialBytes, issuer, of)),
    extensions,
    ...facts,
    unknownCriticalExtensions: extensions
      .filter((it) => it.critical && !processedCrlExtensions.has(it.oid))
      .map(({ oid }) => oid),
    unknownCriticalEntryExtensions: entries.critical,
    defects,
  }
}

function readUpdate(element: DerElement, field: string, defects: Defect[]): number | null {
  const complain = complainer(defects, field)
  return attempt(element, complain, (it) => readTime(it, field, complain))
}

interface Survey {
  readonly count: number
  /** Entries that say whose certificates follow. */
  readonly issuers: number
  readonly critical: readonly string[]
}

/** Counts the entries, so that every frame among them is looked at once. */
function survey(list: DerElement, version: number, complain: Complain): Survey {
  const critical = new Set<string>()
  let count = 0
  let issuers = 0
  if (list.body === list.end) complain(list.start, 'an empty list of revoked certificates', 'profile')
  walkEntries(
    list,
    (entry, _from, _to, issuerAt) => {
      count += 1
      if (issuerAt === -1) return false
      // The ones after it would count for whoever came before.
      if (readCertificateIssuer(list, issuerAt) === null) throw new DerError(issuerAt, 'certificate issuer: no name')
      issuers += 1
      if (issuers > maxIssuers) throw new DerError(entry, `more than ${maxIssuers} changes of the certificate issuer`)
      return false
    },
    (extension) => {
      const oid = readOid(new DerReader(extension, 'entry extension').next('extension type'), 'extension type')
      if (critical.size < maxCritical) critical.add(oid)
    },
  )
  if (critical.size > 0 && version !== 2) complain(list.start, 'extensions of entries in version 1', 'profile')
  return { count, issuers, critical: [...critical] }
}

/** I10. Both are far above what any list has; each issuer costs some microseconds for every look-up. */
const maxCritical = 16
const maxIssuers = 100_000

function find(list: DerElement, serial: Buffer, own: Name, issuer: Name): CrlEntry | null {
  // Most certificates are on no list, and the runtime finds that out faster than any walk.
  if (list.bytes.indexOf(serial, list.body) === -1) return null
  const last = serial.at(-1)
  let currentIs = sameName(own, issuer)
  let found: CrlEntry | null = null
  walkEntries(list, (entry, from, to, issuerAt) => {
    if (issuerAt !== -1) {
      const current = readCertificateIssuer(list, issuerAt)
      currentIs = current !== null && sameName(current, issuer)
    }
    // The last octet first: numbers of one issuer often begin alike, and a call for each would take longest.
    if (!currentIs || to - from !== serial.length || list.bytes[to - 1] !== last) return false
    if (list.bytes.compare(serial, 0, serial.length, from, to) !== 0) return false
    found = readEntry(list, entry, issuer)
    return true
  })
  return found
}

function extensionFacts(extensions: readonly Extension[], der: Buffer, defects: Defect[]) {
  const read = extensionReader(extensions, der, defects)
  return {
    crlNumber: read(crlExtensionOids.crlNumber, readNumber),
    deltaBase: read(crlExtensionOids.deltaCrlIndicator, readNumber),
    issuingDistributionPoint: read(crlExtensionOids.issuingDistributionPoint, readIssuingDistributionPoint),
    authorityKey: read(crlExtensionOids.authorityKeyIdentifier, readAuthorityKeyIdentifier),
    freshestCrl: read(crlExtensionOids.freshestCrl, readDistributionPoints),
  }
}

// RFC 5280 section 5.2.3: at most 20 octets.
function readNumber(value: DerElement): bigint {
  const bytes = readInteger(value, 'CRL number')
  if ((bytes[0] as number) >= 0x80 || bytes.length > 20) throw new DerError(value.start, 'CRL number: out of range')
  return BigInt(`0x${bytes.toString('hex')}`)
}

function readIssuingDistributionPoint(value: DerElement, complain: Complain): IssuingDistributionPoint {
  const reader = new DerReader(value, 'issuing distribution point', tags.sequence)
  const name = reader.optional('point name', contextTag(0, true))
  const flag = (number: number, what: string): boolean => {
    const element = reader.optional(what, contextTag(number, false))
    return element !== null && readBoolean(element, what, complain, contextTag(number, false))
  }
  const onlyUserCertificates = flag(1, 'onlyContainsUserCerts')
  const onlyCaCertificates = flag(2, 'onlyContainsCACerts')
  const reasons = reader.optional('onlySomeReasons', contextTag(3, false))
  const indirect = flag(4, 'indirectCRL')
  const onlyAttributeCertificates = flag(5, 'onlyContainsAttributeCerts')
  reader.finish('issuing distribution point')
  return {
    ...(name === null ? noName : readPointName(name, complain)),
    onlyUserCertificates,
    onlyCaCertificates,
    onlyAttributeCertificates,
    onlySomeReasons: reasons === null ? null : readReasons(reasons),
    indirect,
  }
}
