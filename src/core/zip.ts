import { promisify } from 'node:util'
import { buffer } from 'node:stream/consumers'
import { constants, crc32, inflateRaw } from 'node:zlib'
import yauzl from 'yauzl'
import yazl from 'yazl'
import { messageOf, PosternError } from './errors.ts'

/** I10: what a zip may cost, whatever its headers say. */
export interface ZipLimits {
  /** Bytes of the zip itself. */
  readonly bytes: number
  /** Entries, folders included. */
  readonly entries: number
  /** Bytes of one file. */
  readonly each: number
  /** Bytes of all files. */
  readonly total: number
  /** Bytes of a file for every byte that it takes in the zip, above the first MiB of all. */
  readonly ratio: number
}

/** Edge takes bundles of up to 15 MB. XML is packed at 1:20 and seldom more; deflate goes up to 1:1032. */
const defaultLimits: ZipLimits = {
  bytes: 16 * 1024 * 1024,
  entries: 5000,
  each: 16 * 1024 * 1024,
  total: 64 * 1024 * 1024,
  ratio: 100,
}

/** The names of PosternErrors of `readZip`. */
export type ZipFault =
  | 'zip-malformed'
  | 'zip-too-large'
  | 'zip-too-many'
  | 'zip-bomb'
  | 'zip-unsafe-name'
  | 'zip-not-a-file'
  | 'zip-encrypted'
  | 'zip-duplicate'
  | 'zip-method'
  | 'zip-checksum'

/**
 * The files of a zip by their names, which are relative, with `/`, and stay below the root. Refuses the whole zip on the
 * first fault, with a PosternError whose code is a ZipFault. Folders are left out.
 */
export async function readZip(input: Uint8Array, limits: Partial<ZipLimits> = {}): Promise<Map<string, Buffer>> {
  const bounds = { ...defaultLimits, ...limits }
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength)
  if (bytes.length > bounds.bytes)
    throw refused('zip-too-large', `the zip has ${bytes.length} bytes; at most ${bounds.bytes} are read`)
  const zip = await orMalformed(yauzl.fromBufferPromise(bytes, { decodeStrings: false }))
  if (zip.entryCount > bounds.entries)
    throw refused('zip-too-many', `the zip has ${zip.entryCount} entries; at most ${bounds.entries} are read`)
  const files = new Map<string, Buffer>()
  const budget = { left: bounds.total }
  const seen = new Set<string>()
  const entries = zip.eachEntry()
  for (;;) {
    const next = await orMalformed(entries.next())
    if (next.done === true) return files
    const name = nameOf(next.value)
    if (seen.has(name)) throw refused('zip-duplicate', `the zip has ${quoted(name)} twice`)
    seen.add(name)
    checkKind(next.value, name)
    if (name.endsWith('/')) continue
    files.set(name, await contentOf(zip, bytes, next.value, name, bounds, budget))
  }
}

/** A zip of files, in order of their names: the same bytes for the same files, whatever the time and its zone. */
export async function writeZip(files: Iterable<readonly [name: string, content: Uint8Array]>): Promise<Buffer> {
  const zip = new yazl.ZipFile()
  // Of the local zone, as DOS has it, so that the zone cancels out; not on yazl's own lower limit.
  const mtime = new Date(1980, 5, 1)
  for (const [name, content] of [...files].sort(([one], [other]) => (one < other ? -1 : 1))) {
    zip.addBuffer(Buffer.from(content), name, { mtime, mode: 0o100_644, forceDosTimestamp: true })
  }
  zip.end()
  return buffer(zip.outputStream)
}

function nameOf(entry: yauzl.Entry): string {
  // Raw, since `decodeStrings` is off.
  const raw = entry.fileName as unknown as Buffer
  const name = yauzl.getFileNameLowLevel(entry.generalPurposeBitFlag, raw, entry.extraFields, true)
  const unsafe = unsafeName(name)
  if (unsafe !== null) throw refused('zip-unsafe-name', `the zip has an entry ${quoted(name)}, ${unsafe}`)
  return name
}

