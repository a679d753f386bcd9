import type { Condition } from '../../flow/condition-types.ts'
import type { SslInfo } from '../../state/kinds.ts'

/** Where in a bundle something stands. Lines and columns count from 1. */
export interface BundlePlace {
  /** `apiproxy/targets/default.xml` */
  readonly file: string
  readonly line: number
  readonly column: number
}

export interface BundleProblem extends BundlePlace {
  /** Stable: `step-not-supported`, `xml-malformed`, `condition-malformed`, `policy-missing`, `element-unknown`, ... */
  readonly code: string
  readonly severity: 'error' | 'warning' | 'info'
  readonly message: string
  /** Name of the policy it is about; '' for none. */
  readonly policy: string
}

/** A bundle's files by path below its root folder: `apiproxy/proxies/default.xml` -> bytes. */
export type BundleFiles = ReadonlyMap<string, Uint8Array>

/** An API proxy as its XML says, whatever can be run of it. Missing parts are empty: revisions are made piecewise. */
export interface ApiProxyBundle {
  readonly kind: 'apiproxy'
  /** From the root document; '' when there is none. */
  readonly name: string
  readonly displayName: string
  readonly description: string
  readonly policies: readonly BundlePolicy[]
  readonly proxyEndpoints: readonly ProxyEndpoint[]
  readonly targetEndpoints: readonly TargetEndpoint[]
  readonly resources: readonly BundleResource[]
  readonly problems: readonly BundleProblem[]
  /** What was read and cannot be run here, beside what follows from the fields; `checkRunnable` has all of it. */
  readonly unsupported?: readonly BundleProblem[]
}

export interface SharedFlowBundle {
  readonly kind: 'sharedflowbundle'
  readonly name: string
  readonly displayName: string
  readonly description: string
  readonly policies: readonly BundlePolicy[]
  readonly sharedFlows: readonly {
    readonly name: string
    readonly steps: readonly FlowStep[]
    readonly place: BundlePlace
  }[]
  readonly resources: readonly BundleResource[]
  readonly problems: readonly BundleProblem[]
  /** What was read and cannot be run here, beside what follows from the fields; `checkRunnable` has all of it. */
  readonly unsupported?: readonly BundleProblem[]
}

export interface BundlePolicy {
  /** The root element's `name`. */
  readonly name: string
  /** Root element: `AssignMessage`, ... */
  readonly type: string
  readonly enabled: boolean
  readonly place: BundlePlace
}

export interface BundleResource {
  /** `jsc`, `py`, `java`, `xsl`, ... */
  readonly type: string
  readonly name: string
}

export interface FlowStep {
  /** Name of the policy. */
  readonly policy: string
  readonly condition: Condition | null
  readonly place: BundlePlace
}

export interface Flow {
  /** '' for PreFlow and PostFlow. */
  readonly name: string
  readonly condition: Condition | null
  readonly request: readonly FlowStep[]
  readonly response: readonly FlowStep[]
  readonly place: BundlePlace
}

export interface FaultRule {
  readonly name: string
  readonly condition: Condition | null
  readonly steps: readonly FlowStep[]
  readonly alwaysEnforce: boolean
  readonly place: BundlePlace
}

/** What proxy and target endpoints have alike. */
export interface EndpointFlows {
  readonly preFlow: Flow | null
  readonly flows: readonly Flow[]
  readonly postFlow: Flow | null
  readonly faultRules: readonly FaultRule[]
  readonly defaultFaultRule: FaultRule | null
}

export interface ProxyEndpoint extends EndpointFlows {
  readonly name: string
  /** `/` or `/a/b`, segments may be `*`; no trailing slash. */
  readonly basePath: string
  readonly virtualHosts: readonly string[]
  readonly properties: Readonly<Record<string, string>>
  readonly postClientFlow: Flow | null
  readonly routeRules: readonly RouteRule[]
  readonly place: BundlePlace
}

export interface RouteRule {
  readonly name: string
  readonly condition: Condition | null
  /** A TargetEndpoint, a URL, or neither: a null route. */
  readonly to:
    | { readonly kind: 'target'; readonly name: string }
    | { readonly kind: 'url'; readonly url: string }
    | { readonly kind: 'none' }
  readonly place: BundlePlace
}

export interface TargetEndpoint extends EndpointFlows {
  readonly name: string
  readonly connection: TargetConnection
  readonly place: BundlePlace
}

export type TargetConnection =
  | HttpTargetConnection
  /** LocalTargetConnection, ScriptTarget, HostedTarget, none: cannot be run. */
  | { readonly kind: 'unsupported'; readonly element: string; readonly place: BundlePlace }

export interface HttpTargetConnection {
  readonly kind: 'http'
  /** Exactly one of `url` and `loadBalancer`. */
  readonly url: string | null
  readonly loadBalancer: LoadBalancer | null
  /** Path for a LoadBalancer; '' for none. */
  readonly path: string
  readonly sslInfo: SslInfo | null
  readonly healthMonitor: HealthMonitor | null
  readonly properties: Readonly<Record<string, string>>
  readonly place: BundlePlace
}

export interface LoadBalancer {
  readonly algorithm: 'RoundRobin' | 'Weighted' | 'LeastConnections'
  readonly servers: readonly {
    readonly name: string
    readonly weight: number
    readonly isEnabled: boolean
    readonly isFallback: boolean
    readonly place: BundlePlace
  }[]
  /** 0: never removed. */
  readonly maxFailures: number
  readonly retryEnabled: boolean
  /** null: not said. */
  readonly targetDisableSecs: number | null
  readonly unhealthyStatuses: readonly number[]
}

export interface HealthMonitor {
  readonly isEnabled: boolean
  readonly intervalSecs: number
  readonly monitor:
    | { readonly kind: 'tcp'; readonly connectTimeoutSecs: number; readonly port: number | null }
    | {
        readonly kind: 'http'
        readonly connectTimeoutSecs: number
        readonly readTimeoutSecs: number
        readonly port: number | null
        readonly isSsl: boolean | null
        readonly trustAllSsl: boolean
        readonly useTargetServerSslInfo: boolean
        readonly verb: string
        readonly path: string
        readonly headers: readonly { readonly name: string; readonly value: string }[]
        readonly payload: string
        readonly includeHealthCheckIdHeader: boolean
        readonly successStatuses: readonly number[]
        readonly successHeaders: readonly { readonly name: string; readonly value: string }[]
      }
  readonly place: BundlePlace
}
