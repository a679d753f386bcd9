import type { Exception } from './reading.ts'
import type { OtherPeer } from './peers.ts'

/*
 * Messages that the gateway forwards and a peer reads otherwise, where the difference leaves no doubt about where a
 * message ends or whom it is for: the peer refuses something that the RFCs allow, or writes the same thing in other words.
 */

const bothNginx = ['nginx', 'nginx, buffering'] as const

export const requestExceptions: readonly Exception[] = [
  // NGINX takes spaces for optional white space, and tabs for part of the value. It refuses what is then no value, so it
  // never reads another length, coding or host than the gateway does.
  ...refusedBy(
    bothNginx,
    'RFC 9110 section 5.6.3: a tab is optional white space; the gateway says the coding anew',
    'chunked with tabs and spaces around it',
  ),
  ...refusedBy(
    bothNginx,
    'RFC 9110 section 5.6.3: a tab is optional white space around a value, and no part of it',
    'Content-Length with white space around it',
    'Host with white space around it',
  ),
  ...refusedBy(
    bothNginx,
    'RFC 9110 section 9.1: a method is a case-sensitive token; NGINX knows capitals, - and _ only, and answers 400',
    'a method in lower case, which is another method',
    'a method of every byte that one may have',
  ),
  ...refusedBy(
    bothNginx,
    'RFC 9110 section 9.3.8: TRACE is a method like others on the wire; NGINX does not allow it, and answers 405',
    'TRACE',
    'Content-Length with TRACE',
  ),
  ...refusedBy(
    bothNginx,
    'RFC 3986 section 2.1: %00 is well formed; NGINX decodes paths to file names, which have no NUL, and answers 400',
    'a percent-encoded NUL stays encoded',
  ),
  ...refusedBy(
    bothNginx,
    'RFC 3986 section 2.1: no URI has this; it crosses byte for byte, and changes neither end nor host of the message',
    'percent signs that encode nothing',
    'percent sign at the end',
  ),

  // HAProxy leaves the target as it came. Both forms name the same resource.
  ...sameTarget('absolute form with the same host', 'http://api.test/base/x'),
  ...sameTarget('absolute form with the same host in capitals', 'HTTP://API.TEST/base/x'),
  ...sameTarget('absolute form of https over plain HTTP', 'https://api.test/base/x'),
  {
    message: 'absolute form in HTTP/1.0, without Host',
    peer: 'haproxy',
    forwards: ['GET http://api.test/base/x '],
    why: 'RFC 9112 section 3.2.2: the target has the host; HAProxy adds no Host, the gateway does',
  },
  {
    message: 'absolute form in HTTP/1.0, without Host',
    peer: 'nginx',
    forwards: ['GET /base/x '],
    why: 'RFC 9112 section 3.2.2: the target has the host; configured with $http_host, NGINX forwards the Host field alone',
  },

  ...refusedBy(
    ['haproxy'],
    'RFC 6455 section 4.1: a WebSocket handshake has a key; HAProxy insists on it, the gateway leaves that to the backend',
    'Upgrade to HTTP/2 among others',
    'Upgrade to a WebSocket that the backend does not take: the connection goes on',
  ),
]

function refusedBy(peers: readonly OtherPeer[], why: string, ...messages: readonly string[]): readonly Exception[] {
  return messages.flatMap((message) => peers.map((peer) => ({ message, peer, forwards: [], why })))
}

function sameTarget(message: string, target: string): readonly Exception[] {
  const why = 'RFC 9112 section 3.2.2: a server takes both forms; the gateway has compared the authority with Host'
  return [{ message, peer: 'haproxy', forwards: [`GET ${target} api.test`], why }]
}
