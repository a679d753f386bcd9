/** A response as a client reads it. */
export interface ReadReply {
  readonly status: number
  readonly body: string
  /** Its end came before the end of the connection, or is that end. */
  readonly whole: boolean
}

/**
 * Final responses in what a client got, read as a client does that sent these methods one behind the other. `lengthWins`:
 * a second client, which takes Content-Length where the first takes chunks.
 */
export function readReplies(received: string, methods: readonly string[], lengthWins = false): readonly ReadReply[] {
  const replies: ReadReply[] = []
  let rest = received
  while (rest !== '') {
    const bodyStart = rest.indexOf('\r\n\r\n') + 4
    if (bodyStart === 3) {
      replies.push({ status: 0, body: rest, whole: false })
      break
    }
    const head = rest.slice(0, bodyStart)
    rest = rest.slice(bodyStart)
    const status = Number(/^HTTP\/1\.[01] (\d{3})\b/.exec(head)?.[1] ?? 0)
    if (status >= 100 && status < 200 && status !== 101) continue
    const method = methods[replies.length] ?? 'GET'
    const length = Number(/\r\ncontent-length:[ \t]*(\d+)/i.exec(head)?.[1] ?? Number.NaN)
    const chunked = /\r\ntransfer-encoding:[^\r]*chunked/i.test(head)
    if (method === 'HEAD' || status === 204 || status === 304) {
      replies.push({ status, body: '', whole: true })
    } else if (chunked && !(lengthWins && !Number.isNaN(length))) {
      const { data, size } = dechunk(rest)
      replies.push({ status, body: data, whole: size !== -1 })
      rest = size === -1 ? '' : rest.slice(size)
    } else if (!Number.isNaN(length)) {
      replies.push({ status, body: rest.slice(0, length), whole: rest.length >= length })
      rest = rest.slice(length)
    } else {
      replies.push({ status, body: rest, whole: true })
      rest = ''
    }
  }
  return replies
}

function dechunk(text: string): { data: string; size: number } {
  let data = ''
  let at = 0
  for (;;) {
    const line = /^([0-9a-f]+)[^\r\n]*\r\n/i.exec(text.slice(at))
    if (line === null) return { data, size: -1 }
    at += line[0].length
    const size = Number.parseInt(line[1] ?? '', 16)
    if (size === 0) break
    data += text.slice(at, at + size)
    at += size + 2
  }
  const end = /^(?:[^\r\n]+\r\n)*\r\n/.exec(text.slice(at))
  return { data, size: end === null ? -1 : at + end[0].length }
}
