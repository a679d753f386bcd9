import type { ReferenceBody, TargetServerBody, VirtualHostBody } from '../../state/kinds.ts'
import type { ApiProxyBundle } from './bundle-types.ts'

/** Everything of the stored objects that decides how requests run; read in one view. Keys are `ORG/ENV/NAME`. */
export interface RuntimeState {
  readonly environments: readonly { readonly org: string; readonly env: string }[]
  readonly keystores: ReadonlyMap<string, RuntimeKeystore>
  readonly references: ReadonlyMap<string, ReferenceBody>
  readonly targetServers: ReadonlyMap<string, TargetServerBody>
  readonly virtualHosts: ReadonlyMap<string, VirtualHostBody>
  readonly deployments: readonly RuntimeDeployment[]
  readonly flowHooks: readonly {
    readonly org: string
    readonly env: string
    readonly hook: string
    readonly sharedFlow: string
  }[]
}

export interface RuntimeKeystore {
  readonly org: string
  readonly env: string
  readonly name: string
  readonly generation: number
  /** Of the newest change of it or of one of its aliases: equal numbers are equal content. */
  readonly version: number
  readonly aliases: ReadonlyMap<string, RuntimeAlias>
}

export interface RuntimeAlias {
  readonly name: string
  /** PEM in the order given. */
  readonly chain: string
  /** PKCS#8 PEM; null for a certificate only. */
  readonly key: string | null
}

export interface RuntimeDeployment {
  readonly org: string
  readonly env: string
  readonly api: string
  readonly revision: string
  /** '/' or a prefix. */
  readonly basePath: string
  readonly delay: number | null
  /** Rises with every deploy: what `takesEffect: edge` pins stores to. */
  readonly version: number
  readonly bundle: ApiProxyBundle
}
