import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import type { Certificate } from '../x509/certificate.ts'
import { contentOf, DerError, DerReader, readWhole, tags } from '../x509/der.ts'
import { derKind } from '../x509/der-kind.ts'
import { decodeBody, type PemPiece, pemPieces } from '../x509/pem-blocks.ts'
import { MaterialError, type MaterialFault } from './material-error.ts'
import { decryptWithPassword, roundsOfFile } from './password-based.ts'
import { passwordForms } from './pkcs12-key.ts'

type Block = Extract<PemPiece, { kind: 'block' }>

/**
 * The one private key of a file in PEM or DER, encrypted or not. What a passphrase may cost is bounded here, which OpenSSL
 * does not do (I10). No error quotes the input or carries the runtime's (I7).
 */
export async function readKey(bytes: Buffer, password: string | undefined): Promise<KeyObject> {
  const kind = derKind(bytes)
  if (kind === 'encrypted-private-key') return openSealed(bytes, password)
  if (kind === 'private-key') return openPlain(bytes)
  if (kind !== 'unknown' && !bytes.includes('-----BEGIN')) throw notKey(kind)
  const blocks: Block[] = []
  let cut = false
  for (const piece of pemPieces(bytes.toString('latin1'))) {
    if (piece.kind === 'block') blocks.push(piece)
    else if (piece.kind === 'fault') cut = true
  }
  const keys = blocks.filter(({ label }) => label.endsWith('PRIVATE KEY'))
  const [key, second] = keys
  if (second !== undefined)
    throw new MaterialError('material-several-keys', `the key file holds ${keys.length} private keys, one is needed`)
  if (key === undefined) throw cut ? cutOff() : noKey(bytes, blocks)
  if (cut) throw cutOff()
  return openBlock(key, password)
}

/** The one key among the blocks of a text that also holds certificates; null where there is none. */
export async function keyAmong(bytes: Buffer, password: string | undefined): Promise<KeyObject | null> {
  return /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(bytes.toString('latin1')) ? readKey(bytes, password) : null
}

/** PrivateKeyInfo, as PKCS#12 and JKS hold it. */
export function keyFromPkcs8(pkcs8: Buffer): KeyObject {
  return attempt(() => createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
}

/**
 * The first of the certificates that is for this key. Only those with its public key are tried, since a try is a signature;
 * where none has it as the key writes it, the first few.
 */
export function holderOf(key: KeyObject, certificates: readonly Certificate[]): Certificate | undefined {
  const spki = publicOf(key)
  const same = certificates.filter(({ publicKey }) => spki !== null && spki.equals(publicKey.spki))
  return (same.length > 0 ? same : certificates).slice(0, mostTries).find((certificate) => holdsKey(certificate, key))
}

function publicOf(key: KeyObject): Buffer | null {
  try {
    return createPublicKey(key).export({ format: 'der', type: 'spki' })
  } catch {
    // A kind of key without one.
    return null
  }
}

const mostTries = 16

/**
 * Whether the certificate is for this key: what one signs, the other verifies. `KeyObject.equals` would not notice a damaged
 * private part, and for keys of different kinds it leaves an error behind that fails the runtime's next `createPrivateKey`
 * (Node 24.21).
 */
export function holdsKey(certificate: Certificate, key: KeyObject): boolean {
  try {
    const held = createPublicKey({ key: certificate.publicKey.spki, format: 'der', type: 'spki' })
    if (held.asymmetricKeyType !== key.asymmetricKeyType) return false
    const digest = wholeMessage.has(key.asymmetricKeyType ?? '') ? null : 'sha256'
    return verify(digest, probe, held, sign(digest, probe, key))
  } catch {
    // A kind of key that the runtime does not know, or that cannot sign.
    return false
  }
}

const probe = Buffer.from('does this key belong to this certificate?')
/** Keys whose signature has its own digest. */
const wholeMessage: ReadonlySet<string> = new Set(['ed25519', 'ed448', 'ml-dsa-44', 'ml-dsa-65', 'ml-dsa-87'])

function openBlock({ label, body }: Block, password: string | undefined): KeyObject | Promise<KeyObject> {
  if (label === 'OPENSSH PRIVATE KEY') {
    throw new MaterialError(
      'material-unsupported',
      'the private key is in the form of OpenSSH; rewrite it with: ssh-keygen -p -m PKCS8 -f FILE',
    )
  }
  if (label === 'ENCRYPTED PRIVATE KEY') {
    const der = decodeBody(body)
    if (typeof der === 'string') throw malformed()
    return openSealed(der, password)
  }
  const pem = `-----BEGIN ${label}-----\n${body.join('\n')}\n-----END ${label}-----\n`
  const sealed = pem.includes('Proc-Type: 4,ENCRYPTED')
  if (!sealed) return attempt(() => createPrivateKey({ key: pem, format: 'pem' }))
  if (password === undefined || password === '') throw noPassword()
  // One round of MD5, whatever the file says: nothing to bound.
  return attempt(() => createPrivateKey({ key: pem, format: 'pem', passphrase: password }), wrongPassword)
}

/** PKCS#8, SEC1 or PKCS#1. */
function openPlain(key: Buffer): KeyObject {
  for (const type of ['pkcs8', 'sec1'] as const) {
    try {
      return createPrivateKey({ key, format: 'der', type })
    } catch {
      // Not of this form; the last one tells.
    }
  }
  return attempt(() => createPrivateKey({ key, format: 'der', type: 'pkcs1' }))
}

/** EncryptedPrivateKeyInfo, RFC 5958 section 3. */
async function openSealed(bytes: Buffer, text: string | undefined): Promise<KeyObject> {
  if (text === undefined || text === '') throw noPassword()
  const plain = await orMalformed(() => {
    const reader = new DerReader(readWhole(bytes), 'encrypted key', tags.sequence)
    const algorithm = reader.next('encryption algorithm', tags.sequence)
    const encrypted = contentOf(reader.next('key', tags.octetString))
    const password = { text, wide: passwordForms(text)[0] as Buffer }
    return decryptWithPassword(algorithm, encrypted, password, roundsOfFile())
  })
  if (plain === null || derKind(plain) !== 'private-key') throw wrongPassword()
  return keyFromPkcs8(plain)
}

async function orMalformed<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof DerError) throw malformed()
    throw error
  }
}

