import { derFromBer, implicitOctets } from '../x509/ber.ts'
import {
  childrenOf,
  contentOf,
  contextTag,
  type DerElement,
  DerError,
  DerReader,
  readWhole,
  tags,
} from '../x509/der.ts'
import { readCount, readOid } from '../x509/der-values.ts'
import { MaterialError } from './material-error.ts'
import { decryptWithPassword, type Password, type Rounds, roundsOfFile } from './password-based.ts'
import { type BagAttributes, readBagAttributes } from './pkcs12-attributes.ts'
import { passwordForms } from './pkcs12-key.ts'
import { checkMac } from './pkcs12-mac.ts'

export interface Pkcs12Certificate extends BagAttributes {
  readonly der: Buffer
}

export interface Pkcs12Key extends BagAttributes {
  /** PrivateKeyInfo, decrypted. For memory only (I7). */
  readonly pkcs8: Buffer
}

export interface Pkcs12Content {
  /** In the order of the file. */
  readonly certificates: readonly Pkcs12Certificate[]
  readonly keys: readonly Pkcs12Key[]
  /** What else the file holds, for people. */
  readonly others: readonly string[]
}

export interface Pkcs12Options {
  /** undefined: none was given; files that want none, or the empty one, are still read. */
  readonly password: string | undefined
  /** false: keys are named in `others` and never decrypted (I7). */
  readonly keys: boolean
}

/**
 * A PKCS#12 file (RFC 7292), read here because a file given to TLS whole would make anchors of its CA certificates. Throws
 * MaterialError, and DerError for bytes that are no PKCS#12.
 */
export async function readPkcs12(bytes: Uint8Array, options: Pkcs12Options): Promise<Pkcs12Content> {
  const file = new DerReader(readWhole(derFromBer(bytes)), 'PKCS#12', tags.sequence)
  readCount(file.next('version'), 'version')
  const safe = readContentInfo(file.next('authenticated safe'))
  if (safe.type !== oids.data) throw unsupported('its integrity rests on a public key, not on a password')
  const authenticated = contentOf(only(safe.content, 'authenticated safe', tags.octetString))
  const mac = file.optional('MAC', tags.sequence)
  const rounds = roundsOfFile()
  const text = options.password ?? ''
  // Which form of an empty password the writer used is known once the MAC agrees.
  const password =
    mac === null ? { text, wide: passwordForms(text)[0] as Buffer } : await checkMac(mac, authenticated, text, rounds)
  if (password === null) throw wrongPassword(options.password)

  const found = { certificates: [], keys: [], others: [] }
  const reading: Reading = { options, password, proved: mac !== null, rounds, found, bags: 0 }
  for (const part of childrenOf(readWhole(derFromBer(authenticated)), 'authenticated safe', tags.sequence)) {
    const { type, content } = readContentInfo(part)
    if (type === oids.data) await collectBags(contentOf(only(content, 'data', tags.octetString)), reading, 0)
    else if (type === oids.encryptedData) await collectEncrypted(content, reading)
    else
      throw unsupported(
        type === oids.envelopedData ? 'it is encrypted for a public key' : `it holds a part of type ${type}`,
      )
  }
  return reading.found
}

interface Reading {
  readonly options: Pkcs12Options
  readonly password: Password
  /** By the MAC. */
  readonly proved: boolean
  readonly rounds: Rounds
  readonly found: {
    readonly certificates: Pkcs12Certificate[]
    readonly keys: Pkcs12Key[]
    readonly others: string[]
  }
  bags: number
}

async function collectEncrypted(content: DerElement, reading: Reading): Promise<void> {
  const outer = new DerReader(only(content, 'encrypted data', tags.sequence), 'encrypted data')
  readCount(outer.next('version'), 'version')
  const info = new DerReader(outer.next('encrypted content', tags.sequence), 'encrypted content')
  readOid(info.next('content type'), 'content type')
  const algorithm = info.next('encryption algorithm', tags.sequence)
  const wrapped = info.next('ciphertext')
  if (wrapped.tag !== contextTag(0, false) && wrapped.tag !== contextTag(0, true))
    throw new DerError(wrapped.start, 'ciphertext: not an octet string')
  const plain = await decrypted(algorithm, implicitOctets(wrapped, 'ciphertext'), reading)
  await orWrongPassword(reading, () => collectBags(plain, reading, 0))
}

