import type { Dialed } from '../dial/dial.ts'
import type { ConnectionStory } from '../dial/story.ts'
import type { Exchange } from './exchange.ts'

/**
 * How the body of a response reaches the client's side. `chunked`: with the chunked framing of the backend, to a client
 * that takes it. `open`: bare, of a length that nobody said; the client's side says where it ends.
 */
export type BodyFraming = 'none' | 'length' | 'chunked' | 'open'

/** The backend's side of one exchange: an HTTP/1.1 connection for as long as it serves it, or a stream of an HTTP/2 one. */
export interface Upstream {
  /** Requests that its connection has served, this one included once it has begun. */
  readonly uses: number
  readonly localAddress: string
  readonly remoteAddress: string
  readonly openedAt: number
  /** Chunked bodies are to come with their framing, as they were checked; otherwise their data alone. */
  readonly takesChunks: boolean
  /** Body bytes wait to be written in larger pieces; `flush` at the end of the turn, or of the body. */
  readonly gathering: boolean

  /** How its connection was opened, and what TLS said of it afterwards. Made when it is asked for. */
  story(): ConnectionStory

  /** Begins the exchange. Written with the next `flush`. */
  start(exchange: Exchange): void

  /** Body bytes of the request. @returns false when the backend does not keep up; `exchange.upstreamDrained` follows */
  sendBytes(buf: Buffer, start: number, end: number): boolean

  /** The request is complete: from here on the backend is timed. `trailers`: lines with their CRLF. */
  requestSent(trailers: string): void

  flush(): void

  /** The client does not keep up with the response. */
  pause(): void
  resume(): void
  /** Ends the exchange, and tells nobody. */
  destroy(): void

  /** Bytes of an upgraded connection. @returns false when the backend does not keep up */
  sendTunnel(bytes: Buffer): boolean
  endTunnel(): void
}

/** What becomes of what is under way: it ends on its own, within the drain time, or now. */
export type RetireMode = 'finish' | 'drain' | 'cut'

/** A connection as its pool sees it. It belongs to one snapshot (I2). */
export interface UpstreamConnection {
  readonly dialed: Dialed
  readonly remoteAddress: string
  /** An exchange is under way. */
  readonly busy: boolean
  /** Its handshake was read for a debug session. Its bytes pass through JavaScript twice: it serves what waits for it and no more. */
  readonly captured: boolean

  /** `length` bytes have come into the read buffer. @returns false: read no more */
  read(length: number): boolean

  /**
   * The connection ends: at once when idle, after what is under way otherwise.
   * @param drainMs for `drain`, where it is not the server's own
   */
  retire(mode: RetireMode, drainMs?: number): void
  destroy(): void
}
