import { isIP } from 'node:net'
import './reflect-metadata.ts'
import { GeneralName } from '@peculiar/x509'
import { PosternError } from '../core/errors.ts'

/** DNS names (`corp.test` and everything below it) and networks (`10.0.0.0/8`) an issuer may, or may not, vouch for. */
export interface NameConstraints {
  readonly permitted?: readonly string[]
  readonly excluded?: readonly string[]
}

/** DER of NameConstraints, RFC 5280 section 4.2.1.10. The one extension that `@peculiar/x509` has no class for. */
export function encodeNameConstraints(constraints: NameConstraints): Uint8Array<ArrayBuffer> {
  const fields: Buffer[] = []
  if (constraints.permitted?.length) fields.push(encode(0xa0, constraints.permitted.map(subtree)))
  if (constraints.excluded?.length) fields.push(encode(0xa1, constraints.excluded.map(subtree)))
  return Uint8Array.from(encode(0x30, fields))
}

function subtree(base: string): Buffer {
  const [address = '', prefix] = base.split('/')
  const isNetwork = isIP(address) !== 0
  return encode(0x30, [isNetwork ? network(address, prefix, base) : Buffer.from(new GeneralName('dns', base).rawData)])
}

/** A GeneralName that holds address and mask, each of 4 or 16 bytes. */
function network(address: string, prefix: string | undefined, text: string): Buffer {
  const bytes = Buffer.from(new GeneralName('ip', address).rawData).subarray(2)
  const bits = prefix === undefined ? bytes.length * 8 : Number(prefix)
  if (!Number.isInteger(bits) || bits < 0 || bits > bytes.length * 8) {
    throw new PosternError(
      'PKI_BAD_NAME',
      `name constraint "${text}": the prefix length must be 0 to ${bytes.length * 8}`,
    )
  }
  const mask = bytes.map((_, i) => 0xff & ~(0xff >> Math.min(8, Math.max(0, bits - i * 8))))
  return encode(0x87, [bytes, mask])
}

function encode(tag: number, contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents)
  const size = body.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
