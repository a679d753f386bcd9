import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { AuditEntry } from '../state/types.ts'
import type { Access } from './access/access.ts'
import { LoginRefused } from './access/login-refused.ts'
import { type AdminServices, type ApiAnswer, ApiError, type ApiRoute, type Principal } from './api.ts'
import { auditEntry, type AuditedRequest, operationOf, successOf } from './audit-entry.ts'
import { makeCall } from './call.ts'
import { refuseCrossSite } from './cross-site.ts'
import { ErrorWithHeaders, errorAnswer, shapeFor } from './error-answer.ts'
import { type BodyBudget, type BodyLimits, readBody } from './request-body.ts'
import type { RequestPath } from './request-path.ts'
import { mayUse, roleNeeded } from './roles.ts'
import { plainAddress } from './connections.ts'
import type { RouteTable } from './route-table.ts'

/** What all requests of a listener share. */
export interface Served {
  readonly find: RouteTable
  readonly services: AdminServices
  readonly access: Access
  readonly bodies: BodyBudget
  readonly bodyTimes: BodyTimes
  readonly streamCheck: number
  /** The client of a connection has shown who he is. */
  readonly known: (socket: Socket) => void
  readonly closing: AbortSignal
  /** Requests wait for it. */
  readonly ready: Promise<void>
  readonly onError: (error: unknown, id: string) => void
}

/** Milliseconds. */
export interface BodyTimes {
  /** Of routes that ask nobody who he is. */
  readonly strangerBody: number
  readonly body: number
  readonly request: number
}

export interface Outcome {
  readonly answer: ApiAnswer
  /** When a stream must end: the server closes, or its client may see it no more. */
  readonly ended: AbortSignal
  /** Whether the body was asked for, of a client that waits for that. */
  readonly wentOn: boolean
  /** To be called once the answer is sent. */
  readonly done: () => void
}

const megabyte = 1024 * 1024
/** Of those whom nobody asks who they are. */
const strangerBytes = 16 * 1024

/** From a request to its answer: who asks, whether he may, what the route says, and the entry in the audit trail. */
export async function serveCall(
  served: Served,
  request: IncomingMessage,
  response: ServerResponse,
  path: RequestPath,
  busy: boolean,
): Promise<Outcome> {
  refuseTwoHosts(request)
  const method = request.method ?? 'GET'
  const found = served.find(method, path.segments)
  if (found.found === 'nothing') throw new ApiError(404, 'not-found', 'there is nothing at this path')
  if (found.found === 'other-methods') {
    const allow = found.allow.join(', ')
    throw new ErrorWithHeaders(405, 'method-not-allowed', `${method} is none of: ${allow}`, { allow })
  }
  const { route } = found
  const params = withOrganization(route, found.params, path.query)
  if (busy) {
    throw new ErrorWithHeaders(503, 'busy', 'too many requests are under way', { 'retry-after': '1' })
  }
  const from = addressOf(request)
  const about: AuditedRequest = {
    at: served.services.clock(),
    method,
    path,
    user: '',
    from,
    route,
    organization: params['org'] ?? '',
  }
  const principal = await admit(served, request, about, route, params)
  return run(served, request, response, { ...about, user: principal.user }, { route, params, principal })
}

/** Where the organization is a parameter of the query, it is one of the path from here on: one reading of it. */
function withOrganization(
  { organization }: ApiRoute,
  params: Readonly<Record<string, string>>,
  query: URLSearchParams,
): Readonly<Record<string, string>> {
  const org = organization === 'query' ? query.get('org') : null
  return org === null || org === '' ? params : { ...params, org }
}

/** Throws 401, 403 or 429, and leaves a refused change in the audit trail. */
async function admit(
  served: Served,
  request: IncomingMessage,
  about: AuditedRequest,
  route: ApiRoute,
  params: Readonly<Record<string, string>>,
): Promise<Principal> {
  let principal: Principal = { user: '', roles: {}, via: 'anyone', from: about.from }
  try {
    refuseCrossSite(about.method, request.headers)
    if (route.role !== 'anyone') principal = await served.access.authenticate(request.headers.authorization, about.from)
    if (principal.via !== 'anyone') served.known(request.socket)
    if (mayUse(principal, route, params)) return principal
    // The same words for an organization that is there and for one that is not.
    throw new ApiError(403, 'forbidden', `${principal.user} may not do this: it takes ${roleNeeded(route, params)}`)
  } catch (error) {
    const entry = entryOfRefusal(error, { ...about, user: principal.user }, route)
    if (entry !== null && served.access.auditRefusal(principal)) await served.services.store.audit(entry)
    throw error
  }
}

