import type { KeyObject } from 'node:crypto'
import type { Certificate } from '../x509/certificate.ts'
import { extensionOf } from '../x509/extension-list.ts'
import { der, oid } from '../x509/der-writer.ts'
import { signedDer } from './sign-der.ts'

/** A request (PKCS#10, RFC 2986) for a new certificate with the names and the key of one that is there. PEM. */
export function renewalRequest(certificate: Certificate, key: KeyObject): string {
  const request = signedDer(
    () => der(0x30, version0, certificate.subject.der, certificate.publicKey.spki, attributesOf(certificate)),
    key,
  )
  const lines = request.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines}\n-----END CERTIFICATE REQUEST-----\n`
}

const version0 = der(0x02, Buffer.from([0]))
const subjectAltName = '2.5.29.17'

/** `[0] IMPLICIT SET OF Attribute`; the names ask for themselves as an extension (RFC 2985 section 5.4.2). */
function attributesOf(certificate: Certificate): Buffer {
  const names = extensionOf(certificate, subjectAltName)
  if (names === null) return der(0xa0)
  const extensions = der(0x30, der(0x30, oid(subjectAltName), der(0x04, names.value)))
  return der(0xa0, der(0x30, oid('1.2.840.113549.1.9.14'), der(0x31, extensions)))
}
