import { createHash, sign } from 'node:crypto'
import type { Identity } from '../pki/make.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { childrenOf, contentOf, rawOf, readWhole } from '../x509/der.ts'
import { der, generalizedTime, oid } from '../x509/der-writer.ts'

/**
 * A BasicOCSPResponse (RFC 6960 section 4.2.1) about one certificate (DER), signed by its issuer's EC key.
 *
 * @param until hours from now; negative: it has ended
 */
export function ocspResponse(
  leaf: Buffer,
  issuer: Identity,
  status: 'good' | 'revoked',
  now: Date,
  until = 7 * 24,
): Buffer {
  const hour = 3_600_000
  const thisUpdate = generalizedTime(new Date(now.getTime() + Math.min(-1, until - 1) * hour))
  const nextUpdate = generalizedTime(new Date(now.getTime() + until * hour))
  const single = der(
    0x30,
    certificateId(leaf, issuer),
    status === 'good' ? der(0x80) : der(0xa1, thisUpdate),
    thisUpdate,
    der(0xa0, nextUpdate),
  )
  const responder = der(0xa1, fieldsOf(issuer.certificate).subject)
  const data = der(0x30, responder, thisUpdate, der(0x30, single))
  const signature = sign('sha256', data, issuer.keys.privateKey)
  const basic = der(0x30, data, der(0x30, oid('1.2.840.10045.4.3.2')), der(0x03, Buffer.from([0]), signature))
  const bytes = der(0x30, oid('1.3.6.1.5.5.7.48.1.1'), der(0x04, basic))
  return der(0x30, der(0x0a, Buffer.from([0])), der(0xa0, bytes))
}

/** By SHA-1, as RFC 5019 asks. */
function certificateId(leaf: Buffer, issuer: Identity): Buffer {
  const sha1 = (bytes: Uint8Array) => der(0x04, createHash('sha1').update(bytes).digest())
  const { subject, key } = fieldsOf(issuer.certificate)
  const serial = Buffer.from(parseCertificate(leaf).serial, 'hex')
  return der(0x30, der(0x30, oid('1.3.14.3.2.26'), der(0x05)), sha1(subject), sha1(key), der(0x02, serial))
}

/** Raw subject name and the bits of the public key of a version 3 certificate. */
function fieldsOf(certificate: Buffer): { subject: Buffer; key: Buffer } {
  const [body] = childrenOf(readWhole(certificate), 'certificate')
  const fields = childrenOf(body!, 'certificate body')
  const [, key] = childrenOf(fields[6]!, 'public key')
  return { subject: rawOf(fields[5]!), key: contentOf(key!).subarray(1) }
}
