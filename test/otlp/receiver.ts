import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Signal } from '../../src/otlp/schema.ts'

import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { decodeJson, decodeProtobuf, type Message } from './decode.ts'

export interface Received {
  readonly signal: Signal
  readonly headers: IncomingMessage['headers']
  /** Of the body as it came. */
  readonly bytes: number
  readonly message: Message
  /** What the message holds, out of the messages around it. */
  readonly records: readonly Message[]
}

export interface Receiver extends AsyncDisposable {
  readonly port: number
  readonly url: string
  /** Requests it has answered with 200, or is about to. */
  readonly received: readonly Received[]
  /** Requests, whatever came of them. */
  readonly asked: number
  readonly connections: number
  /** Records of one kind, in the order they came. */
  records(signal: Signal): readonly Message[]
}

export interface ReceiverOptions {
  /** Answers instead of a 200 without a body; false: it is taken. */
  readonly answer?: (response: ServerResponse, number: number, signal: Signal) => boolean | Promise<boolean>
  readonly tls?: ServerOptions
  readonly port?: number
}

const paths: Readonly<Record<string, readonly [Signal, string, string, string]>> = {
  '/v1/traces': ['spans', 'resourceSpans', 'scopeSpans', 'spans'],
  '/v1/metrics': ['metrics', 'resourceMetrics', 'scopeMetrics', 'metrics'],
  '/v1/logs': ['logs', 'resourceLogs', 'scopeLogs', 'logRecords'],
}

/** A receiver of OTLP/HTTP over a real socket; bodies are decoded by OpenTelemetry's own generated code. */
export async function startReceiver({ answer, tls, port = 0 }: ReceiverOptions = {}): Promise<Receiver> {
  const received: Received[] = []
  let asked = 0
  let connections = 0
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const number = (asked += 1)
    const body = await buffer(request)
    const [signal, ...names] = paths[request.url ?? ''] ?? []
    if (signal === undefined) {
      response.writeHead(404).end()
      return
    }
    const plain = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
    const json = request.headers['content-type'] === 'application/json'
    const message = json ? decodeJson(signal, plain) : decodeProtobuf(signal, plain)
    if ((await answer?.(response, number, signal)) === true) return
    const records = inner([message], names)
    received.push({ signal, headers: request.headers, bytes: body.length, message, records })
    if (!response.headersSent) response.writeHead(200, { 'content-type': request.headers['content-type'] }).end()
  }
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    serve(request, response).catch((error: unknown) => response.writeHead(400).end(String(error)))
  }
  const server = tls === undefined ? createServer(onRequest) : createTlsServer(tls, onRequest)
  server.on('connection', () => (connections += 1))
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const { port: actual } = server.address() as AddressInfo
  return {
    port: actual,
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${actual}`,
    received,
    get asked() {
      return asked
    },
    get connections() {
      return connections
    },
    records: (signal) => received.flatMap((each) => (each.signal === signal ? each.records : [])),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Waits until something is so; fails when it is not within ten seconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(5)) if (holds()) return
  throw new Error(`not within ten seconds: ${what}`)
}

function inner(messages: readonly Message[], names: readonly string[]): readonly Message[] {
  const [name, ...rest] = names
  return name === undefined
    ? messages
    : inner(
        messages.flatMap((each) => (each[name] ?? []) as Message[]),
        rest,
      )
}
