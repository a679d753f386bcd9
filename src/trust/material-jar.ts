import { messageOf, PosternError } from '../core/errors.ts'
import { readZip } from '../core/zip.ts'
import { MaterialError } from './material-error.ts'

export interface KeyCertJar {
  readonly certificate: Buffer
  /** null: a jar of certificates alone. */
  readonly key: Buffer | null
}

/**
 * Edge's `keycertjar`: a zip in which `META-INF/descriptor.properties` names the files, `certFile=` and `keyFile=`. Throws
 * MaterialError, and the PosternErrors of `readZip` for what is wrong with the zip.
 */
export async function readJar(bytes: Buffer): Promise<KeyCertJar> {
  const files = await readZip(bytes, { bytes: maxBytes, entries: 100, each: maxFile, total: 4 * maxFile })
  const descriptor = files.get(descriptorName)
  if (descriptor === undefined) throw new MaterialError('material-jar', `the jar has no ${descriptorName}`)
  const names = properties(descriptor.toString('utf8'))
  const certificate = fileOf(files, names, 'certFile')
  if (certificate === null) throw new MaterialError('material-jar', `${descriptorName} has no certFile`)
  return { certificate, key: fileOf(files, names, 'keyFile') }
}

const descriptorName = 'META-INF/descriptor.properties'
const maxBytes = 1024 * 1024
const maxFile = 256 * 1024

function fileOf(files: ReadonlyMap<string, Buffer>, names: ReadonlyMap<string, string>, key: string): Buffer | null {
  const name = names.get(key)
  if (name === undefined || name === '') return null
  const file = files.get(name.replace(/^(?:\.?\/)+/, ''))
  if (file !== undefined) return file
  throw new MaterialError(
    'material-jar',
    `${descriptorName} names ${key} ${JSON.stringify(name.slice(0, 200))}, which the jar does not have`,
  )
}

/** Java's properties, without the escapes, which names of files do not need. */
function properties(text: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const line of text.split(/\r\n|\n|\r/)) {
    const match = /^\s*([^#!\s=:][^\s=:]*)\s*[=:\s]\s*(.*?)\s*$/.exec(line)
    if (match !== null) found.set(match[1] as string, match[2] as string)
  }
  return found
}

/** A fault of the zip, under the label of the material. */
export function labelledZip(error: unknown, label: string): unknown {
  if (!(error instanceof PosternError) || !error.code.startsWith('zip-')) return error
  return new PosternError(error.code, `${label}: ${messageOf(error)}`, {
    party: 'client',
    evidence: { ...error.evidence, label },
  })
}
