import { checkPrimeSync, createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { tlv } from '../x509/der-make.ts'
import { oid, type Signer } from '../x509/signed-make.ts'

const e = 65_537n

/** RSA of 2048 bits: of the same number always the same key, whose signatures are the same in every run too. For tests only. */
export function fixedRsaSigner(number: number): Signer {
  const [p, q] = [primeOf(`${number} p`), primeOf(`${number} q`)]
  const d = inverse(e, (p - 1n) * (q - 1n))
  const parts = { n: p * q, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) }
  const jwk = Object.fromEntries(
    Object.entries(parts).map(([key, value]) => [key, bytesOf(value).toString('base64url')]),
  )
  const key = createPrivateKey({ key: { kty: 'RSA', ...jwk }, format: 'jwk' })
  return {
    key,
    spki: createPublicKey(key).export({ type: 'spki', format: 'der' }),
    algorithm: tlv(0x30, oid('1.2.840.113549.1.1.11'), tlv(0x05)),
    sign: (tbs) => sign('sha256', tbs, key),
  }
}

const small = [
  3n,
  5n,
  7n,
  11n,
  13n,
  17n,
  19n,
  23n,
  29n,
  31n,
  37n,
  41n,
  43n,
  47n,
  53n,
  59n,
  61n,
  67n,
  71n,
  73n,
  79n,
  83n,
]

function primeOf(seed: string): bigint {
  const digests = [0, 1, 2, 3].map((part) => createHash('sha256').update(`${seed} ${part}`).digest('hex'))
  // The two highest bits, so that the product has 2048; and odd.
  const from = BigInt(`0x${digests.join('')}`) | (3n << 1022n) | 1n
  for (let candidate = from; ; candidate += 2n) {
    if (small.some((prime) => candidate % prime === 0n) || candidate % e === 1n) continue
    if (checkPrimeSync(candidate)) return candidate
  }
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n]
  while (b !== 0n) {
    const times = a / b
    ;[a, b, x, y] = [b, a - times * b, y, x - times * y]
  }
  return ((x % modulus) + modulus) % modulus
}

function bytesOf(value: bigint): Buffer {
  const text = value.toString(16)
  return Buffer.from(text.length % 2 === 0 ? text : `0${text}`, 'hex')
}
