import { createHash, randomBytes } from 'node:crypto'

// The handshake of RFC 6455 has a key and an answer to it; that of RFC 8441 has neither. Where a gateway stands between
// the two it takes the part of the side that has none.

export const webSocketProtocol = 'websocket'

/** A new value of Sec-WebSocket-Key (RFC 6455 section 4.1). */
export function newWebSocketKey(): string {
  return randomBytes(16).toString('base64')
}

/**
 * The header lines of a backend's agreement, as the client is to have them.
 *
 * @param key that the backend was sent, or the client's that it was not
 * @returns null when the backend's answer to the key is wrong
 */
export function agreedLines(lines: string, key: string, http1Backend: boolean, http1Client: boolean): string | null {
  if (http1Backend === http1Client) return lines
  if (http1Client) return `${lines}Sec-WebSocket-Accept: ${webSocketAccept(key)}\r\n`
  if (lineValue(lines, 'sec-websocket-accept') !== webSocketAccept(key)) return null
  return withoutLine(lines, 'sec-websocket-accept')
}

/** The value of Sec-WebSocket-Accept for a key (RFC 6455 section 4.2.2). */
export function webSocketAccept(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`, 'latin1').digest('base64')
}

/** Value of the first line of that name, or ''. `lines` have been validated and end in CRLF each. */
export function lineValue(lines: string, name: string): string {
  for (const line of lines.split('\r\n')) if (isLineOf(line, name)) return line.slice(name.length + 1).trim()
  return ''
}

/** The lines without those of that name. */
export function withoutLine(lines: string, name: string): string {
  return lines
    .split('\r\n')
    .filter((line) => !isLineOf(line, name))
    .join('\r\n')
}

function isLineOf(line: string, name: string): boolean {
  return line.length > name.length && line[name.length] === ':' && line.slice(0, name.length).toLowerCase() === name
}
