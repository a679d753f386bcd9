import { createDecipheriv, pbkdf2, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { oneAtATime } from '../core/one-at-a-time.ts'
import { contentOf, type DerElement, DerReader, tags } from '../x509/der.ts'
import { readCount, readOid } from '../x509/der-values.ts'
import { MaterialError } from './material-error.ts'
import { deriveKey, keyPurpose } from './pkcs12-key.ts'
import { decryptRc2Cbc } from './rc2.ts'

/** A password, in the two forms that files use. */
export interface Password {
  readonly text: string
  /** As PKCS#12 wants it, once the MAC has told which (pkcs12-key.ts). */
  readonly wide: Buffer
}

/** I10: rounds of key derivation that a whole file may still ask for. */
export interface Rounds {
  left: number
}

/** What writers use is at most some hundred thousand for one key. */
export const roundsOfFile = (): Rounds => ({ left: 10_000_000 })

/**
 * Decrypts under an AlgorithmIdentifier of PKCS#5 (RFC 8018) or PKCS#12 (RFC 7292 appendix C). null where the padding is
 * wrong, which a wrong password gives in 255 of 256 cases. Throws DerError and MaterialError `material-unsupported`.
 */
export async function decryptWithPassword(
  identifier: DerElement,
  encrypted: Buffer,
  password: Password,
  rounds: Rounds,
): Promise<Buffer | null> {
  const algorithm = new DerReader(identifier, 'encryption algorithm', tags.sequence)
  const oid = readOid(algorithm.next('encryption algorithm'), 'encryption algorithm')
  const legacy = legacyCiphers[oid]
  if (oid !== pbes2Oid && typeof legacy !== 'object') throw unsupported(`it is encrypted with ${legacy ?? oid}`)
  const parameters = new DerReader(algorithm.next('parameters', tags.sequence), 'parameters')
  if (oid === pbes2Oid) return pbes2(parameters, encrypted, password, rounds)
  return pkcs12Pbe(legacy as LegacyCipher, parameters, encrypted, password, rounds)
}

/** RFC 8018 section 6.2, what OpenSSL 3, Java and Windows write today. */
async function pbes2(parameters: DerReader, encrypted: Buffer, password: Password, rounds: Rounds) {
  const derivation = parameters.next('key derivation', tags.sequence)
  const scheme = new DerReader(parameters.next('cipher', tags.sequence), 'cipher')
  const cipherOid = readOid(scheme.next('cipher'), 'cipher')
  const cipher = ciphers[cipherOid]
  if (cipher === undefined) throw unsupported(`it is encrypted with ${cipherOid}`)
  const iv = contentOf(scheme.next('IV', tags.octetString))
  const key = await derivedKey(derivation, password, cipher.keyBytes, rounds)
  return decrypt(cipher.name, key, iv, encrypted)
}

/** A key by PBKDF2 or scrypt (RFC 7914 section 7). */
export async function derivedKey(
  identifier: DerElement,
  password: Password,
  length: number | null,
  rounds: Rounds,
): Promise<Buffer> {
  const derivation = new DerReader(identifier, 'key derivation', tags.sequence)
  const oid = readOid(derivation.next('key derivation'), 'key derivation')
  const parameters = new DerReader(derivation.next('key derivation parameters', tags.sequence), 'key derivation')
  if (oid === scryptOid) return scryptKey(parameters, password, length ?? 32, rounds)
  if (oid !== pbkdf2Oid) throw unsupported(`its key derivation is ${oid}`)
  const salt = contentOf(parameters.next('salt', tags.octetString))
  const iterations = readRounds(parameters.next('iterations'), rounds)
  const stated = parameters.optional('key length', tags.integer)
  const prf = parameters.optional('pseudo-random function', tags.sequence)
  const prfOid = prf === null ? null : readOid(new DerReader(prf, 'PRF').next('PRF'), 'PRF')
  const digest = prfOid === null ? 'sha1' : hmacs[prfOid]
  if (digest === undefined) throw unsupported(`its key derivation uses ${prfOid}`)
  const size = length ?? (stated === null ? 0 : readCount(stated, 'key length'))
  if (size < 1 || size > 1024) throw unsupported(`it asks for a key of ${size} bytes`)
  return pbkdf2Async(password.text, salt, iterations, size, digest)
}

async function scryptKey(parameters: DerReader, password: Password, length: number, rounds: Rounds): Promise<Buffer> {
  const salt = contentOf(parameters.next('salt', tags.octetString))
  const cost = readCount(parameters.next('cost'), 'cost')
  const blockSize = readCount(parameters.next('block size'), 'block size')
  const parallelization = readCount(parameters.next('parallelization'), 'parallelization')
  const bytes = 128 * cost * blockSize
  // About as long as so many rounds of PBKDF2.
  const asked = cost * blockSize * parallelization
  if (bytes > maxScryptBytes || parallelization > 16 || asked > rounds.left)
    throw unsupported('its scrypt asks for too much memory or time')
  rounds.left -= asked
  try {
    return await scryptAsync(password.text, salt, length, {
      cost,
      blockSize,
      parallelization,
      maxmem: 2 * maxScryptBytes,
    })
  } catch {
    throw unsupported('its scrypt has parameters that do not exist')
  }
}

const maxScryptBytes = 64 * 1024 * 1024

async function pkcs12Pbe(
  { cipher, keyBytes }: LegacyCipher,
  parameters: DerReader,
  encrypted: Buffer,
  password: Password,
  rounds: Rounds,
): Promise<Buffer | null> {
  const salt = contentOf(parameters.next('salt', tags.octetString))
  const iterations = readRounds(parameters.next('iterations'), rounds, Math.ceil(keyBytes / 20) + 1)
  const derive = (purpose: number, length: number): Promise<Buffer> =>
    deriveKey('sha1', password.wide, salt, iterations, purpose, length)
  const key = await derive(keyPurpose.key, keyBytes)
  const iv = await derive(keyPurpose.iv, 8)
  return cipher === 'rc2' ? decryptRc2Cbc(key, keyBytes * 8, iv, encrypted) : decrypt(cipher, key, iv, encrypted)
}

function decrypt(cipher: string, key: Buffer, iv: Buffer, encrypted: Buffer): Buffer | null {
  try {
    const decipher = createDecipheriv(cipher, key, iv)
    return Buffer.concat([decipher.update(encrypted), decipher.final()])
  } catch {
    return null
  }
}

/** Of the file's budget. `times`: how often so many rounds are made here and not by OpenSSL, which is quicker; 0: by it. */
export function readRounds(element: DerElement, rounds: Rounds, times = 0): number {
  const asked = readCount(element, 'iterations')
  if (asked < 1 || asked > (times === 0 ? maxRounds : maxSlowRounds) || asked > rounds.left)
    throw unsupported(`it asks for ${asked} rounds of key derivation`)
  rounds.left -= asked * Math.max(1, 2 * times)
  return asked
}

const maxRounds = 5_000_000
const maxSlowRounds = 1_000_000

const unsupported = (reason: string): MaterialError => new MaterialError('material-unsupported', reason)

type ScryptOptions = Readonly<Record<'cost' | 'blockSize' | 'parallelization' | 'maxmem', number>>

/** The threads that names and files are read with, for the traffic too, are few: no more than one of them is taken. */
const pbkdf2Async = (...of: [string, Buffer, number, number, string]): Promise<Buffer> =>
  oneAtATime(() => promisify(pbkdf2)(...of))
const scryptAsync = (...of: [string, Buffer, number, ScryptOptions]): Promise<Buffer> =>
  oneAtATime(() => promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)(...of))

