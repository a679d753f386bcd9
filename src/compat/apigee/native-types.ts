import { Name } from '../../config/scalars.ts'
import type { BundlePlace } from './bundle-types.ts'

/** Something that the configuration does not say, or not alone. */
export interface ImportFinding {
  readonly code: string
  /** `error`: what the bundle did is not done, or must be filled in first. */
  readonly severity: 'error' | 'warning' | 'info'
  /** `apiproxy/proxies/default.xml:12` */
  readonly place: string
  readonly message: string
}

/** As it is written: the part of the configuration that bundles lead to. */
export interface NativeConfig {
  readonly faults: 'apigee'
  readonly listeners: readonly { readonly name: string; readonly port: number }[]
  readonly trustStores: Record<string, { readonly sources: readonly Readonly<Record<string, unknown>>[] }>
  readonly targets: Record<string, NativeTarget>
  readonly proxies: Record<string, { readonly basePath: string; readonly target: string }>
}

/** As it is written; what is not said holds by default. */
export interface NativeTarget {
  readonly url: string
  readonly servers?: readonly {
    readonly name: string
    readonly address: string
    readonly weight?: number
    readonly fallback?: true
  }[]
  readonly balance?: 'round-robin' | 'weighted' | 'least-requests'
  readonly health?: Readonly<Record<string, unknown>>
  readonly ejection?: Readonly<Record<string, unknown>>
  readonly retries?: Readonly<Record<string, unknown>>
  readonly tls?: Readonly<Record<string, unknown>>
  readonly timeouts?: Readonly<Record<string, string>>
}

export type Tell = (severity: ImportFinding['severity'], code: string, place: BundlePlace, message: string) => void

/** A name of the configuration as close to this one as may be. */
export function nameFrom(text: string): string {
  const name = text
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 60)
  return Name.safeParse(name).success ? name : 'unnamed'
}
