import { createHash, timingSafeEqual } from 'node:crypto'
import { contentOf, DerError, DerReader, readWhole, tags } from '../x509/der.ts'
import { readOid } from '../x509/der-values.ts'
import { MaterialError } from './material-error.ts'

/**
 * Opens a private key under Java's own protection: the key, XORed with a stream of SHA-1 sums of password and salt, and a
 * SHA-1 of both at its end (JDK, sun.security.provider.KeyProtector).
 */
export function openJksKey(sealed: Buffer, password: string): Buffer {
  const encrypted = readSealed(sealed)
  if (encrypted.length < 40) throw new MaterialError('material-malformed', 'holds a private key that is cut off')
  const wide = Buffer.from(password, 'utf16le').swap16()
  const sum = (bytes: Buffer): Buffer => createHash('sha1').update(wide).update(bytes).digest()
  const key = Buffer.from(encrypted.subarray(20, -20))
  let stream = encrypted.subarray(0, 20)
  for (let at = 0; at < key.length; at += 20) {
    stream = sum(stream)
    for (let i = 0; i < 20 && at + i < key.length; i++) key[at + i] = (key[at + i] as number) ^ (stream[i] as number)
  }
  if (timingSafeEqual(sum(key), encrypted.subarray(-20))) return key
  throw new MaterialError(
    'material-password-wrong',
    'its private key has another password than the store; give both the same with: keytool -keypasswd',
  )
}

/** EncryptedPrivateKeyInfo under Sun's own algorithm. */
function readSealed(sealed: Buffer): Buffer {
  try {
    const reader = new DerReader(readWhole(sealed), 'encrypted key', tags.sequence)
    const algorithm = new DerReader(reader.next('encryption algorithm', tags.sequence), 'encryption algorithm')
    const oid = readOid(algorithm.next('encryption algorithm'), 'encryption algorithm')
    if (oid !== '1.3.6.1.4.1.42.2.17.1.1')
      throw new MaterialError('material-unsupported', `its private key is encrypted with ${oid}`)
    return contentOf(reader.next('key', tags.octetString))
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    throw new MaterialError('material-malformed', 'holds a private key that cannot be read')
  }
}
