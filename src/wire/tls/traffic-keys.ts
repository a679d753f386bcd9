import { type CipherGCMTypes, createDecipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import type { TlsRecord } from './records.ts'

/** What one direction of TLS 1.3 is encrypted with from one moment on. */
export interface TrafficKey {
  readonly suite: Suite
  /** As an object: the runtime takes bytes several times slower, and each record of a handshake asks anew. */
  readonly key: KeyObject
  readonly iv: Buffer
  /** Of the next record. */
  sequence: number
}

interface Suite {
  readonly algorithm: CipherGCMTypes
  readonly hash: 'sha256' | 'sha384'
  readonly keyBytes: number
  readonly tagBytes: number
}

/** The cipher suites of TLS 1.3 (RFC 8446 appendix B.4) by number. */
const suites: Readonly<Record<number, Suite>> = {
  0x1301: { algorithm: 'aes-128-gcm', hash: 'sha256', keyBytes: 16, tagBytes: 16 },
  0x1302: { algorithm: 'aes-256-gcm', hash: 'sha384', keyBytes: 32, tagBytes: 16 },
  0x1303: { algorithm: chacha(), hash: 'sha256', keyBytes: 32, tagBytes: 16 },
  0x1304: { algorithm: ccm(), hash: 'sha256', keyBytes: 16, tagBytes: 16 },
  0x1305: { algorithm: ccm(), hash: 'sha256', keyBytes: 16, tagBytes: 8 },
}

/**
 * The key of a direction (RFC 8446 section 7.3) from lines of the key log (NSS format).
 *
 * @param label `SERVER_HANDSHAKE_TRAFFIC_SECRET`, `SERVER_TRAFFIC_SECRET_0`, ...
 * @returns null when the log does not hold the secret or the suite is none of TLS 1.3
 */
export function trafficKey(suite: number, keylog: readonly string[], label: string): TrafficKey | null {
  const known = suites[suite]
  const logged = secretOf(keylog, label)
  if (known === undefined || logged === null) return null
  const secret = createSecretKey(logged)
  return {
    suite: known,
    key: createSecretKey(expandLabel(secret, known.hash, 'key', known.keyBytes)),
    iv: expandLabel(secret, known.hash, 'iv', 12),
    sequence: 0,
  }
}

/** What a record held (RFC 8446 section 5.2), its real content type first; null when it is not of this key. */
export function openRecord(
  key: TrafficKey,
  { header, body }: TlsRecord,
): { readonly type: number; readonly data: Buffer } | null {
  const { algorithm, tagBytes } = key.suite
  const length = body.length - tagBytes
  if (length < 1) return null
  const nonce = Buffer.from(key.iv)
  // The sequence number has 64 bits; no handshake comes near 2^32 records.
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ key.sequence) >>> 0, 8)
  let inner: Buffer
  try {
    const cipher = createDecipheriv(algorithm, key.key, nonce, { authTagLength: tagBytes })
    // CCM has to know the length beforehand.
    cipher.setAuthTag(body.subarray(length)).setAAD(header, { plaintextLength: length })
    inner = cipher.update(body.subarray(0, length))
    cipher.final()
  } catch {
    return null
  }
  key.sequence++
  // Zeros may follow the type byte as padding.
  let end = inner.length - 1
  while (end > 0 && inner[end] === 0) end--
  return { type: inner[end] as number, data: inner.subarray(0, end) }
}

/** HKDF-Expand-Label, RFC 8446 section 7.1, with no context. One HMAC block is enough for a key or an IV. */
function expandLabel(secret: KeyObject, hash: string, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`)
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])])
  return createHmac(hash, secret).update(info).digest().subarray(0, length)
}

function secretOf(keylog: readonly string[], label: string): Buffer | null {
  const line = keylog.find((each) => each.startsWith(`${label} `))
  const hex = line?.trim().split(' ')[2] ?? ''
  return /^(?:[0-9a-f]{64}|[0-9a-f]{96})$/i.test(hex) ? Buffer.from(hex, 'hex') : null
}

/** The types know only GCM to take the calls that all three kinds take. */
function chacha(): CipherGCMTypes {
  return 'chacha20-poly1305' as string as CipherGCMTypes
}

function ccm(): CipherGCMTypes {
  return 'aes-128-ccm' as string as CipherGCMTypes
}
