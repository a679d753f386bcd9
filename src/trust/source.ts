import { existsSync } from 'node:fs'
import tls from 'node:tls'

import { PosternError } from '../core/errors.ts'
import type { Certificate } from '../x509/certificate.ts'
import { type Bundle, type IgnoredPart, readBundle, readBundleLeniently } from '../x509/pem.ts'
import { readDirectory } from './directory.ts'
import { readRegularFile } from './read-file.ts'

/** Where certificates come from. Paths are absolute; whoever reads the configuration resolves them. */
export type SourceSpec =
  | { readonly kind: 'inline'; readonly pem: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'env'; readonly name: 'SSL_CERT_FILE' | 'SSL_CERT_DIR'; readonly optional: boolean }
  | { readonly kind: 'system' }
  | { readonly kind: 'bundled' }
  /** A store of the management API, read by whoever keeps it. */
  | {
      readonly kind: 'managed'
      readonly name: string
      readonly content: { readonly pem: string } | { readonly why: string }
    }

export type Environment = Readonly<Record<string, string | undefined>>

/** Where one certificate was found. `index` counts from 1 within the file. */
export interface Provenance {
  readonly source: string
  readonly path: string | null
  readonly index: number
}

export interface SourceEntry {
  readonly certificate: Certificate
  readonly provenance: Provenance
}

/** Something in a source that was left out, and why. */
export interface IgnoredEntry {
  readonly source: string
  readonly path: string | null
  readonly index: number | null
  readonly line: number | null
  readonly what: string
  readonly why: string
}

export interface SourceReading {
  readonly label: string
  readonly entries: readonly SourceEntry[]
  readonly ignored: readonly IgnoredEntry[]
  /** Files and directories whose change calls for another reading. */
  readonly watch: readonly string[]
}

/** The distribution's own places; injectable for tests. */
export interface SystemPlaces {
  readonly files: readonly string[]
  readonly directories: readonly string[]
}

// Debian and Alpine; RHEL and Fedora; SUSE; RHEL without the link; BSD and macOS.
const defaultPlaces: SystemPlaces = {
  files: [
    '/etc/ssl/certs/ca-certificates.crt',
    '/etc/pki/tls/certs/ca-bundle.crt',
    '/etc/ssl/ca-bundle.pem',
    '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
    '/etc/ssl/cert.pem',
  ],
  directories: ['/etc/ssl/certs', '/etc/pki/tls/certs'],
}

/** Reads one source, whole or not at all. Only `system` is lenient: nobody here wrote those files. */
export function readSource(spec: SourceSpec, env: Environment, places: SystemPlaces = defaultPlaces): SourceReading {
  const label = sourceLabel(spec)
  const watch = sourcePaths(spec, env, places)
  switch (spec.kind) {
    case 'inline':
      return reading(label, watch, [take(label, null, readBundle(Buffer.from(spec.pem), label))])
    case 'file':
      return reading(label, watch, [strictFile(label, spec.path)])
    case 'directory':
      return reading(label, watch, [strictDirectory(label, spec.path)])
    case 'env':
      return reading(label, watch, readVariable(spec, env))
    case 'system':
      return reading(label, watch, readSystem(label, env, places))
    case 'bundled':
      return reading(label, watch, [bundledRoots(label)])
    case 'managed':
      return reading(label, watch, [managed(label, spec)])
    default:
      return spec satisfies never
  }
}

function sourceLabel(spec: SourceSpec): string {
  switch (spec.kind) {
    case 'file':
    case 'directory':
      return `${spec.kind} ${spec.path}`
    case 'managed':
      return `managed ${spec.name}`
    case 'env':
      return `env ${spec.name}`
    case 'inline':
    case 'system':
    case 'bundled':
      return spec.kind
    default:
      return spec satisfies never
  }
}

/** What to watch for a source, known without reading it: also for one that cannot be read yet. */
export function sourcePaths(
  spec: SourceSpec,
  env: Environment,
  places: SystemPlaces = defaultPlaces,
): readonly string[] {
  switch (spec.kind) {
    case 'file':
    case 'directory':
      return [spec.path]
    case 'env':
      return variablePaths(spec.name, env)
    case 'system': {
      const { file, directories } = systemPaths(env, places)
      return file === null ? directories : [file, ...directories]
    }
    case 'inline':
    case 'bundled':
    case 'managed':
      return []
    default:
      return spec satisfies never
  }
}

type Part = Pick<SourceReading, 'entries' | 'ignored'>

