import { resolve } from 'node:path'
import { type Clock, systemClock } from '../core/clock.ts'
import { PosternError } from '../core/errors.ts'
import { unusedBecause } from '../x509/crl-check.ts'
import { type Crl, readCrls } from '../x509/crl.ts'
import { DerError } from '../x509/der.ts'
import { renderName } from '../x509/name.ts'
import { readDirectory } from './directory.ts'
import type { Severity } from './finding.ts'
import { readRegularFile } from './read-file.ts'

/** Where revocation lists come from: PEM or DER, one or more. Paths are absolute. */
export type CrlSourceSpec =
  | { readonly kind: 'inline'; readonly pem: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'directory'; readonly path: string }

export interface CrlStoreSpec {
  readonly name: string
  readonly sources: readonly CrlSourceSpec[]
}

export interface StoredCrl {
  readonly crl: Crl
  /** Encoded here, one block. */
  readonly pem: string
  /** `file /etc/corp.crl`. */
  readonly where: string
}

export interface CrlFinding {
  readonly code: 'crl-ended' | 'crl-ends-soon' | 'crl-not-yet-valid' | 'crl-without-end' | 'crl-not-used'
  readonly severity: Severity
  readonly message: string
}

export interface CrlStore {
  readonly name: string
  /** Those that a handshake can use. */
  readonly lists: readonly StoredCrl[]
  readonly findings: readonly CrlFinding[]
}

/** Loads a store whole, or throws with the store, the source and the reason (I3). */
export function loadCrlStore(spec: CrlStoreSpec, clock: Clock = systemClock): CrlStore {
  const all = spec.sources.flatMap((source) => readCrlSource(source))
  // What is in a store twice is read twice by every context.
  const stored = [...new Map(all.map((each) => [each.pem, each])).values()]
  const lists = stored.filter(({ crl }) => unusedBecause(crl) === '')
  if (lists.length === 0) {
    const [left] = stored
    const why =
      left === undefined
        ? 'has no revocation list'
        : `has none that is used: ${nameOf(left.crl)} ${unusedBecause(left.crl)}`
    throw new PosternError('crl-store-empty', `CRL store "${spec.name}" ${why}`, { evidence: { store: spec.name } })
  }
  return { name: spec.name, lists, findings: stored.flatMap((each) => findingsOf(each, clock())) }
}

/** What to watch for a store, also while it cannot be loaded. */
export function crlStorePaths({ sources }: CrlStoreSpec): readonly string[] {
  return [...new Set(sources.flatMap((source) => (source.kind === 'inline' ? [] : [resolve(source.path)])))]
}

/** One source, whole or not at all. */
export function readCrlSource(source: CrlSourceSpec): StoredCrl[] {
  switch (source.kind) {
    case 'inline':
      return read('inline', source.pem)
    case 'file':
      return read(`file ${source.path}`, readRegularFile(source.path))
    case 'directory': {
      const { files } = readDirectory(source.path)
      if (files.length === 0) throw refused(`directory ${source.path}`, 'holds no file that could be a revocation list')
      return files.flatMap(({ path, bytes }) => read(`file ${path}`, bytes))
    }
    default:
      return source satisfies never
  }
}

function read(where: string, input: Uint8Array | string): StoredCrl[] {
  let crls: readonly Crl[]
  try {
    crls = readCrls(input)
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    throw refused(where, error.reason, error.offset)
  }
  return crls.map((crl) => {
    const defect = crl.defects.find(({ kind }) => kind === 'encoding')
    if (defect !== undefined) throw refused(where, `${nameOf(crl)}: ${defect.field}: ${defect.reason}`, defect.offset)
    return { crl, pem: toPem(crl.der), where }
  })
}

function findingsOf({ crl, where }: StoredCrl, now: number): CrlFinding[] {
  const told = (code: CrlFinding['code'], severity: Severity, text: string): CrlFinding[] => [
    { code, severity, message: `${where}: ${nameOf(crl)} ${text}` },
  ]
  const unused = unusedBecause(crl)
  if (unused !== '') return told('crl-not-used', 'error', `${unused}; no handshake uses such lists, so it is left out`)
  const { thisUpdate, nextUpdate } = crl
  if (thisUpdate > now) return told('crl-not-yet-valid', 'error', `is not valid before ${at(thisUpdate)}`)
  if (nextUpdate === null) {
    return told(
      'crl-without-end',
      'warning',
      `of ${at(thisUpdate)} does not say when it ends (nextUpdate), so it counts forever`,
    )
  }
  if (nextUpdate <= now) return told('crl-ended', 'error', `ended ${at(nextUpdate)}; whom it is about is refused`)
  return nextUpdate - now < (nextUpdate - thisUpdate) * soonShare
    ? told('crl-ends-soon', 'warning', `ends ${at(nextUpdate)}; whom it is about is refused from then on`)
    : []
}

/** Lists live for hours or for months: soon is the last tenth of that. */
const soonShare = 0.1

/** `the list of "CN=Corp CA"`. */
const nameOf = ({ issuer }: Crl): string => `the list of "${renderName(issuer, 'edge')}"`

const at = (time: number): string => new Date(time).toISOString()

function refused(where: string, reason: string, offset?: number): PosternError {
  const evidence = { source: where, reason, ...(offset === undefined ? {} : { offset }) }
  return new PosternError('crl-refused', `${where}: ${reason}`, { evidence })
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN X509 CRL-----\n${lines.join('\n')}\n-----END X509 CRL-----\n`
}
