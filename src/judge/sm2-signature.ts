import { hash } from 'node:crypto'
import type { Certificate } from '../x509/certificate.ts'
import { DerError, DerReader, readWhole, tags } from '../x509/der.ts'
import { readInteger } from '../x509/der-values.ts'
import type { Signed } from '../x509/signature.ts'

/**
 * SM2 with SM3 (GB/T 32918.2, RFC 8998). node:crypto verifies it without the signer's identifier, which certificates are
 * signed with, so that a good signature looks bad there. Slow, some milliseconds, and none of it is secret.
 */
export function verifySm2(key: Certificate['publicKey'], signed: Signed): 'good' | 'bad' | 'unsupported' {
  const point = key.keyBytes
  if (point.length !== 65 || point[0] !== 4) return 'unsupported'
  const publicPoint = { x: numberOf(point.subarray(1, 33)), y: numberOf(point.subarray(33)), z: 1n }
  if (!isOnCurve(publicPoint)) return 'bad'
  const values = readSignature(signed.signature)
  if (values === null) return 'bad'
  const { r, s } = values
  const t = (r + s) % n
  if (r < 1n || r >= n || s < 1n || s >= n || t === 0n) return 'bad'
  const x = sumX(s, generator, t, publicPoint)
  return x !== null && (digestOf(point.subarray(1), signed.tbs) + x) % n === r ? 'good' : 'bad'
}

export const sm2Curve = '1.2.156.10197.1.301'

export const isSm2 = (key: Certificate['publicKey'], signed: Signed): boolean =>
  key.curve === sm2Curve && signed.signatureAlgorithm.oid === '1.2.156.10197.1.501'

interface Point {
  readonly x: bigint
  readonly y: bigint
  /** Jacobian; 0 is the point at infinity. */
  readonly z: bigint
}

const p = 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn
const a = p - 3n
const b = 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n
const n = 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n
const generator: Point = {
  x: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
  y: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
  z: 1n,
}
const infinity: Point = { x: 1n, y: 1n, z: 0n }

/** The identifier that GM/T 0009 section 10 gives to whoever has none. */
const defaultId = Buffer.from('1234567812345678')

function digestOf(publicPoint: Buffer, message: Buffer): bigint {
  const bits = Buffer.alloc(2)
  bits.writeUInt16BE(defaultId.length * 8)
  const curve = [a, b, generator.x, generator.y].map(bytesOf)
  const identity = hash('sm3', Buffer.concat([bits, defaultId, ...curve, publicPoint]), 'buffer')
  return numberOf(hash('sm3', Buffer.concat([identity, message]), 'buffer'))
}

function readSignature(bytes: Buffer): { r: bigint; s: bigint } | null {
  try {
    const reader = new DerReader(readWhole(bytes), 'signature', tags.sequence)
    const r = readInteger(reader.next('r'), 'r')
    const s = readInteger(reader.next('s'), 's')
    reader.finish('signature')
    // Negative numbers are none; numbers longer than the curve's are refused by whoever compares them.
    return r.length > 33 || s.length > 33 || (r[0] as number) >= 0x80 || (s[0] as number) >= 0x80
      ? null
      : { r: numberOf(r), s: numberOf(s) }
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    return null
  }
}

const numberOf = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString('hex')}`)
const bytesOf = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
const mod = (value: bigint): bigint => {
  const rest = value % p
  return rest < 0n ? rest + p : rest
}

const isOnCurve = ({ x, y }: Point): boolean => x < p && y < p && mod(y * y - (x * x * x + a * x + b)) === 0n

/** Affine x of `s`·`one` + `t`·`other`; null for the point at infinity. */
function sumX(s: bigint, one: Point, t: bigint, other: Point): bigint | null {
  const both = add(one, other)
  let sum = infinity
  for (let bit = 255n; bit >= 0n; bit -= 1n) {
    sum = double(sum)
    const chosen = (((s >> bit) & 1n) << 1n) | ((t >> bit) & 1n)
    if (chosen !== 0n) sum = add(sum, chosen === 3n ? both : chosen === 2n ? one : other)
  }
  if (sum.z === 0n) return null
  const inverse = power(sum.z, p - 2n)
  return mod(sum.x * inverse * inverse)
}

function double({ x, y, z }: Point): Point {
  if (z === 0n || y === 0n) return infinity
  const yy = mod(y * y)
  const s = mod(4n * x * yy)
  const zz = mod(z * z)
  const m = mod(3n * (x - zz) * (x + zz))
  const x3 = mod(m * m - 2n * s)
  return { x: x3, y: mod(m * (s - x3) - 8n * yy * yy), z: mod(2n * y * z) }
}

function add(one: Point, other: Point): Point {
  if (one.z === 0n) return other
  if (other.z === 0n) return one
  const z1 = mod(one.z * one.z)
  const z2 = mod(other.z * other.z)
  const u1 = mod(one.x * z2)
  const u2 = mod(other.x * z1)
  const s1 = mod(one.y * z2 * other.z)
  const s2 = mod(other.y * z1 * one.z)
  if (u1 === u2) return s1 === s2 ? double(one) : infinity
  const h = mod(u2 - u1)
  const r = mod(s2 - s1)
  const hh = mod(h * h)
  const hhh = mod(h * hh)
  const v = mod(u1 * hh)
  const x = mod(r * r - hhh - 2n * v)
  return { x, y: mod(r * (v - x) - s1 * hhh), z: mod(h * one.z * other.z) }
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  let square = mod(base)
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = mod(result * square)
    square = mod(square * square)
  }
  return result
}
