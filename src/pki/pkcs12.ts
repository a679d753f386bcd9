import { createDecipheriv, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto'
import { PosternError } from '../core/errors.ts'
import { childrenOf, contentOf, contextTag, type DerElement, DerReader, readWhole, tags } from '../x509/der.ts'
import { readCount, readOid } from '../x509/der-values.ts'
import { deriveKey, keyPurpose, passwordForms } from './pkcs12-key.ts'

export interface Pkcs12Content {
  /** DER, in the order of the file. */
  readonly certificates: readonly Buffer[]
  /** What else the file holds; keys among it are never decrypted (I7). */
  readonly others: readonly string[]
}

/**
 * The certificates of a PKCS#12 file (RFC 7292), read here because a file given to TLS whole would make anchors of its CA
 * certificates. Throws `pkcs12-password`, `pkcs12-unsupported`, and `DerError` for BER that is not DER.
 */
export function readPkcs12(bytes: Uint8Array, password: string): Pkcs12Content {
  const file = new DerReader(readWhole(bytes), 'PKCS#12', tags.sequence)
  readCount(file.next('version'), 'version')
  const safe = readContentInfo(file.next('authenticated safe'))
  if (safe.type !== oids.data) throw unsupported('its integrity rests on a public key, not on a password')
  const authenticated = contentOf(only(safe.content, 'authenticated safe', tags.octetString))
  const mac = file.optional('MAC', tags.sequence)
  // Which form of an empty password the writer used is known once the MAC agrees.
  const secret = mac === null ? passwordForms(password)[0]! : checkMac(mac, authenticated, password)

  const found: Found = { certificates: [], others: [] }
  for (const part of childrenOf(readWhole(authenticated), 'authenticated safe', tags.sequence)) {
    const { type, content } = readContentInfo(part)
    if (type === oids.data) collectBags(contentOf(only(content, 'data', tags.octetString)), found)
    else if (type === oids.encryptedData) collectBags(decrypt(content, password, secret), found)
    else throw unsupported(`it holds a part of type ${type}`)
  }
  return found
}

interface Found {
  readonly certificates: Buffer[]
  readonly others: string[]
}

function collectBags(contents: Buffer, found: Found): void {
  for (const element of childrenOf(readWhole(contents), 'bags', tags.sequence)) {
    const bag = new DerReader(element, 'bag')
    const type = readOid(bag.next('bag type'), 'bag type')
    const value = bag.next('bag value', contextTag(0, true))
    if (type === oids.certBag) {
      const certificate = new DerReader(only(value, 'certificate bag', tags.sequence), 'certificate bag')
      const isX509 = readOid(certificate.next('certificate type'), 'certificate type') === oids.x509Certificate
      const wrapper = certificate.next('certificate', contextTag(0, true))
      if (isX509) found.certificates.push(Buffer.from(contentOf(only(wrapper, 'certificate', tags.octetString))))
      else found.others.push('a certificate that is not X.509')
    } else if (type === oids.safeContentsBag) collectBags(Buffer.from(contentOf(value)), found)
    else found.others.push(otherBags[type] ?? `a bag of type ${type}`)
  }
}

/** Verifies the MAC, RFC 7292 section 5.1; returns the form of the password that it was made with. */
function checkMac(element: DerElement, authenticated: Buffer, password: string): Buffer {
  const mac = new DerReader(element, 'MAC')
  const info = new DerReader(mac.next('digest', tags.sequence), 'digest')
  const algorithm = new DerReader(info.next('digest algorithm', tags.sequence), 'digest algorithm')
  const oid = readOid(algorithm.next('digest algorithm'), 'digest algorithm')
  const hash = digests[oid]
  if (hash === undefined) throw unsupported(`its MAC uses algorithm ${oid}`)
  const expected = contentOf(info.next('digest', tags.octetString))
  const salt = contentOf(mac.next('salt', tags.octetString))
  const iterations = mac.done ? 1 : readIterations(mac.next('iterations'))
  for (const secret of passwordForms(password)) {
    const key = deriveKey(hash, secret, salt, iterations, keyPurpose.mac, expected.length)
    const actual = createHmac(hash, key).update(authenticated).digest()
    if (actual.length === expected.length && timingSafeEqual(actual, expected)) return secret
  }
  const hint = password === '' ? 'it wants a password: --password-file FILE' : 'the password does not open it'
  throw new PosternError('pkcs12-password', hint)
}

function decrypt(content: DerElement, password: string, secret: Buffer): Buffer {
  const outer = new DerReader(only(content, 'encrypted data', tags.sequence), 'encrypted data')
  readCount(outer.next('version'), 'version')
  const info = new DerReader(outer.next('encrypted content', tags.sequence), 'encrypted content')
  readOid(info.next('content type'), 'content type')
  const algorithm = new DerReader(info.next('encryption algorithm', tags.sequence), 'encryption algorithm')
  const oid = readOid(algorithm.next('encryption algorithm'), 'encryption algorithm')
  const parameters = new DerReader(algorithm.next('parameters', tags.sequence), 'parameters')
  const encrypted = contentOf(info.next('ciphertext', contextTag(0, false)))
  const { cipher, key, iv } = oid === oids.pbes2 ? pbes2(parameters, password) : pkcs12Pbe(oid, parameters, secret)
  try {
    const decipher = createDecipheriv(cipher, key, iv)
    return Buffer.concat([decipher.update(encrypted), decipher.final()])
  } catch (cause) {
    throw new PosternError('pkcs12-password', 'the password does not open it', { cause })
  }
}

interface CipherSetup {
  readonly cipher: string
  readonly key: Buffer
  readonly iv: Buffer
}

/** RFC 8018 section 6.2 with PBKDF2, what OpenSSL 3, Java and Windows write today. */
function pbes2(parameters: DerReader, password: string): CipherSetup {
  const derivation = new DerReader(parameters.next('key derivation', tags.sequence), 'key derivation')
  const kdf = readOid(derivation.next('key derivation'), 'key derivation')
  if (kdf !== oids.pbkdf2) throw unsupported(`its key derivation is ${kdf}`)
  const pbkdf2 = new DerReader(derivation.next('PBKDF2', tags.sequence), 'PBKDF2')
  const salt = contentOf(pbkdf2.next('salt', tags.octetString))
  const iterations = readIterations(pbkdf2.next('iterations'))
  pbkdf2.optional('key length', tags.integer)
  const prf = pbkdf2.optional('pseudo-random function', tags.sequence)
  const prfOid = prf === null ? null : readOid(new DerReader(prf, 'PRF').next('PRF'), 'PRF')
  const hash = prfOid === null ? 'sha1' : hmacs[prfOid]
  const scheme = new DerReader(parameters.next('cipher', tags.sequence), 'cipher')
  const cipherOid = readOid(scheme.next('cipher'), 'cipher')
  const cipher = ciphers[cipherOid]
  if (hash === undefined || cipher === undefined) throw unsupported(`it is encrypted with ${cipherOid} (${prfOid})`)
  const iv = contentOf(scheme.next('IV', tags.octetString))
  return { cipher: cipher.name, key: pbkdf2Sync(password, salt, iterations, cipher.keyBytes, hash), iv }
}

/** RFC 7292 appendix C. Of its ciphers only triple DES is left in the runtime; RC2 went with OpenSSL's legacy part. */
function pkcs12Pbe(oid: string, parameters: DerReader, secret: Buffer): CipherSetup {
  if (oid !== oids.pbeTripleDes) throw unsupported(`it is encrypted with ${legacyCiphers[oid] ?? oid}`)
  const salt = contentOf(parameters.next('salt', tags.octetString))
  const iterations = readIterations(parameters.next('iterations'))
  const key = deriveKey('sha1', secret, salt, iterations, keyPurpose.key, 24)
  return { cipher: 'des-ede3-cbc', key, iv: deriveKey('sha1', secret, salt, iterations, keyPurpose.iv, 8) }
}

function readContentInfo(element: DerElement): { type: string; content: DerElement } {
  const info = new DerReader(element, 'content', tags.sequence)
  return {
    type: readOid(info.next('content type'), 'content type'),
    content: info.next('content', contextTag(0, true)),
  }
}

function only(wrapper: DerElement, what: string, tag: number): DerElement {
  return new DerReader(wrapper, what).next(what, tag)
}

/** I10: a file may ask for any number of rounds; what writers use is at most some hundred thousand. */
function readIterations(element: DerElement): number {
  const iterations = readCount(element, 'iterations')
  if (iterations < 1 || iterations > 5_000_000) throw unsupported(`it asks for ${iterations} rounds of key derivation`)
  return iterations
}

function unsupported(reason: string): PosternError {
  return new PosternError('pkcs12-unsupported', reason)
}

const oids = {
  data: '1.2.840.113549.1.7.1',
  encryptedData: '1.2.840.113549.1.7.6',
  certBag: '1.2.840.113549.1.12.10.1.3',
  safeContentsBag: '1.2.840.113549.1.12.10.1.6',
  x509Certificate: '1.2.840.113549.1.9.22.1',
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  pbeTripleDes: '1.2.840.113549.1.12.1.3',
} as const

const otherBags: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.12.10.1.1': 'a private key',
  '1.2.840.113549.1.12.10.1.2': 'an encrypted private key',
  '1.2.840.113549.1.12.10.1.4': 'a revocation list',
  '1.2.840.113549.1.12.10.1.5': 'a secret',
}

const legacyCiphers: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.12.1.1': 'RC4-128',
  '1.2.840.113549.1.12.1.2': 'RC4-40',
  '1.2.840.113549.1.12.1.4': 'two-key triple DES',
  '1.2.840.113549.1.12.1.5': 'RC2-128',
  '1.2.840.113549.1.12.1.6': 'RC2-40',
}

const digests: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

const hmacs: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
}

const ciphers: Readonly<Record<string, { readonly name: string; readonly keyBytes: number }>> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyBytes: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyBytes: 24 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyBytes: 32 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyBytes: 24 },
}