async function collectBags(contents: Buffer, reading: Reading, depth: number): Promise<void> {
  if (depth > 4) throw unsupported('its parts are nested too deep')
  for (const element of childrenOf(readWhole(derFromBer(contents)), 'bags', tags.sequence)) {
    reading.bags += 1
    if (reading.bags > maxBags) throw unsupported(`it holds more than ${maxBags} parts`)
    const bag = new DerReader(element, 'bag')
    const type = readOid(bag.next('bag type'), 'bag type')
    const value = bag.next('bag value', contextTag(0, true))
    const attributes = readBagAttributes(bag.optional('attributes', tags.set))
    await collectBag(type, value, attributes, reading, depth)
  }
}

async function collectBag(
  type: string,
  value: DerElement,
  attributes: BagAttributes,
  reading: Reading,
  depth: number,
): Promise<void> {
  const { found, options } = reading
  if (type === oids.certBag) {
    const certificate = new DerReader(only(value, 'certificate bag', tags.sequence), 'certificate bag')
    const isX509 = readOid(certificate.next('certificate type'), 'certificate type') === oids.x509Certificate
    const wrapper = certificate.next('certificate', contextTag(0, true))
    if (!isX509) found.others.push('a certificate that is not X.509')
    else {
      const der = Buffer.from(contentOf(only(wrapper, 'certificate', tags.octetString)))
      found.certificates.push({ der, ...attributes })
    }
  } else if (type === oids.safeContentsBag) await collectBags(Buffer.from(contentOf(value)), reading, depth + 1)
  else if (type === oids.keyBag && options.keys) {
    const key = only(value, 'key', tags.sequence)
    found.keys.push({ pkcs8: Buffer.from(key.bytes.subarray(key.start, key.end)), ...attributes })
  } else if (type === oids.shroudedKeyBag && options.keys) {
    const shrouded = new DerReader(only(value, 'encrypted key', tags.sequence), 'encrypted key')
    const algorithm = shrouded.next('encryption algorithm', tags.sequence)
    const pkcs8 = await decrypted(algorithm, contentOf(shrouded.next('key', tags.octetString)), reading)
    await orWrongPassword(reading, () => readWhole(pkcs8))
    found.keys.push({ pkcs8, ...attributes })
  } else found.others.push(otherBags[type] ?? `a bag of type ${type}`)
}

async function decrypted(
  algorithm: DerElement,
  encrypted: Buffer,
  { options, password, rounds }: Reading,
): Promise<Buffer> {
  const plain = await decryptWithPassword(algorithm, encrypted, password, rounds)
  if (plain === null) throw wrongPassword(options.password)
  return plain
}

/** What was decrypted under a wrong password may have a padding by chance, and then makes no sense. */
async function orWrongPassword(reading: Reading, read: () => unknown): Promise<void> {
  try {
    await read()
  } catch (error) {
    if (error instanceof DerError && !reading.proved) throw wrongPassword(reading.options.password)
    throw error
  }
}

function wrongPassword(password: string | undefined): MaterialError {
  return password === undefined || password === ''
    ? new MaterialError('material-password-missing', 'it wants a password')
    : new MaterialError('material-password-wrong', 'the password does not open it')
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

const unsupported = (reason: string): MaterialError => new MaterialError('material-unsupported', reason)

/** I10. Trust stores of Java hold some 150 certificates. */
const maxBags = 10_000

const oids = {
  data: '1.2.840.113549.1.7.1',
  envelopedData: '1.2.840.113549.1.7.3',
  encryptedData: '1.2.840.113549.1.7.6',
  keyBag: '1.2.840.113549.1.12.10.1.1',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
  safeContentsBag: '1.2.840.113549.1.12.10.1.6',
  x509Certificate: '1.2.840.113549.1.9.22.1',
} as const

const otherBags: Readonly<Record<string, string>> = {
  [oids.keyBag]: 'a private key',
  [oids.shroudedKeyBag]: 'an encrypted private key',
  '1.2.840.113549.1.12.10.1.4': 'a revocation list',
  '1.2.840.113549.1.12.10.1.5': 'a secret',
}
