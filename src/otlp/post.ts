import type { OtlpPlan } from '../observer/plan.ts'

import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { codeOf, messageOf } from '../core/errors.ts'
import { receiverTls } from './receiver-tls.ts'

/** What came of one request to the receiver. */
export type Answer =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly retryAfter: string
      readonly body: Buffer /** Says that `body` is JSON, whatever was sent. */
      readonly isJson: boolean
    }
  /** No whole answer came; whether the receiver has taken the request is not known. */
  | { readonly kind: 'failed'; readonly reason: string }

export interface Poster {
  /** Never rejects. */
  post(path: string, body: Buffer, signal: AbortSignal): Promise<Answer>
  close(): void
}

/** Of an answer, more is not read (I10). */
const maxAnswer = 64 * 1024

/** Requests to the receiver over connections that are kept open. */
export function openPoster(plan: OtlpPlan, contentType: string): Poster {
  const url = new URL(plan.endpoint)
  const secure = url.protocol === 'https:'
  const base = url.pathname.replace(/\/+$/, '')
  // One connection for each kind of telemetry: a kind has one request under way.
  const shape = { keepAlive: true, maxSockets: 3, maxFreeSockets: 3 }
  const agent = secure ? new HttpsAgent({ ...shape, ...receiverTls(plan.tls) }) : new HttpAgent(shape)
  const open = secure ? httpsRequest : httpRequest
  const headers = {
    'user-agent': 'postern',
    // Those of the configuration may replace the one above; what says how to read the body stays.
    ...plan.headers,
    'content-type': contentType,
    ...(plan.gzip ? { 'content-encoding': 'gzip' } : {}),
  }
  const once = (path: string, body: Buffer, signal: AbortSignal): Promise<Answer & { readonly stale?: boolean }> =>
    new Promise((resolve) => {
      const request = open({
        method: 'POST',
        protocol: url.protocol,
        hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: url.port,
        path: base + path,
        headers: { ...headers, 'content-length': body.length },
        agent,
      })
      const end = (reason: string) => {
        request.destroy(new Error(reason))
        // A request that has ended without an answer says nothing of that.
        settle({ kind: 'failed', reason })
      }
      const stop = () => end('the gateway is stopping')
      const timer = setTimeout(() => end(`no answer within ${plan.timeoutMs} ms`), plan.timeoutMs)
      const settle = (answer: Answer & { readonly stale?: boolean }) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', stop)
        resolve(answer)
      }
      signal.addEventListener('abort', stop)
      request.on('error', (error) =>
        settle({ kind: 'failed', reason: reasonOf(error), stale: isStale(request, error) }),
      )
      request.on('response', (response) => readAnswer(response, settle))
      // Nobody asked for it; unheard, it would be the end of the request without a word.
      request.on('upgrade', (_, socket) => {
        socket.destroy()
        settle({ kind: 'failed', reason: 'it answered with another protocol (101)' })
      })
      if (signal.aborted) stop()
      request.end(body)
    })
  return {
    async post(path, body, signal) {
      const answer = await once(path, body, signal)
      // A kept connection that the receiver was just closing says nothing of the receiver.
      return answer.kind === 'failed' && answer.stale === true ? once(path, body, signal) : answer
    },
    close: () => agent.destroy(),
  }
}

function readAnswer(response: IncomingMessage, settle: (answer: Answer) => void): void {
  const chunks: Buffer[] = []
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= maxAnswer) chunks.push(chunk)
    else response.destroy(new Error(`its answer is longer than ${maxAnswer} bytes`))
  })
  response.on('error', (error) => settle({ kind: 'failed', reason: reasonOf(error) }))
  response.on('end', () => {
    const { statusCode = 0, headers } = response
    settle({
      kind: 'answered',
      status: statusCode,
      retryAfter: headers['retry-after'] ?? '',
      body: Buffer.concat(chunks),
      isJson: /^application\/(?:[\w.-]+\+)?json\b/i.test(headers['content-type'] ?? ''),
    })
  })
}

function isStale(request: ClientRequest, error: unknown): boolean {
  return request.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(codeOf(error))
}

/** With the runtime's code, which of TLS says what is wrong with the certificate. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map((one: unknown) => reasonOf(one)))].join(', ')
  }
  const code = codeOf(error)
  const message = messageOf(error)
  return code === '' || message.includes(code) ? message : `${message} (${code})`
}
