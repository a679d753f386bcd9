/*
 * Two backends' readings of the same bytes. Neither is right: the first believes the first thing it finds, the second is as
 * liberal as old servers are and settles conflicts the other way round. What a gateway forwards must be the same to both.
 */

export interface ReadRequest {
  readonly method: string
  readonly target: string
  readonly host: string
  /** The data, without chunk sizes and trailers. */
  readonly body: string
  /** Bytes on the wire. */
  readonly size: number
}

/** Reads one request as a careless backend does: lines end in CRLF, chunked wins. null: not whole yet. */
export function careless(text: string): ReadRequest | null {
  const bodyStart = text.indexOf('\r\n\r\n') + 4
  if (bodyStart === 3) return null
  const head = text.slice(0, bodyStart)
  const [method = '', target = ''] = head.slice(0, head.indexOf('\r\n')).split(' ')
  const host = /\r\nhost:[ \t]*([^\r]*)/i.exec(head)?.[1]?.trim() ?? ''
  if (/\r\ntransfer-encoding:[^\r]*chunked/i.test(head)) {
    const read = dechunk(text.slice(bodyStart), /^([0-9a-f]+)[^\r]*\r\n/i, /^(?:[^\r]+\r\n)*\r\n/, 2)
    return read === null ? null : { method, target, host, body: read.data, size: bodyStart + read.size }
  }
  const length = Number(/\r\ncontent-length:[ \t]*(\d+)/i.exec(head)?.[1] ?? 0)
  if (text.length < bodyStart + length) return null
  return { method, target, host, body: text.slice(bodyStart, bodyStart + length), size: bodyStart + length }
}

/** Reads one request as a liberal backend does: LF ends a line, folds are joined, Content-Length wins, the last one. */
export function liberal(text: string): ReadRequest | null {
  const end = /\r?\n\r?\n/.exec(text)
  if (end === null) return null
  const bodyStart = end.index + end[0].length
  const head = text
    .slice(0, end.index)
    .replace(/^(?:\r?\n)+/, '')
    .replace(/\r?\n[ \t]+/g, ' ')
  const [line = '', ...fields] = head.split(/\r?\n|\r/)
  const [method = '', target = ''] = line.trim().split(/[ \t]+/)
  let host = ''
  let length = -1
  let chunked = false
  for (const field of fields) {
    const name = field
      .slice(0, field.indexOf(':'))
      .trim()
      .toLowerCase()
      .replaceAll('_', '-')
      .replace(/[^a-z-]/g, '')
    const value = field.slice(field.indexOf(':') + 1).trim()
    if (name === 'host') host = value
    if (name === 'content-length') length = Number.parseInt(value.split(',').at(-1) ?? '', 10)
    if (name === 'transfer-encoding') chunked ||= /chunked/i.test(value)
  }
  if (length >= 0) {
    if (text.length < bodyStart + length) return null
    return { method, target, host, body: text.slice(bodyStart, bodyStart + length), size: bodyStart + length }
  }
  if (!chunked) return { method, target, host, body: '', size: bodyStart }
  const read = dechunk(text.slice(bodyStart), /^[\s]*(?:0x)?([0-9a-f]+)[^\n]*\n/i, /^(?:[^\r\n]+\r?\n)*\r?\n/, 0)
  return read === null ? null : { method, target, host, body: read.data, size: bodyStart + read.size }
}

/** Every request in the bytes of one connection. */
export function readAll(reader: typeof careless, bytes: string): readonly ReadRequest[] {
  const requests: ReadRequest[] = []
  for (let rest = bytes; rest !== ''; ) {
    const read = reader(rest)
    if (read === null) break
    requests.push(read)
    rest = rest.slice(read.size)
  }
  return requests
}

function dechunk(
  text: string,
  sizeLine: RegExp,
  trailers: RegExp,
  lineEnd: number,
): { data: string; size: number } | null {
  let at = 0
  let data = ''
  for (;;) {
    const line = sizeLine.exec(text.slice(at))
    if (line === null) return null
    at += line[0].length
    const size = Number.parseInt(line[1] ?? '', 16)
    if (size === 0) break
    if (text.length < at + size + lineEnd) return null
    data += text.slice(at, at + size)
    at += size + lineEnd
  }
  const end = trailers.exec(text.slice(at))
  return end === null ? null : { data, size: at + end[0].length }
}
