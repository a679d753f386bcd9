export type PemFault = 'one-line' | 'truncated' | 'bad-base64'

/** What a PEM text is made of, in order. Lines count from 1. */
export type PemPiece =
  | { readonly kind: 'block'; readonly line: number; readonly label: string; readonly body: readonly string[] }
  | { readonly kind: 'text'; readonly line: number; readonly lines: number }
  | { readonly kind: 'fault'; readonly line: number; readonly fault: PemFault; readonly reason: string }

/**
 * Splits a PEM text. Whatever looks like a boundary and is none is a fault: OpenSSL passes over it and silently reads a
 * shorter list of certificates than the file was meant to hold.
 */
export function* pemPieces(text: string): Generator<PemPiece> {
  const lines = text.split(/\r\n|\n|\r/)
  let open = null as { label: string; line: number; body: string[] } | null
  let loose = null as { line: number; lines: number } | null
  for (const [index, content] of lines.entries()) {
    const line = index + 1
    const boundary = content.includes('-----BEGIN') || content.includes('-----END')
    if (!boundary) {
      if (open !== null) open.body.push(content)
      else if (content.trim() !== '') loose = { line: loose?.line ?? line, lines: (loose?.lines ?? 0) + 1 }
      continue
    }
    if (loose !== null) yield { kind: 'text', ...loose }
    loose = null
    const [, word, label] = boundaryLine.exec(content) ?? []
    if (word === 'END' && open !== null && label === open.label) {
      yield { kind: 'block', line: open.line, label: open.label, body: open.body }
      open = null
      continue
    }
    if (open !== null) yield truncated(open, word === undefined ? 'a broken boundary' : `${word} ${label}`, line)
    open = null
    if (word === 'BEGIN' && label !== undefined) open = { label, line, body: [] }
    else if (word === 'END')
      yield { kind: 'fault', line, fault: 'truncated', reason: `END ${label} without its BEGIN line` }
    else yield { kind: 'fault', line, fault: 'one-line', reason: brokenBoundary(content) }
  }
  if (open !== null) yield truncated(open, 'the end of the text', lines.length)
  if (loose !== null) yield { kind: 'text', ...loose }
}

// Labels are quoted in messages; a key written on one line must not pass for one.
const boundaryLine = /^-----(BEGIN|END) ([A-Za-z0-9 #._]{1,40})-----[ \t]*$/

/** Bytes of a block's body, or the reason why there are none. */
export function decodeBody(body: readonly string[]): Buffer | string {
  const header = body.findIndex((line) => line.includes(':'))
  if (header !== -1) return 'the block has header lines, which belong to encrypted keys and not to certificates'
  const base64 = body.map((line) => line.trim()).join('')
  if (base64 === '') return 'the block is empty'
  const wrong = /[^A-Za-z0-9+/=]/.exec(base64)
  if (wrong !== null) return `not base64: a character that does not belong there after ${wrong.index} others`
  const padding = base64.indexOf('=')
  if (base64.length % 4 !== 0 || (padding !== -1 && !/^={1,2}$/.test(base64.slice(padding)))) {
    return 'not base64: the length or the padding is wrong, so something is missing or was added'
  }
  return Buffer.from(base64, 'base64')
}

function truncated(open: { label: string; line: number }, by: string, line: number): PemPiece {
  const reason = `BEGIN ${open.label} is followed by ${by} (line ${line}) before its END line`
  return { kind: 'fault', line: open.line, fault: 'truncated', reason }
}

function brokenBoundary(content: string): string {
  if (content.includes('\\n')) return 'the line breaks are written as the two characters \\n; write real line breaks'
  const begin = content.indexOf('-----BEGIN')
  if (begin !== -1 && content.includes('-----END', begin))
    return 'the line breaks are lost: BEGIN and END stand on one line'
  if (/^\s+-----(?:BEGIN|END) /.test(content)) return 'the boundary line is indented; it has to start the line'
  return 'a BEGIN or END boundary that is not alone on its line'
}
