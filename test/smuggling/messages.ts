import type { RefusalName } from '../../src/wire/h1/refusal.ts'
import { get, line } from '../wire/message.ts'

/**
 * Sent behind every message on the same connection. Whoever reads the message to another end than its sender meant sees
 * this request too early, too late, or inside a body. It asks for the end of the connection, so that a reader that is
 * done says so.
 */
export const marker = line('GET /base/marker HTTP/1.1').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')

/** A whole request that is only one when the message before it was read too short. */
export const smuggled = line('GET /base/smuggled HTTP/1.1')

/** The beginning of a request: the first line of what follows becomes the value of its last field. */
export const prefix = 'GET /base/smuggled HTTP/1.1\r\nHost: api.test\r\nX-Swallow: '

export interface Message {
  readonly name: string
  /** latin1: one character a byte. */
  readonly bytes: string
  /** Why the gateway refuses it, or the status of another refusal; null: it is forwarded. */
  readonly refusal: RefusalName | 404 | null
  /** What the gateway's backend reads, each `METHOD target` with a space and the body where there is one; without the marker. */
  readonly forwarded: readonly string[]
  /** How many of `forwarded` are good requests that come before what is tried. */
  readonly lead: number
  /** Whether the marker is read as the request that it is. */
  readonly marker: boolean
  /** More bytes, sent when the first byte of an answer has come, or nothing has for a while. */
  readonly late: string
  /** The client ends its side behind the message; no marker is sent. */
  readonly cut: boolean
}

/** Refused, and the connection with it: nothing reaches the backend, and the marker is not read. */
export function bad(name: string, refusal: RefusalName, bytes: string): Message {
  return { name, bytes, refusal, forwarded: [], lead: 0, marker: false, late: '', cut: false }
}

/** Has one reading: forwarded, and the marker after it. */
export function taken(name: string, bytes: string, ...forwarded: readonly string[]): Message {
  return { name, bytes, refusal: null, forwarded, lead: 0, marker: true, late: '', cut: false }
}

/** Forwarded, and then the connection ends. */
export function last(name: string, bytes: string, ...forwarded: readonly string[]): Message {
  return { ...taken(name, bytes, ...forwarded), marker: false }
}

/** Forwarded as far as it goes, and never whole: the marker is taken for its rest. */
export function unanswered(name: string, bytes: string): Message {
  return { ...last(name, bytes), forwarded: [] }
}

/** The client ends inside the message: it may be forwarded as far as it goes, and is never whole. */
export function unfinished(name: string, bytes: string): Message {
  return { ...unanswered(name, bytes), cut: true }
}

/** What is to be forwarded of a good request before the one that is tried. */
const leading = 'GET /base/first api.test'

/** A good request, and then one that is refused: the first is served, nothing of the second is. */
export function second(name: string, refusal: RefusalName, bytes: string): Message {
  return {
    ...bad(name, refusal, get().replace('/base/x', '/base/first') + bytes),
    forwarded: [leading],
    lead: 1,
  }
}

/** Length of text on the wire. */
export function lengthOf(...parts: readonly string[]): string {
  return `Content-Length: ${parts.join('').length}`
}

/** A chunk of this data. */
export function chunk(data: string): string {
  return `${data.length.toString(16)}\r\n${data}\r\n`
}

export const lastChunk = '0\r\n\r\n'
