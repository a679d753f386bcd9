/** One DER element of the given content. */
export function tlv(tag: number, ...parts: readonly (Uint8Array | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)))
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body])
  const length = Buffer.from(
    body.length
      .toString(16)
      .padStart(body.length > 0xffffff ? 8 : body.length > 0xffff ? 6 : body.length > 0xff ? 4 : 2, '0'),
    'hex',
  )
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, body])
}

/** A certs-only SignedData. */
export function pkcs7(certificates: readonly Uint8Array[]): Buffer {
  const data = Buffer.from('06092a864886f70d010701', 'hex')
  const signedData = Buffer.from('06092a864886f70d010702', 'hex')
  const body = tlv(0x30, tlv(0x02, '\x01'), tlv(0x31), tlv(0x30, data), tlv(0xa0, ...certificates), tlv(0x31))
  return tlv(0x30, signedData, tlv(0xa0, body))
}

export function pem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}