function attempt(open: () => KeyObject, otherwise: () => MaterialError = malformed): KeyObject {
  let key: KeyObject
  try {
    key = open()
  } catch {
    throw otherwise()
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  if (bits <= mostBits) return key
  throw new MaterialError('material-unsupported', `the private key has ${bits} bits; at most ${mostBits} are taken`)
}

/** I10: with 16384 a signature, and so each handshake, takes a quarter of a second in which nobody else is served. */
const mostBits = 8192

function noKey(bytes: Buffer, blocks: readonly Block[]): MaterialError {
  const labels = blocks.map(({ label }) => label)
  if (labels.some((label) => label.endsWith('CERTIFICATE'))) return notKey('certificate')
  if (labels.some((label) => label.endsWith('CERTIFICATE REQUEST'))) return notKey('certificate-request')
  if (labels.includes('PUBLIC KEY')) return notKey('public-key')
  if (bytes.toString('latin1').trim() === '') return new MaterialError('material-empty', 'the key file is empty')
  return new MaterialError('material-no-key', 'the key file holds no private key')
}

function notKey(kind: string): MaterialError {
  const [fault, what] = otherKinds[kind] ?? ['material-no-key', 'something else']
  return new MaterialError(fault, `the key file holds ${what} where the private key should be`)
}

const otherKinds: Readonly<Record<string, readonly [MaterialFault, string]>> = {
  certificate: ['material-certificate-as-key', 'a certificate'],
  pkcs7: ['material-certificate-as-key', 'certificates (PKCS#7)'],
  pkcs12: ['material-format', 'PKCS#12, which is given whole and not as a key,'],
  crl: ['material-crl', 'a revocation list'],
  'certificate-request': ['material-request', 'a certificate request'],
  'public-key': ['material-public-key', 'a public key'],
}

const malformed = (): MaterialError =>
  new MaterialError('material-key-malformed', 'the private key is damaged, or of an unknown kind')
const cutOff = (): MaterialError =>
  new MaterialError('material-truncated', 'the private key is cut off: its BEGIN and END lines do not form one block')
const wrongPassword = (): MaterialError =>
  new MaterialError('material-password-wrong', 'the password does not open the private key')
const noPassword = (): MaterialError =>
  new MaterialError('material-password-missing', 'the private key is encrypted and wants a password')
