import { request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import type { Message } from './message.ts'
import { isUntrusted, type ReceiverProblem, receiverProblem, withRemedy } from './receiver-problem.ts'

export interface Posted {
  /** null: no answer came. */
  readonly status: number | null
  /** null: it was taken. */
  readonly problem: ReceiverProblem | null
  /** Another time it may be taken. */
  readonly again: boolean
}

/** Of an answer that are read; the rest is of no interest. */
const maxAnswer = 16 * 1024

/**
 * Sends a message once, over a connection of its own. Redirects are not followed: a receiver is the one that was named.
 *
 * @param roots PEM; null: those of the runtime
 */
export function post(
  url: string,
  { body, headers }: Message,
  options: { readonly timeoutMs: number; readonly roots: readonly string[] | null; readonly signal: AbortSignal },
): Promise<Posted> {
  const { timeoutMs, roots, signal } = options
  return new Promise((resolve) => {
    const fail = (error: unknown): void => {
      const problem = receiverProblem(timeout.aborted && !signal.aborted ? timeout.reason : error)
      // A chain that is not trusted now is not trusted in a minute; what is down may come up.
      const again = problem.verdict === null || passing.has(problem.verdict)
      resolve({ status: null, problem: isUntrusted(problem) ? withRemedy(problem, new URL(url)) : problem, again })
    }
    const timeout = AbortSignal.timeout(timeoutMs)
    const parts = {
      method: 'POST',
      headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
      agent: false as const,
      signal: AbortSignal.any([timeout, signal]),
    }
    // Also where the request has ended without a word.
    parts.signal.addEventListener('abort', () => fail(parts.signal.reason))
    try {
      const request = url.startsWith('https:')
        ? secureRequest(url, { ...parts, ...(roots === null ? {} : { ca: [...roots] }) })
        : plainRequest(url, parts)
      request.on('error', fail)
      // Nobody asked for another protocol; unheard, it would be the end of the request without a word.
      request.on('upgrade', (response, socket) => {
        socket.destroy()
        resolve(postedOf(response.statusCode ?? 0))
      })
      request.on('response', (response) => {
        let read = 0
        response.on('error', () => response.destroy())
        response.on('data', (chunk: Buffer) => {
          read += chunk.length
          if (read > maxAnswer) response.destroy()
        })
        // What was said counts, however the answer ends.
        response.on('close', () => resolve(postedOf(response.statusCode ?? 0)))
      })
      request.end(body)
    } catch (error) {
      fail(error)
    }
  })
}

const passing: ReadonlySet<string> = new Set(['dns-failure', 'connection-refused', 'connect-timeout', 'peer-alert'])

function postedOf(status: number): Posted {
  if (status >= 200 && status < 300) return { status, problem: null, again: false }
  const problem = { code: `status-${status}`, verdict: null, message: `the receiver answered ${status}` }
  return { status, problem, again: status >= 500 || status === 408 || status === 429 }
}
