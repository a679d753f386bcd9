import { createHash, timingSafeEqual } from 'node:crypto'
import { openJksKey } from './jks-key.ts'
import { MaterialError } from './material-error.ts'

export interface JksEntry {
  readonly alias: string
  /** DER; the chain of a key, leaf first, or the one trusted certificate. */
  readonly certificates: readonly Buffer[]
  /** PKCS#8, decrypted; null for a trusted certificate, and where keys were not asked for. For memory only (I7). */
  readonly key: Buffer | null
}

export interface JksContent {
  readonly entries: readonly JksEntry[]
  /** false: no password was given, and nobody knows whether the file is as it was written. */
  readonly checked: boolean
}

export interface JksOptions {
  readonly password: string | undefined
  readonly keys: boolean
}

export const jksMagic = 0xfe_ed_fe_ed
export const jceksMagic = 0xce_ce_ce_ce

/**
 * Java's key store before PKCS#12: magic, version, entries, and a SHA-1 over all of it that is keyed with the password
 * (JDK, sun.security.provider.JavaKeyStore). The password can be left out, as Java does for trust stores; then the sum is
 * not checked and keys stay closed. Throws MaterialError.
 */
export function readJks(bytes: Buffer, { password, keys }: JksOptions): JksContent {
  if (bytes.length >= 4 && bytes.readUInt32BE(0) === jceksMagic) {
    throw new MaterialError(
      'material-jceks',
      'is a JCEKS key store, which is not read; convert it with: keytool -importkeystore -srckeystore FILE -srcstoretype JCEKS -destkeystore FILE.p12 -deststoretype PKCS12',
    )
  }
  const reader = new JksReader(bytes, sumBytes)
  if (reader.number() !== jksMagic) throw new MaterialError('material-malformed', 'is not a Java key store')
  const version = reader.number()
  if (version !== 1 && version !== 2)
    throw new MaterialError('material-unsupported', `is a Java key store of version ${version}`)
  const count = reader.number()
  if (count > maxEntries) throw new MaterialError('material-unsupported', `announces ${count} entries`)
  const raw: RawEntry[] = []
  for (let index = 0; index < count; index++) raw.push(readEntry(reader, version))
  if (!reader.done) throw new MaterialError('material-malformed', 'holds more than its entries')
  // Before the keys: a wrong password must be named as one.
  if (password !== undefined) checkSum(bytes, password)
  const entries = raw.map(({ sealedKey, ...entry }) => {
    if (sealedKey === null || !keys) return { ...entry, key: null }
    if (password === undefined) throw new MaterialError('material-password-missing', 'it wants a password')
    return { ...entry, key: openJksKey(sealedKey, password) }
  })
  return { entries, checked: password !== undefined }
}

interface RawEntry {
  readonly alias: string
  readonly certificates: readonly Buffer[]
  readonly sealedKey: Buffer | null
}

function readEntry(reader: JksReader, version: number): RawEntry {
  const tag = reader.number()
  const alias = reader.text()
  // When it was put in: milliseconds, of no use here.
  reader.take(8)
  if (tag === 2) return { alias, certificates: [readCertificate(reader, version)], sealedKey: null }
  if (tag === 3) {
    throw new MaterialError(
      'material-secret-key',
      `holds a secret key (${JSON.stringify(alias)}), which is neither a certificate nor a private key`,
    )
  }
  if (tag !== 1) throw new MaterialError('material-malformed', `holds an entry of kind ${tag}, which does not exist`)
  const sealedKey = reader.take(reader.number())
  const length = reader.number()
  if (length > maxChain) throw new MaterialError('material-unsupported', `announces a chain of ${length} certificates`)
  const certificates: Buffer[] = []
  for (let index = 0; index < length; index++) certificates.push(readCertificate(reader, version))
  return { alias, certificates, sealedKey }
}

function readCertificate(reader: JksReader, version: number): Buffer {
  const type = version === 1 ? 'X.509' : reader.text()
  if (type !== 'X.509' && type !== 'X509')
    throw new MaterialError('material-unsupported', `holds a certificate of type ${JSON.stringify(type.slice(0, 40))}`)
  return Buffer.from(reader.take(reader.number()))
}

function checkSum(bytes: Buffer, password: string): void {
  const wide = Buffer.from(password, 'utf16le').swap16()
  const actual = createHash('sha1')
    .update(wide)
    .update('Mighty Aphrodite', 'utf8')
    .update(bytes.subarray(0, -sumBytes))
    .digest()
  if (timingSafeEqual(actual, bytes.subarray(-sumBytes))) return
  throw new MaterialError('material-password-wrong', 'the password does not open it, or the file was altered')
}

const sumBytes = 20
const maxEntries = 10_000
const maxChain = 100

/** DataInputStream, big-endian. */
class JksReader {
  readonly #bytes: Buffer
  readonly #end: number
  #at = 0

  constructor(bytes: Buffer, tail: number) {
    this.#bytes = bytes
    this.#end = Math.max(0, bytes.length - tail)
  }

  get done(): boolean {
    return this.#at === this.#end
  }

  take(length: number): Buffer {
    if (length > this.#end - this.#at) throw new MaterialError('material-truncated', 'the Java key store is cut off')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  number(): number {
    return this.take(4).readUInt32BE(0)
  }

  /** Modified UTF-8, which differs from UTF-8 in what no alias has: NUL and characters in pairs. */
  text(): string {
    return this.take(this.take(2).readUInt16BE(0)).toString('utf8')
  }
}