const pbes2Oid = '1.2.840.113549.1.5.13'
const pbkdf2Oid = '1.2.840.113549.1.5.12'
const scryptOid = '1.3.6.1.4.1.11591.4.11'

interface LegacyCipher {
  readonly cipher: string
  readonly keyBytes: number
}

/** RFC 7292 appendix C; text: named, not read. */
const legacyCiphers: Readonly<Record<string, LegacyCipher | string>> = {
  '1.2.840.113549.1.12.1.1': 'RC4-128',
  '1.2.840.113549.1.12.1.2': 'RC4-40',
  '1.2.840.113549.1.12.1.3': { cipher: 'des-ede3-cbc', keyBytes: 24 },
  '1.2.840.113549.1.12.1.4': { cipher: 'des-ede-cbc', keyBytes: 16 },
  '1.2.840.113549.1.12.1.5': { cipher: 'rc2', keyBytes: 16 },
  '1.2.840.113549.1.12.1.6': { cipher: 'rc2', keyBytes: 5 },
  '1.2.840.113549.1.5.3': 'DES and MD5',
  '1.2.840.113549.1.5.10': 'DES and SHA-1',
}

export const hmacs: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
  '1.2.840.113549.2.12': 'sha512-224',
  '1.2.840.113549.2.13': 'sha512-256',
}

const ciphers: Readonly<Record<string, { readonly name: string; readonly keyBytes: number }>> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyBytes: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyBytes: 24 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyBytes: 32 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyBytes: 24 },
}
