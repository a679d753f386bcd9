import { COLON, CR, HT, isFieldValue, isTarget, isToken, LF, latin1, latin1Again, SP } from '../bytes.ts'
import { F, fieldNumber, passesInRequest } from './fields.ts'
import { type Refusal, refusals } from './refusal.ts'
import {
  connectionOptions,
  decimal,
  isAuthority,
  isWord,
  nominatedFields,
  trimmedEnd,
  upgradeProtocols,
} from './values.ts'

export interface HeadLimits {
  readonly requestLineBytes: number
  readonly headerBytes: number
  readonly headerCount: number
}

/** The head is not complete yet. */
export const incomplete = Symbol('incomplete')

/**
 * One request head, read once (I8). Instances are reused by their connection, so nothing is allocated per request but
 * the strings. Strings are latin1: one character a byte, so nothing is changed on the way through.
 */
export class RequestHead {
  method = ''
  /** Origin form as it came, byte for byte; of an absolute-form target its path and query. `*` for OPTIONS *. */
  target = ''
  /** 0 or 1: HTTP/1.0 or HTTP/1.1. */
  minor = 1
  /** As sent, with port; '' where an HTTP/1.0 client sent none. */
  host = ''
  /** -1: no Content-Length. */
  contentLength = -1
  chunked = false
  keepAlive = true
  /** Value of Upgrade when Connection nominates it; '' otherwise. */
  upgrade = ''
  expectContinue = false
  /** The client takes trailers (TE: trailers). */
  teTrailers = false
  userAgent = ''
  forwardedFor = ''
  forwardedHost = ''
  forwardedProto = ''
  forwarded = ''
  requestId = ''
  /** Among the lines is a traceparent or a tracestate. */
  traceFields = false
  /** Header lines to forward as they came, each with its CRLF: everything that is not `own` or `drop` in fields.ts. */
  lines = ''
  /** Bytes of the head. */
  size = 0
  #lastMethod = 'GET'
  #lastTarget = ''
  #lastHost = ''
  #lastUserAgent = ''

  /**
   * Reads a head from buf[start, end).
   *
   * @returns the offset after the head, `incomplete`, or the refusal. Faults in what is there are found before the head
   * is complete.
   */
  read(buf: Buffer, start: number, end: number, limits: HeadLimits): number | typeof incomplete | Refusal {
    this.#reset()
    let at = start
    // RFC 9112 section 2.2: one empty line before the request line is ignored, as old clients send one after a body.
    if (buf[at] === CR && at + 1 < end && buf[at + 1] === LF) at += 2
    // Bytes behind `end` are another connection's: the buffer is shared.
    if (at < end && (buf[at] === CR || buf[at] === LF)) {
      if (buf[at] === LF) return refusals.bareLf
      if (at + 1 >= end) return incomplete
      return buf[at + 1] === LF ? refusals.emptyLines : refusals.bareCr
    }
    const afterLine = this.#readRequestLine(buf, at, end, limits.requestLineBytes)
    if (typeof afterLine !== 'number') return afterLine
    const afterHead = this.#readFields(buf, afterLine, end, limits)
    if (typeof afterHead !== 'number') return afterHead
    this.size = afterHead - start
    return afterHead
  }

