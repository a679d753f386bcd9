import type { RequestHead } from '../wire/h1/request-head.ts'
import type { H1Client } from './h1-client.ts'
import type { WorkerRuntime } from './runtime.ts'

/** Paths answered before routing and without an access line; the status paths are the self-hosted gateway's two spellings. */
const probePaths: ReadonlySet<string> = new Set([
  '/healthz',
  '/readyz',
  '/status-0123456789abcdef',
  '/status-012345678990abcdef',
])

/** Answers a probe. @returns false when the request is none */
export function answerProbe(runtime: WorkerRuntime, client: H1Client, head: RequestHead): boolean {
  if (head.target.length > 26 || !probePaths.has(head.target) || (head.method !== 'GET' && head.method !== 'HEAD'))
    return false
  // Alive as long as this answers at all; ready until the drain begins.
  const ok = head.target === '/healthz' || (runtime.ready && !runtime.draining)
  const body = head.target.startsWith('/status') ? '' : ok ? 'ok\n' : 'draining\n'
  const status = ok ? '200 OK' : '503 Service Unavailable'
  client.text(
    `HTTP/1.1 ${status}\r\nDate: ${runtime.date()}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n${client.connectionHeader()}\r\n${
      head.method === 'HEAD' ? '' : body
    }`,
  )
  client.responseDone(!head.chunked && head.contentLength <= 0)
  return true
}
