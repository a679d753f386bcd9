import { type ClientHttp2Session, connect } from 'node:http2'
import type { LoadedRequest } from './load.ts'

export interface H2LoadOptions {
  readonly port: number
  /** Requests a second, over all connections. */
  readonly rate: number
  readonly connections: number
  readonly path: (sequence: number) => string
  readonly done: (request: LoadedRequest) => void
  /** Number of the first request. */
  readonly from: number
}

export interface H2Load {
  burst(requests: number): void
  stop(): Promise<void>
}

/** A steady stream of GETs as streams of few HTTP/2 connections, with prior knowledge. */
export async function startH2Load(options: H2LoadOptions): Promise<H2Load> {
  const sessions = Array.from({ length: options.connections }, () => open(options.port))
  let sent = 0
  let broken = false
  const underWay = new Set<Promise<void>>()
  const send = (): void => {
    // A broken session is a violation already; thousands of its requests would say no more.
    if (broken) return
    const sequence = options.from + sent
    const session = sessions[sent % sessions.length]
    sent++
    if (session === undefined) return
    const startedAt = performance.now()
    const request = ask(session, options.path(sequence), sequence).then(({ status, body }) => {
      broken ||= status === 0
      options.done({ sequence, startedAt, endedAt: performance.now(), status, body })
    })
    underWay.add(request)
    void request.finally(() => underWay.delete(request))
  }
  const startedAt = performance.now()
  let burst = 0
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * options.rate) + burst - sent
    for (let left = due; left > 0; left--) send()
  }, 5)
  return {
    burst(requests) {
      burst += requests
      for (let left = requests; left > 0; left--) send()
    },
    async stop() {
      clearInterval(timer)
      await Promise.all(underWay)
      for (const session of sessions) session.close()
    },
  }
}

function open(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => {}) // its requests say so
  return session
}

function ask(session: ClientHttp2Session, path: string, sequence: number): Promise<{ status: number; body: string }> {
  return new Promise((resolve) => {
    let status = 0
    let body = ''
    let ended = false
    try {
      const stream = session.request({ ':path': path, 'x-sequence': String(sequence) })
      stream.setEncoding('latin1')
      stream.setTimeout(10_000, () => stream.close())
      stream.on('response', (headers) => (status = Number(headers[':status'])))
      stream.on('data', (text: string) => (body += text))
      stream.on('end', () => (ended = true))
      stream.on('error', () => {}) // 'close' follows
      stream.on('close', () => resolve({ status: ended ? status : 0, body }))
    } catch {
      resolve({ status: 0, body: '' })
    }
  })
}
