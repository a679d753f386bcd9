/**
 * The header fields that the gateway itself reads, writes or drops, each with the reason. Everything else is forwarded
 * as it came. The lookup table below is made from this one list, so the list is the truth.
 *
 * `request` / `response`: what happens to the field as received on its way on. `read` fields are interpreted and
 * forwarded, `drop` fields never pass, `own` fields are replaced by ours.
 */
export const fields = {
  host: { request: 'own', response: 'read', why: 'set by the host policy of the proxy (RFC 9110 7.2)' },
  'content-length': {
    request: 'read',
    response: 'read',
    why: 'framing; validated, then forwarded as it is (RFC 9112 6.2)',
  },
  'transfer-encoding': { request: 'own', response: 'own', why: 'framing of this hop only (RFC 9112 6.1)' },
  connection: { request: 'own', response: 'own', why: 'speaks of this hop only (RFC 9110 7.6.1)' },
  'keep-alive': { request: 'drop', response: 'drop', why: 'parameters of this hop only (RFC 9110 7.6.1)' },
  'proxy-connection': {
    request: 'drop',
    response: 'drop',
    why: 'obsolete, and reads as Connection at some hops (RFC 9110 7.6.1)',
  },
  te: {
    request: 'own',
    response: 'drop',
    why: 'hop by hop; `trailers` is said again when the client said it (RFC 9110 10.1.4)',
  },
  upgrade: { request: 'own', response: 'own', why: 'hop by hop; said again only for a tunnel (RFC 9110 7.8)' },
  'proxy-authorization': {
    request: 'drop',
    response: 'drop',
    why: 'credentials meant for a proxy, not for the backend (RFC 9110 11.7.2)',
  },
  'proxy-authenticate': {
    request: 'drop',
    response: 'drop',
    why: 'a challenge of a proxy to its own client (RFC 9110 11.7.1)',
  },
  'proxy-authentication-info': { request: 'drop', response: 'drop', why: 'as Proxy-Authenticate (RFC 9110 11.7.3)' },
  'http2-settings': {
    request: 'drop',
    response: 'drop',
    why: 'h2c upgrade of this hop; never tunnelled past the gateway (RFC 9113 3.1)',
  },
  expect: {
    request: 'read',
    response: 'read',
    why: '100-continue is asked of the backend, anything else is refused (RFC 9110 10.1.1)',
  },
  'user-agent': { request: 'read', response: 'read', why: 'access log' },
  'x-forwarded-for': {
    request: 'own',
    response: 'read',
    why: 'a client could forge it; believed from trusted proxies only',
  },
  'x-forwarded-host': { request: 'own', response: 'read', why: 'as X-Forwarded-For' },
  'x-forwarded-proto': { request: 'own', response: 'read', why: 'as X-Forwarded-For' },
  'x-forwarded-port': { request: 'own', response: 'read', why: 'as X-Forwarded-For' },
  'x-real-ip': { request: 'own', response: 'read', why: 'as X-Forwarded-For' },
  forwarded: { request: 'own', response: 'read', why: 'as X-Forwarded-For (RFC 7239 8.1)' },
  'x-request-id': { request: 'read', response: 'own', why: 'the id of the request; the gateway answers with its own' },
  traceparent: {
    request: 'read',
    response: 'read',
    why: 'the trace of the caller; written anew where the gateway takes part in it (W3C Trace Context 3.2)',
  },
  tracestate: { request: 'read', response: 'read', why: 'as traceparent (W3C Trace Context 3.3)' },
  'x-apigee-message-id': { request: 'drop', response: 'own', why: 'as X-Request-ID, in the apigee profile' },
} as const satisfies Record<string, { request: Treatment; response: Treatment; why: string }>

export type Treatment = 'read' | 'own' | 'drop'
export type FieldName = keyof typeof fields

/** Field numbers for `switch`; 0 is any other field. */
export const F = numbered()

/**
 * The number of a name that is one of ours but for `_` in place of `-`. CGI, WSGI and PHP read both as one variable, so a
 * client could say X_Forwarded_For past the gateway's own: dropped from requests, never read as the field it resembles.
 */
const lookalike = Object.keys(fields).length + 1

/**
 * Number of the field whose name is buf[start, end), case-insensitively; 0 when the gateway has no interest in it,
 * `lookalike` when a backend might take it for one of these.
 */
export function fieldNumber(buf: Uint8Array, start: number, end: number): number {
  const candidates = byLength[end - start]
  if (candidates === undefined) return 0
  next: for (const candidate of candidates) {
    const name = candidate.bytes
    let number = candidate.number
    for (let i = 0; i < name.length; i++) {
      // Setting 0x20 folds case for letters and leaves '-' and digits; token bytes cannot collide with them otherwise
      // except '\r' to '-', which the token check before this has excluded.
      const byte = (buf[start + i] as number) | 0x20
      if (byte === name[i]) continue
      if (byte !== underscoreFolded || name[i] !== 0x2d) continue next
      number = lookalike
    }
    return number
  }
  return 0
}

/** 1 where a field as received in a request is forwarded as it is. */
export const passesInRequest = passing('request')
/** 1 where a field as received in a response is forwarded as it is. */
export const passesInResponse = passing('response')

/**
 * Further fields that RFC 9110 section 6.5.1 keeps out of trailers: what asks or answers who somebody is, changes how the
 * request is handled, or says how the content is to be read. A backend that merges trailers into its headers would let
 * them act after everything before it has looked at the head.
 */
const actsOnTheMessage = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'www-authenticate',
  'cache-control',
  'max-forwards',
  'pragma',
  'range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'age',
  'date',
  'expires',
  'location',
  'retry-after',
  'vary',
  'warning',
  'content-encoding',
  'content-type',
  'content-range',
  'trailer',
])

/** Whether a field, its name in lower case, may not stand in a trailer section: framing, routing, connection, and the above. */
export function forbiddenInTrailer(name: string): boolean {
  return actsOnTheMessage.has(name) || (Object.hasOwn(fields, name) && !harmlessInTrailer.has(name))
}

const harmlessInTrailer: ReadonlySet<string> = new Set<FieldName>([
  'user-agent',
  'x-request-id',
  'traceparent',
  'tracestate',
])

function numbered(): Readonly<Record<FieldName, number>> {
  return Object.fromEntries(Object.keys(fields).map((name, index) => [name, index + 1])) as Record<FieldName, number>
}

function passing(side: 'request' | 'response'): Uint8Array {
  const known = Object.values(fields).map((field) => (field[side] === 'read' ? 1 : 0))
  return Uint8Array.from([1, ...known, side === 'request' ? 0 : 1])
}

/** `_` with 0x20 set; no other token byte folds to it, since DEL is none. */
const underscoreFolded = 0x7f

interface Candidate {
  readonly bytes: Uint8Array
  readonly number: number
}

const byLength: readonly (readonly Candidate[] | undefined)[] = indexed()

function indexed(): (Candidate[] | undefined)[] {
  const table: (Candidate[] | undefined)[] = []
  Object.keys(fields).forEach((name, index) => {
    const list = (table[name.length] ??= [])
    list.push({ bytes: Buffer.from(name, 'latin1'), number: index + 1 })
  })
  return table
}
