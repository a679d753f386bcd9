import type { Identity } from '../pki/make.ts'
import { signedDer } from '../pki/sign-der.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { der, generalizedTime, oid } from '../x509/der-writer.ts'

export interface RevocationListOptions {
  readonly now: Date
  /** DER of certificates of this issuer that are on it, each for the theft of its key. */
  readonly revoked?: readonly Buffer[]
  /** Hours from now. */
  readonly from?: number
  readonly until?: number
  readonly number?: number
}

const hour = 3_600_000

/** A version 2 revocation list (RFC 5280 section 5) of the issuer, PEM. */
export function revocationList(issuer: Identity, options: RevocationListOptions): string {
  const { now, revoked = [], from = -1, until = 7 * 24, number = 1 } = options
  const { subject, subjectKeyId } = parseCertificate(issuer.certificate)
  const at = (hours: number): Buffer => generalizedTime(new Date(now.getTime() + hours * hour))
  const entries = revoked.map((certificate) =>
    der(
      0x30,
      der(0x02, parseCertificate(certificate).serialBytes),
      at(from),
      der(0x30, extension('2.5.29.21', keyStolen)),
    ),
  )
  const extensions = [
    ...(subjectKeyId === null ? [] : [extension('2.5.29.35', der(0x30, der(0x80, Buffer.from(subjectKeyId, 'hex'))))]),
    extension('2.5.29.20', der(0x02, Buffer.from([number]))),
  ]
  const list = signedDer(
    (algorithm) =>
      der(
        0x30,
        der(0x02, Buffer.from([1])),
        algorithm,
        subject.der,
        at(from),
        at(until),
        ...(entries.length === 0 ? [] : [der(0x30, ...entries)]),
        der(0xa0, der(0x30, ...extensions)),
      ),
    issuer.keys.privateKey,
  )
  const lines = list.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN X509 CRL-----\n${lines.join('\n')}\n-----END X509 CRL-----\n`
}

/** ENUMERATED keyCompromise. */
const keyStolen = Buffer.from([0x0a, 1, 1])

function extension(id: string, value: Uint8Array): Buffer {
  return der(0x30, oid(id), der(0x04, value))
}
