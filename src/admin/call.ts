import { ApiError, type AdminServices, type ApiCall, type Principal } from './api.ts'
import { messageOf } from '../core/errors.ts'

/** What a call is made of; the server and the tests make them from different ends. */
export interface CallParts {
  readonly method: string
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
  readonly principal: Principal
  readonly services: AdminServices
  /** Asked at most once. */
  readonly body: () => Promise<Buffer>
  readonly note?: (detail: string) => void
}

export function makeCall(parts: CallParts): ApiCall {
  const contentType = (parts.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  let read: Promise<Buffer> | undefined
  const body = (): Promise<Buffer> => (read ??= parts.body())
  return {
    method: parts.method,
    params: parts.params,
    query: parts.query,
    headers: parts.headers,
    contentType,
    principal: parts.principal,
    services: parts.services,
    note: (detail) => parts.note?.(detail),
    body,
    json: async () => parseJson(await body()),
    form: async () => {
      const both = new URLSearchParams(parts.query)
      if (!formTypes.has(contentType)) return both
      for (const [name, value] of new URLSearchParams((await body()).toString('utf8'))) both.append(name, value)
      return both
    },
  }
}

/** The second is how some clients of Edge spell it (apigee-edge.md 1.3, rule 10). */
const formTypes: ReadonlySet<string> = new Set([
  'application/x-www-form-urlencoded',
  'application/x-www-url-form-encoded',
])

function parseJson(body: Buffer): unknown {
  if (body.length === 0) return {}
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch (error) {
    throw new ApiError(400, 'bad-json', 'the request body is not UTF-8', {}, error)
  }
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch (error) {
    // V8 quotes the text around the fault, which may be a password (I7).
    const where = /position \d+/.exec(messageOf(error))?.[0]
    throw new ApiError(400, 'bad-json', `the request body is not JSON${where === undefined ? '' : ` (${where})`}`)
  }
}