  #reset(): void {
    this.method = ''
    this.target = ''
    this.minor = 1
    this.host = ''
    this.contentLength = -1
    this.chunked = false
    this.keepAlive = true
    this.upgrade = ''
    this.expectContinue = false
    this.teTrailers = false
    this.userAgent = ''
    this.forwardedFor = ''
    this.forwardedHost = ''
    this.forwardedProto = ''
    this.forwarded = ''
    this.requestId = ''
    this.traceFields = false
    this.lines = ''
    this.size = 0
  }

  #readRequestLine(buf: Buffer, start: number, end: number, limit: number): number | typeof incomplete | Refusal {
    const stop = Math.min(end, start + limit)
    let at = start
    while (at < stop && isToken[buf[at] as number] === 1) at++
    if (at - start > 64) return refusals.methodTooLong
    if (at === stop) return stop === end ? incomplete : refusals.uriTooLong
    if (at === start || buf[at] !== SP) return buf[at] === LF ? refusals.bareLf : refusals.method
    const targetStart = at + 1
    at = targetStart
    while (at < stop && isTarget[buf[at] as number] === 1) at++
    if (at === stop) return stop === end ? incomplete : refusals.uriTooLong
    if (buf[at] !== SP)
      return buf[at] === LF ? refusals.bareLf : buf[at] === CR ? refusals.requestLine : refusals.target
    if (at === targetStart) return refusals.requestLine
    const targetEnd = at
    if (end - at < lineEnd.length || !isLineEnd(buf, at)) return badLineEnd(buf, at, end)
    this.minor = (buf[at + 8] as number) - 0x30
    this.keepAlive = this.minor === 1
    this.method = this.#lastMethod = latin1Again(buf, start, targetStart - 1, this.#lastMethod)
    this.target = this.#lastTarget = latin1Again(buf, targetStart, targetEnd, this.#lastTarget)
    if (this.method === 'CONNECT') return refusals.connectMethod
    return at + lineEnd.length
  }

  #readFields(buf: Buffer, start: number, end: number, limits: HeadLimits): number | typeof incomplete | Refusal {
    const stop = Math.min(end, start + limits.headerBytes)
    let at = start
    let runStart = start
    let count = 0
    let hosts = 0
    let codings = 0
    let expects = 0
    let connection = ''
    let upgrade = ''
    for (;;) {
      if (at >= stop) return stop === end ? incomplete : refusals.headersTooLarge
      const first = buf[at] as number
      if (first === CR) {
        if (at + 1 >= end) return incomplete
        if (buf[at + 1] !== LF) return refusals.bareCr
        break
      }
      const lineStart = at
      while (at < stop && isToken[buf[at] as number] === 1) at++
      if (at === stop) return stop === end ? incomplete : refusals.headersTooLarge
      if (buf[at] !== COLON) return badName(buf[at] as number, at === lineStart)
      if (at === lineStart) return refusals.emptyName
      const nameEnd = at
      at++
      while (at < stop && (buf[at] === SP || buf[at] === HT)) at++
      const valueStart = at
      while (at < stop && isFieldValue[buf[at] as number] === 1) at++
      if (at >= stop) return stop === end ? incomplete : refusals.headersTooLarge
      if (buf[at] !== CR) return buf[at] === LF ? refusals.bareLf : refusals.valueByte
      if (at + 1 >= end) return incomplete
      if (buf[at + 1] !== LF) return refusals.bareCr
      if (++count > limits.headerCount) return refusals.tooManyHeaders
      const lineEnd = at + 2
      const number = fieldNumber(buf, lineStart, nameEnd)
      if (number !== 0) {
        const valueEnd = trimmedEnd(buf, valueStart, at)
        switch (number) {
          case F.host:
            if (++hosts > 1) return refusals.manyHosts
            if (!isAuthority(buf, valueStart, valueEnd)) return refusals.host
            this.host = this.#lastHost = latin1Again(buf, valueStart, valueEnd, this.#lastHost)
            break
          case F['content-length']: {
            if (this.contentLength !== -1) return refusals.lengthTwice
            const length = decimal(buf, valueStart, valueEnd)
            if (length < 0) return refusals.length
            this.contentLength = length
            break
          }
          case F['transfer-encoding']:
            if (++codings > 1) return refusals.codingTwice
            if (!isWord(buf, valueStart, valueEnd, 'chunked')) return refusals.coding
            this.chunked = true
            break
          case F.connection:
            connection =
              connection === ''
                ? latin1Again(buf, valueStart, valueEnd, 'keep-alive')
                : `${connection},${latin1(buf, valueStart, valueEnd)}`
            break
          case F.upgrade:
            upgrade =
              upgrade === '' ? latin1(buf, valueStart, valueEnd) : `${upgrade}, ${latin1(buf, valueStart, valueEnd)}`
            break
          case F.te:
            // `trailers` or a list with it; weights and codings are this hop's business and end here.
            if (/(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(latin1(buf, valueStart, valueEnd))) this.teTrailers = true
            break
          case F.expect:
            if (++expects > 1) return refusals.expectTwice
            if (!isWord(buf, valueStart, valueEnd, '100-continue')) return refusals.expect
            this.expectContinue = true
            break
          case F['user-agent']:
            this.userAgent = this.#lastUserAgent = latin1Again(buf, valueStart, valueEnd, this.#lastUserAgent)
            break
          case F['x-forwarded-for']:
            this.forwardedFor = joined(this.forwardedFor, latin1(buf, valueStart, valueEnd))
            break
          case F['x-forwarded-host']:
            this.forwardedHost = joined(this.forwardedHost, latin1(buf, valueStart, valueEnd))
            break
          case F['x-forwarded-proto']:
            this.forwardedProto = joined(this.forwardedProto, latin1(buf, valueStart, valueEnd))
            break
          case F.forwarded:
            this.forwarded = joined(this.forwarded, latin1(buf, valueStart, valueEnd))
            break
          case F['x-request-id']:
            this.requestId = latin1(buf, valueStart, valueEnd)
            break
          case F.traceparent:
          case F.tracestate:
            this.traceFields = true
            break
        }
        if (passesInRequest[number] === 0) {
          if (lineStart > runStart) this.lines += latin1(buf, runStart, lineStart)
          runStart = lineEnd
        }
      }
      at = lineEnd
    }
    if (at > runStart) this.lines += latin1(buf, runStart, at)
    const refusal = this.#settle(hosts, connection, upgrade)
    return refusal ?? at + 2
  }

  /** What can only be said of the head as a whole. */
  #settle(hosts: number, connection: string, upgrade: string): Refusal | null {
    if (this.chunked && this.contentLength !== -1) return refusals.lengthAndChunked
    if (this.chunked && this.minor === 0) return refusals.codingIn10
    if (hosts === 0 && this.minor === 1) return refusals.noHost
    if (this.minor === 0) this.expectContinue = false
    if (connection !== '') {
      const options = connectionOptions(connection)
      if (options === null) return refusals.connectionOption
      if (options.close) this.keepAlive = false
      else if (options.keepAlive && this.minor === 0) this.keepAlive = true
      // RFC 9110 section 7.8: an HTTP/1.0 client cannot upgrade.
      if (options.upgrade && upgrade !== '' && this.minor === 1) {
        const protocols = upgradeProtocols(upgrade)
        if (protocols === null) return refusals.upgrade
        if (protocols !== '' && (this.chunked || this.contentLength > 0)) return refusals.upgradeBody
        this.upgrade = protocols
      }
      if (options.others !== null) {
        const kept = nominatedFields(this.lines, options.others)
        if (kept === null) return refusals.connectionNominates
        this.lines = kept
        // Its line is gone, so the gateway's own id takes its place.
        if (options.others.includes('x-request-id')) this.requestId = ''
      }
    }
    return this.target.charCodeAt(0) === 0x2f ? null : this.#settleTarget()
  }

  #settleTarget(): Refusal | null {
    if (this.target === '*') return this.method === 'OPTIONS' ? null : refusals.targetForm
    const match = /^https?:\/\/([^/?]+)([/?].*)?$/i.exec(this.target)
    if (match === null) return refusals.targetForm
    const authority = match[1] as string
    const rest = match[2] ?? '/'
    // RFC 9112 section 3.2.2 lets the target win over Host; a backend or a cache may read it the other way round (I8).
    if (this.host !== '' && authority.toLowerCase() !== this.host.toLowerCase()) return refusals.targetAuthority
    if (!isAuthority(Buffer.from(authority, 'latin1'), 0, authority.length)) return refusals.host
    this.host = authority
    this.target = rest.charCodeAt(0) === 0x2f ? rest : `/${rest}`
    return null
  }
}