const reading = (label: string, watch: readonly string[], parts: readonly Part[]): SourceReading => ({
  label,
  entries: parts.flatMap(({ entries }) => entries),
  ignored: parts.flatMap(({ ignored }) => ignored),
  watch,
})

function take(source: string, path: string | null, bundle: Bundle, unreadable: readonly IgnoredPart[] = []): Part {
  return {
    entries: bundle.entries.map(({ certificate, index }) => ({ certificate, provenance: { source, path, index } })),
    ignored: [...bundle.ignored, ...unreadable].map((part) => ({ source, path, ...part })),
  }
}

const strictFile = (source: string, path: string): Part => take(source, path, readBundle(readRegularFile(path), path))

function strictDirectory(source: string, path: string): Part {
  const { files, skipped } = readDirectory(path)
  if (files.length === 0) {
    throw new PosternError('bundle-refused', `${path}: the directory holds no file that could be a certificate`, {
      evidence: { source, path, fault: 'empty', reason: 'no file' },
    })
  }
  const parts = files.map((file) => take(source, file.path, readBundle(file.bytes, file.path)))
  return {
    entries: parts.flatMap(({ entries }) => entries),
    ignored: [
      ...skipped.map((it) => ({ source, index: null, line: null, ...it })),
      ...parts.flatMap(({ ignored }) => ignored),
    ],
  }
}

function readVariable(spec: Extract<SourceSpec, { kind: 'env' }>, env: Environment): Part[] {
  const label = sourceLabel(spec)
  const paths = variablePaths(spec.name, env)
  if (paths.length === 0) {
    if (spec.optional) return []
    throw new PosternError(
      'trust-source-unset',
      `the environment variable ${spec.name} is not set; set it, or mark the source optional`,
      {
        evidence: { source: label, variable: spec.name },
      },
    )
  }
  return paths.map((path) => (spec.name === 'SSL_CERT_FILE' ? strictFile(label, path) : strictDirectory(label, path)))
}

/** OpenSSL, Go and .NET read several directories from SSL_CERT_DIR; an empty value counts as unset everywhere. */
function variablePaths(name: 'SSL_CERT_FILE' | 'SSL_CERT_DIR', env: Environment): string[] {
  const value = env[name] ?? ''
  if (name === 'SSL_CERT_FILE') return value === '' ? [] : [value]
  return value.split(':').filter((path) => path !== '')
}

/**
 * Each variable replaces its own default only, as in OpenSSL and .NET: SSL_CERT_FILE alone leaves the distribution's
 * directory in force.
 */
function systemPaths(env: Environment, places: SystemPlaces): { file: string | null; directories: readonly string[] } {
  const [file = places.files.find((path) => existsSync(path)) ?? null] = variablePaths('SSL_CERT_FILE', env)
  const named = variablePaths('SSL_CERT_DIR', env)
  return { file, directories: named.length > 0 ? named : places.directories.filter((path) => existsSync(path)) }
}

function readSystem(label: string, env: Environment, places: SystemPlaces): Part[] {
  const { file, directories } = systemPaths(env, places)
  const parts: Part[] = []
  // A variable that leads nowhere is an error even here (I3): falling back to the other half would go unnoticed.
  if (file !== null) parts.push(lenient(label, file, readRegularFile(file)))
  for (const directory of directories) {
    const faults: IgnoredEntry[] = []
    const { files } = readDirectory(directory, (path, error) => {
      faults.push({ source: label, path, index: null, line: null, what: error.code, why: error.message })
    })
    parts.push({ entries: [], ignored: faults }, ...files.map(({ path, bytes }) => lenient(label, path, bytes)))
  }
  if (parts.every(({ entries }) => entries.length === 0)) {
    const looked = [...(file === null ? places.files : [file]), ...directories]
    throw new PosternError(
      'trust-source-unreadable',
      `the system has no certificates; looked at ${looked.join(', ')}`,
      {
        evidence: { source: label, looked },
      },
    )
  }
  return parts
}

function lenient(label: string, path: string, bytes: Buffer): Part {
  const bundle = readBundleLeniently(bytes)
  return take(label, path, bundle, bundle.unreadable)
}

function managed(label: string, { content, name }: Extract<SourceSpec, { kind: 'managed' }>): Part {
  if ('pem' in content) return take(label, null, readBundle(Buffer.from(content.pem), label))
  throw new PosternError('trust-source-unknown', content.why, { evidence: { source: label, store: name } })
}

function bundledRoots(label: string): Part {
  const pem = tls.getCACertificates('bundled').join('\n')
  return take(label, null, readBundle(Buffer.from(pem), label))
}
