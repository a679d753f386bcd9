import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'

type Answer = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void> | void

/** What every healthy backend of the lab answers, by the first segment of the path; everything else is described back. */
export function healthyAnswers(scenario: string): RequestListener {
  return (request, response) => {
    const url = new URL(request.url ?? '/', 'http://lab.test')
    const answer = byPath.get(url.pathname.split('/')[1] ?? '') ?? describe(scenario)
    // A client that goes away in the middle ends the exchange for both; there is nobody left to tell.
    Promise.resolve(answer(request, response, url)).catch(() => request.socket.destroy())
  }
}

function describe(scenario: string): Answer {
  return async (request, response) => {
    let bodyBytes = 0
    for await (const chunk of request as AsyncIterable<Buffer>) bodyBytes += chunk.length
    const { method, url, headers } = request
    sendJson(response, 200, { scenario, method, url, headers, bodyBytes })
  }
}

const byPath: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  ['echo', echo],
  ['bytes', sendBytes],
  ['chunked', sendChunked],
  ['trailers', sendTrailers],
  ['early-hints', sendEarlyHints],
  ['status', sendStatus],
  ['slow', sendSlowly],
])

async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const type = request.headers['content-type'] ?? 'application/octet-stream'
  const length = request.headers['content-length']
  response.writeHead(
    200,
    length === undefined ? { 'content-type': type } : { 'content-type': type, 'content-length': length },
  )
  await pipeline(request, response)
}

/** `/bytes/N`: byte i of the body is i modulo 256, so that a reader can tell a lost or repeated part. */
async function sendBytes(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const total = Number(url.pathname.split('/')[2])
  if (!Number.isSafeInteger(total) || total < 0)
    return sendJson(response, 400, { error: '/bytes/N takes a whole number' })
  request.resume()
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': total })
  if (request.method === 'HEAD') return void response.end()
  let left = total
  const body = new Readable({
    read() {
      const size = Math.min(left, pattern.length)
      left -= size
      this.push(size === 0 ? null : pattern.subarray(0, size))
    },
  })
  await pipeline(body, response)
}

function sendChunked(request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  response.writeHead(200, { 'content-type': 'text/plain' })
  for (const part of ['first\n', 'second\n', 'third\n']) response.write(part)
  response.end()
}

function sendTrailers(request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  response.writeHead(200, { 'content-type': 'text/plain', trailer: 'x-lab-checksum' })
  response.write('the trailer follows\n')
  response.addTrailers({ 'x-lab-checksum': 'b7e23ec2' })
  response.end()
}

function sendEarlyHints(request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' }, () => {
    response.writeHead(200, { 'content-type': 'text/plain' })
    response.end('a 103 went before this\n')
  })
}

function sendStatus(request: IncomingMessage, response: ServerResponse, url: URL): void {
  request.resume()
  const status = Number(url.pathname.split('/')[2])
  const isFinal = Number.isInteger(status) && status >= 200 && status <= 599
  if (!isFinal) return sendJson(response, 400, { error: '/status/NNN takes 200 to 599' })
  // Node leaves the body out where the status forbids one.
  sendJson(response, status, { status })
}

async function sendSlowly(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  request.resume()
  const ms = Math.min(Number(url.searchParams.get('ms') ?? '1000') || 0, 600_000)
  await sleepWhileOpen(response, ms)
  sendJson(response, 200, { sleptMs: ms })
}

/** Waits, unless the other side goes away first; then it throws. */
export async function sleepWhileOpen(response: ServerResponse, ms: number): Promise<void> {
  const gone = new AbortController()
  const abort = () => gone.abort()
  response.once('close', abort)
  try {
    await delay(ms, undefined, { signal: gone.signal })
  } finally {
    response.removeListener('close', abort)
  }
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`)
  const bodiless = status === 204 || status === 304
  response.writeHead(status, bodiless ? {} : { 'content-type': 'application/json', 'content-length': body.length })
  response.end(bodiless ? undefined : body)
}

const pattern = Buffer.alloc(65_536).map((_, i) => i & 0xff)
