import { PosternError } from '../core/errors.ts'
import { type BundleItem, scanBundle } from './bundle-scan.ts'
import type { Certificate } from './certificate.ts'

export type { BundleFault } from './bundle-scan.ts'

interface BundleEntry {
  readonly certificate: Certificate
  /** Position in the file, from 1; blocks that were ignored count. */
  readonly index: number
  /** Line of the BEGIN boundary; null in binary files. */
  readonly line: number | null
}

export interface IgnoredPart {
  /** Position of the part, from 1; null where it has none. */
  readonly index: number | null
  readonly line: number | null
  readonly what: string
  readonly why: string
}

export interface Bundle {
  readonly certificates: readonly Certificate[]
  readonly entries: readonly BundleEntry[]
  readonly ignored: readonly IgnoredPart[]
}

/**
 * Reads a file of certificates: PEM, one DER certificate, or PKCS#7. Refuses the whole file on the first fault, so that a
 * store never holds less than the file was meant to say (I3). Duplicates, text and `TRUSTED CERTIFICATE` blocks are left
 * out and reported.
 */
export function readBundle(bytes: Uint8Array, source: string): Bundle {
  return collect(scanBundle(bytes), (item) => {
    throw refusal(source, item)
  })
}

/**
 * The same for files that nobody here wrote (the system's own store): what cannot be read is left out and reported, and
 * whoever calls decides whether enough remains.
 */
export function readBundleLeniently(bytes: Uint8Array): Bundle & { readonly unreadable: readonly IgnoredPart[] } {
  const unreadable: IgnoredPart[] = []
  const bundle = collect(scanBundle(bytes), (item) => {
    unreadable.push({ index: item.index, line: item.line, what: item.fault, why: item.reason })
  })
  return { ...bundle, unreadable }
}

/** The error for a faulty part: names source, position and reason, never the bytes. */
export function refusal(source: string, item: Extract<BundleItem, { kind: 'fault' }>): PosternError {
  const { fault, index, line, offset, reason } = item
  const place = index === null ? '' : `, certificate ${index}${line === null ? '' : ` (line ${line})`}`
  return new PosternError('bundle-refused', `${source}${place}: ${reason}`, {
    evidence: { source, fault, index, line, offset, reason },
  })
}

function collect(items: Iterable<BundleItem>, onFault: (item: Extract<BundleItem, { kind: 'fault' }>) => void): Bundle {
  const entries: BundleEntry[] = []
  const ignored: IgnoredPart[] = []
  const first = new Map<string, number>()
  let faults = 0
  for (const item of items) {
    if (item.kind === 'fault') {
      faults += 1
      onFault(item)
      continue
    }
    const { index, line } = item
    if (item.kind === 'ignored') {
      ignored.push({ index, line, what: item.what, why: item.why })
      continue
    }
    const earlier = first.get(item.certificate.sha256)
    if (earlier !== undefined) {
      ignored.push({ index, line, what: 'duplicate', why: `the same as certificate ${earlier}` })
      continue
    }
    first.set(item.certificate.sha256, item.index)
    entries.push({ certificate: item.certificate, index: item.index, line })
  }
  if (entries.length === 0 && faults === 0) onFault(nothingFound(ignored))
  return { certificates: entries.map(({ certificate }) => certificate), entries, ignored }
}

function nothingFound(ignored: readonly IgnoredPart[]): Extract<BundleItem, { kind: 'fault' }> {
  const trusted = ignored.some(({ what }) => what === 'TRUSTED CERTIFICATE')
  const hint = trusted ? '; rewrite its TRUSTED CERTIFICATE blocks with: openssl x509 -in FILE -out FILE.pem' : ''
  const reason = `holds no certificate${ignored.length === 0 ? '' : `, only: ${ignored.map(({ what }) => what).join(', ')}`}${hint}`
  return { kind: 'fault', fault: 'no-certificate', index: null, line: null, offset: null, reason }
}
