import { X509Certificate } from 'node:crypto'
import { type Certificate, parseCertificate } from '../../src/x509/certificate.ts'
import { DerError } from '../../src/x509/der.ts'
import { covers } from '../../src/x509/host-names.ts'
import { renderName } from '../../src/x509/name.ts'
import { verifySignature } from '../../src/x509/signature.ts'
import { runtimeNames } from './runtime-names.ts'
import { checker, Disagreement, type Target } from './target.ts'
import { certificateSeeds, mutants } from './x509-corpus.ts'

/** The keys that made the signatures: the bundled roots sign themselves, and the others have their signer's key. */
const originals = certificateSeeds.map(({ der }) => parseCertificate(der))

/** Certificates, against the runtime's own reader. */
export const x509Certificates: Target = {
  name: 'x509-certificates',
  inputs: mutants(certificateSeeds),
  start: () =>
    checker(({ parts: [bytes = Buffer.alloc(0)], knob }) => {
      const ours = read(bytes)
      const theirs = runtimeRead(bytes)
      if (ours === null) return theirs === null ? 'both refuse' : 'only we refuse'
      use(ours)
      const original = originals[knob % originals.length] as Certificate
      const good = verifySignature(original.publicKey, ours) === 'good'
      if (good && !originals.some(({ tbs }) => tbs.equals(ours.tbs)))
        throw new Disagreement('a signature is good over other bytes')
      // What the runtime cannot read is read here for people; no mode may take it for sound.
      if (theirs === null && ours.defects.every(({ kind }) => kind !== 'encoding'))
        throw new Disagreement('read without a defect, and the runtime refuses it')
      if (theirs === null) return 'only we read it, with defects'
      compare(ours, theirs)
      return ours.defects.length === 0 ? 'both read it' : 'both read it, with defects'
    }),
}

function read(bytes: Buffer): Certificate | null {
  try {
    return parseCertificate(bytes)
  } catch (error) {
    if (error instanceof DerError && error.offset >= 0 && error.offset <= bytes.length) return null
    throw error
  }
}

function runtimeRead(bytes: Buffer): X509Certificate | null {
  // What is not DER would be taken for PEM.
  if (bytes[0] !== 0x30) return null
  try {
    const certificate = new X509Certificate(bytes)
    return certificate.raw.equals(bytes) ? certificate : null
  } catch {
    return null
  }
}

/** What is computed on demand must not throw either. */
function use(certificate: Certificate): void {
  for (const style of ['edge', 'windows', 'openssl'] as const) {
    renderName(certificate.subject, style)
    renderName(certificate.issuer, style)
  }
  for (const { offset } of certificate.defects) {
    if (!(offset >= 0 && offset <= certificate.der.length)) throw new Disagreement('a defect is outside', { offset })
  }
  new Date(certificate.notBefore).toISOString()
  new Date(certificate.notAfter).toISOString()
  // A verification takes longer than all the rest.
  if (certificate.der.length % 8 === 0 && typeof certificate.selfSigned !== 'boolean')
    throw new Disagreement('no answer')
}

function compare(ours: Certificate, theirs: X509Certificate): void {
  const encoding = new Set(ours.defects.filter(({ kind }) => kind === 'encoding').map(({ field }) => field))
  const serial = theirs.serialNumber === '0' ? '00' : theirs.serialNumber
  if (ours.serial !== serial) throw new Disagreement('the serial numbers differ', [ours.serial, serial])
  const times = [
    ['notBefore', ours.notBefore, theirs.validFromDate],
    ['notAfter', ours.notAfter, theirs.validToDate],
  ] as const
  for (const [field, mine, date] of times) {
    if (!encoding.has(field) && mine !== date.getTime()) throw new Disagreement(`${field} differs`, [mine, date])
  }
  compareNames(ours, theirs, encoding.has('2.5.29.17'))
}

/** DNS names and addresses are those of the runtime, or there are none and a defect says why. */
function compareNames(ours: Certificate, theirs: X509Certificate, unreadable: boolean): void {
  const mine = ours.subjectAltNames.filter(({ kind }) => kind === 'dns' || kind === 'ip')
  if (unreadable) {
    if (mine.length > 0) throw new Disagreement('names in spite of a defect')
    return
  }
  const odd = ours.defects.some(({ field }) => field === '2.5.29.17')
  const runtime = runtimeNames(theirs.subjectAltName ?? '')
  if (runtime === null) throw new Disagreement("the runtime's names cannot be read", theirs.subjectAltName)
  const text = (kind: string, value: string): string => `${kind}:${value}`
  const [one, other] = [
    mine.map(({ kind, value }) => text(kind, value)),
    runtime.map(([kind, value]) => text(kind, value)),
  ]
  // What is no ASCII text, or no address, is shown in other ways and noted.
  if (!odd && one.join('\n') !== other.join('\n')) throw new Disagreement('the names differ', [one, other])
  for (const { kind, value } of mine) {
    const host = value.replace(/^\*(?=\.)/, 'x')
    // OpenSSL knows no underscore behind a wildcard; private zones do, and it stands for nothing but itself.
    if (!covers(ours, host) || (host !== value && host.includes('_'))) continue
    const accepted =
      kind === 'ip' ? theirs.checkIP(value) : theirs.checkHost(host, { subject: 'never', partialWildcards: false })
    if (accepted === undefined) throw new Disagreement('a name that the runtime does not accept', { kind, value })
  }
}
