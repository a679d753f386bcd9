import { ApiError } from '../api.ts'

export interface MultipartPart {
  /** '' where the part names none. */
  readonly name: string
  /** null: not a file. */
  readonly fileName: string | null
  readonly content: Buffer
}

/**
 * The parts of a `multipart/form-data` body (RFC 7578), in their order, with the mistakes of the real clients: a body that
 * ends without its closing delimiter, and parts without the blank line between header and value (apigee-edge.md 1.4).
 * Parsers that are made for browsers take neither. Throws ApiError 400 `bad-multipart`; no content is in its text (I7).
 */
export function readMultipart(body: Buffer, contentType: string): readonly MultipartPart[] {
  const boundary = boundaryOf(contentType)
  const parts: MultipartPart[] = []
  let open: number | null = null
  for (const delimiter of delimitersOf(body, Buffer.from(`--${boundary}`, 'latin1'))) {
    if (open !== null) add(parts, body.subarray(open, delimiter.start))
    open = delimiter.last ? null : delimiter.end
    if (delimiter.last) return parts
  }
  if (open === null) throw refused('the body has no part: the boundary of Content-Type does not occur in it')
  // The closing delimiter never came. What follows the last one is a part, or nothing.
  add(parts, withoutLineEnd(body.subarray(open)))
  return parts
}

function add(parts: MultipartPart[], segment: Buffer): void {
  if (segment.length === 0 || (segment.length <= 4 && segment.toString('latin1').trim() === '')) return
  if (parts.length === maxParts) throw refused(`the body has more than ${maxParts} parts`)
  parts.push(partOf(segment))
}

function boundaryOf(contentType: string): string {
  const match = /;\s*boundary\s*=\s*(?:"([^"\\\r\n]*)"|([^\s;"]+))/i.exec(contentType)
  const boundary = match?.[1] ?? match?.[2] ?? ''
  // RFC 2046 section 5.1.1 allows 70.
  if (boundary !== '' && boundary.length <= 200) return boundary
  throw refused('Content-Type has no boundary')
}

interface Delimiter {
  /** Where the content before it ends: its line break is the delimiter's. */
  readonly start: number
  /** Where the next part begins. */
  readonly end: number
  readonly last: boolean
}

/** Whole lines that are the boundary, with `--` or spaces behind it. */
function* delimitersOf(body: Buffer, marker: Buffer): Generator<Delimiter> {
  for (let at = body.indexOf(marker); at !== -1; at = body.indexOf(marker, at + 1)) {
    if (at > 0 && body[at - 1] !== lf) continue
    let after = at + marker.length
    const last = body[after] === dash && body[after + 1] === dash
    if (last) after += 2
    while (body[after] === space || body[after] === tab) after += 1
    if (body[after] === cr && body[after + 1] === lf) after += 2
    else if (body[after] === lf) after += 1
    else if (after < body.length) continue
    const start = at < 1 ? 0 : body[at - 2] === cr ? at - 2 : at - 1
    yield { start, end: after, last }
  }
}

function partOf(segment: Buffer): MultipartPart {
  const { headers, start } = headOf(segment)
  const disposition = headers.get('content-disposition') ?? ''
  const encoding = (headers.get('content-transfer-encoding') ?? 'binary').toLowerCase()
  if (!identities.has(encoding)) throw refused(`a part has the transfer encoding ${JSON.stringify(encoding)}`)
  return {
    name: parameterOf(disposition, 'name') ?? '',
    fileName: parameterOf(disposition, 'filename'),
    content: segment.subarray(Math.min(start, segment.length)),
  }
}

interface Head {
  readonly headers: ReadonlyMap<string, string>
  /** Where the value starts. */
  readonly start: number
}

/** Header lines up to a blank line, or, where none comes, up to the first line that is no header. */
function headOf(segment: Buffer): Head {
  return readHead(segment, contentLine, true) ?? (readHead(segment, knownLine, false) as Head)
}

function readHead(segment: Buffer, pattern: RegExp, wantsBlank: boolean): Head | null {
  const headers = new Map<string, string>()
  let at = 0
  for (let lines = 0; lines < maxHeaderLines; lines++) {
    const feed = segment.indexOf(lf, at)
    const end = feed === -1 ? segment.length : feed
    const line = segment
      .subarray(at, Math.min(end, at + maxHeaderLine))
      .toString('utf8')
      .replace(/\r$/, '')
    if (line === '' && feed !== -1) return { headers, start: end + 1 }
    const match = pattern.exec(line)
    if (match === null) return wantsBlank ? null : { headers, start: at }
    headers.set((match[1] as string).toLowerCase(), (match[2] as string).trim())
    if (feed === -1) return wantsBlank ? null : { headers, start: segment.length }
    at = end + 1
  }
  throw refused('a part has too many header lines')
}

/** Some clients also write `Content-Length`; a value that looks so can only be told by the blank line. */
const contentLine = /^(content-[a-z-]{1,40})\s*:(.*)$/i
const knownLine = /^(content-disposition|content-type|content-transfer-encoding)\s*:(.*)$/i

/** One parameter after the other: what stands in quotes is no parameter. */
function parameterOf(disposition: string, name: string): string | null {
  for (const [, key = '', quoted, bare] of disposition.matchAll(parameter)) {
    if (key.toLowerCase() === name) return quoted?.replaceAll(/\\(.)/g, '$1') ?? bare?.trim() ?? ''
  }
  return null
}

const parameter = /;\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))/g

function withoutLineEnd(segment: Buffer): Buffer {
  if (segment[segment.length - 1] !== lf) return segment
  return segment.subarray(0, segment[segment.length - 2] === cr ? -2 : -1)
}

const [lf, cr, dash, space, tab] = [0x0a, 0x0d, 0x2d, 0x20, 0x09]
const maxParts = 64
const maxHeaderLines = 8
const maxHeaderLine = 2048
const identities: ReadonlySet<string> = new Set(['binary', '8bit', '7bit'])

const refused = (why: string): ApiError => new ApiError(400, 'bad-multipart', `the form cannot be read: ${why}`)
