import type { Fault } from '../faults/fault.ts'
import type { RetryCause } from './plan.ts'

/**
 * How an exchange failed, as far as sending the request again goes.
 *
 * - `idle-death`: the connection was a reused one and died before any byte of a response, as happens when the backend closes
 *   an idle connection in the moment it is used
 * - `unprocessed`: the connection ends in an orderly way and leaves the request out (GOAWAY), or cannot carry it; nothing was
 *   done with it, so any method may be sent again
 * - `refused`: the backend has refused the request's stream, and so did nothing with it (RFC 9113 section 8.7); the same, but
 *   it is a failure of the server
 */
export type UpstreamFailure = 'idle-death' | 'unprocessed' | 'refused' | 'final'

/** Methods that a repetition does not change (RFC 9110 section 9.2.2): only these are sent twice without being told to. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** Whether a request of which nothing but its head may have been read is sent once more without a policy (decision 4). */
export function repeatable(how: UpstreamFailure, method: string, complete: boolean): boolean {
  return how === 'unprocessed' || how === 'refused' || (how === 'idle-death' && complete && idempotent.has(method))
}

/** What a failure before the response is to a retry plan; null: never tried again. */
export function retryCause(fault: Fault, how: UpstreamFailure): RetryCause | null {
  return how === 'unprocessed' || how === 'refused' ? 'refused-stream' : (causes[fault.kind] ?? null)
}

/** That this gateway has no room, or ends a connection for reasons of its own, says nothing of the server. */
export function outcomeOf(fault: Fault): 'failed' | 'neutral' {
  return fault.party === 'gateway' && fault.verdict === null ? 'neutral' : 'failed'
}

const causes: Partial<Record<Fault['kind'], RetryCause>> = {
  'response-eof': 'reset',
  'response-timeout': 'timeout',
  'connect-reset': 'reset',
  'client-certificate': 'connect',
}
