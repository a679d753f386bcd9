import { type Certificate, parseCertificate } from './certificate.ts'
import { asBuffer, DerError, readElement } from './der.ts'
import { type DerKind, derKind } from './der-kind.ts'
import { decodeBody, type PemFault, pemPieces } from './pem-blocks.ts'
import { readPkcs7 } from './pkcs7.ts'

export type BundleFault =
  | PemFault
  | 'empty'
  | 'no-certificate'
  | 'not-a-certificate'
  | 'private-key'
  | 'key-parameters'
  | 'pkcs12'
  | 'java-key-store'
  | 'utf-16'
  | 'trailing-bytes'
  | 'malformed'
  | 'too-large'
  | 'too-many'

interface Place {
  readonly index: number | null
  readonly line: number | null
}

export type BundleItem =
  | {
      readonly kind: 'certificate'
      readonly certificate: Certificate
      readonly index: number
      readonly line: number | null
    }
  | ({ readonly kind: 'ignored'; readonly what: string; readonly why: string } & Place)
  | ({
      readonly kind: 'fault'
      readonly fault: BundleFault
      readonly offset: number | null
      readonly reason: string
    } & Place)

// I10. The largest public bundles are about 300 KiB and 200 certificates.
const maxBytes = 16 * 1024 * 1024
const maxCertificates = 20_000

/** Everything a file of certificates holds, in order, faults included: the strict and the lenient reader are built on it. */
export function* scanBundle(input: Uint8Array): Generator<BundleItem> {
  const bytes = asBuffer(input)
  const whole = wholeFileFault(bytes)
  if (whole !== null) {
    yield whole
    return
  }
  let count = 0
  for (const item of isBinary(bytes) ? scanDer(bytes, 1, null) : scanPem(bytes)) {
    count += item.kind === 'certificate' ? 1 : 0
    if (count > maxCertificates) {
      yield fault('too-many', `more than ${maxCertificates} certificates`)
      return
    }
    yield item
  }
}

/** One DER object where a certificate or a bag of them should be. */
function* scanDer(bytes: Buffer, index: number, line: number | null): Generator<BundleItem> {
  const kind = derKind(bytes)
  try {
    if (kind === 'pkcs7') {
      const { certificates, crls } = readPkcs7(bytes)
      for (const [inner, der] of certificates.entries()) yield parsed(der, index + inner, line)
      if (crls > 0)
        yield { kind: 'ignored', index: null, line, what: 'X509 CRL', why: `${crls} in a PKCS#7 bag; not used` }
      return
    }
    if (kind !== 'certificate' && kind !== 'unknown') {
      yield wrongKind(kind, index, line)
      return
    }
    const { end } = readElement(bytes)
    if (end < bytes.length) {
      const reason = `${bytes.length - end} bytes follow the certificate; put several certificates into PEM or PKCS#7`
      yield { kind: 'fault', fault: 'trailing-bytes', index, line, offset: end, reason }
      return
    }
    yield parsed(bytes, index, line)
  } catch (error) {
    yield malformed(error, index, line)
  }
}

function malformed(error: unknown, index: number, line: number | null): BundleItem {
  if (!(error instanceof DerError)) throw error
  return { kind: 'fault', fault: 'malformed', index, line, offset: error.offset, reason: `malformed: ${error.message}` }
}

function parsed(der: Buffer, index: number, line: number | null): BundleItem {
  let certificate: Certificate
  try {
    certificate = parseCertificate(der)
  } catch (error) {
    return malformed(error, index, line)
  }
  // What RFC 5280 forbids and nobody misreads is for the lint: stores do hold serial number zero.
  const defect = certificate.defects.find(({ kind }) => kind === 'encoding')
  if (defect === undefined) return { kind: 'certificate', certificate, index, line }
  const reason = `malformed: byte ${defect.offset}: ${defect.field}: ${defect.reason}`
  return { kind: 'fault', fault: 'malformed', index, line, offset: defect.offset, reason }
}

function* scanPem(bytes: Buffer): Generator<BundleItem> {
  // Latin-1: every byte is a character, and PEM itself is ASCII. The BOM of UTF-8 is three such characters.
  const text = bytes.toString('latin1').replace(/^\u00ef\u00bb\u00bf/, '')
  let index = 1
  let blocks = 0
  for (const piece of pemPieces(text)) {
    if (piece.kind === 'text') {
      const why = `${piece.lines} line${piece.lines === 1 ? '' : 's'} outside of any block`
      yield { kind: 'ignored', index: null, line: piece.line, what: 'text', why }
      continue
    }
    blocks += 1
    let used = 1
    for (const item of piece.kind === 'fault'
      ? [{ ...piece, index, offset: null }]
      : scanBlock(piece.label, piece.body, index, piece.line)) {
      yield item
      if (item.kind === 'certificate') used = item.index - index + 1
    }
    index += used
  }
  if (blocks === 0) yield fault('no-certificate', noBlock(text))
}

