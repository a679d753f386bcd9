import { COLON, CR, HT, isFieldValue, isToken, LF, latin1, latin1Again, SP } from '../bytes.ts'
import { F, fieldNumber, passesInResponse } from './fields.ts'
import { type Refusal, refusals } from './refusal.ts'
import { incomplete } from './request-head.ts'
import { connectionOptions, decimal, isWord, nominatedFields, trimmedEnd } from './values.ts'

/**
 * One response head, read once (I8). Reused by its connection. What a backend sends is held to the same grammar as what
 * a client sends: a response that two readers could split differently poisons the next one on the connection.
 */
export class ResponseHead {
  status = 0
  reason = ''
  minor = 1
  contentLength = -1
  chunked = false
  keepAlive = true
  upgrade = ''
  /** Header lines to forward as they came, each with its CRLF. */
  lines = ''
  size = 0
  #lastReason = 'OK'

  /** As RequestHead.read. `limit` bounds the whole head. */
  read(buf: Buffer, start: number, end: number, limit: number): number | typeof incomplete | Refusal {
    this.reason = ''
    this.contentLength = -1
    this.chunked = false
    this.upgrade = ''
    this.lines = ''
    const afterLine = this.#readStatusLine(buf, start, end, limit)
    if (typeof afterLine !== 'number') return afterLine
    const afterHead = this.#readFields(buf, afterLine, end, start + limit)
    if (typeof afterHead !== 'number') return afterHead
    this.size = afterHead - start
    return afterHead
  }

  #readStatusLine(buf: Buffer, start: number, end: number, limit: number): number | typeof incomplete | Refusal {
    const stop = Math.min(end, start + limit)
    if (end - start < 13) {
      // Enough to say early that this is no HTTP response, without waiting for bytes that may never come.
      const prefix = 'HTTP/1.'
      for (let i = 0; i < Math.min(end - start, prefix.length); i++) {
        if (buf[start + i] !== prefix.charCodeAt(i)) return refusals.statusLine
      }
      if (end - start < 13)
        return buf.indexOf(LF, start) === -1 || buf.indexOf(LF, start) >= end ? incomplete : refusals.statusLine
    }
    if (
      buf[start] !== 0x48 ||
      buf[start + 1] !== 0x54 ||
      buf[start + 2] !== 0x54 ||
      buf[start + 3] !== 0x50 ||
      buf[start + 4] !== 0x2f ||
      buf[start + 5] !== 0x31 ||
      buf[start + 6] !== 0x2e ||
      buf[start + 8] !== SP
    ) {
      return refusals.statusLine
    }
    const minor = (buf[start + 7] as number) - 0x30
    if (minor < 0 || minor > 1) return refusals.statusLine
    const status = decimal(buf, start + 9, start + 12)
    if (status < 100 || status > 599) return refusals.statusLine
    let at = start + 12
    // The space before an empty reason is often left out; nothing about the message becomes ambiguous.
    if (buf[at] === SP) at++
    else if (buf[at] !== CR) return refusals.statusLine
    const reasonStart = at
    while (at < stop && isFieldValue[buf[at] as number] === 1) at++
    if (at >= stop) return stop === end ? incomplete : refusals.headersTooLarge
    if (buf[at] !== CR) return buf[at] === LF ? refusals.bareLf : refusals.statusLine
    if (at + 1 >= end) return incomplete
    if (buf[at + 1] !== LF) return refusals.bareCr
    this.status = status
    this.minor = minor
    this.keepAlive = minor === 1
    this.reason = this.#lastReason = latin1Again(buf, reasonStart, at, this.#lastReason)
    return at + 2
  }

  #readFields(buf: Buffer, start: number, end: number, limitEnd: number): number | typeof incomplete | Refusal {
    const stop = Math.min(end, limitEnd)
    let at = start
    let runStart = start
    let codings = 0
    let connection = ''
    let upgrade = ''
    for (;;) {
      if (at >= stop) return stop === end ? incomplete : refusals.headersTooLarge
      if (buf[at] === CR) {
        if (at + 1 >= end) return incomplete
        if (buf[at + 1] !== LF) return refusals.bareCr
        break
      }
      const lineStart = at
      while (at < stop && isToken[buf[at] as number] === 1) at++
      if (at === stop) return stop === end ? incomplete : refusals.headersTooLarge
      if (buf[at] !== COLON) {
        if (buf[at] === LF) return refusals.bareLf
        if (buf[at] === CR) return refusals.noColon
        return at === lineStart && (buf[at] === SP || buf[at] === HT) ? refusals.obsFold : refusals.nameByte
      }
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
      const lineEnd = at + 2
      const number = fieldNumber(buf, lineStart, nameEnd)
      if (number !== 0) {
        const valueEnd = trimmedEnd(buf, valueStart, at)
        switch (number) {
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
        }
        if (passesInResponse[number] === 0) {
          if (lineStart > runStart) this.lines += latin1(buf, runStart, lineStart)
          runStart = lineEnd
        }
      }
      at = lineEnd
    }
    if (at > runStart) this.lines += latin1(buf, runStart, at)
    const refusal = this.#settle(connection, upgrade)
    return refusal ?? at + 2
  }

  #settle(connection: string, upgrade: string): Refusal | null {
    if (this.chunked && this.contentLength !== -1) return refusals.lengthAndChunked
    if (this.chunked && this.minor === 0) return refusals.codingIn10
    // Such a response ends with its head (RFC 9112 section 6.3); a reader that believes its fields would go on into the next.
    if ((this.status < 200 || this.status === 204) && (this.chunked || this.contentLength > 0)) {
      return refusals.bodyNotAllowed
    }
    if (connection !== '') {
      const options = connectionOptions(connection)
      if (options === null) return refusals.connectionOption
      if (options.close) this.keepAlive = false
      else if (options.keepAlive) this.keepAlive = true
      if (options.upgrade) this.upgrade = upgrade
      if (options.others !== null) {
        const kept = nominatedFields(this.lines, options.others)
        if (kept === null) return refusals.connectionNominates
        this.lines = kept
      }
    }
    return null
  }
}
