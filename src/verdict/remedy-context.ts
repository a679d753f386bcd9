import type { CertificateRef } from './model.ts'

/** Where the anchors of a store come from, as the configuration says. `path`: absolute or as written; null where it has none. */
export interface StoreSource {
  readonly kind: 'inline' | 'file' | 'directory' | 'env' | 'system' | 'bundled' | 'managed'
  readonly path: string | null
}

export interface StoreContext {
  readonly name: string
  readonly sources: readonly StoreSource[]
  readonly intermediates: readonly StoreSource[]
  readonly partialChain: boolean
  readonly anchors: number
}

/** A certificate that would complete the path, and where it can be had. */
export interface MissingCertificate {
  readonly ref: CertificateRef
  /** `served`: the backend sends it. `fetched`: by AIA. `known`: in a file, another store or another target's chain. */
  readonly from: 'served' | 'fetched' | 'known'
  /** For people: `trust store corp`, `served by orders`. */
  readonly where: string
  /** Set where it is in a file. */
  readonly file: string | null
  /** Set where it was fetched. */
  readonly url: string | null
  /** Set where an alias of a store of the management API (`ORG/ENV/STORE`) is this certificate. */
  readonly stored?: { readonly store: string; readonly alias: string }
}

export interface EdgeContext {
  readonly url: string
  readonly organization: string
  readonly environment: string
  /** Set where the target itself is made of objects of this API, or trusts a store of it. */
  readonly stored?: {
    readonly target: string
    /** Name of the store that it trusts; null: the system's roots, or none. */
    readonly trustStore: string | null
    /** As the target names it: `ref://partners`. */
    readonly written?: string
  }
}

/** A client identity that the configuration or its folder holds. */
export interface IdentityContext {
  readonly certificateFile: string
  readonly keyFile: string
  readonly subject: string
  /** Subjects of the CAs above it, the issuer first. */
  readonly issuers: readonly string[]
  /** ISO 8601, UTC. */
  readonly notAfter: string
}

/**
 * What a remedy knows of the gateway that met the fault: plain data, so that remedies can be made anywhere. Null means not
 * known or not there; then a remedy says in words what it cannot say as a command.
 */
export interface RemedyContext {
  /** How to call this program: `postern`, or `npm run --silent postern --` in a checkout. Not quoted again. */
  readonly posternCommand: string
  /** Best absolute: commands are run from anywhere. */
  readonly configFile: string | null
  /** URL of the management API, where the configuration names stores of it: commands that read the file need it too. */
  readonly admin?: string
  readonly host: string
  readonly port: number
  readonly target: {
    readonly name: string
    readonly url: string
    /** Place of what decides the name of this server: `targets.billing.tls.serverName`, or that of its entry in `servers`. */
    readonly serverNamePath: string
    /** `subjectAltNames` is set: `serverName` is SNI only. */
    readonly hasSubjectAltNames: boolean
  } | null
  /** The stores that the target trusts, in that order. */
  readonly stores: readonly StoreContext[]
  /** Every store of the configuration. */
  readonly storeNames: readonly string[]
  /** SNI that was sent; null: none. */
  readonly serverName: string | null
  readonly verifyNames: readonly string[]
  readonly missing: MissingCertificate | null
  readonly clientCertificate: IdentityContext | null
  readonly identities: readonly IdentityContext[]
  /** Names of CAs that the backend accepts client certificates of; empty: any; null: it did not ask. */
  readonly acceptableIssuers: readonly string[] | null
  readonly minVersion: string
  readonly maxVersion: string
  /** As configured; null: the runtime's list. */
  readonly ciphers: string | null
  /** What a probe found out: see ProbeFacts. */
  readonly facts: {
    readonly versions: readonly string[] | null
    readonly ciphers: readonly string[] | null
    readonly serverName: {
      readonly withName: boolean
      readonly withoutName: boolean
      readonly sameCertificate: boolean
    } | null
    readonly plainProtocol: string | null
    readonly alpn: readonly string[] | null
  }
  /** The Edge organisation whose stores the commands should name; null: they ask for it by variables of the shell. */
  readonly edge: EdgeContext | null
  /** The Secret that is mounted as the trust of this gateway. */
  readonly kubernetes: { readonly namespace: string | null; readonly secret: string; readonly key: string } | null
  /** When the backend was seen: milliseconds since the epoch. */
  readonly now: number
  /** The other moment that the chain was judged as of; null: it was judged as of when it was seen. */
  readonly asOf: number | null
}

/** A context that knows a host and a port: what `tls check HOST:PORT` has without a configuration. */
export function bareContext(host: string, port: number, now: number): RemedyContext {
  return {
    posternCommand: 'postern',
    configFile: null,
    host,
    port,
    target: null,
    stores: [],
    storeNames: [],
    serverName: null,
    verifyNames: [],
    missing: null,
    clientCertificate: null,
    identities: [],
    acceptableIssuers: null,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: null,
    facts: { versions: null, ciphers: null, serverName: null, plainProtocol: null, alpn: null },
    edge: null,
    kubernetes: null,
    now,
    asOf: null,
  }
}
