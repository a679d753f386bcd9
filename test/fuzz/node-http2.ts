import { once } from 'node:events'
import http2 from 'node:http2'
import { connect } from 'node:net'
import { FrameReader } from '../../src/wire/h2/frame-reader.ts'
import { clientPreface } from '../../src/wire/h2/frames.ts'
import type { Field } from '../wire-h2/blocks.ts'
import { frame, join, settings, T } from '../wire-h2/frame-cases.ts'
import { pairs } from '../wire-h2/random-fields.ts'
import { RecordingVisitor } from '../wire-h2/recording-visitor.ts'
import { socketPath } from './node-http.ts'

/** What Node's HTTP/2 (nghttp2) made of one connection's bytes. */
export interface Node2Reading {
  /** Code of its GOAWAY; 0 where there was none, or no error. */
  readonly goaway: number
  /** Codes of its RST_STREAM frames. */
  readonly resets: ReadonlyMap<number, number>
  /** Fields of each request, as sent. */
  readonly requests: ReadonlyMap<number, readonly Field[]>
  readonly trailers: ReadonlyMap<number, readonly Field[]>
  /** Whether it has read everything, and not ended the connection before. */
  readonly whole: boolean
}

export interface Node2Reader extends AsyncDisposable {
  /** @param frames whole frames, after the preface and a first SETTINGS; no field block may be under way at their end */
  read(frames: Buffer): Promise<Node2Reading>
}

const maxWaitMs = 5000

/** Node's HTTP/2 server with its own limits out of the way, told the frames of whole connections. */
export async function startNode2Reader(): Promise<Node2Reader> {
  let requests = new Map<number, readonly Field[]>()
  let trailers = new Map<number, readonly Field[]>()
  const server = http2.createServer({
    maxSessionInvalidFrames: 1_000_000,
    maxSessionRejectedStreams: 1_000_000,
    maxHeaderListPairs: 100_000,
    settings: { maxHeaderListSize: 1_000_000 },
  })
  server.on('stream', (stream: http2.ServerHttp2Stream, _headers, _flags, raw: readonly string[]) => {
    requests.set(stream.id as number, pairs(raw))
    stream.on('error', () => {})
    stream.on('trailers', (_fields: unknown, _trailerFlags: unknown, rawTrailers: readonly string[]) => {
      trailers.set(stream.id as number, pairs(rawTrailers))
    })
    stream.resume()
  })
  server.on('sessionError', () => {})
  const { path, remove } = socketPath()
  await once(server.listen(path), 'listening')
  return {
    async read(frames) {
      requests = new Map()
      trailers = new Map()
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const answer = new Answer((rounds) => {
        // RST_STREAM of what was read before the first PING may be written after its answer, not after the second's.
        if (rounds === 1) socket.write(marker)
        else resolve(true)
      })
      const reader = new FrameReader(answer, { fromServer: true, blockBytes: 1_000_000, continuations: 1000 })
      const socket = connect(path)
      socket.on('error', () => {})
      socket.on('close', () => resolve(false))
      socket.on('data', (bytes: Buffer) => {
        const refusal = reader.feed(bytes, 0, bytes.length)
        if (refusal !== null) throw new Error(`nghttp2 writes what the gateway refuses: ${refusal.summary}`)
        if (answer.code !== 0) resolve(false)
      })
      socket.write(join(clientPreface, settings, frames, marker))
      const late = setTimeout(() => resolve(false), maxWaitMs)
      const whole = await promise
      clearTimeout(late)
      socket.destroy()
      return { goaway: answer.code, resets: answer.resets, requests, trailers, whole }
    },
    [Symbol.asyncDispose]() {
      // Its end is not waited for: after many sessions that ended in errors Node at times never says it.
      server.close()
      remove()
      return Promise.resolve()
    },
  }
}

const marker = frame(T.ping, 0, 0, Buffer.from('all read', 'latin1'))

class Answer extends RecordingVisitor {
  code = 0
  readonly resets = new Map<number, number>()
  #rounds = 0
  readonly #answered: (rounds: number) => void

  constructor(answered: (rounds: number) => void) {
    super()
    this.#answered = answered
  }

  override rstStream(streamId: number, code: number): void {
    this.resets.set(streamId, code)
  }

  override goaway(_lastStreamId: number, code: number): void {
    this.code = code
  }

  override pingAck(buf: Buffer, at: number): void {
    if (buf.toString('latin1', at, at + 8) === 'all read') this.#answered(++this.#rounds)
  }
}
