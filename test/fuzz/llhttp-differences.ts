import { METHODS } from 'node:http'
import type { Message } from './h1-reading.ts'

/**
 * What llhttp refuses and the gateway takes. Everything else that the gateway takes llhttp has to take, and read alike.
 * What the gateway refuses llhttp may take: it is the gateway's to be stricter (I8).
 */
const refusedByLlhttp: readonly {
  readonly code: string
  /** Whether the message, or the bytes from the connection's start to its end, are of this class. */
  readonly applies: (message: Message, raw: string) => boolean
  /** Whether it is so for what the gateway sends as well, and not only for what it gets. */
  readonly forwarded: boolean
  readonly why: string
}[] = [
  {
    code: 'HPE_INVALID_METHOD',
    applies: ({ start }) => !METHODS.includes(start.slice(0, start.indexOf(' '))),
    forwarded: true,
    why: 'llhttp knows a list of methods; any token is one (RFC 9110 section 9.1)',
  },
  {
    code: 'HPE_INVALID_CONSTANT',
    applies: ({ start }) => ofOtherProtocols.test(start),
    forwarded: true,
    why: 'llhttp keeps these methods for RTSP and ICE; any token is a method of HTTP (RFC 9110 section 9.1)',
  },
  {
    code: 'HPE_INVALID_VERSION',
    applies: ({ start }) => start.startsWith('PRI '),
    forwarded: true,
    why: 'llhttp takes PRI for the preface of HTTP/2 only; the gateway forwards it as it does any unknown method',
  },
  {
    code: 'HPE_INVALID_EOF_STATE',
    applies: ({ start }) => start.startsWith('PRI '),
    forwarded: true,
    why: 'as above, at the end of the bytes',
  },
  {
    code: 'HPE_STRICT',
    applies: (_message, raw) => /[0-9a-f];/i.test(raw),
    forwarded: false,
    why: 'llhttp holds chunk extensions to their grammar; the gateway bounds them and leaves them out (RFC 9112 section 7.1.1)',
  },
  {
    code: 'HPE_INVALID_TRANSFER_ENCODING',
    applies: (_message, raw) => /\r\ntransfer-encoding:[ \t]*chunked[ \t]*\t[ \t]*\r\n/i.test(raw),
    forwarded: false,
    why: 'llhttp takes a tab after the value for a part of it; white space is both (RFC 9110 section 5.6.3)',
  },
  {
    code: 'HPE_CLOSED_CONNECTION',
    applies: (_message, raw) => /\r\nproxy-connection:/i.test(raw),
    forwarded: false,
    why: 'llhttp reads Proxy-Connection as Connection; the gateway drops it (RFC 9112 section C.2.2)',
  },
  {
    code: 'HPE_CLOSED_CONNECTION',
    applies: (_message, raw) =>
      /^HTTP\/1\.[01] 1\d\d[^]*\r\nconnection:[^]*\r\n\r\nHTTP|(?:^|\r\n\r\n)HTTP\/1\.0 1/i.test(raw),
    forwarded: false,
    why: 'close, or HTTP/1.0, in an informational response ends nothing before the final one has come (RFC 9110 section 15.2)',
  },
]

const ofOtherProtocols =
  /^(?:SOURCE|DESCRIBE|ANNOUNCE|SETUP|PLAY|PAUSE|TEARDOWN|[A-Z]+_PARAMETER|REDIRECT|RECORD|FLUSH) /

/**
 * @param raw the connection's bytes up to the message's end
 * @param sent whether the gateway itself sends them
 */
export function mayBeRefused(error: string, message: Message, raw: string, sent: boolean): boolean {
  return refusedByLlhttp.some((each) => each.code === error && (each.forwarded || !sent) && each.applies(message, raw))
}
