import { resolve } from 'node:path'
import type { CrlSourceSpec, CrlStoreSpec } from '../trust/crl-store.ts'
import type { SourceSpec } from '../trust/source.ts'
import type { TrustStoreSpec } from '../trust/store.ts'
import type { CrlStoreConfig, TrustSourceConfig, TrustStoreConfig } from './schema.ts'

/** Why nothing is known of a store of the management API. */
export const noState = 'managed stores need `serve --state DIR`'

/** What the trust module reads for a store of the configuration; paths become absolute here. */
export function trustStoreSpec(
  name: string,
  store: TrustStoreConfig,
  baseDirectory: string,
  managed: ManagedLookup = () => ({ why: noState }),
): TrustStoreSpec {
  return {
    name,
    sources: store.sources.map((source) => sourceSpec(source, baseDirectory, managed)),
    intermediates: store.intermediates.map((source) => sourceSpec(source, baseDirectory, managed)),
    partialChain: store.partialChain,
  }
}

/** The same for a CRL store. */
export function crlStoreSpec(name: string, { sources }: CrlStoreConfig, baseDirectory: string): CrlStoreSpec {
  return {
    name,
    sources: sources.map((source): CrlSourceSpec => {
      if ('inline' in source) return { kind: 'inline', pem: source.inline }
      if ('file' in source) return { kind: 'file', path: resolve(baseDirectory, source.file) }
      return { kind: 'directory', path: resolve(baseDirectory, source.directory) }
    }),
  }
}

/** Certificates of a store of the management API, or why there are none. */
export type ManagedLookup = (name: string) => { readonly pem: string } | { readonly why: string }

function sourceSpec(source: TrustSourceConfig, baseDirectory: string, managed: ManagedLookup): SourceSpec {
  if ('managed' in source) return { kind: 'managed', name: source.managed, content: managed(source.managed) }
  if ('inline' in source) return { kind: 'inline', pem: source.inline }
  if ('file' in source) return { kind: 'file', path: resolve(baseDirectory, source.file) }
  if ('directory' in source) return { kind: 'directory', path: resolve(baseDirectory, source.directory) }
  if ('env' in source) return { kind: 'env', name: source.env, optional: source.optional }
  return 'system' in source ? { kind: 'system' } : { kind: 'bundled' }
}
