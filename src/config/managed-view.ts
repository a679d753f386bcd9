import type { GenerationPlan, ListenerPlan, ProxyPlan, TargetPlan } from '../proxy/plan.ts'
import type { Certificate } from '../x509/certificate.ts'
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
  /** Certificates of every store, as evidence of what a chain lacks; read when they are first asked for, and bounded (I10). */
  certificates(partialChain: boolean): readonly HeldCertificate[]
  /** What the stored objects add to a generation: all of it, or the problems that forbid it (I3). Pure. */
  compile(base: ManagedBase): ManagedPlan
  /** What was compiled for this configuration runs; others may only have been tried. For views that later ones follow. */
  inForce?(config: Config): void
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

export interface HeldCertificate {
  readonly certificate: Certificate
  /** Name of the store, `ORG/ENV/STORE`. */
  readonly store: string
  readonly alias: string
  /** The alias holds this certificate and no other. */
  readonly alone: boolean
  readonly anchor: boolean
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
  /** Of targets that the view before had, see GenerationPlan. */
  readonly drains: GenerationPlan['drains']
  readonly trustChanged: boolean
  /** Of each of `targets`, by its name. */
  readonly origins: ReadonlyMap<string, TargetOrigin>
  readonly findings: readonly ManagedFinding[]
  /** Not empty: the state cannot run, and nothing of it is taken up. */
  readonly problems: readonly ManagedProblem[]
}

/** Which stored objects a target was made of. */
export interface TargetOrigin extends Home {
  readonly api: string
  readonly revision: string
  /** Name of the TargetEndpoint, `ENDPOINT:RULE` for the URL of a RouteRule, with what flow variables choose: `default[...]`. */
  readonly endpoint: string
  /** By the server's name in the plan. */
  readonly servers: ReadonlyMap<string, ServerOrigin>
}

export interface ServerOrigin {
  /** null: a URL. */
  readonly targetServer: string | null
  /** `written`: as SSLInfo names it. `store`: `ORG/ENV/STORE` that it leads to. null: none is named, or it is not used. */
  readonly trustStore: { readonly written: string; readonly store: string } | null
  readonly keyStore: { readonly written: string; readonly store: string; readonly alias: string } | null
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
