import { randomBytes, sign } from 'node:crypto'
import type { KeyPair } from '../pki/keys.ts'
import { type Identity, pemOf } from '../pki/make.ts'
import { childrenOf, rawOf, readWhole } from '../x509/der.ts'
import { parseCertificate } from '../x509/certificate.ts'
import { der, generalizedTime, oid } from '../x509/der-writer.ts'

/** Certificates that no kit makes on purpose, and those that are wanted by the hundred. */

/** One bit of the signature changed: every name and key still fits. */
export function withFlippedSignature(certificate: Buffer): Buffer {
  const changed = Buffer.from(certificate)
  changed[changed.length - 1]! ^= 1
  return changed
}

/** The identity with another certificate in its place, served with the intermediates that it had. */
export function servedAs(identity: Identity, certificate: Buffer): { chainPem: string; keyPem: string } {
  const above = identity.chainPem.slice(identity.certificatePem.length)
  return { chainPem: pemOf(certificate) + above, keyPem: identity.keyPem }
}

/**
 * A pile of authorities, one above the other, and `copies` certificates of each: all of one key, so every certificate of
 * one floor could have issued every one of the floor below. Lowest floor first; the top floor is issued by `above`. Written
 * by hand, since a kit takes milliseconds for each.
 */
export function pile(
  above: Identity,
  options: { readonly floors: number; readonly copies: number; readonly keys: KeyPair; readonly prefix: string },
): Buffer[] {
  const { floors, copies, keys, prefix } = options
  const spki = keys.publicKey.export({ format: 'der', type: 'spki' })
  const top = parseCertificate(above.certificate)
  const [, , , , , topName] = childrenOf(
    childrenOf(readWhole(above.certificate), 'certificate')[0]!,
    'certificate body',
  )
  const name = (floor: number) => commonName(`${prefix} ${floor}`)
  const validity = [generalizedTime(new Date(top.notBefore)), generalizedTime(new Date(top.notAfter))]
  const made: Buffer[] = []
  for (let floor = 0; floor < floors; floor++) {
    const isTop = floor === floors - 1
    for (let copy = 0; copy < copies; copy++) {
      const body = der(
        0x30,
        der(0xa0, der(0x02, Buffer.from([2]))),
        der(0x02, Buffer.from([0x40]), randomBytes(12)),
        ecdsaSha256,
        isTop ? rawOf(topName!) : name(floor + 1),
        der(0x30, ...validity),
        name(floor),
        spki,
        der(0xa3, der(0x30, authorityConstraints)),
      )
      const signature = sign('sha256', body, isTop ? above.keys.privateKey : keys.privateKey)
      made.push(der(0x30, body, ecdsaSha256, der(0x03, Buffer.from([0]), signature)))
    }
  }
  return made
}

/** The lowest floor of a pile as an issuer of leaves. */
export function groundFloor(certificates: readonly Buffer[], keys: KeyPair): Identity {
  const [certificate = Buffer.alloc(0)] = certificates
  const certificatePem = pemOf(certificate)
  return { certificate, certificatePem, keys, keyPem: '', issuers: [], chainPem: certificatePem }
}

function commonName(text: string): Buffer {
  return der(0x30, der(0x31, der(0x30, oid('2.5.4.3'), der(0x0c, Buffer.from(text)))))
}

const ecdsaSha256 = der(0x30, oid('1.2.840.10045.4.3.2'))
/** basicConstraints, critical, CA:TRUE. */
const authorityConstraints = der(
  0x30,
  oid('2.5.29.19'),
  der(0x01, Buffer.from([0xff])),
  der(0x04, der(0x30, der(0x01, Buffer.from([0xff])))),
)