function* scanBlock(label: string, body: readonly string[], index: number, line: number): Generator<BundleItem> {
  if (label.endsWith('PRIVATE KEY')) {
    yield wrongKind(label.startsWith('ENCRYPTED') ? 'encrypted-private-key' : 'private-key', index, line)
    return
  }
  if (label === 'TRUSTED CERTIFICATE') {
    const why = "OpenSSL's own form with trust settings inside, which would be lost; write a plain CERTIFICATE block"
    yield { kind: 'ignored', index, line, what: label, why }
    return
  }
  if (label.endsWith(' PARAMETERS')) {
    const reason = `holds a ${label} block, which belongs to a key`
    yield { kind: 'fault', fault: 'key-parameters', index, line, offset: null, reason }
    return
  }
  if (!certificateLabels.has(label) && !bagLabels.has(label)) {
    yield {
      kind: 'fault',
      fault: 'not-a-certificate',
      index,
      line,
      offset: null,
      reason: `holds a ${label} block, not a certificate`,
    }
    return
  }
  const der = decodeBody(body)
  if (typeof der === 'string') {
    yield { kind: 'fault', fault: 'bad-base64', index, line, offset: null, reason: der }
    return
  }
  const bag = derKind(der) === 'pkcs7'
  if (bag === bagLabels.has(label)) yield* scanDer(der, index, line)
  else
    yield {
      kind: 'fault',
      fault: 'malformed',
      index,
      line,
      offset: 0,
      reason: `malformed: the block is labelled ${label} but holds something else`,
    }
}

const certificateLabels: ReadonlySet<string> = new Set(['CERTIFICATE', 'X509 CERTIFICATE'])
const bagLabels: ReadonlySet<string> = new Set(['PKCS7', 'CMS', 'PKCS #7 SIGNED DATA'])

function wrongKind(kind: DerKind, index: number, line: number | null): BundleItem {
  const item = (name: BundleFault, reason: string): BundleItem => ({
    kind: 'fault',
    fault: name,
    index,
    line,
    offset: null,
    reason,
  })
  switch (kind) {
    case 'private-key':
    case 'encrypted-private-key':
      return item(
        'private-key',
        'a private key stands among the certificates; take it out, and treat it as disclosed to whoever can read this',
      )
    case 'pkcs12':
      return item(
        'pkcs12',
        'this is PKCS#12 (PFX); take the certificates out with: openssl pkcs12 -in FILE -nokeys -out FILE.pem',
      )
    case 'crl':
      return item('not-a-certificate', 'this is a revocation list, not a certificate')
    case 'certificate-request':
      return item('not-a-certificate', 'this is a certificate request, not a certificate')
    case 'public-key':
      return item('not-a-certificate', 'this is a bare public key, not a certificate')
    case 'certificate':
    case 'pkcs7':
    case 'unknown':
      return item('not-a-certificate', 'this is not a certificate')
    default:
      return kind satisfies never
  }
}

function wholeFileFault(bytes: Buffer): BundleItem | null {
  if (bytes.length > maxBytes) return fault('too-large', `${bytes.length} bytes, more than the limit of ${maxBytes}`)
  if (bytes.length === 0) return fault('empty', 'is empty')
  const [first, second] = bytes
  const marked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  const unmarked = (first === 0 && second !== 0) || (second === 0 && first !== 0 && first !== 0x30)
  if (marked || unmarked) return fault('utf-16', 'is UTF-16 text; save it as UTF-8 or ASCII')
  // The magic numbers of JKS and JCEKS.
  const magic = bytes.length >= 4 ? bytes.readUInt32BE(0) : 0
  if (magic === 0xfe_ed_fe_ed || magic === 0xce_ce_ce_ce) {
    return fault(
      'java-key-store',
      'is a Java key store; export with: keytool -exportcert -rfc -alias ALIAS -keystore FILE',
    )
  }
  return null
}

/** DER starts with a SEQUENCE. Text may start with the same character '0', but then has boundaries and an ASCII length byte. */
function isBinary(bytes: Buffer): boolean {
  if (bytes[0] !== 0x30) return false
  return (bytes[1] ?? 0) >= 0x80 || !bytes.includes('-----BEGIN')
}

function noBlock(text: string): string {
  const bare = text.replaceAll(/\s/g, '')
  if (bare === '') return 'holds only white space'
  if (/^MII[A-Za-z0-9+/]+=*$/.test(bare)) return 'is base64 without its BEGIN and END lines'
  return 'holds no certificate: neither PEM nor DER'
}

const fault = (name: BundleFault, reason: string): BundleItem => ({
  kind: 'fault',
  fault: name,
  index: null,
  line: null,
  offset: null,
  reason,
})
