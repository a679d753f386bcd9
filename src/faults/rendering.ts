import type { Fault, FaultDetail, FaultProfile } from './fault.ts'

/** What a profile needs to know of a request to render its fault. Nothing in here is looked up elsewhere. */
export interface FaultInput {
  readonly fault: Fault
  readonly profile: FaultProfile
  readonly detail: FaultDetail
  /** The one id: response header, log lines, events, fault body. */
  readonly requestId: string
  /** Name of the listener: what Edge calls a virtual host, and names in its "no proxy" fault. */
  readonly listener: string
  /** Request target as received; '' where no request line could be read. */
  readonly target: string
  readonly organization: string
  readonly environment: string
  /** null: no proxy matched, or the request could not be read. */
  readonly proxy: FaultProxy | null
}

/** The part of a proxy that a fault may name; a `ProxyPlan` is one. */
export interface FaultProxy {
  readonly name: string
  readonly basePath: string
  readonly revision: string
}

/** A complete answer without `Content-Length`, `Connection` and `Date`, which the wire adds. */
export interface RenderedFault {
  readonly status: number
  readonly reason: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** ASCII only, so its length is its byte length in every encoding. */
  readonly body: string
  /** The profile's own stable code, whatever the detail: Edge's errorcode, APIM's reason, our verdict code or kind. */
  readonly code: string
  /** Who failed, in Edge's words. */
  readonly source: FaultSource
}

export type FaultSource = 'target' | 'proxy' | 'policy' | 'apigee' | 'mp'

/** How sure we are that the imitated product answers like this. */
export type Certainty = 'verified' | 'seen' | 'unconfirmed' | 'ours'

/** The code a fault is known by among us: the verdict's where a backend was judged, else the kind. */
export function faultCode(fault: Fault): string {
  return fault.verdict ?? fault.kind
}

const unsafeInJson = /[^\x20-\x7e]|</g

/**
 * JSON in ASCII, other characters as \uXXXX: clients' latin1 bytes and operators' names both survive, and length is
 * bytes. `<` is escaped too, so that a reflected path cannot become markup for a client that ignores Content-Type.
 */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(unsafeInJson, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** A header value can hold visible ASCII and spaces only; anything else would be a way to split the response. */
export function headerSafe(value: string): string {
  return value.replace(/[^\x20-\x7e]/g, '?')
}

const reasonPhrases = {
  400: 'Bad Request',
  404: 'Not Found',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
  // Never sent, there is nobody left to read it: it is what the access log says. The number is NGINX's.
  499: 'Client Closed Request',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
} as const

/** Every status a fault can have. */
export type FaultStatus = keyof typeof reasonPhrases

export function reasonPhrase(status: FaultStatus): string {
  return reasonPhrases[status]
}
