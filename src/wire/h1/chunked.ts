import { CR, HT, hexValue, isFieldValue, isToken, COLON, LF, SEMICOLON, SP, latin1 } from '../bytes.ts'
import { forbiddenInTrailer } from './fields.ts'
import { type Refusal, refusals } from './refusal.ts'

const sizeStart = 0
const sizeDigits = 1
const extension = 2
const sizeLf = 3
const data = 4
const dataCr = 5
const dataLf = 6
const trailerStart = 7
const trailerName = 8
const trailerValue = 9
const trailerLf = 10
const endLf = 11
const done = 12

const maxExtensionBytes = 1024
const maxTrailerBytes = 16_384
/** Bytes of a trailer name kept for recognising a forbidden field; longer names are none of ours. */
const maxKeptName = 64

/**
 * Decoder of the chunked coding (RFC 9112 section 7.1), byte-exact and incremental. It copies nothing: it reports which
 * ranges of the input are to be passed on. With `reframe` the validated framing passes too (chunk extensions left out,
 * RFC 9112 7.1.1), so a chunked body crosses the gateway as the very bytes that were checked; without it only the data.
 */
export class ChunkedDecoder {
  /** Ranges [start, end, start, end, ...] of the last `decode` to pass on; `rangeCount` says how many numbers count. */
  readonly ranges: number[] = []
  rangeCount = 0
  /** Data bytes since `reset`, without framing. */
  bodyBytes = 0
  /** Trailer lines with their CRLF, once `complete`; '' with `reframe`, where they pass with the framing. */
  trailers = ''
  #state = sizeStart
  #remaining = 0
  #sizeLength = 0
  #extensionBytes = 0
  #trailerBytes = 0
  #reframe = true
  readonly #name = Buffer.alloc(maxKeptName)
  #nameLength = 0

  reset(reframe: boolean): void {
    // One body of many tiny chunks would otherwise be remembered for the life of the connection. (I10)
    if (this.ranges.length > 128) this.ranges.length = 0
    this.#state = sizeStart
    this.#remaining = 0
    this.#sizeLength = 0
    this.#extensionBytes = 0
    this.#trailerBytes = 0
    this.#nameLength = 0
    this.#reframe = reframe
    this.bodyBytes = 0
    this.rangeCount = 0
    this.trailers = ''
  }

  get complete(): boolean {
    return this.#state === done
  }

  /** @returns the offset after what was consumed (less than `end` only when the body is complete), or the refusal */
  decode(buf: Buffer, start: number, end: number): number | Refusal {
    this.rangeCount = 0
    const reframe = this.#reframe
    let state = this.#state
    let at = start
    // Inside an extension nothing passes until its end, wherever the input was split.
    let run = reframe && state !== extension ? start : -1
    // Its lines are kept apart for whoever frames the body anew.
    let trailerRun = !reframe && state >= trailerName && state <= trailerLf ? start : -1
    while (at < end && state !== done) {
      const byte = buf[at] as number
      switch (state) {
        case sizeStart: {
          const digit = hexValue[byte] as number
          if (digit === 255) return refusals.chunkSize
          this.#remaining = digit
          this.#sizeLength = 1
          this.#extensionBytes = 0
          state = sizeDigits
          at++
          break
        }
        case sizeDigits: {
          const digit = hexValue[byte] as number
          if (digit !== 255) {
            // 12 digits are 2^48: far beyond any body, far below the loss of integer precision.
            if (++this.#sizeLength > 12) return refusals.chunkTooLarge
            this.#remaining = this.#remaining * 16 + digit
            at++
          } else if (byte === CR) {
            state = sizeLf
            at++
          } else if (byte === SEMICOLON) {
            if (reframe) {
              this.#push(run, at)
              run = -1
            }
            state = extension
            at++
          } else {
            return byte === LF ? refusals.bareLf : refusals.chunkSize
          }
          break
        }
        case extension:
          if (byte === CR) {
            if (reframe) run = at
            state = sizeLf
          } else {
            if (isFieldValue[byte] !== 1) return byte === LF ? refusals.bareLf : refusals.chunkExtension
            if (++this.#extensionBytes > maxExtensionBytes) return refusals.chunkExtension
          }
          at++
          break
        case sizeLf:
          if (byte !== LF) return refusals.bareCr
          at++
          if (this.#remaining === 0) {
            state = trailerStart
          } else {
            state = data
            if (!reframe) run = at
          }
          break
        case data: {
          const take = Math.min(this.#remaining, end - at)
          if (!reframe && run === -1) run = at
          at += take
          this.#remaining -= take
          this.bodyBytes += take
          if (this.#remaining === 0) {
            if (!reframe) {
              this.#push(run, at)
              run = -1
            }
            state = dataCr
          }
          break
        }
        case dataCr:
          if (byte !== CR) return refusals.chunkEnd
          state = dataLf
          at++
          break
        case dataLf:
          if (byte !== LF) return refusals.chunkEnd
          state = sizeStart
          at++
          break
        case trailerStart:
          if (byte === CR) {
            state = endLf
            at++
          } else if (isToken[byte] === 1) {
            this.#nameLength = 0
            state = trailerName
            if (!reframe) trailerRun = at
          } else {
            return byte === LF ? refusals.bareLf : byte === SP || byte === HT ? refusals.obsFold : refusals.nameByte
          }
          break
        case trailerName:
          if (++this.#trailerBytes > maxTrailerBytes) return refusals.trailersTooLarge
          if (byte === COLON) {
            if (
              this.#nameLength <= maxKeptName &&
              forbiddenInTrailer(latin1(this.#name, 0, this.#nameLength).toLowerCase())
            ) {
              return refusals.trailerField
            }
            state = trailerValue
          } else if (isToken[byte] === 1) {
            if (this.#nameLength < maxKeptName) this.#name[this.#nameLength] = byte
            this.#nameLength++
          } else {
            return byte === LF ? refusals.bareLf : refusals.nameByte
          }
          at++
          break
        case trailerValue:
          if (++this.#trailerBytes > maxTrailerBytes) return refusals.trailersTooLarge
          if (byte === CR) state = trailerLf
          else if (isFieldValue[byte] !== 1) return byte === LF ? refusals.bareLf : refusals.valueByte
          at++
          break
        case trailerLf:
          if (byte !== LF) return refusals.bareCr
          state = trailerStart
          at++
          if (trailerRun !== -1) this.trailers += latin1(buf, trailerRun, at)
          trailerRun = -1
          break
        default:
          if (byte !== LF) return refusals.bareCr
          state = done
          at++
      }
    }
    if (run !== -1) this.#push(run, at)
    if (trailerRun !== -1) this.trailers += latin1(buf, trailerRun, at)
    this.#state = state
    return at
  }

  #push(start: number, end: number): void {
    if (end <= start) return
    this.ranges[this.rangeCount++] = start
    this.ranges[this.rangeCount++] = end
  }
}
