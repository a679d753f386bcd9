import type { FaultDetail, FaultProfile } from '../faults/fault.ts'

/**
 * One complete compiled configuration (I3): plain data, made on the main thread, posted to every worker. Everything is
 * resolved here; a worker reads no file, no environment and no schema.
 */
export interface GenerationPlan {
  /** Counts up from 1 in a process. */
  readonly generation: number
  readonly organization: string
  readonly environment: string
  /** Free text, `region` of GatewayLogs. */
  readonly region: string
  readonly listeners: readonly ListenerPlan[]
  readonly targets: readonly TargetPlan[]
  readonly proxies: readonly ProxyPlan[]
  readonly logs: readonly LogPlan[]
}

export interface ListenerPlan {
  readonly name: string
  readonly address: string
  /** 0 lets the system choose; the chosen port is reported when the listener is open. */
  readonly port: number
  readonly tls: ListenerTlsPlan | null
  /** Whether `/healthz`, `/readyz` and the self-hosted gateway's status paths are answered here, before routing. */
  readonly probes: boolean
  /** For requests that reach no proxy. */
  readonly faults: FaultProfile
  readonly faultDetail: FaultDetail
  readonly limits: WireLimits
  readonly timeouts: ClientTimeouts
  readonly forwarded: ForwardedPlan
}

export interface ListenerTlsPlan {
  /** The first one answers clients without SNI or with a name that none of them covers. */
  readonly certificates: readonly ServerCertificatePlan[]
  readonly minVersion: TlsVersion
  readonly maxVersion: TlsVersion
  /** OpenSSL cipher string, or null for the runtime's default. */
  readonly ciphers: string | null
}

export interface ServerCertificatePlan {
  /** DNS names (lower case, wildcards as `*.example.com`) from the leaf's SAN. */
  readonly names: readonly string[]
  /** Leaf first, then its intermediates, PEM. */
  readonly chain: string
  readonly key: string
}

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'

export interface WireLimits {
  readonly requestLineBytes: number
  readonly headerBytes: number
  readonly headerCount: number
  /** Open connections of clients, per worker; more are closed as they come. */
  readonly connections: number
  /** null: unlimited. */
  readonly bodyBytes: number | null
}

/** All in milliseconds. */
export interface ClientTimeouts {
  /** From the first byte of a request (or the accept of the connection) to the end of its head. */
  readonly headMs: number
  /** Longest pause inside a body, in either direction. */
  readonly bodyIdleMs: number
  /** Idle time between two requests of a connection. */
  readonly keepAliveMs: number
  /** TLS handshake of the client. */
  readonly handshakeMs: number
  /** Longest silence of an upgraded connection (WebSocket), both directions together. */
  readonly tunnelIdleMs: number
}

/** Which forwarding headers the backend gets, and from whom an incoming one is believed. */
export interface ForwardedPlan {
  readonly headers: 'x-forwarded' | 'forwarded' | 'both' | 'none'
  /** CIDR blocks; headers of any other peer are replaced, not appended to. */
  readonly trustedProxies: readonly string[]
}

export interface TargetPlan {
  readonly name: string
  readonly scheme: 'http' | 'https'
  /** Dial address: DNS name or IP literal without brackets. */
  readonly host: string
  readonly port: number
  /** Path of the target's URL without a trailing slash; '' for the root. */
  readonly pathPrefix: string
  /** What `Host` says under the `target` host policy: host, and port where it is not the scheme's own. */
  readonly authority: string
  readonly tls: TargetTlsPlan | null
  readonly timeouts: TargetTimeouts
  readonly limits: TargetLimits
}

export interface TargetTlsPlan {
  /** Hash of what is trusted and how it is checked; connections, sessions and pools belong to exactly one (I2). */
  readonly snapshotId: string
  /** PEM, one certificate each, never empty unless the chain is skipped. */
  readonly anchors: readonly string[]
  /** PEM; help to build a path, anchor nothing. */
  readonly intermediates: readonly string[]
  /** Every anchor ends a path, self-signed or not. */
  readonly partialChain: boolean
  /** SNI to send; null sends none. */
  readonly serverName: string | null
  /** Names of which the leaf must cover at least one (DNS or IP). */
  readonly verifyNames: readonly string[]
  readonly minVersion: TlsVersion
  readonly maxVersion: TlsVersion
  readonly ciphers: string | null
  readonly alpn: readonly string[]
  readonly clientCertificate: { readonly chain: string; readonly key: string } | null
  /** I1: named, per target, with an owner; see `exceptions` for who and until when. */
  readonly skipChain: boolean
  readonly skipName: boolean
  readonly exceptions: readonly TlsException[]
  readonly resumption: boolean
  /** What happens to busy connections of the old snapshot when trust changes. Idle ones are always closed. */
  readonly onTrustChange: 'drain' | 'cut'
}

export interface TlsException {
  readonly skip: 'chain' | 'name'
  readonly owner: string
  readonly reason: string
  /** Milliseconds since the epoch; null: until removed from the configuration. */
  readonly until: number | null
}

/** All in milliseconds. */
export interface TargetTimeouts {
  readonly connectMs: number
  readonly handshakeMs: number
  readonly firstByteMs: number
  readonly bodyIdleMs: number
  readonly keepAliveMs: number
  /** How long an exchange may go on over a connection whose trust has changed or ended. */
  readonly drainMs: number
}

export interface TargetLimits {
  /** Per worker. */
  readonly connections: number
  /** Requests waiting for a connection, per worker. */
  readonly pending: number
  readonly responseHeaderBytes: number
}

export interface ProxyPlan {
  readonly name: string
  /** Lower case, exact or `*.suffix`; empty: any host. */
  readonly hosts: readonly string[]
  /** Starts with '/', no trailing slash; '/' itself matches everything. A segment may be `*`. */
  readonly basePath: string
  /** Name of the target. */
  readonly target: string
  readonly revision: string
  readonly faults: FaultProfile
  readonly faultDetail: FaultDetail
  /** `strip`: the base path is replaced by the target's path, as Edge and APIM do; `keep`: it is appended to it. */
  readonly path: 'strip' | 'keep'
  readonly host: 'target' | 'keep'
}

export interface LogPlan {
  readonly format: LogFormat
  readonly sink: { readonly kind: 'stdout' } | { readonly kind: 'file'; readonly path: string }
}

/**
 * `native`: JSON lines, accesses and events in one stream. `apim-text`, `apim-json`: the self-hosted gateway's.
 * `edge-access`: the Edge router's access line. `edge-system`: the message processor's log.
 */
export type LogFormat = 'native' | 'apim-text' | 'apim-json' | 'edge-access' | 'edge-system'
