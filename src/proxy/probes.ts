import type { AnyRequestHead, Downstream } from './downstream.ts'
import type { WorkerRuntime } from './runtime.ts'

/** Paths answered before routing and without an access line; the status paths are the self-hosted gateway's two spellings. */
const probePaths: ReadonlySet<string> = new Set([
  '/healthz',
  '/readyz',
  '/status-0123456789abcdef',
  '/status-012345678990abcdef',
])

/** Answers a probe. @returns false when the request is none */
export function answerProbe(runtime: WorkerRuntime, client: Downstream, head: AnyRequestHead): boolean {
  if (head.target.length > 26 || !probePaths.has(head.target) || (head.method !== 'GET' && head.method !== 'HEAD'))
    return false
  // Alive as long as this answers at all; ready until the drain begins.
  const ok = head.target === '/healthz' || (runtime.ready && !runtime.draining)
  const body = head.target.startsWith('/status') ? '' : ok ? 'ok\n' : 'draining\n'
  client.answer(
    ok ? 200 : 503,
    ok ? 'OK' : 'Service Unavailable',
    `Date: ${runtime.date()}\r\nContent-Type: text/plain\r\n`,
    body,
  )
  client.responseDone(!head.chunked && head.contentLength <= 0)
  return true
}
