import { isTarget, isToken, latin1 } from '../bytes.ts'
import { F, passesInRequest } from '../h1/fields.ts'
import { decimal, isAuthority, isWord } from '../h1/values.ts'
import { cookieKind, firstPseudo, P } from './field-kinds.ts'
import { type FieldLimits, type FieldSink, HpackDecoder } from './hpack-decoder.ts'
import { type H2Refusal, h2Refusals } from './refusals.ts'
import { TrailerSink } from './trailer-fields.ts'

export interface RequestFieldLimits extends FieldLimits {
  /** Most bytes of :path. */
  readonly pathBytes: number
  /** Whether SETTINGS_ENABLE_CONNECT_PROTOCOL was announced (RFC 8441). */
  readonly connectProtocol: boolean
}

/** A request head, with the names that h1's RequestHead gives to the same things. One object per request. */
export class H2RequestHead {
  method = ''
  /** :path as it came. */
  target = ''
  /** `http` or `https`. Whether that fits the connection it came on is the caller's to judge. */
  scheme = ''
  /** :protocol of an extended CONNECT, in lower case; '' otherwise. */
  protocol = ''
  /** Of the HTTP/1.1 message that stands for it. */
  minor = 1
  /** :authority, or Host where there was none. */
  host = ''
  /** -1: no Content-Length. */
  contentLength = -1
  /** Set by the caller: a body follows and its length was not said. */
  chunked = false
  keepAlive = true
  upgrade = ''
  expectContinue = false
  teTrailers = false
  userAgent = ''
  forwardedFor = ''
  forwardedHost = ''
  forwardedProto = ''
  forwarded = ''
  requestId = ''
  /** Among the lines is a traceparent or a tracestate. */
  traceFields = false
  /** Header lines to forward, each with its CRLF, names in lower case; all Cookie fields as one (RFC 9113 section 8.2.3). */
  lines = ''
  /** Bytes of the field block. */
  size = 0
}

/** Reads the field blocks of one client's connection. */
export class RequestFieldReader implements FieldSink {
  /** Of the block that `read` took last. */
  head = new H2RequestHead()
  /** Of the block that `readTrailers` took last: lines with their CRLF. */
  trailers = ''
  readonly decoder: HpackDecoder
  readonly #limits: RequestFieldLimits
  #hasPath = false
  #hasAuthority = false
  #hasHost = false
  #cookie = ''
  /** Fields that make no line of their own. */
  #lineless = 0

  constructor(limits: RequestFieldLimits) {
    this.#limits = limits
    this.decoder = new HpackDecoder(limits)
  }

  /** Lines that the block read last stands for: pseudo-header fields are none, and all cookies are one. */
  get lineCount(): number {
    return this.decoder.fieldCount - this.#lineless
  }

