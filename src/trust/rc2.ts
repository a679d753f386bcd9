/* RC2, RFC 2268: what protected the certificates of nearly every PKCS#12 file before 2022. OpenSSL 3 keeps it in a part that
 * the runtime does not have. It is read here and never written. */

/** Decrypts RC2 in CBC mode and takes the padding off; null where the padding is none, which a wrong key gives. */
export function decryptRc2Cbc(key: Buffer, effectiveBits: number, iv: Buffer, data: Buffer): Buffer | null {
  if (data.length === 0 || data.length % 8 !== 0 || iv.length !== 8) return null
  const schedule = expand(key, effectiveBits)
  const out = Buffer.alloc(data.length)
  let previous = iv
  for (let at = 0; at < data.length; at += 8) {
    const block = data.subarray(at, at + 8)
    decryptBlock(schedule, block, out, at)
    for (let i = 0; i < 8; i++) out[at + i] = (out[at + i] as number) ^ (previous[i] as number)
    previous = block
  }
  const padding = out[out.length - 1] as number
  if (padding === 0 || padding > 8) return null
  if (!out.subarray(-padding).every((byte) => byte === padding)) return null
  return out.subarray(0, -padding)
}

/** RFC 2268 section 2. */
function expand(key: Buffer, effectiveBits: number): Uint16Array {
  const bytes = Buffer.alloc(128)
  key.copy(bytes)
  for (let i = key.length; i < 128; i++) bytes[i] = pi(bytes[i - 1], bytes[i - key.length])
  const effectiveBytes = Math.ceil(effectiveBits / 8)
  const mask = 0xff >> (8 * effectiveBytes - effectiveBits)
  bytes[128 - effectiveBytes] = pi((bytes[128 - effectiveBytes] as number) & mask, 0)
  for (let i = 127 - effectiveBytes; i >= 0; i--) {
    bytes[i] = piTable[(bytes[i + 1] as number) ^ (bytes[i + effectiveBytes] as number)] as number
  }
  return Uint16Array.from({ length: 64 }, (_, i) => bytes.readUInt16LE(2 * i))
}

/** RFC 2268 section 4: five rounds of mixing, one of mashing, six, one, five, backwards. */
function decryptBlock(schedule: Uint16Array, block: Buffer, out: Buffer, at: number): void {
  const words = [0, 2, 4, 6].map((offset) => block.readUInt16LE(offset))
  const word = (i: number): number => words[i & 3] as number
  for (let round = 15; round >= 0; round--) {
    for (let i = 3; i >= 0; i--) {
      const shift = shifts[i] as number
      const rotated = ((word(i) >> shift) | (word(i) << (16 - shift))) & 0xff_ff
      const mixed = (schedule[4 * round + i] as number) + (word(i + 3) & word(i + 2)) + (~word(i + 3) & word(i + 1))
      words[i] = (rotated - mixed) & 0xff_ff
    }
    // Mashing follows the fifth and the eleventh round of encryption.
    if (round === 11 || round === 5) {
      for (let i = 3; i >= 0; i--) words[i] = (word(i) - (schedule[word(i + 3) & 63] as number)) & 0xff_ff
    }
  }
  for (const [i, value] of words.entries()) out.writeUInt16LE(value, at + 2 * i)
}

const shifts = [1, 2, 3, 5]

const pi = (one: number | undefined, other: number | undefined): number =>
  piTable[((one ?? 0) + (other ?? 0)) & 0xff] as number

/** RFC 2268 section 2, PITABLE. */
const piTable = Buffer.from(
  'd978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2' +
    '179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82' +
    '54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626' +
    '6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7' +
    '08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec' +
    'c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731' +
    '2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9' +
    '0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad',
  'hex',
)
