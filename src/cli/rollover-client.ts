import { messageOf, PosternError } from '../core/errors.ts'
import type { Environment } from '../trust/source.ts'
import { onOneLine } from '../verdict/shell.ts'

/** Where the management API is, and as whom; no secret of it comes from the command line. */
export interface RolloverPlace {
  /** `https://gateway.example.com:8080` */
  readonly admin: string
  readonly organization: string
  readonly environment: string
  readonly authorization: string
}

/** Milliseconds: every server of a reference may be asked meanwhile. */
const timeout = 60_000

/** Of POSTERN_TOKEN or the variable named, or of POSTERN_USER and POSTERN_PASSWORD. Throws `usage`. */
export function authorizationFrom(env: Environment, tokenVariable: string | undefined): string {
  const name = tokenVariable ?? 'POSTERN_TOKEN'
  const token = env[name] ?? ''
  if (token !== '') return `Bearer ${token}`
  if (tokenVariable !== undefined) throw new PosternError('usage', `the variable ${tokenVariable} is not set`)
  const { POSTERN_USER: user = '', POSTERN_PASSWORD: password = '' } = env
  if (user !== '' && password !== '') return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  throw new PosternError('usage', 'set POSTERN_TOKEN, or POSTERN_USER and POSTERN_PASSWORD')
}

/** One call below `.../rollovers`. Throws `rollover-refused` with what the API says, `admin-unreachable` where it is not there. */
export async function callRollovers(
  place: RolloverPlace,
  method: 'GET' | 'POST',
  path: string,
  body: object | null,
  signal: AbortSignal,
): Promise<unknown> {
  const base = urlOf(place.admin)
  const [organization, environment] = [place.organization, place.environment].map(encodeURIComponent)
  const url = `${base}/api/organizations/${organization}/environments/${environment}/rollovers${path}`
  const { status, text } = await asked(url, place, method, body, signal)
  const value = parsed(text)
  if (status >= 200 && status < 300 && value !== null) return value
  const error = errorOf(value)
  if (error === null)
    throw new PosternError('admin-unreachable', `${base} answered ${status}, and not as this API does`)
  if (status === 401 || status === 403)
    throw new PosternError('not-allowed', error.message, { evidence: { code: error.code } })
  throw new PosternError('rollover-refused', `${error.code}: ${error.message}`, { evidence: error })
}

async function asked(
  url: string,
  { authorization, admin }: RolloverPlace,
  method: string,
  body: object | null,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const response = await fetch(url, {
      method,
      // Whoever is redirected to must not get the credentials.
      redirect: 'error',
      headers: { authorization, ...(body === null ? {} : { 'content-type': 'application/json' }) },
      ...(body === null ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
    })
    return { status: response.status, text: await response.text() }
  } catch (error) {
    const why = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error)
    throw new PosternError('admin-unreachable', `${admin}: ${onOneLine(why)}`, { cause: error })
  }
}

function urlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new PosternError('usage', `--admin ${text} is no http or https URL`)
  if (url.username !== '' || url.password !== '')
    throw new PosternError('usage', '--admin has credentials in it; they come from the environment')
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
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
