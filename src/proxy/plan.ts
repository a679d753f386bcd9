import type { FaultDetail, FaultProfile } from '../faults/fault.ts'
import type { Condition, Template } from '../flow/condition-types.ts'

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
  readonly diagnosis: DiagnosisPlan
  /** Workers count rollups; false where nobody could ask for them. */
  readonly monitoring: boolean
  /** null: no spans are made, and trace headers cross as they came. */
  readonly tracing: TracingPlan | null
  /**
   * How long exchanges may go on over connections that this generation retires, by their target's name; of any other target
   * they have the `drainMs` of their server. It is about the change and nothing that runs afterwards: without it two plans are
   * the same.
   */
  readonly drains: Readonly<Record<string, number>>
  /** A store, a reference or a target server has changed: what targets that are gone have beyond their drain time ends (I2). */
  readonly trustChanged: boolean
}

/** How the exact cause of a failed connection is found out for the request that met it. */
export interface DiagnosisPlan {
  /** Connections may be opened on behalf of failures. */
  readonly live: boolean
  /** How long the first failure of a kind may wait for its cause. */
  readonly waitMs: number
}

/** Distributed tracing by W3C Trace Context. A caller's decision to sample is followed. */
export interface TracingPlan {
  /** 0 to 1, of requests that come with no decision. */
  readonly sample: number
  /** Requests that fail have spans whatever was decided. */
  readonly failures: boolean
  /** Somebody is sent the spans; false: requests are in their traces, and nothing is told of them. */
  readonly spans: boolean
}

