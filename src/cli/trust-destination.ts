import { existsSync, realpathSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import type { TrustSourceConfig, TrustStoreConfig } from '../config/schema.ts'
import { PosternError } from '../core/errors.ts'
import { readRegularFile } from '../trust/read-file.ts'
import { fileStem } from '../verdict/shell.ts'
import type { Certificate } from '../x509/certificate.ts'
import { renderName } from '../x509/name.ts'

/* Where in a store a certificate goes: a file that a person named, never what others own. */

export type Role = 'anchor' | 'intermediate'

export interface StorePlace {
  readonly configPath: string
  readonly configText: string
  readonly name: string
  readonly store: TrustStoreConfig
  readonly role: Role
}

export interface Destination {
  readonly path: string
  /** Its bytes; null: it is made. */
  readonly existing: Buffer | null
  /** The source that has to be added for it; null: the store has it. */
  readonly source: TrustSourceConfig | null
  /** For the trial: the place of its source in the configuration, or a further one where it is of a directory. */
  readonly at: readonly (string | number)[]
}

/** The first file or directory of the store that a person wrote down; what others own is left alone. */
export function destinationFor(
  { configPath, name, store, role }: StorePlace,
  certificate: Certificate,
  newFile: string | null,
): Destination {
  const part = role === 'anchor' ? 'sources' : 'intermediates'
  const sources = store[part]
  const folder = dirname(configPath)
  const made = (file: string): Destination => {
    const path = resolve(folder, file)
    if (existsSync(path)) throw new PosternError('file-exists', `${path} exists already; name another file`)
    const named = relative(folder, path)
    return {
      path,
      existing: null,
      source: { file: named.startsWith('..') ? path : `./${named}` },
      at: ['trustStores', name, part, sources.length],
    }
  }
  if (newFile !== null) return made(newFile)
  for (const [index, source] of sources.entries()) {
    if ('file' in source) {
      const path = resolve(folder, source.file)
      refuseMounted(path, name)
      return { path, existing: readRegularFile(path), source: null, at: ['trustStores', name, part, index] }
    }
    if ('directory' in source) {
      const directory = resolve(folder, source.directory)
      refuseMounted(join(directory, '..data'), name)
      return {
        path: freeName(directory, certificate),
        existing: null,
        source: null,
        at: ['trustStores', name, part, sources.length],
      }
    }
  }
  if (role === 'intermediate') return made(basename(freeName(folder, certificate, `${name}-intermediates`)))
  throw new PosternError('no-writable-source', noPlace(name, sources, certificate))
}

/** Kubernetes leads to the files of a mounted Secret through `..data`; what is written there is gone with the next update. */
function refuseMounted(path: string, name: string): void {
  if (!existsSync(path)) return
  if (
    basename(path) !== '..data' &&
    !realpathSync(path)
      .split('/')
      .some((step) => /^\.\.\w/.test(step))
  )
    return
  throw new PosternError(
    'no-writable-source',
    `${dirname(path)} is mounted from a Secret or ConfigMap, which owns the files of store ${name}; change that: kubectl create secret generic NAME --from-file=FILE --dry-run=client -o yaml | kubectl apply -f -`,
  )
}

/** What to do where a store has nothing but what others own. */
function noPlace(name: string, sources: readonly TrustSourceConfig[], certificate: Certificate): string {
  const kinds = sources.map((source) => {
    if ('env' in source) return `env ${source.env} (change the file it names, on Kubernetes the Secret behind it)`
    if ('inline' in source) return 'inline (edit the configuration)'
    return 'system' in source ? "the system's roots (use the system's own tool)" : 'the bundled roots'
  })
  return `store ${name} has no file or directory of its own, only ${kinds.join(', ')}; give it one with --new-file ./${name}-${fileStem(renderName(certificate.subject, 'edge'))}.pem`
}

function freeName(
  directory: string,
  certificate: Certificate,
  stem = fileStem(renderName(certificate.subject, 'edge')),
): string {
  for (const suffix of ['', `-${certificate.sha256.slice(0, 8).toLowerCase()}`]) {
    const path = join(directory, `${stem}${suffix}.pem`)
    if (!existsSync(path)) return path
  }
  throw new PosternError('file-exists', `${directory} has a file ${stem}.pem already; name another with --new-file`)
}

/** PEM behind PEM. DER cannot be added to, and a guess at another form could lose what is in it. */
export function appended(existing: Buffer, certificate: Certificate, path: string): string {
  const text = existing.toString('utf8')
  if (!text.includes('-----BEGIN') || !Buffer.from(text).equals(existing)) {
    throw new PosternError(
      'file-not-pem',
      `${path} is not PEM, so nothing can be added to it; convert it (postern pki bundle --out NEW ${path}), or use --new-file`,
    )
  }
  return `${text}${text.endsWith('\n') ? '' : '\n'}${certificate.pem}`
}
