export type DerKind =
  | 'certificate'
  | 'pkcs7'
  | 'pkcs12'
  | 'private-key'
  | 'encrypted-private-key'
  | 'crl'
  | 'certificate-request'
  | 'public-key'
  | 'unknown'

/**
 * What a binary file most likely is, from its first tags only. Deliberately looser than the DER reader: PKCS#12 is often BER
 * with indefinite lengths, and a key that is slightly malformed is still a key. For messages and refusals, never for trust.
 */
export function derKind(bytes: Buffer): DerKind {
  const outer = peek(bytes, 0)
  if (outer?.tag !== sequence) return 'unknown'
  const first = peek(bytes, outer.body)
  if (first === null) return 'unknown'
  if (first.tag === oid) return 'pkcs7'
  if (first.tag === integer) return startsWithInteger(bytes, first)
  if (first.tag !== sequence) return 'unknown'
  const second = peek(bytes, first.end)
  if (second?.tag === octetString) return 'encrypted-private-key'
  if (second?.tag === bitString) return 'public-key'
  return second?.tag === sequence ? signedKind(bytes, first) : 'unknown'
}

const [integer, bitString, octetString, oid, sequence, set, contextZero] = [0x02, 0x03, 0x04, 0x06, 0x30, 0x31, 0xa0]
const [utcTime, generalizedTime] = [0x17, 0x18]

interface Peek {
  readonly tag: number
  readonly body: number
  readonly end: number
}

function peek(bytes: Buffer, at: number): Peek | null {
  const tag = bytes[at]
  const length = bytes[at + 1]
  if (tag === undefined || length === undefined) return null
  const body = at + 2
  if (length < 0x80) return { tag, body, end: body + length }
  const octets = length & 0x7f
  if (octets === 0) return { tag, body, end: bytes.length }
  if (octets > 4 || body + octets > bytes.length) return null
  return { tag, body: body + octets, end: body + octets + bytes.readUIntBE(body, octets) }
}

function startsWithInteger(bytes: Buffer, version: Peek): DerKind {
  const number = version.end - version.body === 1 ? bytes[version.body] : -1
  const next = peek(bytes, version.end)
  if (next === null) return 'unknown'
  // PFX is version 3 and a PKCS#7 content; PKCS#8 version 0 or 1 and an algorithm; SEC1 version 1 and the key itself.
  if (number === 3 && next.tag === sequence) return 'pkcs12'
  if (next.tag === sequence) return 'private-key'
  if (number === 1 && next.tag === octetString) return 'private-key'
  // PKCS#1: version, modulus, exponent, ...; a public key has the two numbers only.
  if (next.tag !== integer) return 'unknown'
  return next.end < bytes.length ? 'private-key' : 'public-key'
}

/** Certificate, CRL and request are all SEQUENCE { body, algorithm, signature }; their bodies differ. */
function signedKind(bytes: Buffer, body: Peek): DerKind {
  const found: number[] = []
  let at = body.body
  while (at < body.end && found.length < 5) {
    const element = peek(bytes, at)
    if (element === null || element.end <= at) break
    found.push(element.tag)
    at = element.end
  }
  if (found[0] === contextZero) return 'certificate'
  if (found.slice(0, 4).some((tag) => tag === utcTime || tag === generalizedTime)) return 'crl'
  if (
    found[0] === integer &&
    found[1] === sequence &&
    found[2] === sequence &&
    (found[3] ?? contextZero) === contextZero
  ) {
    return 'certificate-request'
  }
  return found.includes(set) ? 'unknown' : 'certificate'
}
