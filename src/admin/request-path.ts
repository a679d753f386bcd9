import { ApiError } from './api.ts'
import { withoutKeys } from './without-keys.ts'

export interface RequestPath {
  /** Decoded, in the long spelling of Edge's API. */
  readonly segments: readonly string[]
  readonly query: URLSearchParams
}

/**
 * The one reading of a request target (RFC 9112, section 3.2). Clients of Edge double slashes, end with one, and mix `o` with
 * `organizations` and `e` with `environments` (apigee-edge.md 1.3, rule 1). Each segment is decoded once; whatever would
 * make another segment of it is refused, so that no name can be read in two ways further on.
 */
export function readPath(target: string): RequestPath {
  const origin = target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?#]*/i, '')
  const question = origin.indexOf('?')
  const path = question < 0 ? origin : origin.slice(0, question)
  if (origin !== '' && !path.startsWith('/') && path !== '') throw refused('the request target is not a path')
  const segments = path
    .split('/')
    .filter((segment) => segment !== '')
    .map(decodeSegment)
  return { segments: spelledOut(segments), query: new URLSearchParams(question < 0 ? '' : origin.slice(question + 1)) }
}

/** As it stands in the audit trail: encoded anew, with nothing in it that only its sender should know. */
export function pathForAudit(path: RequestPath): string {
  const query = new URLSearchParams()
  for (const [name, value] of path.query) query.append(name, secretParameter.test(name) ? '***' : withoutKeys(value))
  const text = `/${path.segments.map((segment) => encodeURIComponent(withoutKeys(segment))).join('/')}${query.size === 0 ? '' : `?${query.toString()}`}`
  return text.length > longestForAudit ? `${text.slice(0, longestForAudit)}...` : text
}

const secretParameter = /pass|pwd|secret|token|credential|assertion|authorization/i
const longestForAudit = 2048

function decodeSegment(raw: string): string {
  let segment: string
  try {
    segment = decodeURIComponent(raw)
  } catch {
    throw refused('the path has an escape that is not UTF-8')
  }
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0080-\uffff#]/.test(raw)) throw refused('the path has characters that must be percent-encoded')
  // eslint-disable-next-line no-control-regex -- the same
  if (/[/\\\u0000-\u001f\u007f]/.test(segment)) throw refused('a name in the path has a slash or a control character')
  if (segment === '.' || segment === '..') throw refused('the path has a dot segment')
  return segment
}

function spelledOut(segments: readonly string[]): readonly string[] {
  if (segments[0] !== 'v1') return segments
  const long = [...segments]
  const at = segments[1] === 'audits' ? 2 : 1
  if (long[at] === 'o') long[at] = 'organizations'
  if (long[1] === 'organizations' && long[3] === 'e') long[3] = 'environments'
  return long
}

function refused(message: string): ApiError {
  return new ApiError(400, 'bad-path', message)
}
