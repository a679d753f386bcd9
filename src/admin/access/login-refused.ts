import { ErrorWithHeaders } from '../error-answer.ts'

/** 401, or 429 for who has failed too often. It tells the client the same of a user that is there and of one that is not. */
export class LoginRefused extends ErrorWithHeaders {
  override readonly name: string = 'LoginRefused'
  /** For the audit trail. A name that is nobody's is left out: people type their password into the wrong field. */
  readonly user: string
  /** Whether there were credentials at all. */
  readonly attempted: boolean

  constructor(reason: LoginRefusal, user = '') {
    super(reason.status, reason.code, reason.message, reason.headers)
    this.user = user
    this.attempted = reason.attempted
  }
}

interface LoginRefusal {
  readonly status: 401 | 429
  readonly code: string
  readonly message: string
  readonly headers: Readonly<Record<string, string>>
  readonly attempted: boolean
}

/** RFC 7617 and RFC 6750, section 3; one field, as clients read but the first of two. */
const challenge = 'Basic realm="postern", charset="UTF-8"'

export const noCredentials: LoginRefusal = {
  status: 401,
  code: 'unauthorized',
  message: 'this takes credentials: Basic, or a bearer token',
  headers: { 'www-authenticate': `${challenge}, Bearer realm="postern"` },
  attempted: false,
}

export const wrongPassword: LoginRefusal = {
  status: 401,
  code: 'unauthorized',
  message: 'user or password are wrong',
  headers: { 'www-authenticate': challenge },
  attempted: true,
}

export const wrongToken: LoginRefusal = {
  status: 401,
  code: 'unauthorized',
  message: 'the token is unknown, expired or revoked',
  headers: { 'www-authenticate': 'Bearer realm="postern", error="invalid_token"' },
  attempted: true,
}

export function tooManyFailures(seconds: number): LoginRefusal {
  return {
    status: 429,
    code: 'too-many-logins',
    message: `too many failed logins; try again in ${seconds} s`,
    headers: { 'retry-after': String(seconds) },
    attempted: true,
  }
}
