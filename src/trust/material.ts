import type { KeyObject } from 'node:crypto'
import type { Certificate } from '../x509/certificate.ts'
import { asBuffer } from '../x509/der.ts'
import { derKind } from '../x509/der-kind.ts'
import { renderName } from '../x509/name.ts'
import { jceksMagic, jksMagic } from './jks.ts'
import { isCutOff, isHtml, readCertificates } from './material-certificates.ts'
import { MaterialError } from './material-error.ts'
import { labelledZip, readJar } from './material-jar.ts'
import { holderOf, keyAmong, readKey } from './material-key.ts'
import { type MaterialEntry, readJksEntries, readPkcs12Entries } from './material-stores.ts'
import { ownChain } from './own-chain.ts'

export type { MaterialEntry } from './material-stores.ts'

export type MaterialFormat = 'pem' | 'der' | 'pkcs7' | 'pkcs12' | 'jks' | 'keycertjar'

export interface MaterialOptions {
  /** Names the input in errors: `certFile`. */
  readonly label: string
  /** Of the container, or of the key. */
  readonly password?: string | undefined
  /** What it has to be. Default: what it is. */
  readonly formats?: readonly MaterialFormat[]
  /** The private key, where it comes in a file of its own. */
  readonly key?: Uint8Array | undefined
  /** Names that file in errors: `keyFile`. Default: as `label`. */
  readonly keyLabel?: string | undefined
  /** A private key among PEM certificates: refused unless this is true. */
  readonly keyAmongCertificates?: boolean
  /** Which alias is meant where a store has several keys. */
  readonly alias?: string
}

export interface Material {
  readonly format: MaterialFormat
  /** Leaf first where there is a key, each issued by the next; otherwise in the order given. */
  readonly certificates: readonly Certificate[]
  /** PKCS#8 PEM. For memory and the sealed part of the store only (I7). */
  readonly key: string | null
  /** Every alias of a store. What is no store has one without a name. */
  readonly entries: readonly MaterialEntry[]
  /** What was put right or left out, for people. */
  readonly notes: readonly string[]
}

/**
 * Reads certificates, with their private key where there is one, in whatever form people have them. Refuses the whole of it
 * on the first fault: MaterialError, or the errors of `readZip` for a jar.
 */
export async function readMaterial(input: Uint8Array, options: MaterialOptions): Promise<Material> {
  try {
    const bytes = asBuffer(input)
    const format = formatOf(bytes)
    checkFormat(format, options.formats)
    const { entries, notes } = await readEntries(bytes, format, options)
    return { format, entries, ...chosen(entries, notes, options) }
  } catch (error) {
    if (error instanceof MaterialError && 'label' in error.evidence) throw error
    if (error instanceof MaterialError) throw new MaterialError(error.fault, error.reason, options.label)
    throw labelledZip(error, options.label)
  }
}

/** Throws `material-expired` where a certificate has ended. One that has not begun yet may be put in place beforehand. */
export function refuseExpired(certificates: readonly Certificate[], now: number, label: string): void {
  const expired = certificates.find(({ notAfter }) => now > notAfter)
  if (expired === undefined) return
  const day = expired.notAfter > 0 ? new Date(expired.notAfter).toISOString() : 'a date that cannot be read'
  throw new MaterialError('material-expired', `the certificate "${subjectOf(expired)}" expired on ${day}`, label)
}

interface Reading {
  readonly entries: readonly MaterialEntry[]
  readonly notes: readonly string[]
}

/** What it most likely is; `pem` for whatever is not binary, and for what is nothing. */
export function formatOf(bytes: Buffer): MaterialFormat {
  const magic = bytes.length >= 4 ? bytes.readUInt32BE(0) : 0
  if (magic === jksMagic || magic === jceksMagic) return 'jks'
  if (magic === 0x50_4b_03_04 || magic === 0x50_4b_05_06) return 'keycertjar'
  if (bytes[0] !== 0x30 || ((bytes[1] ?? 0) < 0x80 && bytes.includes('-----BEGIN'))) return 'pem'
  const kind = derKind(bytes)
  return kind === 'pkcs12' || kind === 'pkcs7' ? kind : 'der'
}

function checkFormat(format: MaterialFormat, wanted: readonly MaterialFormat[] | undefined): void {
  // What is nothing at all is better refused by its own reader, with a better reason.
  if (wanted === undefined || wanted.includes(format) || (format === 'pem' && !wanted.includes('pem'))) return
  throw new MaterialError(
    'material-format',
    `is ${formatNames[format]}; ${formatNames[wanted[0] as MaterialFormat]} is expected here`,
  )
}

const formatNames: Readonly<Record<MaterialFormat, string>> = {
  pem: 'PEM',
  der: 'a single DER object',
  pkcs7: 'PKCS#7',
  pkcs12: 'PKCS#12 (PFX)',
  jks: 'a Java key store',
  keycertjar: 'a jar',
}