/** What follows the target; HTTP/1.0 as well. */
const lineEnd = ' HTTP/1.1\r\n'

function isLineEnd(buf: Buffer, at: number): boolean {
  const minor = buf[at + 8]
  return (
    buf[at + 1] === 0x48 &&
    buf[at + 2] === 0x54 &&
    buf[at + 3] === 0x54 &&
    buf[at + 4] === 0x50 &&
    buf[at + 5] === 0x2f &&
    buf[at + 6] === 0x31 &&
    buf[at + 7] === 0x2e &&
    (minor === 0x31 || minor === 0x30) &&
    buf[at + 9] === CR &&
    buf[at + 10] === LF
  )
}

/** The first byte that does not fit decides, so a message split anywhere is refused for the same reason. */
function badLineEnd(buf: Buffer, at: number, end: number): typeof incomplete | Refusal {
  for (let offset = 0; offset < lineEnd.length && at + offset < end; offset++) {
    const byte = buf[at + offset] as number
    if (byte === lineEnd.charCodeAt(offset) || (offset === 8 && byte === 0x30)) continue
    if (byte === LF) return refusals.bareLf
    if (offset === 10) return refusals.bareCr
    const digit = byte >= 0x30 && byte <= 0x39
    return digit && (offset === 6 || offset === 8) ? refusals.version : refusals.requestLine
  }
  return incomplete
}

function badName(byte: number, first: boolean): Refusal {
  if (byte === LF) return refusals.bareLf
  if (byte === CR) return refusals.noColon
  if (first && (byte === SP || byte === HT)) return refusals.obsFold
  return refusals.nameByte
}

function joined(list: string, value: string): string {
  return list === '' ? value : `${list}, ${value}`
}
