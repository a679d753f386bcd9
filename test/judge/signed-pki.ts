import { type Certificate, parseCertificate } from '../../src/x509/certificate.ts'
import { type Crl, parseCrl } from '../../src/x509/crl.ts'
import { tlv } from '../x509/der-make.ts'
import { certificate, crl, ecSigner, extension, hex, name, oid, type Signer, sha1, utc } from '../x509/signed-make.ts'

/** A moment within the dates of everything that is made here. */
export const now = Date.UTC(2030, 0, 1)

export interface Made {
  readonly facts: Certificate
  readonly signer: Signer
  readonly subject: Buffer
}

export interface Parts {
  readonly issuer?: Made | null
  readonly signer?: Signer
  /** DER of the subject, where it is not one common name. */
  readonly subject?: Buffer
  readonly serial?: Uint8Array | string
  readonly notBefore?: Buffer
  readonly notAfter?: Buffer
  /** null: no basic constraints. Default: what it is made as. */
  readonly basic?: { readonly ca: boolean; readonly pathLength?: number; readonly critical?: boolean } | null
  /** Bits of the key usage, in hex with the count of unused bits in front; null: none. */
  readonly keyUsage?: string | null
  readonly purposes?: readonly string[] | null
  readonly names?: readonly Buffer[]
  readonly keyIds?: boolean
  readonly extensions?: readonly Buffer[]
  readonly version?: Buffer
}

export const usage = { certAndCrlSign: '0106', certSign: '0204', crlSign: '0102', digitalSignature: '0780' } as const
export const purposeOids = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2', any: '2.5.29.37.0' } as const

export const dns = (value: string): Buffer => tlv(0x82, value)
export const mail = (value: string): Buffer => tlv(0x81, value)
export const uri = (value: string): Buffer => tlv(0x86, value)
export const ip = (bytes: readonly number[]): Buffer => tlv(0x87, Buffer.from(bytes))
export const directory = (value: Buffer): Buffer => tlv(0xa4, value)

/** A CA; self-signed without an issuer. */
export const authority = (commonName: string, parts: Parts = {}): Made =>
  make(commonName, { basic: { ca: true }, keyUsage: usage.certAndCrlSign, purposes: null, ...parts })

/** A server's certificate for `backend.test`. */
export const server = (issuer: Made, parts: Parts = {}): Made =>
  make('backend.test', {
    issuer,
    basic: null,
    keyUsage: usage.digitalSignature,
    purposes: [purposeOids.server],
    names: [dns('backend.test')],
    ...parts,
  })

function make(commonName: string, parts: Parts): Made {
  const { issuer = null, basic, keyUsage, purposes, names = [], keyIds = true, extensions = [] } = parts
  const signer = parts.signer ?? ecSigner()
  const subject = parts.subject ?? name(commonName)
  const signing = issuer?.signer ?? signer
  const list = [
    ...(basic == null ? [] : [extension('2.5.29.19', basicValue(basic), basic.critical ?? true)]),
    ...(keyUsage == null ? [] : [extension('2.5.29.15', tlv(0x03, hex(keyUsage)), true)]),
    ...(purposes == null ? [] : [extension('2.5.29.37', tlv(0x30, ...purposes.map(oid)))]),
    ...(names.length === 0 ? [] : [extension('2.5.29.17', tlv(0x30, ...names), subject.length === 2)]),
    ...(keyIds ? [extension('2.5.29.14', tlv(0x04, sha1(signer.spki)))] : []),
    ...(keyIds && issuer !== null ? [extension('2.5.29.35', tlv(0x30, tlv(0x80, sha1(signing.spki))))] : []),
    ...extensions,
  ]
  const der = certificate({
    signer: signing,
    subject,
    issuer: issuer?.subject ?? subject,
    spki: signer.spki,
    serial: Buffer.from(parts.serial ?? serials()),
    extensions: list,
    ...(parts.notBefore === undefined ? {} : { notBefore: parts.notBefore }),
    ...(parts.notAfter === undefined ? {} : { notAfter: parts.notAfter }),
    ...(parts.version === undefined ? {} : { version: parts.version }),
  })
  return { facts: parseCertificate(der), signer, subject }
}

const basicValue = ({ ca, pathLength }: NonNullable<Parts['basic']>): Buffer =>
  tlv(
    0x30,
    ...(ca ? [tlv(0x01, '\xff')] : []),
    ...(pathLength === undefined ? [] : [tlv(0x02, Buffer.from([pathLength]))]),
  )

let made = 0
function serials(): Buffer {
  made += 1
  const bytes = Buffer.alloc(4, 1)
  bytes.writeUInt16BE(made, 2)
  return bytes
}

interface Lists {
  readonly revoked?: readonly Made[]
  readonly entries?: readonly Buffer[]
  readonly thisUpdate?: Buffer
  readonly nextUpdate?: Buffer | null
  readonly extensions?: readonly Buffer[]
  /** Default: 7. null: none. */
  readonly number?: number | null
}

export function list(
  issuer: Made,
  { revoked = [], entries = [], number = 7, extensions = [], ...rest }: Lists = {},
): Crl {
  const all = [...revoked.map((it) => revocation(it.facts.serialBytes)), ...entries]
  return parseCrl(
    crl({
      signer: issuer.signer,
      issuer: issuer.subject,
      entries: all.length === 0 ? null : all,
      extensions: [
        ...(number === null ? [] : [extension('2.5.29.20', tlv(0x02, Buffer.from([number])))]),
        ...extensions,
      ],
      ...rest,
    }),
  )
}

export const revocation = (serial: Uint8Array, ...extensions: readonly Buffer[]): Buffer =>
  tlv(0x30, tlv(0x02, serial), utc('250101000000Z'), ...(extensions.length === 0 ? [] : [tlv(0x30, ...extensions)]))

export { extension, name, oid, utc }
