import { sign } from 'node:crypto'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { tlv } from '../x509/der-make.ts'
import { extension, type KeyName, keyOf, nameOf, oid } from './make-certificate.ts'

export interface ListSpec {
  readonly issuer: string | Buffer
  /** Of an elliptic key. */
  readonly signer: KeyName
  /** Certificates that are on it, with extensions of their entries. */
  readonly revoked?: readonly (Buffer | { readonly certificate: Buffer; readonly extensions: readonly Buffer[] })[]
  /** Minutes from now; null: no nextUpdate. */
  readonly from?: number
  readonly until?: number | null
  readonly extensions?: readonly Buffer[]
}

/** A revocation list (RFC 5280 section 5), DER. */
export function makeList({ issuer, signer, revoked = [], from = -60, until = 60, extensions = [] }: ListSpec): Buffer {
  const algorithm = tlv(0x30, oid('2a8648ce3d040302'))
  const entries = revoked.map((each) => {
    const { certificate, extensions: own } = Buffer.isBuffer(each) ? { certificate: each, extensions: [] } : each
    const serial = tlv(0x02, parseCertificate(certificate).serialBytes)
    return tlv(0x30, serial, timeAt(-90), own.length === 0 ? '' : tlv(0x30, ...own))
  })
  const body = tlv(
    0x30,
    tlv(0x02, '\x01'),
    algorithm,
    nameOf(issuer),
    timeAt(from),
    until === null ? '' : timeAt(until),
    entries.length === 0 ? '' : tlv(0x30, ...entries),
    tlv(0xa0, tlv(0x30, extension('551d14', tlv(0x02, '\x05')), ...extensions)),
  )
  return tlv(0x30, body, algorithm, tlv(0x03, '\0', sign('sha256', body, keyOf(signer).privateKey)))
}

function timeAt(minutes: number): Buffer {
  return tlv(
    0x17,
    `${new Date(Date.now() + minutes * 60_000)
      .toISOString()
      .replaceAll(/[-:T]|\..*/g, '')
      .slice(2)}Z`,
  )
}
