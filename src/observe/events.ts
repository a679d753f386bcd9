import type { Party } from '../core/errors.ts'
import type { Fault } from '../faults/fault.ts'
import type { ProxyPlan } from '../proxy/plan.ts'
import type { VerdictCode } from '../verdict/codes.ts'
import type { RemedyKind } from '../verdict/model.ts'

/** One finished request. The data plane fills one and hands it to the log formats before it serves the next. */
export interface AccessRecord {
  /** The one id: response header, log lines, events, fault body. */
  readonly id: string
  /** Start of the request, milliseconds since the epoch. */
  readonly startedAt: number
  readonly totalMs: number
  readonly worker: number
  readonly listener: string
  readonly clientAddress: string
  readonly clientPort: number
  /** `HTTP/1.1`, `HTTP/1.0`, `HTTP/2.0`; '' where no request line could be read. */
  readonly clientProtocol: string
  /** `TLSv1.3`, ...; '' for plain HTTP. */
  readonly clientTls: string
  readonly method: string
  /** Request target as received. */
  readonly target: string
  readonly host: string
  readonly userAgent: string
  /** X-Forwarded-For as received. */
  readonly forwardedFor: string
  /** null: no proxy matched, or the request could not be read. */
  readonly proxy: ProxyPlan | null
  readonly status: number
  /** Head and body as received. */
  readonly requestBytes: number
  /** Head and body as sent. */
  readonly responseBytes: number
  readonly responseBodyBytes: number
  readonly backend: BackendRecord | null
  readonly fault: Fault | null
  /** Of the distributed trace it is in, hex; ''. */
  readonly traceId: string
}

/** The backend's part of a request; null in the record when no backend was tried. */
export interface BackendRecord {
  readonly target: string
  /** `IP:port` of the connection used; '' when none was opened. */
  readonly address: string
  /** Full URL as requested of the backend. */
  readonly url: string
  readonly status: number
  readonly protocol: string
  /** From taking the request up for the backend to the end of its response. */
  readonly totalMs: number
  /** From sending the request to the first byte of the response; -1 when none came. */
  readonly firstByteMs: number
  readonly reused: boolean
  /** Snapshot under which the connection was verified; '' for plain HTTP. */
  readonly snapshot: string
}

/** The request an event belongs to, where there is one. */
export interface RequestRef {
  readonly id: string
  readonly proxy: ProxyPlan | null
  readonly method: string
  /** Milliseconds from the start of the request to the event. */
  readonly elapsedMs: number
}

/** Facts of the certificate a backend presented, once per handshake. */
export interface LeafFacts {
  /** SHA-1 of the DER, upper-case hex: the product's "thumbprint", an identifier and not a security measure. */
  readonly thumbprint: string
  readonly sha256: string
  readonly subject: string
  /** Windows form, most specific first, state as `S=`. */
  readonly subjectWindows: string
  readonly issuer: string
  readonly notAfter: number
  readonly crlUrls: readonly string[]
  readonly aiaUrls: readonly string[]
}

