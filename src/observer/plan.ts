/*
 * Where telemetry goes: plain data, resolved from the configuration. Anchors are PEM, one certificate each; null: the
 * system's.
 */

export interface OtlpPlan {
  /** Base URL; `/v1/traces`, `/v1/metrics`, `/v1/logs` are appended (OTLP/HTTP). */
  readonly endpoint: string
  /** `http/json` or `http/protobuf`. */
  readonly encoding: 'json' | 'protobuf'
  readonly headers: Readonly<Record<string, string>>
  readonly gzip: boolean
  readonly timeoutMs: number
  readonly tls: TelemetryTlsPlan | null
  readonly traces: boolean
  /** null: none are sent. */
  readonly metrics: { readonly intervalMs: number } | null
}

export interface TelemetryTlsPlan {
  readonly anchors: readonly string[] | null
  /** SNI and name that is verified; '' for the endpoint's own. */
  readonly serverName: string
  readonly clientCertificate: { readonly chain: string; readonly key: string } | null
}

/** A log sink that the observer serves. */
export type OutletPlan =
  | {
      readonly kind: 'syslog'
      readonly transport: 'udp' | 'tcp' | 'tls' | 'unix'
      /** Of `unix`: the path of the socket. */
      readonly host: string
      readonly port: number
      /** RFC 5424 section 6.2.1; 16 is local0. */
      readonly facility: number
      readonly appName: string
      /** The operator's private enterprise number, for `[postern@NUMBER requestId="..."]`; without it no structured data. */
      readonly enterprise?: number
      readonly tls: TelemetryTlsPlan | null
    }
  /** LogRecords to the OTLP endpoint of the plan. */
  | { readonly kind: 'otlp' }
