import { STATUS_CODES } from 'node:http'
import { F, passesInResponse } from '../h1/fields.ts'
import { decimal } from '../h1/values.ts'
import { BlockCache } from './block-cache.ts'
import { cookieKind, firstPseudo, P } from './field-kinds.ts'
import { type FieldLimits, type FieldSink, HpackDecoder } from './hpack-decoder.ts'
import { type H2Refusal, h2Refusals } from './refusals.ts'
import { TrailerSink } from './trailer-fields.ts'

/** A response head, with the names that h1's ResponseHead gives to the same things. Never changed: it may be remembered. */
export interface H2ResponseHead {
  readonly status: number
  /** HTTP/2 has none; the usual words for the status, for HTTP/1.1 clients. */
  readonly reason: string
  readonly minor: number
  /** -1: no Content-Length. */
  readonly contentLength: number
  readonly chunked: boolean
  readonly keepAlive: boolean
  readonly upgrade: string
  /** Header lines to forward, each with its CRLF, names in lower case. */
  readonly lines: string
  /** Bytes of the field block. */
  readonly size: number
}

/**
 * Reads the field blocks that backends send. With `tableBytes: 0` (what we announce to backends) nothing is kept between
 * blocks but the memory of what they were decoded to, and one reader serves all connections of a worker.
 */
export class ResponseFieldReader {
  /** Of the block that `read` took last. */
  head: H2ResponseHead = emptyHead
  /** Of the block that `readTrailers` took last: lines with their CRLF. */
  trailers = ''
  readonly heads: BlockCache<H2ResponseHead>
  readonly #trailerBlocks: BlockCache<string>
  readonly #decoder: HpackDecoder
  readonly #sink = new ResponseSink()
  readonly #trailerSink = new TrailerSink()

  /** @param cacheEntries blocks remembered; 0 turns the memory off */
  constructor(limits: FieldLimits, cacheEntries: number) {
    this.#decoder = new HpackDecoder(limits)
    this.heads = new BlockCache(cacheEntries)
    this.#trailerBlocks = new BlockCache(Math.min(cacheEntries, 64))
  }

  /** Reads the head of a response, a final or an informational one, to `head`. */
  read(buf: Buffer, start: number, end: number): H2Refusal | null {
    const known = this.heads.get(buf, start, end)
    if (known !== undefined) {
      this.head = known
      return null
    }
    const sink = this.#sink
    sink.reset()
    const refusal = this.#decoder.decode(buf, start, end, sink) ?? sink.settle()
    if (refusal !== null) return refusal
    this.head = {
      status: sink.status,
      reason: STATUS_CODES[sink.status] ?? '',
      minor: 1,
      contentLength: sink.contentLength,
      chunked: false,
      keepAlive: true,
      upgrade: '',
      lines: this.#decoder.lines(),
      size: end - start,
    }
    if (this.#decoder.pure) this.heads.set(this.head)
    return null
  }

  /** Reads the block after the body to `trailers`. */
  readTrailers(buf: Buffer, start: number, end: number): H2Refusal | null {
    const known = this.#trailerBlocks.get(buf, start, end)
    if (known !== undefined) {
      this.trailers = known
      return null
    }
    const refusal = this.#decoder.decode(buf, start, end, this.#trailerSink)
    if (refusal !== null) return refusal
    this.trailers = this.#decoder.lines()
    if (this.#decoder.pure) this.#trailerBlocks.set(this.trailers)
    return null
  }
}

class ResponseSink implements FieldSink {
  status = 0
  contentLength = -1

  reset(): void {
    this.status = 0
    this.contentLength = -1
  }

  field(kind: number, text: Buffer, _nameStart: number, nameEnd: number, valueEnd: number): boolean | H2Refusal {
    if (kind === 0 || kind === cookieKind) return true
    const valueStart = nameEnd + 2
    if (kind >= firstPseudo) {
      if (kind !== P[':status']) return h2Refusals.pseudoSide
      if (this.status !== 0) return h2Refusals.pseudoTwice
      const status = valueEnd - valueStart === 3 ? decimal(text, valueStart, valueEnd) : -1
      // 101 has no meaning in HTTP/2 (RFC 9113 section 8.6).
      if (status < 100 || status > 599 || status === 101) return h2Refusals.status
      this.status = status
      return false
    }
    if (kind === F['content-length']) {
      if (this.contentLength !== -1) return h2Refusals.lengthTwice
      this.contentLength = decimal(text, valueStart, valueEnd)
      if (this.contentLength === -1) return h2Refusals.length
    }
    return passesInResponse[kind] === 1
  }

  settle(): H2Refusal | null {
    if (this.status === 0) return h2Refusals.pseudoMissing
    // As HTTP/1.1: a reader that believes the field would wait for a body that never comes.
    return (this.status < 200 || this.status === 204) && this.contentLength > 0 ? h2Refusals.bodyNotAllowed : null
  }
}

const emptyHead: H2ResponseHead = {
  status: 0,
  reason: '',
  minor: 1,
  contentLength: -1,
  chunked: false,
  keepAlive: true,
  upgrade: '',
  lines: '',
  size: 0,
}