export interface ListenerPlan {
  readonly name: string
  readonly address: string
  /** 0 lets the system choose; the chosen port is reported when the listener is open. */
  readonly port: number
  readonly tls: ListenerTlsPlan | null
  /** Whether clients may begin with the HTTP/2 preface on a listener without TLS (prior knowledge, RFC 9113 section 3.3). */
  readonly h2c: boolean
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
  /** Best first: `h2`, `http/1.1`. */
  readonly alpn: readonly string[]
  /** Clients must show a certificate that one of these anchors; null: none is asked for. PEM, one certificate each. */
  readonly clientAnchors: readonly string[] | null
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
  /** Requests under way on one HTTP/2 connection (SETTINGS_MAX_CONCURRENT_STREAMS). */
  readonly streams: number
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

/** A named backend: its servers, how one is chosen, and what is done when one fails. */
export interface TargetPlan {
  readonly name: string
  readonly scheme: 'http' | 'https'
  /** Path of the target's URL without a trailing slash; '' for the root. */
  readonly pathPrefix: string
  /** What `Host` says under the `target` host policy: host, and port where it is not the scheme's own. */
  readonly authority: string
  /** How its servers are verified; a server that has names of its own has this again with them. */
  readonly tls: TargetTlsPlan | null
  /** At least one that is no fallback; or none, and every request fails with `no-server`. */
  readonly servers: readonly ServerPlan[]
  readonly balance: BalanceMethod
  readonly health: HealthPlan | null
  readonly ejection: EjectionPlan | null
  readonly retries: RetryPlan
  readonly breaker: BreakerPlan | null
}

/**
 * `round-robin`: in turn. `weighted`: in turn, as often as the weights say, spread evenly. `least-requests`: the one with
 * the fewest requests under way for its weight.
 */
export type BalanceMethod = 'round-robin' | 'weighted' | 'least-requests'

/** One server of a target: everything that opening a connection to it depends on. Pools belong to one of these. */
export interface ServerPlan {
  /** Name of its target. */
  readonly target: string
  /** For logs and metrics; `host:port` where the configuration gives none. */
  readonly name: string
  readonly scheme: 'http' | 'https'
  /** Dial address: DNS name or IP literal without brackets. */
  readonly host: string
  readonly port: number
  readonly tls: TargetTlsPlan | null
  /** HTTP/2 without TLS, by prior knowledge (RFC 9113 section 3.3); never with `tls`. */
  readonly h2c: boolean
  /** 1 to 1000. */
  readonly weight: number
  /** Gets requests only while no other server can take them. */
  readonly fallback: boolean
  readonly timeouts: TargetTimeouts
  readonly limits: TargetLimits
  readonly dns: DnsPlan
  /** The proxy that connections go through; null: none. */
  readonly egress: EgressPlan | null
  /** `Host` under the `target` host policy, where it is not the target's `authority`. */
  readonly authority: string | null
}

export interface DnsPlan {
  /** `IP:port` of the name servers to ask; empty: the system's resolver. */
  readonly servers: readonly string[]
  /** How long an answer is used before it is asked for again. A shorter TTL wins where the resolver tells it. */
  readonly refreshMs: number
}

/** An HTTP proxy that opens tunnels with CONNECT (RFC 9110 section 9.3.6). Verification stays end to end. */
export interface EgressPlan {
  readonly host: string
  readonly port: number
  /** Value of Proxy-Authorization; null: none is sent. */
  readonly authorization: string | null
}

/** Active checks, by every worker for itself. */
export interface HealthPlan {
  readonly check: { readonly kind: 'tcp' } | HttpCheckPlan
  /** Where it differs from the server's own; null: that. */
  readonly port: number | null
  readonly intervalMs: number
  /** For the whole check, dial included. */
  readonly timeoutMs: number
  /** Checks in a row that must pass before an unhealthy server is used again. */
  readonly healthyAfter: number
  /** Checks in a row that must fail before a server is used no more. */
  readonly unhealthyAfter: number
}

/** `tcp`: a connection that dials as traffic does, TLS verification included (I4). `http`: a request over it. */
export interface HttpCheckPlan {
  readonly kind: 'http'
  readonly method: string
  readonly path: string
  /** Value of Host. */
  readonly host: string
  /** Inclusive ranges of statuses that pass. */
  readonly statuses: readonly (readonly [number, number])[]
  /** Header lines to send beside Host, each with its CRLF; '' for none. */
  readonly headers: string
  /** Body to send; '' for none. */
  readonly body: string
  /** Headers that a response must have, with these values; names in lower case. */
  readonly expectHeaders: readonly (readonly [name: string, value: string])[]
}

/** Passive ejection: a server whose requests fail in a row is left out for a while. */
export interface EjectionPlan {
  readonly consecutiveFailures: number
  /** Statuses of responses that count as failures, beside faults of the connection. */
  readonly statuses: readonly (readonly [number, number])[]
  /** Of the first ejection; each one in a row lasts as much longer. */
  readonly baseMs: number
  readonly maxMs: number
  /** Percent of a target's servers that may be ejected at once. */
  readonly maxPercent: number
}

export interface RetryPlan {
  /** Further tries of one request. */
  readonly attempts: number
  readonly on: readonly RetryCause[]
  /** Statuses of responses to retry on. */
  readonly statuses: readonly (readonly [number, number])[]
  /** Methods that may be sent twice; where nothing of a request was sent (`connect`), any may. */
  readonly methods: readonly string[]
  /** Retries may be this percentage of requests, over the last ten seconds, and ... */
  readonly budgetPercent: number
  /** ... this many a second on top, so that a target with few requests has some too. */
  readonly budgetMinPerSecond: number
}

/**
 * `connect`: no connection could be had. `untrusted`: the server was refused by verification; another one may be sound.
 * `reset`: the connection died before a byte of the response. `refused-stream`: the backend
 * said that it did not process the request. `timeout`: no first byte in time. `status`: see `statuses`.
 */
export type RetryCause = 'connect' | 'untrusted' | 'reset' | 'refused-stream' | 'timeout' | 'status'

/** Opens when too many requests of a target fail, and refuses at once until some succeed again. */
export interface BreakerPlan {
  /** Percent of the requests in the window. */
  readonly failurePercent: number
  /** Requests that the window must hold before it is judged. */
  readonly minimumRequests: number
  readonly windowMs: number
  /** How long it stays open; then one request at a time is let through to try. */
  readonly openMs: number
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
  readonly revocation: RevocationPlan
  /** What happens to busy connections of the old snapshot when trust changes. Idle ones are always closed. */
  readonly onTrustChange: 'drain' | 'cut'
}

/**
 * `crl`: every certificate of the path below its anchor must be covered by a current CRL and not be on it. `staple-required`:
 * the backend must staple a good OCSP response for its certificate.
 */
export type RevocationPlan =
  | { readonly mode: 'off' }
  /** PEM, one CRL each. */
  | { readonly mode: 'crl'; readonly crls: readonly string[] }
  | { readonly mode: 'staple-required' }

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
  /** Requests under way on one HTTP/2 connection; the backend's own limit holds as well. */
  readonly streams: number
  /** Requests waiting for a connection, per worker. */
  readonly pending: number
  readonly responseHeaderBytes: number
}

