import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import {
  createSecureServer,
  type ServerHttp2Stream,
  type IncomingHttpHeaders,
  type Http2SecureServer,
  type SecureServerOptions,
  type ServerHttp2Session,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { FrameReader } from '../../src/wire/h2/frame-reader.ts'
import { flags, finishHeaders, frameHeaderBytes, frameTypes, writeFrameHeader } from '../../src/wire/h2/frames.ts'
import { decodeFields } from '../../src/wire/h2/field-list.ts'
import { HpackDecoder } from '../../src/wire/h2/hpack-decoder.ts'
import { encodeField } from '../../src/wire/h2/hpack-encoder.ts'
import { writeSettings, type SettingName } from '../../src/wire/h2/settings.ts'

export const backendName = 'backend.test'
export const root = await createRoot({ commonName: 'HTTP/2 Test CA' })
const leaf = await createLeaf(root, { names: [backendName] })

/** An HTTP/2 server of the runtime (nghttp2), which also speaks HTTP/1.1 where ALPN says so. */
export interface H2Backend extends AsyncDisposable {
  readonly port: number
  readonly server: Http2SecureServer
  /** HTTP/2 connections so far. */
  readonly sessions: readonly ServerHttp2Session[]
}

export async function startH2Backend(
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  options: SecureServerOptions = {},
): Promise<H2Backend> {
  const server = createSecureServer({ cert: leaf.chainPem, key: leaf.keyPem, ...options })
  const sessions: ServerHttp2Session[] = []
  server.on('session', (session) => {
    sessions.push(session)
    session.on('error', () => {})
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    onStream(stream, headers)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    server,
    sessions,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      server.close()
      await once(server, 'close').catch(() => {})
    },
  }
}

/** One frame as it was read. */
export interface SeenFrame {
  readonly type: 'headers' | 'data' | 'settings' | 'ping' | 'rst' | 'goaway' | 'window'
  readonly streamId: number
  readonly fields: readonly string[]
  readonly text: string
  readonly endStream: boolean
  readonly code: number
}

/** One connection of an HTTP/2 server that is driven frame by frame, without TLS. */
export class RawConnection {
  readonly socket: Socket
  readonly frames: SeenFrame[] = []
  readonly ended: Promise<void>
  closed = false
  readonly #waiting = new Set<() => void>()
  readonly #reader: FrameReader

  constructor(socket: Socket, settings: Partial<Record<SettingName, number>> | null) {
    this.socket = socket
    const decoder = new HpackDecoder({ tableBytes: 4096, listBytes: 1 << 20, fieldCount: 1000 })
    const see = (frame: Partial<SeenFrame> & Pick<SeenFrame, 'type' | 'streamId'>): void => {
      this.frames.push({ fields: [], text: '', endStream: false, code: 0, ...frame })
      for (const wake of this.#waiting) wake()
    }
    this.#reader = new FrameReader(
      {
        data: (streamId, buf, start, end, _flow, endStream) =>
          see({ type: 'data', streamId, text: buf.toString('latin1', start, end), endStream }),
        headers: (streamId, block, start, end, endStream) => {
          const fields = decodeFields(decoder, block, start, end)
          see({ type: 'headers', streamId, fields: Array.isArray(fields) ? fields : [fields.summary], endStream })
        },
        settings: () => {
          see({ type: 'settings', streamId: 0 })
          this.frame(frameTypes.settings, flags.ack, 0)
        },
        settingsAck() {},
        ping: (buf, at) => see({ type: 'ping', streamId: 0, text: buf.toString('hex', at, at + 8) }),
        pingAck: () => see({ type: 'ping', streamId: 0, code: 1 }),
        windowUpdate: (streamId, code) => see({ type: 'window', streamId, code }),
        rstStream: (streamId, code) => see({ type: 'rst', streamId, code }),
        goaway: (streamId, code, text) => see({ type: 'goaway', streamId, code, text }),
        ignored() {},
        streamError() {},
      },
      { fromServer: false, blockBytes: 1 << 20, continuations: 100 },
    )
    socket.on('data', (chunk: Buffer) => this.#reader.feed(chunk, 0, chunk.length))
    socket.on('error', () => {})
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.closed = true
        for (const wake of this.#waiting) wake()
        resolve()
      })
    })
    if (settings !== null) this.settings(settings)
  }

  settings(settings: Partial<Record<SettingName, number>>): void {
    const out = Buffer.alloc(128)
    this.write(out.subarray(0, writeSettings(out, 0, settings)))
  }

  write(bytes: Buffer): void {
    if (!this.socket.destroyed) this.socket.write(bytes)
  }

  frame(type: number, frameFlags: number, streamId: number, payload: Buffer = Buffer.alloc(0)): void {
    const header = Buffer.alloc(frameHeaderBytes)
    writeFrameHeader(header, 0, payload.length, type, frameFlags, streamId)
    this.write(Buffer.concat([header, payload]))
  }

  /** @param fields name, value, name, value, ... */
  headers(streamId: number, fields: readonly string[], endStream = false): void {
    const out = Buffer.alloc(65_536)
    let at = frameHeaderBytes
    for (let i = 0; i < fields.length; i += 2) at = encodeField(out, at, fields[i] as string, fields[i + 1] as string)
    this.write(Buffer.from(out.subarray(0, finishHeaders(out, 0, at, streamId, endStream, 16_384))))
  }

  data(streamId: number, text: string | Buffer, endStream = false): void {
    const payload = typeof text === 'string' ? Buffer.from(text, 'latin1') : text
    this.frame(frameTypes.data, endStream ? flags.endStream : 0, streamId, payload)
  }

  reset(streamId: number, code: number): void {
    this.frame(frameTypes.rstStream, 0, streamId, number32(code))
  }

  goaway(lastStreamId: number, code: number): void {
    this.frame(frameTypes.goaway, 0, 0, Buffer.concat([number32(lastStreamId), number32(code)]))
  }

  windowUpdate(streamId: number, increment: number): void {
    this.frame(frameTypes.windowUpdate, 0, streamId, number32(increment))
  }

  /** The first frame that `is`; waits for it. */
  async seen(is: (frame: SeenFrame) => boolean): Promise<SeenFrame> {
    for (;;) {
      const found = this.frames.find(is)
      if (found !== undefined) return found
      if (this.closed) throw new Error(`closed before the frame came; seen: ${JSON.stringify(this.frames)}`)
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake)
          resolve()
        }
        this.#waiting.add(wake)
      })
    }
  }

  /** The request of the nth stream (from 1). */
  async request(nth = 1): Promise<{ readonly id: number; readonly fields: Readonly<Record<string, string>> }> {
    const frame = await this.seen((each) => each.type === 'headers' && each.streamId === 2 * nth - 1)
    return { id: frame.streamId, fields: record(frame.fields) }
  }
}

