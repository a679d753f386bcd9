import type { Exception } from './reading.ts'

/* Messages over HTTP/2 that the gateway forwards and a peer refuses, although RFC 9113 allows them. */

export const downgradeExceptions: readonly Exception[] = [
  {
    message: 'a request with Content-Length and padding',
    peer: 'haproxy',
    forwards: [],
    why: 'RFC 9113 section 6.1: DATA may be padded; HAProxy 2.6.12 takes padding for the next frame and ends the connection',
  },
  ...byNginx(
    'a method in lower case',
    'RFC 9110 section 9.1: a method is a case-sensitive token; NGINX knows capitals only',
  ),
  ...byNginx(
    'Host that says the same',
    'RFC 9113 section 8.3.1: Host may stand beside an equal :authority; NGINX takes it for a second Host',
  ),
  ...byNginx(
    'trailers',
    'RFC 9113 section 8.1: a request may have trailers; NGINX 1.22 takes their HEADERS for another request on the stream',
  ),
]

function byNginx(message: string, why: string): readonly Exception[] {
  return (['nginx', 'nginx, buffering'] as const).map((peer) => ({ message, peer, forwards: [], why }))
}
