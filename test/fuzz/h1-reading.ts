import { ChunkedDecoder } from '../../src/wire/h1/chunked.ts'
import { type Refusal, refusals } from '../../src/wire/h1/refusal.ts'
import { incomplete, type HeadLimits, RequestHead } from '../../src/wire/h1/request-head.ts'
import { ResponseHead } from '../../src/wire/h1/response-head.ts'
import { forwardedHead } from '../wire/reading.ts'
import { Disagreement } from './target.ts'

/** A message as any reader may report it; latin1. */
export interface Message {
  /** Method and target, or status and reason. */
  readonly start: string
  /** As sent and in order; values without the white space around them. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly data: string
  readonly trailers: readonly (readonly [name: string, value: string])[]
}

/** What was read of one connection's bytes. */
export interface Reading {
  readonly messages: readonly Message[]
  /** Bytes of each whole message. */
  readonly sizes: readonly number[]
  /** What the gateway sends on for each whole request. */
  readonly forwarded: readonly string[]
  /**
   * Why there are no more: the name of a refusal; `end` when nothing is left; `incomplete`; `close` and `upgrade` where
   * what follows is not the message's to say.
   */
  readonly end: string
}

/**
 * Reads requests as a connection of the gateway does, from bytes that come in pieces ending at `cuts`. Behind each piece
 * stand bytes of another connection, so a look too far changes the outcome.
 */
export function readRequests(bytes: Buffer, cuts: readonly number[], limits: HeadLimits): Reading {
  const head = new RequestHead()
  return readMessages(bytes, cuts, (buf, at, end) => {
    const after = head.read(buf, at, end, limits)
    if (typeof after !== 'number') return after
    checkConsumed(after, at, end)
    return {
      after,
      start: `${head.method} ${head.target}`,
      framing: head.chunked ? 'chunked' : Math.max(0, head.contentLength),
      forwarded: forwardedHead(head),
      last: head.upgrade !== '' ? 'upgrade' : head.keepAlive ? null : 'close',
    }
  })
}

/** Reads the responses to one request, informational ones and the final one, as the gateway does. */
export function readResponses(bytes: Buffer, cuts: readonly number[], limit: number, method: 'GET' | 'HEAD'): Reading {
  const head = new ResponseHead()
  return readMessages(bytes, cuts, (buf, at, end) => {
    const after = head.read(buf, at, end, limit)
    if (typeof after !== 'number') return after
    checkConsumed(after, at, end)
    const { status, chunked, contentLength } = head
    const bodiless = status < 200 || method === 'HEAD' || status === 204 || status === 304
    return {
      after,
      start: `${status} ${head.reason}`,
      framing: bodiless ? 0 : chunked ? 'chunked' : contentLength === -1 ? 'close' : contentLength,
      forwarded: head.lines,
      last: status === 101 ? 'upgrade' : status >= 200 ? 'close' : null,
    }
  })
}

interface Head {
  readonly after: number
  readonly start: string
  readonly framing: number | 'chunked' | 'close'
  readonly forwarded: string
  readonly last: 'upgrade' | 'close' | null
}

type ReadHead = (buf: Buffer, at: number, end: number) => Head | typeof incomplete | Refusal

function readMessages(bytes: Buffer, cuts: readonly number[], readHead: ReadHead): Reading {
  const messages: Message[] = []
  const sizes: number[] = []
  const forwarded: string[] = []
  const decoder = new ChunkedDecoder()
  const framed = new ChunkedDecoder()
  let head: Head | null = null
  let start = 0
  let at = 0
  let data = ''
  let reframed = ''
  const done = (end: string): Reading => ({ messages, sizes, forwarded, end })
  for (const end of cuts) {
    const buf = shared(bytes, end)
    while (at < end || (head !== null && head.framing === 0)) {
      if (head === null) {
        const read = readHead(buf, start, end)
        if (read === incomplete) break
        if (!('after' in read)) return done(nameOf(read))
        head = read
        at = read.after
        data = ''
        reframed = ''
        decoder.reset(false)
        framed.reset(true)
      }
      const { framing } = head
      let whole = false
      if (framing === 'chunked') {
        const after = decoder.decode(buf, at, end)
        const again = framed.decode(buf, at, end)
        if (after !== again) throw new Disagreement('chunked: with and without framing differ', { after, again })
        if (typeof after !== 'number') return done(nameOf(after))
        checkConsumed(after, at, end)
        if (after < end && !decoder.complete) throw new Disagreement('chunked: stopped before the end')
        data += taken(buf, decoder, at, end)
        reframed += taken(buf, framed, at, end)
        if (decoder.bodyBytes !== data.length) throw new Disagreement('chunked: bodyBytes is not the data')
        at = after
        whole = decoder.complete
      } else {
        const take = framing === 'close' ? end - at : Math.min(end - at, framing - data.length)
        data += buf.toString('latin1', at, at + take)
        at += take
        whole = framing === 'close' ? end === bytes.length : data.length === framing
      }
      if (!whole) break
      messages.push({
        start: head.start,
        fields: fieldsOf(headText(bytes, start, head.after)),
        data,
        trailers: framing === 'chunked' ? fieldsOf(trailerText(reframed)) : [],
      })
      sizes.push(at - start)
      forwarded.push(head.forwarded + (framing === 'chunked' ? reframed : data))
      start = at
      if (head.last !== null) return done(head.last)
      head = null
    }
  }
  if (head?.framing === 'close') {
    // The end of the connection is the end of the body, also where it is empty.
    messages.push({
      start: head.start,
      fields: fieldsOf(headText(bytes, start, head.after)),
      data: '',
      trailers: [],
    })
    sizes.push(bytes.length - start)
    forwarded.push(head.forwarded)
    return done('close')
  }
  return done(start === bytes.length ? 'end' : 'incomplete')
}

/** bytes[0, end), and behind them what another connection left in the buffer. */
function shared(bytes: Buffer, end: number): Buffer {
  const buf = Buffer.from(bytes)
  for (let at = end; at < buf.length; at++) buf[at] = foreign[(at - end) % foreign.length] as number
  return buf
}

const foreign = Buffer.from('\n: 0\r\n\r\n', 'latin1')

function taken(buf: Buffer, decoder: ChunkedDecoder, start: number, end: number): string {
  let text = ''
  let last = start
  for (let i = 0; i < decoder.rangeCount; i += 2) {
    const [from, to] = [decoder.ranges[i] as number, decoder.ranges[i + 1] as number]
    if (from < last || to <= from || to > end) throw new Disagreement('chunked: a range out of order')
    text += buf.toString('latin1', from, to)
    last = to
  }
  return text
}

function checkConsumed(after: number, start: number, end: number): void {
  if (after < start || after > end) throw new Disagreement('consumed more than there is', { after, start, end })
}

const names = new Map<unknown, string>(Object.entries(refusals).map(([name, refusal]) => [refusal, name]))

function nameOf(refusal: Refusal): string {
  const name = names.get(refusal)
  if (name === undefined) throw new Disagreement('a refusal of its own', refusal)
  return name
}

/** The field lines of a head. */
function headText(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('latin1', start, end).replace(/^\r\n/, '')
  return text.slice(text.indexOf('\r\n') + 2)
}

/** The field lines after the last chunk of a body without extensions. */
function trailerText(reframed: string): string {
  let at = 0
  for (;;) {
    const lineEnd = reframed.indexOf('\r\n', at)
    const size = Number.parseInt(reframed.slice(at, lineEnd), 16)
    at = lineEnd + 2
    if (!(size > 0)) return reframed.slice(at)
    at += size + 2
  }
}

/** Names and values of lines that end in an empty one. */
function fieldsOf(text: string): readonly (readonly [string, string])[] {
  return text
    .split('\r\n')
    .slice(0, -2)
    .map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')] as const
    })
}
