import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { ApiAnswer } from './api.ts'

/**
 * On every answer. Nothing of the API may be kept by a cache, or be taken for something else than its type says; there
 * are no CORS headers, so no page of another origin can read it.
 */
const always: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
}

/** Writes an answer whole; of one to HEAD, its head. @param ended stops a stream @param linger awaited before the end */
export async function sendAnswer(
  response: ServerResponse,
  answer: ApiAnswer,
  options: {
    readonly head: boolean
    readonly close: boolean
    readonly linger: (() => Promise<void>) | undefined
    readonly ended: AbortSignal
  },
): Promise<void> {
  const headers: Record<string, string> = { ...always, ...answer.headers }
  if (options.close) headers['connection'] = 'close'
  if ('stream' in answer) {
    response.writeHead(answer.status, { ...headers, 'content-type': answer.type })
    if (options.head) {
      await answer.stream.cancel()
      response.end()
    } else await sendStream(response, answer.stream, options.ended)
    return
  }
  const [type, bytes] = contentOf(answer)
  if (type !== '') headers['content-type'] = type
  if (answer.status !== 204 && answer.status !== 304) headers['content-length'] = String(bytes.length)
  response.writeHead(answer.status, headers)
  if (!options.head && bytes.length > 0) response.write(bytes)
  if (options.linger !== undefined) {
    response.flushHeaders()
    await options.linger()
  }
  response.end()
}

function contentOf(answer: Exclude<ApiAnswer, { stream: unknown }>): readonly [type: string, bytes: Buffer] {
  if ('json' in answer) {
    // An empty answer of 200 is one that clients of Edge take (apigee-edge.md 1.3, rule 4).
    const text = answer.json === undefined ? '' : `${JSON.stringify(answer.json, null, 2)}\n`
    return [text === '' ? '' : 'application/json', Buffer.from(text)]
  }
  const { bytes } = answer
  return [
    answer.type,
    typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  ]
}

/** Milliseconds in which a client of a stream must take something of it. */
const stallTime = 30_000

async function sendStream(
  response: ServerResponse,
  stream: ReadableStream<Uint8Array>,
  ended: AbortSignal,
): Promise<void> {
  const reader = stream.getReader()
  const over = new AbortController()
  const stop = (): void => over.abort()
  response.once('close', stop)
  ended.addEventListener('abort', stop)
  // A read under way ends with the cancelling.
  over.signal.addEventListener('abort', () => void reader.cancel().catch(() => {}))
  if (ended.aborted || response.destroyed) stop()
  response.flushHeaders()
  try {
    while (!over.signal.aborted) {
      const { done, value } = await reader.read()
      if (done) break
      if (response.write(value)) continue
      const stalled = setTimeout(() => response.destroy(), stallTime)
      await once(response, 'drain', { signal: over.signal }).finally(() => clearTimeout(stalled))
    }
  } catch (error) {
    if (!over.signal.aborted) {
      // The head has gone; only a broken connection tells the client that this is not the end.
      response.destroy()
      throw error
    }
  } finally {
    ended.removeEventListener('abort', stop)
    response.off('close', stop)
    over.abort()
    if (!response.destroyed) response.end()
  }
}