export type PosternEvent = { readonly at: number; readonly worker: number } & (
  | {
      readonly type: 'dns-resolution'
      readonly target: string
      readonly host: string
      readonly request: RequestRef | null
    }
  | {
      readonly type: 'tls-offered'
      readonly target: string
      /** Protocol versions offered, oldest first. */
      readonly versions: readonly string[]
      readonly request: RequestRef | null
    }
  | {
      readonly type: 'certificate-presented'
      readonly target: string
      readonly leaf: LeafFacts
      readonly request: RequestRef | null
    }
  | {
      readonly type: 'handshake'
      readonly target: string
      readonly verdict: VerdictCode
      readonly ms: number
      readonly resumed: boolean
      readonly protocol: string
      readonly cipher: string
      readonly snapshot: string
      /** What an exception of the target skipped; left out where nothing was. */
      readonly skipped?: readonly ('chain' | 'name')[]
    }
  | {
      /** A request ended in a fault on the backend's side. */
      readonly type: 'request-failed'
      readonly target: string
      readonly fault: Fault
      readonly request: RequestRef
      readonly localAddress: string
      readonly remoteAddress: string
      /** Age of the connection in ms, and how many requests it had served. */
      readonly connectionAgeMs: number
      readonly connectionUses: number
    }
  | {
      /** The exact cause of failures of a server has been found out; once for failures with the same evidence. */
      readonly type: 'diagnosed'
      readonly target: string
      readonly server: string
      readonly verdict: VerdictCode
      readonly party: Party
      readonly summary: string
      readonly guilty: { readonly subject: string; readonly sha256: string } | null
      /** Further faults that would come to light once this one is mended. */
      readonly hides: readonly VerdictCode[]
      /** None that needs somebody's decision: exceptions, and what makes the gateway offer less than it was told to. */
      readonly remedy: readonly {
        readonly party: Party
        readonly kind: RemedyKind
        readonly action: string
        readonly commands: readonly string[]
        /** What is given up by it; '' where nothing is. */
        readonly risk: string
      }[]
      /** The command that shows all of it, with what certificates point to. */
      readonly look: string
      /** That were opened to find it out. */
      readonly connections: number
      readonly ms: number
    }
  | {
      readonly type: 'pool-retired'
      readonly target: string
      readonly snapshot: string
      readonly idle: number
      readonly busy: number
      readonly mode: 'drain' | 'cut'
    }
  | {
      /** Active checks of this worker have changed their mind about a server. */
      readonly type: 'server-health'
      readonly target: string
      readonly server: string
      readonly healthy: boolean
      /** Of the check that failed; null when healthy, or when the connection was sound and the answer was not. */
      readonly verdict: VerdictCode | null
      readonly party: Party | null
      /** Why not; '' when healthy. */
      readonly summary: string
    }
  | {
      /** Requests to a server failed in a row; this worker leaves it out for a while. */
      readonly type: 'server-ejected'
      readonly target: string
      readonly server: string
      readonly failures: number
      readonly ms: number
      /** Of the last of the failures; null when its connection was sound, or when nobody said why. */
      readonly verdict: VerdictCode | null
      readonly party: Party | null
      /** Why it failed; '' when nobody said. */
      readonly summary: string
    }
  | {
      readonly type: 'breaker'
      readonly target: string
      readonly state: 'closed' | 'open' | 'half-open'
      /** What the window held when the breaker opened, and how many of them failed; 0 at other changes. */
      readonly requests: number
      readonly failed: number
      /** Of the last failure when it opened; null at other changes, or when its connection was sound. */
      readonly verdict: VerdictCode | null
      readonly party: Party | null
      /** Why it failed; '' at other changes. */
      readonly summary: string
    }
  | {
      /** An alert rule holds, or no longer does. */
      readonly type: 'alert-fired' | 'alert-resolved'
      readonly organization: string
      readonly environment: string
      /** Id of the rule. */
      readonly alert: string
      readonly name: string
      readonly instance: string
      readonly summary: string
    }
  | { readonly type: 'generation-committed'; readonly generation: number; readonly ms: number }
  | { readonly type: 'generation-refused'; readonly source: string; readonly problems: readonly string[] }
  | {
      readonly type: 'trust-changed'
      readonly store: string
      readonly added: readonly string[]
      readonly removed: readonly string[]
    }
  | { readonly type: 'trust-refused'; readonly store: string; readonly problem: string }
  | { readonly type: 'warning'; readonly code: string; readonly message: string }
  | {
      readonly type: 'exception-in-force'
      readonly target: string
      readonly skip: string
      readonly owner: string
      readonly reason: string
      readonly until: number | null
    }
  | {
      readonly type: 'listening'
      readonly listener: string
      readonly address: string
      readonly port: number
      readonly tls: boolean
    }
  | { readonly type: 'worker-died'; readonly died: number; readonly message: string }
  | { readonly type: 'draining' }
  | { readonly type: 'stopped' }
)