/** Refused logins, whatever was asked for, and refused changes. Who asks too often (429) has entries enough. */
function entryOfRefusal(error: unknown, about: AuditedRequest, route: ApiRoute): AuditEntry | null {
  if (!(error instanceof ApiError) || error.status === 429) return null
  if (error instanceof LoginRefused && error.attempted) {
    return auditEntry({ ...about, user: error.user }, 'LOGIN', error.status)
  }
  const operation = operationOf(route)
  return operation === '' ? null : auditEntry(about, operation, error.status)
}

interface Admitted {
  readonly route: ApiRoute
  readonly params: Readonly<Record<string, string>>
  readonly principal: Principal
}

async function run(
  served: Served,
  request: IncomingMessage,
  response: ServerResponse,
  about: AuditedRequest,
  { route, params, principal }: Admitted,
): Promise<Outcome> {
  const operation = operationOf(route)
  let audited = false
  let detail = ''
  // The entry is part of the change: both are there after a crash, or neither.
  const services: AdminServices = {
    ...served.services,
    async change(call, work) {
      const result = await served.services.change(call, async (tx) => {
        const made = await work(tx)
        if (operation !== '' && !audited) await tx.audit(auditEntry({ ...about, detail }, operation, successOf(route)))
        return made
      })
      audited = true
      return result
    },
  }
  let wentOn = false
  const { answer, release } = await handled()
  if (operation !== '' && !audited)
    await served.services.store.audit(auditEntry({ ...about, detail }, operation, answer.status))
  if (!('stream' in answer)) return { answer, wentOn, ended: served.closing, done: release }
  const watch = watched(served, request.headers.authorization, route, params, about.from)
  return {
    answer,
    wentOn,
    ended: watch.ended,
    done: () => {
      watch.stop()
      release()
    },
  }

  async function handled(): Promise<{ answer: ApiAnswer; release: () => void }> {
    let release = (): void => {}
    try {
      const goOn = (): void => {
        wentOn = true
        if (request.headers.expect !== undefined) response.writeContinue()
      }
      // Whole before the route runs: one that holds the writer must not wait for a client.
      const body = await readBody(request, bodyLimits(route, served.bodyTimes), served.bodies, goOn)
      release = body.release
      const call = makeCall({
        method: about.method,
        params,
        query: about.path.query,
        headers: plainHeaders(request),
        principal,
        services,
        note: (text) => (detail = text),
        body: () => Promise.resolve(body.bytes),
      })
      return { answer: await route.handle(call), release }
    } catch (error) {
      return { answer: errorAnswer(error, shapeFor(about.path.segments), served.onError), release }
    }
  }
}

function bodyLimits({ role, maxBody }: ApiRoute, { strangerBody, body, request }: BodyTimes): BodyLimits {
  const anyone = role === 'anyone'
  return {
    most: maxBody ?? (anyone ? strangerBytes : megabyte),
    time: anyone ? strangerBody : body,
    small: megabyte,
    largeTime: anyone ? strangerBody : request,
  }
}

/** Which of them counts is another thing to each reader (RFC 9112, section 3.2). */
function refuseTwoHosts({ rawHeaders }: IncomingMessage): void {
  const hosts = rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === 'host')
  if (hosts.length > 1) throw new ApiError(400, 'bad-request', 'the request has more than one Host field')
}

/** A stream outlives the moment its client was admitted; it is asked for again and again. */
function watched(
  served: Served,
  authorization: string | undefined,
  route: ApiRoute,
  params: Readonly<Record<string, string>>,
  from: string,
): { readonly ended: AbortSignal; readonly stop: () => void } {
  const over = new AbortController()
  if (route.role === 'anyone') return { ended: served.closing, stop: () => {} }
  const check = async (): Promise<void> => {
    try {
      if (!mayUse(await served.access.authenticate(authorization, from), route, params)) over.abort()
    } catch {
      over.abort()
    }
  }
  const timer = setInterval(() => void check(), served.streamCheck)
  return { ended: AbortSignal.any([served.closing, over.signal]), stop: () => clearInterval(timer) }
}

function addressOf(request: IncomingMessage): string {
  return plainAddress(request.socket.remoteAddress ?? '')
}

/** Routes are told who asks by the principal, never by what he proves it with. */
function plainHeaders(request: IncomingMessage): Readonly<Record<string, string>> {
  const plain: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || name === 'authorization' || name === 'cookie') continue
    plain[name] = typeof value === 'string' ? value : value.join(', ')
  }
  return plain
}
