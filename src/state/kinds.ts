/*
 * The objects that the management API keeps, by kind. A kind has a scope (where its names are unique) and a body, plain
 * data; certificates and files are the object's `blob`, private keys its `secret`. Names follow Edge's.
 */

/** Edge's four. Milliseconds since the epoch, and the user that did it. */
export interface Stamps {
  readonly createdAt: number
  readonly createdBy: string
  readonly lastModifiedAt: number
  readonly lastModifiedBy: string
}

export interface OrganizationBody extends Stamps {
  readonly displayName: string
  readonly type: 'paid' | 'trial'
  readonly properties: Readonly<Record<string, string>>
}

export interface EnvironmentBody extends Stamps {
  readonly description: string
  readonly properties: Readonly<Record<string, string>>
}

/** Key store or trust store: what it is, is a matter of its aliases. */
export interface KeystoreBody extends Stamps {
  /** Counts the changes of its aliases, from 1. */
  readonly generation: number
}

/** blob: the chain, PEM in the order it was given. secret: the private key, PKCS#8 PEM. */
export interface AliasBody extends Stamps {
  /** `a1-cert`, unless it came otherwise. */
  readonly certName: string
  /** null: a certificate only. */
  readonly keyName: string | null
  /** Upper-case hex SHA-256 of the certificates, in order. */
  readonly fingerprints: readonly string[]
}

export interface ReferenceBody extends Stamps {
  /** Name of a keystore in the same environment. */
  readonly refers: string
  readonly resourceType: 'KeyStore' | 'TrustStore'
  readonly description: string
}

/** As parsed; `SSLInfo` of target servers, virtual hosts and target endpoints (apigee-edge.md 2.1). */
export interface SslInfo {
  readonly enabled: boolean
  readonly clientAuthEnabled: boolean
  /** X only; null: not said. */
  readonly enforce: boolean | null
  /** Literal, `ref://name`, or with flow variables `{x}`; null: none. Trimmed. */
  readonly keyStore: string | null
  readonly keyAlias: string | null
  readonly trustStore: string | null
  readonly ignoreValidationErrors: boolean
  /** As written (JVM or OpenSSL names). */
  readonly ciphers: readonly string[]
  readonly protocols: readonly string[]
  readonly commonName: { readonly name: string; readonly wildcardMatch: boolean } | null
  /** Elements that were there and mean nothing here (CRLStore, CertAlias, KeyHsm). */
  readonly ignored: readonly string[]
}

export interface TargetServerBody extends Stamps {
  readonly host: string
  readonly port: number
  readonly isEnabled: boolean
  readonly description: string
  /** As Edge names it; `HTTP` unless said. */
  readonly protocol: 'HTTP' | 'HTTP2' | 'GRPC'
  readonly sslInfo: SslInfo | null
}

export interface VirtualHostBody extends Stamps {
  readonly port: number
  /** Lower case; may be empty: any host. */
  readonly hostAliases: readonly string[]
  readonly interfaces: readonly string[]
  readonly sslInfo: SslInfo | null
  readonly properties: Readonly<Record<string, string>>
  readonly propagateTlsInformation: { readonly connectionProperties: boolean; readonly clientProperties: boolean }
}

/** An API proxy or a shared flow: what all revisions share. */
export interface ApiBody extends Stamps {
  /** Highest revision number ever given. Numbers are `max(existing)+1`, as clients compute it; see apigee-edge.md 1.7. */
  readonly lastRevision: number
}

/** Its files are `api-file` or `shared-flow-file` objects. */
export interface RevisionBody extends Stamps {
  readonly displayName: string
  readonly description: string
}

/** blob: the bytes. Named by the path below the bundle's root: `apiproxy/policies/P.xml`. */
export interface BundleFileBody {
  readonly bytes: number
}

/** An API proxy revision in an environment; scope `org/env/apis/NAME`, named by the revision. Same for shared flows. */
export interface DeploymentBody extends Stamps {
  /** Prefix for the base paths of its ProxyEndpoints; '/' for none. */
  readonly basePath: string
  /** Seconds the revision it replaced is kept for requests under way; null: the gateway's drain time. */
  readonly delay: number | null
}

export interface FlowHookBody extends Stamps {
  readonly sharedFlow: string
  readonly continueOnError: boolean
  readonly description: string
}

