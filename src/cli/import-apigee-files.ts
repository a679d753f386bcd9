import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { readBundle } from '../compat/apigee/bundle-read.ts'
import { findBundles, type FoundBundle, maxBundleBytes } from '../compat/apigee/bundle-source.ts'
import type { ApiProxyBundle, SharedFlowBundle } from '../compat/apigee/bundle-types.ts'
import { messageOf, PosternError } from '../core/errors.ts'
import { readZip } from '../core/zip.ts'

/** As in a zip. (I10) */
const maxFiles = 5000
const maxTotal = 64 * 1024 * 1024
const maxFound = 200

export interface NamedBundle {
  readonly bundle: ApiProxyBundle | SharedFlowBundle
  /** The folder it was in, below the one given. */
  readonly above: string
}

/** The bundles in a folder or a zip, at its top or one level down. Throws where there is none. */
export async function readBundles(source: string): Promise<readonly NamedBundle[]> {
  const found = findBundles(isDirectory(source) ? filesOf(source) : await unpacked(source))
  if (found.length === 0) {
    const message = `${source} has neither a folder apiproxy nor a folder sharedflowbundle, at its top or one level down`
    throw new PosternError('bundle-missing', message)
  }
  if (found.length > maxFound) throw new PosternError('bundle-too-many', `${source} has more than ${maxFound} bundles`)
  return found.map((one: FoundBundle) => ({ bundle: readBundle(one.files, one.kind), above: one.above }))
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch (cause) {
    throw new PosternError('file-unreadable', `${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

async function unpacked(path: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const { size } = statSync(path)
  if (size > maxBundleBytes) {
    throw new PosternError('zip-too-large', `${path} has ${size} bytes; at most ${maxBundleBytes} are read`)
  }
  try {
    return await readZip(readFileSync(path), { bytes: maxBundleBytes })
  } catch (cause) {
    if (!(cause instanceof PosternError)) throw cause
    throw new PosternError(cause.code, `${path}: ${cause.message}`, { cause })
  }
}

/** Documents with their bytes, other files with their names. Links are not followed: they may lead anywhere. */
function filesOf(directory: string): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  const limit = { left: maxTotal }
  // The root folder itself may have been given.
  const self = basename(resolve(directory))
  const start = self === 'apiproxy' || self === 'sharedflowbundle' ? `${self}/` : ''
  const walk = (below: string, depth: number): void => {
    for (const entry of entriesOf(join(directory, below))) {
      const path = `${below}${entry.name}`
      const inBundle = /(?:^|\/)(?:apiproxy|sharedflowbundle)(?:\/|$)/.test(start + path)
      if (entry.isDirectory() && (inBundle ? depth < 12 : depth < 1)) walk(`${path}/`, depth + 1)
      else if (entry.isFile() && inBundle) files.set(start + path, bytesOf(directory, path, limit))
      if (files.size > maxFiles)
        throw new PosternError('bundle-too-large', `${directory} has more than ${maxFiles} files`)
    }
  }
  walk('', 0)
  return files
}

function entriesOf(directory: string): readonly Dirent[] {
  return readdirSync(directory, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function bytesOf(directory: string, path: string, limit: { left: number }): Uint8Array {
  if (!/\.xml$/i.test(path) || /(?:^|\/)resources\//.test(path)) return new Uint8Array(0)
  const file = join(directory, path)
  limit.left -= statSync(file).size
  if (limit.left < 0) throw new PosternError('bundle-too-large', `the documents have more than ${maxTotal} bytes`)
  return readFileSync(file)
}
