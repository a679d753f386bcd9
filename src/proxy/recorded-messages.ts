import type { RecordedMessage } from '../observe/recording.ts'

/** The head of an HTTP/1.1 request, as text. */
export function recordedRequest(text: string): RecordedMessage {
  const [first, lines] = firstLine(text)
  const [verb = '', uri = ''] = first.split(' ', 2)
  return requestMessage(verb, uri, lines)
}

/** The head of an HTTP/1.1 response, as text. */
export function recordedResponse(text: string): RecordedMessage {
  const [first, lines] = firstLine(text)
  return responseMessage(Number(first.slice(9, 12)), first.slice(13), lines)
}

export function requestMessage(verb: string, uri: string, lines: string): RecordedMessage {
  return { verb, uri, status: 0, reason: '', headers: headerPairs(lines) }
}

export function responseMessage(status: number, reason: string, lines: string): RecordedMessage {
  return { verb: '', uri: '', status, reason, headers: headerPairs(lines) }
}

/** Names as HTTP/2 has them. */
export function inLowerCase(message: RecordedMessage): RecordedMessage {
  return { ...message, headers: message.headers.map(([name, value]) => [name.toLowerCase(), value]) }
}

/** Header lines, each with its CRLF, as pairs in their order and spelling. They have been validated. */
function headerPairs(lines: string): (readonly [name: string, value: string])[] {
  const pairs: (readonly [string, string])[] = []
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf('\r\n', at)
    const stop = end === -1 ? lines.length : end
    const colon = lines.indexOf(':', at)
    // An empty line ends a head.
    if (colon !== -1 && colon < stop) pairs.push([lines.slice(at, colon), lines.slice(colon + 1, stop).trim()])
    at = stop + 2
  }
  return pairs
}

function firstLine(text: string): readonly [first: string, lines: string] {
  // Old clients send an empty line before a request (RFC 9112 section 2.2).
  const from = text.startsWith('\r\n') ? 2 : 0
  const end = text.indexOf('\r\n', from)
  return end === -1 ? [text.slice(from), ''] : [text.slice(from, end), text.slice(end + 2)]
}