/** Stored for clients and given back; the gateway reads nothing of it yet (tier 5). */
export interface EntityBody extends Stamps {
  readonly entity: Readonly<Record<string, unknown>>
}

export type Role = 'admin' | 'operator' | 'viewer'

export interface UserBody extends Stamps {
  readonly displayName: string
  /** `scrypt$N$r$p$salt$hash`, base64url. */
  readonly password: string
  /** By organization; `*` is every one, and what belongs to none. */
  readonly roles: Readonly<Record<string, Role>>
}

/** Scope: the user's name; named by an id. The token itself is never kept, its SHA-256 is. */
export interface TokenBody extends Stamps {
  readonly sha256: string
  readonly description: string
  /** null: never. */
  readonly expiresAt: number | null
  /** What it may at most, beside what its user may; null: the same. */
  readonly role: Role | null
  readonly kind: 'api' | 'refresh'
}

/** A guided rollover of trust; scope `org/env`. */
export interface RolloverBody extends Stamps {
  readonly reference: string
  readonly from: string
  readonly to: string
  readonly state: 'prepared' | 'switched' | 'finished' | 'cancelled'
  readonly notes: readonly { readonly at: number; readonly by: string; readonly text: string }[]
  /** What asking every server came to after the switch; absent or null: nobody has asked since. */
  readonly proof?: { readonly at: number; readonly servers: number; readonly failed: number } | null
}

/** Scope ''. `secret` holds the value where it is one (the key that signs access tokens). */
export interface SettingBody {
  readonly value: unknown
}

/** kind -> body. The comment says scope / name. */
export interface Kinds {
  /** '' / ORG */
  readonly organization: OrganizationBody
  /** ORG / ENV */
  readonly environment: EnvironmentBody
  /** ORG/ENV / NAME */
  readonly keystore: KeystoreBody
  /** ORG/ENV/KEYSTORE / ALIAS */
  readonly alias: AliasBody
  /** ORG/ENV / NAME */
  readonly reference: ReferenceBody
  /** ORG/ENV / NAME */
  readonly 'target-server': TargetServerBody
  /** ORG/ENV / NAME */
  readonly 'virtual-host': VirtualHostBody
  /** ORG / NAME */
  readonly api: ApiBody
  /** ORG/apis/NAME / NUMBER */
  readonly 'api-revision': RevisionBody
  /** ORG/apis/NAME/NUMBER / PATH */
  readonly 'api-file': BundleFileBody
  /** ORG/ENV/apis/NAME / NUMBER */
  readonly 'api-deployment': DeploymentBody
  /** ORG / NAME */
  readonly 'shared-flow': ApiBody
  /** ORG/sharedflows/NAME / NUMBER */
  readonly 'shared-flow-revision': RevisionBody
  /** ORG/sharedflows/NAME/NUMBER / PATH */
  readonly 'shared-flow-file': BundleFileBody
  /** ORG/ENV/sharedflows/NAME / NUMBER */
  readonly 'shared-flow-deployment': DeploymentBody
  /** ORG/ENV / PreProxyFlowHook, ... */
  readonly 'flow-hook': FlowHookBody
  /** ORG, ORG/ENV, ORG/apis/NAME or ORG/apis/NAME/NUMBER / NAME */
  readonly 'key-value-map': EntityBody
  /** ORG/ENV / NAME */
  readonly cache: EntityBody
  /** ORG, ORG/ENV or ORG/apis/NAME/NUMBER / TYPE/NAME; blob: the bytes */
  readonly 'resource-file': EntityBody
  /** ORG or ORG/apis/NAME / NAME */
  readonly 'mask-config': EntityBody
  /** ORG / E-MAIL */
  readonly developer: EntityBody
  /** ORG/DEVELOPER-ID / NAME */
  readonly app: EntityBody
  /** ORG / NAME */
  readonly 'api-product': EntityBody
  /** '' / NAME */
  readonly user: UserBody
  /** USER / ID */
  readonly token: TokenBody
  /** ORG/ENV / ID */
  readonly rollover: RolloverBody
  /** ORG / ID; Edge's bean of an alert rule (apigee-edge.md 5.4) */
  readonly alert: EntityBody
  /** ORG / ID; Edge's bean of a collection (apigee-edge.md 1.9) */
  readonly collection: EntityBody
  /** '' / NAME */
  readonly setting: SettingBody
}

export type Kind = keyof Kinds
