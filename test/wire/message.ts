import type { RefusalName } from '../../src/wire/h1/refusal.ts'

/** The limits that the tables of this folder are written for; small, so that an oversized message is still short. */
export const limits = { requestLineBytes: 1024, headerBytes: 4096, headerCount: 32 }
export const bodyBytesLimit = 4096

export interface RequestCase {
  readonly name: string
  /** latin1: one character a byte. */
  readonly bytes: string
  readonly status: 200 | 400 | 404 | 413 | 414 | 417 | 431 | 501 | 505
  /** null: the wire takes it. */
  readonly refusal: RefusalName | null
  /** Whether the gateway ends the connection with its answer. */
  readonly closed: boolean
  /** What the backend must have seen of it, and what not. Without it the backend must not have seen a single byte. */
  readonly backend?: { readonly has: readonly string[]; readonly lacks: readonly string[] }
}

/** A message from its lines, without a body. */
export function lines(...parts: readonly string[]): string {
  return `${parts.join('\r\n')}\r\n\r\n`
}

/** A whole good GET, but for the header lines given. */
export function get(...headers: readonly string[]): string {
  return lines('GET /base/x HTTP/1.1', 'Host: api.test', ...headers)
}

/** A good POST head with these header lines, followed by `body`. */
export function post(headers: readonly string[], body: string): string {
  return `${lines('POST /base/x HTTP/1.1', 'Host: api.test', ...headers)}${body}`
}

/** A good GET but for its request line. */
export function line(requestLine: string): string {
  return lines(requestLine, 'Host: api.test')
}

export function chunked(body: string): string {
  return post(['Transfer-Encoding: chunked'], body)
}

/** Refused with 400 by the wire, and the connection ends. */
export function bad(name: string, refusal: RefusalName, bytes: string): RequestCase {
  return { name, bytes, status: 400, refusal, closed: true }
}

/** Refused by the wire with another status, and the connection ends. */
export function refused(name: string, status: RequestCase['status'], refusal: RefusalName, bytes: string): RequestCase {
  return { name, bytes, status, refusal, closed: true }
}

/** Odd, but it has one reading only: forwarded. */
export function taken(
  name: string,
  bytes: string,
  has: readonly string[] = [],
  lacks: readonly string[] = [],
): RequestCase {
  return { name, bytes, status: 200, refusal: null, closed: false, backend: { has, lacks } }
}