function unsafeName(name: string): string | null {
  if (name === '') return 'whose name is empty'
  if (name.length > 1024) return `whose name has ${name.length} characters`
  if (name.includes('\\')) return 'whose name has a backslash; names in a zip are written with /'
  if (name.startsWith('/') || /^[A-Za-z]:/.test(name)) return 'whose name is absolute'
  if (/[\p{Cc}\p{Cs}\ufffd]/u.test(name)) return 'whose name has characters that cannot be shown'
  const parts = (name.endsWith('/') ? name.slice(0, -1) : name).split('/')
  if (parts.includes('..')) return 'which would lie outside of the folder'
  if (parts.includes('.') || parts.includes('')) return 'whose path has an empty part'
  return null
}

/** Links and devices come from Unix; the upper half of the attributes is its file mode, whoever wrote the zip. */
function checkKind(entry: yauzl.Entry, name: string): void {
  if (entry.isEncrypted() || (entry.generalPurposeBitFlag & 0x40) !== 0)
    throw refused('zip-encrypted', `${quoted(name)} in the zip is encrypted`)
  const kind = (entry.externalFileAttributes >>> 16) & 0xf0_00
  if (kind === 0xa0_00) throw refused('zip-not-a-file', `${quoted(name)} in the zip is a symbolic link`)
  if (kind !== 0 && kind !== 0x80_00 && kind !== 0x40_00)
    throw refused('zip-not-a-file', `${quoted(name)} in the zip is neither a file nor a folder`)
}

async function contentOf(
  zip: yauzl.ZipFile,
  bytes: Buffer,
  entry: yauzl.Entry,
  name: string,
  bounds: ZipLimits,
  budget: { left: number },
): Promise<Buffer> {
  const { uncompressedSize: size, compressedSize: packedSize, compressionMethod: method } = entry
  if (size > bounds.each)
    throw refused('zip-too-large', `${quoted(name)} in the zip has ${size} bytes; at most ${bounds.each} are read`)
  if (size > budget.left) throw refused('zip-bomb', `the files in the zip have more than ${bounds.total} bytes`)
  budget.left -= size
  if (bounds.total - budget.left > freeBytes && size > packedSize * bounds.ratio)
    throw refused('zip-bomb', `${quoted(name)} in the zip is packed more than 1:${bounds.ratio}`)
  if (method !== 0 && method !== 8)
    throw refused('zip-method', `${quoted(name)} in the zip is packed with method ${method}; write it with deflate`)
  const header = await orMalformed(zip.readLocalFileHeaderPromise(entry))
  // Two names for one file: readers would not agree on what the zip holds.
  if (!header.fileName.equals(entry.fileName as unknown as Buffer) || header.compressionMethod !== method)
    throw refused('zip-malformed', `the zip tells two things about ${quoted(name)}`)
  const packed = bytes.subarray(header.fileDataStart, header.fileDataStart + packedSize)
  const content = method === 0 ? Buffer.from(packed) : await inflated(packed, size, name)
  if (content.length !== size || crc32(content) !== entry.crc32)
    throw refused('zip-checksum', `${quoted(name)} in the zip is damaged: its size or checksum does not agree`)
  return content
}

const freeBytes = 1024 * 1024

async function inflated(packed: Buffer, size: number, name: string): Promise<Buffer> {
  try {
    // One byte more than announced is enough to know.
    return await inflate(packed, { maxOutputLength: size + 1, finishFlush: constants.Z_FINISH })
  } catch (cause) {
    throw refused('zip-checksum', `${quoted(name)} in the zip is damaged: ${messageOf(cause)}`)
  }
}

const inflate = promisify<Buffer, { maxOutputLength: number; finishFlush: number }, Buffer>(inflateRaw)

async function orMalformed<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (cause) {
    const reason = messageOf(cause).split('\n', 1)[0]?.slice(0, 160) ?? ''
    const text = reason.startsWith('End of central directory') ? 'is not a zip, or is cut off' : `is damaged: ${reason}`
    throw refused('zip-malformed', `the file ${text}`)
  }
}

/** A name of the sender's; JSON escapes what could forge a line. */
const quoted = (name: string): string => JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}...` : name)

const refused = (fault: ZipFault, message: string): PosternError =>
  new PosternError(fault, message, { party: 'client', evidence: { fault } })
