import type { ReportJson } from '../diagnosis/report-json.ts'

/* What a support bundle is asked for, and what it is made of. */

export interface SupportQuestion {
  readonly organization: string
  readonly environment: string
  /** At least one of the three is not null. */
  readonly requestId: string | null
  readonly proxy: string | null
  readonly target: string | null
  readonly capture: boolean
  readonly logs: boolean
}

export interface BundleFile {
  /** Path in the archive. */
  readonly name: string
  /** One sentence. */
  readonly what: string
  /** Where it was taken from. */
  readonly source: string
  /** Text is redacted; bytes are what holds no text of anybody's; files of a zip inside are redacted, and are all text. */
  readonly content: string | Uint8Array | ReadonlyMap<string, string>
  /** What the organization's masks name stands in it as it came: nobody has masked it yet. */
  readonly unmasked?: boolean
}

/** What a bundle should have and has not. */
export interface MissingPart {
  readonly what: string
  readonly why: string
}

export interface Versions {
  readonly postern: string
  readonly node: string
  readonly openssl: string
  readonly v8: string
  readonly os: string
  readonly arch: string
}

/** A server of a concerned target as it is found. */
export interface FoundServer {
  readonly target: string
  readonly server: string
  readonly host: string
  readonly port: number
  readonly tls: boolean
  /** Of a connection that was opened for the bundle; null: none was. */
  readonly probed: ReportJson | null
  /** What was known before. */
  readonly before: { readonly at: number; readonly source: 'traffic' | 'check'; readonly report: ReportJson } | null
}

/** The request that is asked about, as far as it is known. */
export interface FoundRequest {
  readonly id: string
  /** ISO 8601. */
  readonly at: string
  readonly method: string
  readonly request: string
  readonly host: string
  readonly client: string
  readonly listener: string
  readonly proxy: string
  readonly revision: string
  readonly target: string
  readonly status: number
  readonly targetStatus: number
  readonly fault: string
  readonly verdict: string
  readonly party: string
  readonly faultCode: string
  readonly faultSource: string
  readonly summary: string
  readonly totalMs: number
  readonly backend: string
  readonly snapshot: string
  readonly traceId: string
  /** Where it is known from. */
  readonly from: 'monitoring' | 'debug session' | 'log'
}
