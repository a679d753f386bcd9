import type { CrlStore } from '../trust/crl-store.ts'
import type { Identity } from '../trust/identity.ts'
import type { TrustStore } from '../trust/store.ts'
import type { Path } from './document.ts'
import type { ManagedView } from './managed-view.ts'
import { printPath } from './raw.ts'
import type { Config } from './schema.ts'

/** A configuration, and all that was read for it. */
export interface CompileInput {
  readonly config: Config
  /** Folder of the configuration file; relative paths start here. */
  readonly baseDirectory: string
  readonly stores: ReadonlyMap<string, TrustStore>
  readonly crlStores: ReadonlyMap<string, CrlStore>
  /** By the place that names them, such as `targets.billing.tls.clientCertificate`. */
  readonly identities: ReadonlyMap<string, Identity>
  /** By the place that names them, such as `targets.billing.egress.password`. */
  readonly secrets: ReadonlyMap<string, string>
  /** What the management API has stored; null: there is no such state. */
  readonly managed: ManagedView | null
  readonly generation: number
  /** Decides which exceptions are in force; milliseconds since the epoch. */
  readonly now: number
}

export function identityAt({ identities }: CompileInput, path: Path): Identity {
  const identity = identities.get(printPath(path))
  if (!identity) throw new TypeError(`the certificate and key of ${printPath(path)} have not been loaded`)
  return identity
}
