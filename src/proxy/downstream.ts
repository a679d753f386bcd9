import type { H2RequestHead } from '../wire/h2/request-fields.ts'
import type { H2ResponseHead } from '../wire/h2/response-fields.ts'
import type { RequestHead } from '../wire/h1/request-head.ts'
import type { ResponseHead } from '../wire/h1/response-head.ts'
import type { ForwardedPolicy } from './forwarded.ts'
import type { ListenerRuntime } from './listeners.ts'
import type { Recording } from './recording.ts'
import type { BodyFraming } from './upstream.ts'

export type AnyRequestHead = RequestHead | H2RequestHead
export type AnyResponseHead = ResponseHead | H2ResponseHead

/**
 * The client's side of one exchange: an HTTP/1.1 connection, or a stream of an HTTP/2 one. The exchange says what is to be
 * sent, this side how. What it is given leaves with the next `flush`.
 */
export interface Downstream {
  readonly listener: ListenerRuntime
  readonly head: AnyRequestHead
  readonly forwarded: ForwardedPolicy
  /** `TLSv1.3`, ...; '' for plain text. */
  readonly tlsVersion: string
  /** `HTTP/1.1`, `HTTP/1.0`, `HTTP/2.0`; '' where no head could be read. */
  readonly protocol: string
  /** Received protocol in a Via field: `1.1`, `1.0`, `2`. */
  readonly via: string
  /** It takes a chunked body of the backend as it is. */
  readonly takesChunks: boolean
  /** Protocol that the client asks to change to (Upgrade, or :protocol of an extended CONNECT); '' for none. */
  readonly upgrade: string

  /** Tells the head of the request as it came; only while the exchange begins. */
  recordHead(recording: Recording): void

  /** A 1xx response other than 101. */
  informational(head: AnyResponseHead): void

  /**
   * The head of a response from a backend.
   *
   * @param own lines of the gateway's own, each with its CRLF
   * @returns bytes that it takes
   */
  respond(head: AnyResponseHead, own: string, framing: BodyFraming): number

  /** Body bytes. @returns false when the client does not keep up; `exchange.clientDrained` follows */
  data(buf: Buffer, start: number, end: number): boolean

  /** The end of the body. `trailers`: lines with their CRLF. */
  dataEnd(trailers: string): void

  /**
   * A whole response of the gateway's own.
   *
   * @param lines header lines, each with its CRLF, without Content-Length
   * @param body latin1
   */
  answer(status: number, reason: string, lines: string, body: string): number

  /** The backend agreed to the upgrade; `lines` as the backend sent them, with CRLFs. From here on it is a tunnel. */
  switched(reason: string, protocol: string, lines: string, via: string): void
  tunnelBytes(bytes: Buffer): boolean
  endTunnel(): void

  flush(): void
  /** More may come in this turn: what is being gathered waits for its end. */
  flushSoon(): void
  /** Nothing can follow on this connection: what the client sent has no known end. */
  closeAfter(): void
  /** The response broke off: the client must see that it is not whole. */
  cut(): void

  /** The backend has a connection for the request: its body can go. */
  backendReady(): void
  backendDrained(): void
  /** The exchange has ended. `requestComplete`: the request was read to its end. */
  responseDone(requestComplete: boolean): void
}
