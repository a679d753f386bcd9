import { knownMethods } from './known-methods.ts'
import type { RollupKey } from './rollup.ts'

/** A client can invent methods without end; rows are bounded. (I10) */
export function methodOf(method: string): string {
  return method === '' || knownMethods.has(method) ? method : '_OTHER'
}

/** Its requests did not go well: a fault, a status from 400 on, or none. */
export function isFailed(key: RollupKey): boolean {
  return key.fault !== '' || key.status >= 400 || key.status === 0
}

/** One line for all of a key: equal lines, equal keys. */
export function keyText(key: RollupKey): string {
  return [
    key.proxyKey,
    key.organization,
    key.environment,
    key.proxy,
    key.revision,
    key.basePath,
    key.listener,
    key.method,
    key.target,
    key.status,
    key.targetStatus,
    key.fault,
    key.verdict,
    key.party,
    key.faultCode,
    key.faultSource,
  ].join('\n')
}

/** The same request in fewer words, where there are too many rows for all of them; what went wrong is kept. (I10) */
export function coarserKey(key: RollupKey): RollupKey {
  return { ...key, listener: '', method: '', target: '', targetStatus: 0 }
}

/** In hardly any words: as many rows as there are things that can go wrong. */
export function coarsestKey(key: RollupKey, gateway: { organization: string; environment: string }): RollupKey {
  return {
    ...coarserKey(key),
    proxyKey: '',
    organization: gateway.organization,
    environment: gateway.environment,
    proxy: '',
    revision: '',
    basePath: '',
    status: Math.trunc(key.status / 100) * 100,
  }
}
