import { messageOf, PosternError } from '../core/errors.ts'
import type { Environment } from '../trust/source.ts'
import { onOneLine } from '../verdict/shell.ts'

/** Where the management API is, and as whom; no secret of it comes from the command line. */
export interface AdminPlace {
  /** `https://gateway.example.com:8080` */
  readonly admin: string
  readonly authorization: string
}

export interface AdminCall {
  readonly method: 'GET' | 'POST'
  /** With its query. */
  readonly path: string
  readonly body?: { readonly type: 'application/json' | 'application/yaml'; readonly text: string }
  /** Code of what is thrown where the API says no. */
  readonly refused: string
  /** Milliseconds; default 60,000. */
  readonly timeout?: number
}

/** Milliseconds: every server of a target may be asked meanwhile. */
const defaultTimeout = 60_000
/** I10. */
const maxBytes = 64 * 1024 * 1024

/** Of POSTERN_TOKEN or the variable named, or of POSTERN_USER and POSTERN_PASSWORD. Throws `usage`. */
export function authorizationFrom(env: Environment, tokenVariable: string | undefined): string {
  const found = authorizationIn(env, tokenVariable)
  if (found !== null) return found
  if (tokenVariable !== undefined) throw new PosternError('usage', `the variable ${tokenVariable} is not set`)
  throw new PosternError('usage', `set ${credentialVariables}`)
}

export const credentialVariables = 'POSTERN_TOKEN, or POSTERN_USER and POSTERN_PASSWORD'

/** The same where nobody has to be anybody; null: no variable is set. */
export function authorizationIn(env: Environment, tokenVariable: string | undefined): string | null {
  const token = env[tokenVariable ?? 'POSTERN_TOKEN'] ?? ''
  if (token !== '') return `Bearer ${token}`
  if (tokenVariable !== undefined) return null
  const { POSTERN_USER: user = '', POSTERN_PASSWORD: password = '' } = env
  if (user === '' || password === '') return null
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

/** Throws `call.refused` with what the API says, `not-authenticated` (401), `not-allowed` (403), and `admin-unreachable` where it is not there. */
export async function callAdmin(place: AdminPlace, call: AdminCall, signal: AbortSignal): Promise<unknown> {
  const base = adminUrl(place.admin)
  const { status, bytes } = await asked(base, place, call, signal)
  const value = parsed(bytes.toString('utf8'))
  if (status >= 200 && status < 300 && value !== null) return value
  throw refusedBy(base, status, value, call)
}

/** The same for what is answered with a file of `type`. */
export async function downloadAdmin(
  place: AdminPlace,
  call: AdminCall,
  type: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const base = adminUrl(place.admin)
  const answer = await asked(base, place, call, signal)
  if (answer.status === 200 && answer.type === type) return answer.bytes
  throw refusedBy(base, answer.status, parsed(answer.bytes.toString('utf8')), call)
}

function refusedBy(base: string, status: number, value: unknown, call: AdminCall): PosternError {
  const error = errorOf(value)
  if (error === null)
    return new PosternError('admin-unreachable', `${base} answered ${status}, and not as this API does`)
  // The user's password or the token is wrong; never that something may not be read.
  if (status === 401) return new PosternError('not-authenticated', `${base}: ${error.message}`)
  if (status === 403) return new PosternError('not-allowed', error.message, { evidence: { code: error.code } })
  return new PosternError(call.refused, `${error.code}: ${error.message}`, { evidence: error })
}

/** Throws `usage` for what is no URL of a management API. No slash at the end. */
export function adminUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  // Before the text is shown: a password is in it.
  if (url !== null && (url.username !== '' || url.password !== ''))
    throw new PosternError('usage', `--admin has credentials in it; they come from ${credentialVariables}`)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new PosternError('usage', `--admin ${text} is no http or https URL`)
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

async function asked(
  base: string,
  { authorization }: AdminPlace,
  { method, path, body, timeout = defaultTimeout }: AdminCall,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly type: string; readonly bytes: Buffer }> {
  try {
    const response = await fetch(`${base}${path}`, {
      method,
      // Whoever is redirected to must not get the credentials.
      redirect: 'error',
      headers: { authorization, ...(body === undefined ? {} : { 'content-type': body.type }) },
      ...(body === undefined ? {} : { body: body.text }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
    })
    const type = (response.headers.get('content-type') ?? '').replace(/;.*$/s, '').trim()
    return { status: response.status, type, bytes: await boundedBytes(response) }
  } catch (error) {
    if (signal.aborted) throw new PosternError('interrupted', 'interrupted', { cause: error })
    const why = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error)
    throw new PosternError('admin-unreachable', `${base}: ${onOneLine(why)}`, { cause: error })
  }
}

async function boundedBytes(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > maxBytes) throw new PosternError('admin-unreachable', 'the answer is larger than 64 MiB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

function errorOf(value: unknown): { readonly code: string; readonly message: string } | null {
  if (typeof value !== 'object' || value === null || !('error' in value)) return null
  const { error } = value
  if (typeof error !== 'object' || error === null || !('code' in error) || !('message' in error)) return null
  return { ...error, code: String(error.code), message: onOneLine(String(error.message), 4000) }
}