async function readEntries(bytes: Buffer, format: MaterialFormat, options: MaterialOptions): Promise<Reading> {
  const { password, formats } = options
  switch (format) {
    case 'pkcs12':
      return readPkcs12Entries(bytes, password)
    case 'jks':
      return readJksEntries(bytes, password)
    case 'keycertjar': {
      const { certificate, key } = await readJar(bytes)
      return withKey(certificate, key, { ...options, keyAmongCertificates: false })
    }
    case 'pem':
    case 'der':
    case 'pkcs7':
      if (formats !== undefined && !formats.includes(format)) throw notThat(bytes, formats[0] as MaterialFormat)
      return withKey(bytes, options.key ?? null, options)
    default:
      return format satisfies never
  }
}

/** Text, or nothing, where a container should be. */
function notThat(bytes: Buffer, wanted: MaterialFormat): MaterialError {
  if (bytes.length === 0) return new MaterialError('material-empty', 'is empty')
  if (isHtml(bytes)) return new MaterialError('material-html', 'is an HTML page; what was saved is not the file itself')
  if (bytes.includes('-----BEGIN'))
    return new MaterialError('material-format', `is PEM; ${formatNames[wanted]} is expected here`)
  const fault = isCutOff(bytes) ? 'material-truncated' : 'material-unknown'
  return new MaterialError(
    fault,
    `is not ${formatNames[wanted]}${fault === 'material-truncated' ? ', or is cut off' : ''}`,
  )
}

/** Certificates in one file and, maybe, their key in another. */
async function withKey(
  file: Buffer,
  keyFile: Uint8Array | null,
  { password, keyAmongCertificates, keyLabel = '' }: MaterialOptions,
): Promise<Reading> {
  const together = keyAmongCertificates === true
  const { certificates, notes } = readCertificates(file, together ? 'beside' : 'refused')
  const key =
    keyFile !== null ? await readKeyFile(keyFile, password, keyLabel) : together ? await keyAmong(file, password) : null
  if (key === null) return { entries: [{ alias: null, certificates, key }], notes }
  const leaf = holderOf(key, certificates)
  if (leaf === undefined) throw mismatch(certificates, key, keyLabel)
  const { chain, left, reordered } = ownChain(leaf, certificates)
  const order = reordered ? [`the order of the certificates was put right: ${subjectsOf(chain)}`] : []
  const extra = left.length > 0 ? [`left out, not of the chain of the leaf: ${subjectsOf(left)}`] : []
  return { entries: [{ alias: null, certificates: chain, key }], notes: [...notes, ...order, ...extra] }
}

/** The one that is meant: the alias that was named, the only key, or all certificates of a store without keys. */
function chosen(
  entries: readonly MaterialEntry[],
  notes: readonly string[],
  { alias }: MaterialOptions,
): Pick<Material, 'certificates' | 'key' | 'notes'> {
  const keyed = entries.filter(({ key }) => key !== null)
  const entry = keyed.length > 1 ? keyed.find((each) => each.alias === alias) : keyed[0]
  if (entry === undefined && keyed.length > 0) {
    const names = keyed.map((each) => JSON.stringify(each.alias ?? '')).join(', ')
    throw new MaterialError('material-several-keys', `holds ${keyed.length} private keys (${names}), one is needed`)
  }
  if (entry !== undefined) {
    const others = entries.filter((each) => each !== entry).flatMap(({ certificates }) => certificates)
    const extra = others.length > 0 ? [`left out, not of the chain of the leaf: ${subjectsOf(others)}`] : []
    return { certificates: entry.certificates, key: pkcs8Of(entry.key), notes: [...notes, ...extra] }
  }
  const all = new Map(entries.flatMap(({ certificates }) => certificates.map((each) => [each.sha256, each] as const)))
  return { certificates: [...all.values()], key: null, notes }
}

const pkcs8Of = (key: KeyObject | null): string | null =>
  key === null ? null : key.export({ type: 'pkcs8', format: 'pem' }).toString()

async function readKeyFile(file: Uint8Array, password: string | undefined, label: string): Promise<KeyObject> {
  try {
    return await readKey(asBuffer(file), password)
  } catch (error) {
    if (error instanceof MaterialError) throw new MaterialError(error.fault, error.reason, label)
    throw error
  }
}

function mismatch(certificates: readonly Certificate[], key: KeyObject, label: string): MaterialError {
  const held = certificates.map((each) => `"${subjectOf(each)}" (${each.publicKey.algorithm})`).join(', ')
  const kind = key.asymmetricKeyType ?? 'of an unknown kind'
  return new MaterialError(
    'material-key-mismatch',
    `the private key (${kind}) belongs to none of the certificates: ${held}`,
    label,
  )
}

const subjectOf = (certificate: Certificate): string => renderName(certificate.subject, 'edge')

const subjectsOf = (certificates: readonly Certificate[]): string =>
  certificates.map((each) => `"${subjectOf(each)}"`).join(', ')
