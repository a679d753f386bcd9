import { randomUUID } from 'node:crypto'
import { codeOf, messageOf } from '../core/errors.ts'
import { ApiError, type ApiAnswer, json } from './api.ts'
import { withoutKeys } from './without-keys.ts'

/** The two families of paths differ in the shape of their errors (apigee-edge.md 1.3, rule 6). */
export type ErrorShape = 'edge' | 'native'

export function shapeFor(segments: readonly string[]): ErrorShape {
  return segments[0] === 'v1' ? 'edge' : 'native'
}

/** An error whose answer has header fields of its own, such as `Retry-After`. */
export class ErrorWithHeaders extends ApiError {
  override readonly name: string = 'ErrorWithHeaders'
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>>) {
    super(status, code, message)
    this.headers = headers
  }
}

/** @param unexpected told of what is no ApiError, with the id that the client sees: no detail of it leaves (I6) */
export function errorAnswer(
  thrown: unknown,
  shape: ErrorShape,
  unexpected: (error: unknown, id: string) => void,
): ApiAnswer {
  const error = thrown instanceof ApiError ? thrown : internal(thrown, unexpected)
  // What a change would have made of stored objects that run, each with its object.
  const evidence = deepWithoutKeys(error.evidence) as typeof error.evidence
  const contexts = evidence['contexts'] ?? evidence['problems']
  const message = withoutKeys(error.message)
  const body =
    shape === 'edge'
      ? { code: error.code, message, contexts: Array.isArray(contexts) ? contexts : [] }
      : { error: { ...evidence, code: error.code, message } }
  return error instanceof ErrorWithHeaders
    ? { status: error.status, json: body, headers: error.headers }
    : json(error.status, body)
}

/** Of the state and the workers: the client may try again, or must be told that nobody can. null: it is not the matter of any client. */
function ofState(thrown: unknown): ApiError | null {
  const code = codeOf(thrown)
  if (code === 'state-busy') {
    return new ErrorWithHeaders(503, 'busy', 'too many changes wait already; try again', { 'retry-after': '1' })
  }
  if (code === 'worker-gone') {
    return new ErrorWithHeaders(503, code, 'no worker could take it up; nothing was changed', { 'retry-after': '1' })
  }
  if (code === 'state-full') return new ApiError(507, code, 'the disk of the gateway is full; nothing was changed')
  return null
}

function internal(thrown: unknown, unexpected: (error: unknown, id: string) => void): ApiError {
  const id = randomUUID()
  const message = messageOf(thrown)
  unexpected(withoutKeys(message) === message ? thrown : new Error(withoutKeys(message)), id)
  const known = ofState(thrown)
  if (known !== null) return known
  return new ApiError(500, 'internal-error', `an internal error; the log of the gateway has it under ${id}`, { id })
}

function deepWithoutKeys(value: unknown): unknown {
  if (typeof value === 'string') return withoutKeys(value)
  if (Array.isArray(value)) return value.map(deepWithoutKeys)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, deepWithoutKeys(each)]))
}
