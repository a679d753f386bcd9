import { createHash } from 'node:crypto'
import { readBundle } from '../../compat/apigee/bundle-read.ts'
import type { ApiProxyBundle, SharedFlowBundle } from '../../compat/apigee/bundle-types.ts'
import type { BundleFileBody } from '../../state/kinds.ts'
import type { StateStore, StateTransaction, StateView, StoredObject } from '../../state/types.ts'
import { filesScope, type Asset, type RevisionId } from './asset.ts'

export type Bundle = ApiProxyBundle | SharedFlowBundle

/** What the files of a revision say. */
export interface RevisionContent {
  readonly bundle: Bundle
  /** Paths of all files, ascending. */
  readonly paths: readonly string[]
  /** Changes with any of the files, and with nothing else. */
  readonly manifestVersion: string
}

/** Reads the documents of a bundle; resources are known by their paths alone. */
export function readDocuments(asset: Asset, files: ReadonlyMap<string, Uint8Array>): Bundle {
  return readBundle(files, asset.root)
}

/**
 * The parsed bundle of a revision. Whatever is read twice without a change between is parsed once: lists and beans do not
 * read the bytes of a file.
 */
export async function revisionContent(store: StateStore, view: StateView, id: RevisionId): Promise<RevisionContent> {
  const { asset } = id
  const scope = filesScope(id)
  const files = await view.list(asset.fileKind, scope)
  const key = `${asset.fileKind} ${scope}`
  const stamp = stampOf(files)
  const cache = cacheOf(store)
  const kept = cache.get(key, stamp)
  if (kept !== null) return kept
  const documents = new Map<string, Uint8Array>()
  for (const { name } of files) documents.set(name, isResource(asset, name) ? noBytes : await bytesOf(view, id, name))
  const content: RevisionContent = {
    bundle: readDocuments(asset, documents),
    paths: files.map((file) => file.name),
    manifestVersion: `SHA-512:${manifest(files)}`,
  }
  // What a transaction took out may be put back: then as many files with the same newest version are other files.
  const written = 'changed' in view && (view as StateTransaction).changed.has(asset.fileKind)
  if (!written) cache.put(key, stamp, content, sizeOf(asset, files))
  return content
}

/** Every file with its bytes. */
export async function revisionFiles(view: StateView, id: RevisionId): Promise<Map<string, Buffer>> {
  const names = await view.names(id.asset.fileKind, filesScope(id))
  const files = new Map<string, Buffer>()
  for (const name of names) files.set(name, await bytesOf(view, id, name))
  return files
}

export async function putFiles(
  tx: StateTransaction,
  id: RevisionId,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  for (const [path, bytes] of files) {
    await tx.put(id.asset.fileKind, filesScope(id), path, { body: { bytes: bytes.length }, blob: bytes })
  }
}

export async function deleteFiles(tx: StateTransaction, id: RevisionId): Promise<void> {
  await tx.deleteBelow(id.asset.fileKind, filesScope(id))
}

export async function bytesOf(view: StateView, id: RevisionId, path: string): Promise<Buffer> {
  return (await view.blob(id.asset.fileKind, filesScope(id), path)) ?? Buffer.alloc(0)
}

type File = StoredObject & { readonly body: BundleFileBody }

const isResource = (asset: Asset, path: string): boolean => path.startsWith(`${asset.root}/resources/`)

const noBytes = new Uint8Array(0)

/**
 * Versions only rise, so files of which none is newer and none is gone are the same files: a file that was taken out can
 * only be made up for by a newer one.
 */
function stampOf(files: readonly File[]): string {
  return `${files.length} ${files.reduce((newest, file) => Math.max(newest, file.version), 0)}`
}

function manifest(files: readonly File[]): string {
  const hash = createHash('sha512')
  for (const file of files) hash.update(`${file.name}\0${file.version}\0`)
  return hash.digest('hex')
}

/** What a parsed bundle holds is a small multiple of its XML. */
function sizeOf(asset: Asset, files: readonly File[]): number {
  return files.reduce((sum, { name, body }) => sum + 256 + (isResource(asset, name) ? 0 : body.bytes), 1024)
}

/** The least recently asked for goes first (I10). */
class ContentCache {
  readonly #most: number
  readonly #kept = new Map<
    string,
    { readonly stamp: string; readonly content: RevisionContent; readonly size: number }
  >()
  #size = 0

  constructor(most: number) {
    this.#most = most
  }

  get(key: string, stamp: string): RevisionContent | null {
    const found = this.#kept.get(key)
    if (found === undefined) return null
    this.#kept.delete(key)
    if (found.stamp !== stamp) {
      this.#size -= found.size
      return null
    }
    this.#kept.set(key, found)
    return found.content
  }

  put(key: string, stamp: string, content: RevisionContent, size: number): void {
    if (size > this.#most) return
    this.#size += size - (this.#kept.get(key)?.size ?? 0)
    this.#kept.delete(key)
    this.#kept.set(key, { stamp, content, size })
    for (const [oldest, { size: freed }] of this.#kept) {
      if (this.#size <= this.#most) break
      this.#kept.delete(oldest)
      this.#size -= freed
    }
  }
}

const cacheBytes = 32 * 1024 * 1024

/** One for each store; gone with it. */
const caches = new WeakMap<StateStore, ContentCache>()

function cacheOf(store: StateStore): ContentCache {
  const found = caches.get(store)
  if (found !== undefined) return found
  const made = new ContentCache(cacheBytes)
  caches.set(store, made)
  return made
}
