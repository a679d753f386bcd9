import type { Downstream } from './downstream.ts'

/**
 * The head of a request as an HTTP/1.1 backend gets it. Few pieces: each costs a string on every request.
 *
 * @param lines of the client's head that are to go on
 * @param hostLine ` HTTP/1.1`, and the Host line
 * @param id of the gateway's own; used where the client brought none
 * @param webSocketKey made up for a client that has none (an extended CONNECT becomes the GET of RFC 6455); '' otherwise
 */
export function h1RequestText(
  client: Downstream,
  lines: string,
  path: string,
  hostLine: string,
  id: string,
  webSocketKey: string,
): string {
  const { head, forwarded, via, upgrade } = client
  if (head.requestId === '' && via === '1.1' && !head.teTrailers && !head.chunked && upgrade === '') {
    return `${head.method} ${path}${hostLine}${lines}${forwarded.lines(head)}X-Request-ID: ${id}\r\nVia: 1.1 postern\r\n\r\n`
  }
  const method = webSocketKey === '' ? head.method : 'GET'
  const idLine = head.requestId === '' ? `X-Request-ID: ${id}\r\n` : ''
  const trailers = head.teTrailers ? 'TE: trailers\r\nConnection: TE\r\n' : ''
  const upgrades = upgrade === '' ? '' : `Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`
  const key = webSocketKey === '' ? '' : `Sec-WebSocket-Key: ${webSocketKey}\r\n`
  const coding = head.chunked ? 'Transfer-Encoding: chunked\r\n' : ''
  return `${method} ${path}${hostLine}${lines}${forwarded.lines(head)}${idLine}Via: ${via} postern\r\n${trailers}${upgrades}${key}${coding}\r\n`
}

/**
 * The fields of a request for an HTTP/2 backend, as lines, without those that are never the same twice.
 *
 * @param lines of the client's head that are to go on
 */
export function h2RequestLines(client: Downstream, lines: string): string {
  const { head, forwarded, via } = client
  const trailers = head.teTrailers ? 'te: trailers\r\n' : ''
  return `${lines}${forwarded.lines(head)}via: ${via} postern\r\n${trailers}`
}