/** A server of raw HTTP/2 connections by prior knowledge. */
export interface RawServer extends AsyncDisposable {
  readonly port: number
  readonly connections: readonly RawConnection[]
  /** The nth connection, from 1; waits for it. */
  connection(nth?: number): Promise<RawConnection>
}

export async function startRawServer(
  settings: Partial<Record<SettingName, number>> | null = {},
  serve: (connection: RawConnection) => void = () => {},
): Promise<RawServer> {
  const connections: RawConnection[] = []
  const waiting = new Set<() => void>()
  const server = createServer({ noDelay: true }, (socket) => {
    const connection = new RawConnection(socket, settings)
    connections.push(connection)
    serve(connection)
    for (const wake of waiting) wake()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    async connection(nth = 1) {
      for (;;) {
        const found = connections[nth - 1]
        if (found !== undefined) return found
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            waiting.delete(wake)
            resolve()
          }
          waiting.add(wake)
        })
      }
    },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.socket.destroy()
      server.close()
      await once(server, 'close').catch(() => {})
    },
  }
}

function record(fields: readonly string[]): Readonly<Record<string, string>> {
  const all: Record<string, string> = {}
  for (let i = 0; i < fields.length; i += 2) all[fields[i] as string] = fields[i + 1] as string
  return all
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
