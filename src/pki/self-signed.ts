import { hash, type KeyObject, randomBytes } from 'node:crypto'
import { der, generalizedTime, oid } from '../x509/der-writer.ts'
import { ipBytes } from '../x509/ip-address.ts'
import { type Digest, signedDer } from './sign-der.ts'

/** Parts of a distinguished name, by what Edge calls them. */
export interface SubjectParts {
  readonly countryCode?: string
  readonly state?: string
  readonly locality?: string
  readonly org?: string
  readonly orgUnit?: string
  readonly commonName?: string
  readonly email?: string
}

export interface SelfSignedOptions {
  readonly subject: SubjectParts
  /** DNS names, or IP addresses. */
  readonly names: readonly string[]
  readonly keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }
  readonly notBefore: Date
  readonly notAfter: Date
  readonly digest: Digest
}

/** A server certificate that vouches for itself, RFC 5280 section 4.1. DER. */
export function selfSignedDer({ subject, names, keys, notBefore, notAfter, digest }: SelfSignedOptions): Buffer {
  const spki = keys.publicKey.export({ type: 'spki', format: 'der' })
  const name = nameOf(subject)
  const serial = randomBytes(16)
  // Positive, and always of the same length.
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40
  return signedDer(
    (algorithm) =>
      der(
        0x30,
        der(0xa0, der(0x02, Buffer.from([2]))),
        der(0x02, serial),
        algorithm,
        name,
        der(0x30, timeOf(notBefore), timeOf(notAfter)),
        name,
        spki,
        der(0xa3, der(0x30, ...extensionsOf(names, spki))),
      ),
    keys.privateKey,
    digest,
  )
}

/** In the order of X.520 tools: country first, the common name and the address last. */
function nameOf(subject: SubjectParts): Buffer {
  const parts = attributes.flatMap(([key, type, tag]) => {
    const value = subject[key]
    if (value === undefined || value === '') return []
    return [der(0x31, der(0x30, oid(type), der(tag, Buffer.from(value, 'utf8'))))]
  })
  return der(0x30, ...parts)
}

// UTF8String, but PrintableString for countries and IA5String for addresses (RFC 5280 appendix A.1).
const attributes: readonly (readonly [keyof SubjectParts, string, number])[] = [
  ['countryCode', '2.5.4.6', 0x13],
  ['state', '2.5.4.8', 0x0c],
  ['locality', '2.5.4.7', 0x0c],
  ['org', '2.5.4.10', 0x0c],
  ['orgUnit', '2.5.4.11', 0x0c],
  ['commonName', '2.5.4.3', 0x0c],
  ['email', '1.2.840.113549.1.9.1', 0x16],
]

/** RFC 5280 section 4.1.2.5: UTCTime until 2049. */
function timeOf(at: Date): Buffer {
  if (at.getUTCFullYear() >= 2050) return generalizedTime(at)
  return der(
    0x17,
    Buffer.from(
      `${at
        .toISOString()
        .replaceAll(/[-:T]|\..*/g, '')
        .slice(2)}Z`,
    ),
  )
}

function extensionsOf(names: readonly string[], spki: Buffer): readonly Buffer[] {
  const critical = der(0x01, Buffer.from([0xff]))
  const extension = (type: string, value: Buffer, ...flag: readonly Buffer[]): Buffer =>
    der(0x30, oid(type), ...flag, der(0x04, value))
  const keyId = Buffer.from(hash('sha1', spki, 'hex'), 'hex')
  return [
    // Not CA: it is its own anchor where somebody trusts it, and nobody else's.
    extension('2.5.29.19', der(0x30), critical),
    // digitalSignature and keyEncipherment.
    extension('2.5.29.15', der(0x03, Buffer.from([5, 0xa0])), critical),
    // serverAuth and clientAuth.
    extension('2.5.29.37', der(0x30, oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2'))),
    extension('2.5.29.14', der(0x04, keyId)),
    ...(names.length === 0 ? [] : [extension('2.5.29.17', der(0x30, ...names.map(generalName)))]),
  ]
}

function generalName(name: string): Buffer {
  const address = ipBytes(name)
  return address === null ? der(0x82, Buffer.from(name, 'ascii')) : der(0x87, address)
}