  /** Reads the head of a request to a new `head`. */
  read(buf: Buffer, start: number, end: number): H2Refusal | null {
    const head = new H2RequestHead()
    this.head = head
    this.#hasPath = false
    this.#hasAuthority = false
    this.#hasHost = false
    this.#cookie = ''
    this.#lineless = 0
    const refusal = this.decoder.decode(buf, start, end, this) ?? this.#settle(head)
    if (refusal !== null) return refusal
    head.lines = this.decoder.lines()
    if (this.#cookie !== '') head.lines += `cookie: ${this.#cookie}\r\n`
    head.size = end - start
    return null
  }

  /** Reads the block after the body to `trailers`. */
  readTrailers(buf: Buffer, start: number, end: number): H2Refusal | null {
    const refusal = this.decoder.decode(buf, start, end, trailerSink)
    if (refusal === null) this.trailers = this.decoder.lines()
    return refusal
  }

  /** For the decoder. */
  field(kind: number, text: Buffer, _nameStart: number, nameEnd: number, valueEnd: number): boolean | H2Refusal {
    if (kind === 0) return true
    const start = nameEnd + 2
    if (kind >= firstPseudo) {
      this.#lineless++
      return this.#pseudo(kind, text, start, valueEnd) ?? false
    }
    const { head } = this
    switch (kind) {
      case cookieKind: {
        const crumb = latin1(text, start, valueEnd)
        if (this.#cookie !== '') this.#lineless++
        this.#cookie = this.#cookie === '' ? crumb : `${this.#cookie}; ${crumb}`
        return false
      }
      case F.host: {
        if (!isAuthority(text, start, valueEnd)) return h2Refusals.authority
        const host = latin1(text, start, valueEnd)
        // Two names, two readers: routing by one and answering by the other is what request smuggling wants. (I8)
        if (this.#hasHost || (this.#hasAuthority && host.toLowerCase() !== head.host.toLowerCase())) {
          return h2Refusals.hostDiffers
        }
        this.#hasHost = true
        head.host = host
        break
      }
      case F['content-length']:
        if (head.contentLength !== -1) return h2Refusals.lengthTwice
        head.contentLength = decimal(text, start, valueEnd)
        if (head.contentLength === -1) return h2Refusals.length
        break
      case F.te:
        head.teTrailers = true
        break
      case F.expect:
        if (head.expectContinue || !isWord(text, start, valueEnd, '100-continue')) return h2Refusals.expect
        head.expectContinue = true
        break
      case F['user-agent']:
        head.userAgent = latin1(text, start, valueEnd)
        break
      case F['x-forwarded-for']:
        head.forwardedFor = joined(head.forwardedFor, latin1(text, start, valueEnd))
        break
      case F['x-forwarded-host']:
        head.forwardedHost = joined(head.forwardedHost, latin1(text, start, valueEnd))
        break
      case F['x-forwarded-proto']:
        head.forwardedProto = joined(head.forwardedProto, latin1(text, start, valueEnd))
        break
      case F.forwarded:
        head.forwarded = joined(head.forwarded, latin1(text, start, valueEnd))
        break
      case F['x-request-id']:
        head.requestId = latin1(text, start, valueEnd)
        break
      case F.traceparent:
      case F.tracestate:
        head.traceFields = true
        break
    }
    return passesInRequest[kind] === 1
  }

  #pseudo(kind: number, text: Buffer, start: number, end: number): H2Refusal | null {
    const { head } = this
    switch (kind) {
      case P[':method']:
        if (head.method !== '') return h2Refusals.pseudoTwice
        if (end === start || end - start > 64) return h2Refusals.method
        for (let at = start; at < end; at++) if (isToken[text[at] as number] !== 1) return h2Refusals.method
        head.method = latin1(text, start, end)
        return null
      case P[':path']:
        if (this.#hasPath) return h2Refusals.pseudoTwice
        this.#hasPath = true
        if (end - start > this.#limits.pathBytes) return h2Refusals.uriTooLong
        if (end === start) return h2Refusals.path
        for (let at = start; at < end; at++) if (isTarget[text[at] as number] !== 1) return h2Refusals.path
        head.target = latin1(text, start, end)
        return null
      case P[':scheme']:
        if (head.scheme !== '') return h2Refusals.pseudoTwice
        head.scheme = isWord(text, start, end, 'https') ? 'https' : isWord(text, start, end, 'http') ? 'http' : ''
        return head.scheme === '' ? h2Refusals.scheme : null
      case P[':authority']:
        if (this.#hasAuthority) return h2Refusals.pseudoTwice
        if (!isAuthority(text, start, end)) return h2Refusals.authority
        this.#hasAuthority = true
        head.host = latin1(text, start, end)
        return null
      case P[':protocol']:
        if (head.protocol !== '') return h2Refusals.pseudoTwice
        if (!this.#limits.connectProtocol || end === start) return h2Refusals.protocol
        for (let at = start; at < end; at++) if (isToken[text[at] as number] !== 1) return h2Refusals.protocol
        head.protocol = latin1(text, start, end).toLowerCase()
        return null
      default:
        return h2Refusals.pseudoSide
    }
  }

  /** What can only be said of the head as a whole. */
  #settle(head: H2RequestHead): H2Refusal | null {
    if (head.method === '') return h2Refusals.pseudoMissing
    if (head.method === 'CONNECT') {
      if (head.protocol === '') {
        return head.scheme !== '' || this.#hasPath ? h2Refusals.connectFields : h2Refusals.connectMethod
      }
    } else if (head.protocol !== '') {
      return h2Refusals.connectFields
    }
    if (head.scheme === '' || !this.#hasPath) return h2Refusals.pseudoMissing
    if (head.host === '') return h2Refusals.noAuthority
    if (head.target.charCodeAt(0) === 0x2f) return null
    return head.target === '*' && head.method === 'OPTIONS' ? null : h2Refusals.pathForm
  }
}

const trailerSink = new TrailerSink()

function joined(list: string, value: string): string {
  return list === '' ? value : `${list}, ${value}`
}