export interface ProxyPlan {
  /** Unique in the plan; what counters go by. The same as `name` for a proxy of the configuration. */
  readonly key: string
  /** What logs and faults call it. */
  readonly name: string
  readonly organization: string
  readonly environment: string
  /** Names of the listeners it answers on; null: every one. */
  readonly listeners: readonly string[] | null
  /** Lower case, exact or `*.suffix`; empty: any host. */
  readonly hosts: readonly string[]
  /** Starts with '/', no trailing slash; '/' itself matches everything. A segment may be `*`. */
  readonly basePath: string
  readonly route: RoutePlan
  readonly revision: string
  readonly faults: FaultProfile
  readonly faultDetail: FaultDetail
  /** `strip`: the base path is replaced by the target's path, as Edge and APIM do; `keep`: it is appended to it. */
  readonly path: 'strip' | 'keep'
  readonly host: 'target' | 'keep'
}

/** Where a proxy's requests go: to one place, or where the first rule sends them whose condition holds. */
export type RoutePlan = RouteDestination | { readonly kind: 'rules'; readonly rules: readonly RouteRulePlan[] }

export interface RouteRulePlan {
  readonly name: string
  /** null: always. */
  readonly condition: Condition | null
  readonly to: RouteDestination
}

export type RouteDestination =
  | { readonly kind: 'target'; readonly target: string }
  /**
   * Trust or identity is named by flow variables: the templates' values, joined by a line feed, choose among the targets.
   * Values that are not among them are a fault of the request (`store-unknown`).
   */
  | {
      readonly kind: 'chosen'
      readonly by: readonly Template[]
      readonly targets: Readonly<Record<string, string>>
    }
  /** Edge's null route: answered here with 200 and no body. */
  | { readonly kind: 'none' }
  /** Deployed and not to be run: every request fails with this (`step-not-supported`). */
  | { readonly kind: 'fault'; readonly summary: string }

export interface LogPlan {
  readonly format: LogFormat
  readonly sink: LogSinkPlan
}

export type LogSinkPlan =
  | { readonly kind: 'stdout' }
  | { readonly kind: 'file'; readonly path: string; readonly rotate: LogRotation | null }
  /** Served by the observer; what `key` stands for is in its plan. */
  | { readonly kind: 'outlet'; readonly key: string }

/** The file is renamed to `PATH.1`, ... before it would grow beyond `bytes`; the oldest of `keep` goes. */
export interface LogRotation {
  readonly bytes: number
  readonly keep: number
}

/**
 * `native`: JSON lines, accesses and events in one stream. `apim-text`, `apim-json`: the self-hosted gateway's.
 * `edge-access`: the Edge router's access line. `edge-system`: the message processor's log.
 */
export type LogFormat = 'native' | 'apim-text' | 'apim-json' | 'edge-access' | 'edge-system'
