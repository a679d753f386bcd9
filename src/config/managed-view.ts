import type { Finding } from '../trust/finding.ts'
import type { ListenerPlan, ProxyPlan, TargetPlan } from '../proxy/plan.ts'
import type { Config } from './schema.ts'

/**
 * What the management API has stored, as one moment of it, for whoever compiles a generation. Immutable; a change of the
 * store is another view. The configuration and the gateway know of it no more than this.
 */
export interface ManagedView {
  /**
   * Certificates of a managed trust store: `name` is `ORG/ENV/STORE` or `ref://ORG/ENV/REF`; with fewer segments the
   * configuration's organization and environment are meant. null: there is none.
   */
  trustStore(name: string, home: Home): ManagedMaterial | null
  /** Chain and key of an alias; null: there is none, or it has no key. */
  identity(store: string, alias: string, home: Home): { readonly chain: string; readonly key: string } | null
  /** What the stored objects add to a generation: all of it, or the problems that forbid it (I3). Pure. */
  compile(base: ManagedBase): ManagedPlan
}

export interface Home {
  readonly organization: string
  readonly environment: string
}

export interface ManagedMaterial {
  /** Name of the store it led to, `ORG/ENV/STORE`. */
  readonly store: string
  readonly generation: number
  readonly pem: string
}

export interface ManagedBase {
  readonly config: Config
  /** Of the configuration file. */
  readonly listeners: readonly ListenerPlan[]
  readonly now: number
}

export interface ManagedPlan {
  /** All listeners, those of `base` among them, with what virtual hosts add to them. */
  readonly listeners: readonly ListenerPlan[]
  readonly targets: readonly TargetPlan[]
  readonly proxies: readonly ProxyPlan[]
  readonly findings: readonly ManagedFinding[]
  /** Not empty: the state cannot run, and nothing of it is taken up. */
  readonly problems: readonly ManagedProblem[]
}

/** Something about a stored object that its owner should know: a weakened target, a virtual host that nobody serves. */
export interface ManagedFinding {
  readonly code: string
  readonly severity: 'error' | 'warning' | 'info'
  /** `acme/test/apis/orders/1, target default` */
  readonly object: string
  readonly message: string
}

export interface ManagedProblem {
  readonly code: string
  readonly object: string
  readonly message: string
}

/** Findings of a store, as `trust/lint.ts` gives them. */
export type StoreFinding = Finding
