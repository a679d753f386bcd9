/* Files that no tool would write: DER by hand. */

const length = (n: number): Buffer => {
  if (n < 0x80) return Buffer.from([n])
  const octets = n < 0x100 ? 1 : n < 0x1_00_00 ? 2 : 3
  const bytes = Buffer.alloc(octets + 1, 0x80 | octets)
  bytes.writeUIntBE(n, 1, octets)
  return bytes
}
export const tlv = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag]), length(content.length), content])
}
export const seq = (...parts: readonly Uint8Array[]): Buffer => tlv(0x30, ...parts)
export const octets = (bytes: Uint8Array): Buffer => tlv(0x04, bytes)
export const number = (value: number): Buffer => {
  const hex = value.toString(16)
  return tlv(0x02, Buffer.from(hex.length % 2 === 1 ? `0${hex}` : /^[89a-f]/.test(hex) ? `00${hex}` : hex, 'hex'))
}
export const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const explicit = (...parts: readonly Uint8Array[]): Buffer => tlv(0xa0, ...parts)

const data = (bytes: Uint8Array): Buffer => seq(oid('2a864886f70d010701'), explicit(octets(bytes)))
export const bag = (type: number, value: Uint8Array): Buffer =>
  seq(oid(`2a864886f70d010c0a01 ${type.toString(16).padStart(2, '0')}`), explicit(value))
export const certificateBag = (der: Uint8Array): Buffer =>
  bag(3, seq(oid('2a864886f70d01091601'), explicit(octets(der))))
/** PKCS#12 without a MAC, nothing in it encrypted but what its bags say. */
export const pfx = (...bags: readonly Uint8Array[]): Buffer => seq(number(3), data(seq(data(seq(...bags)))))
