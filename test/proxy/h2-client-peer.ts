import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { errorCodes, type H2ErrorCode } from '../../src/wire/h2/error-codes.ts'
import { decodeFields } from '../../src/wire/h2/field-list.ts'
import { FrameReader } from '../../src/wire/h2/frame-reader.ts'
import {
  clientPreface,
  flags,
  frameTypes,
  writeFrameHeader,
  writePing,
  writeRstStream,
  writeSettingsAck,
  writeWindowUpdate,
} from '../../src/wire/h2/frames.ts'
import { HpackDecoder } from '../../src/wire/h2/hpack-decoder.ts'
import { type PeerSettings, type SettingName, writeSettings } from '../../src/wire/h2/settings.ts'
import { block, type Field } from '../wire-h2/blocks.ts'

export type SeenFrame =
  | { type: 'headers'; streamId: number; fields: readonly Field[]; endStream: boolean }
  | { type: 'data'; streamId: number; bytes: Buffer; endStream: boolean }
  | { type: 'reset'; streamId: number; code: number }
  | { type: 'goaway'; streamId: number; code: number; debug: string }
  | { type: 'window'; streamId: number; increment: number }
  | { type: 'settings'; streamId: 0 }
  | { type: 'settings-ack'; streamId: 0 }
  | { type: 'ping'; streamId: 0 }
  | { type: 'pong'; streamId: 0; payload: string }

/** What came back for one stream, to its end. */
export interface SeenResponse {
  readonly status: number
  readonly fields: readonly Field[]
  readonly body: string
  readonly trailers: readonly Field[]
  /** Of 1xx responses before it. */
  readonly informational: readonly number[]
  /** END_STREAM came. */
  readonly ended: boolean
  /** Code of RST_STREAM; null: none came before the end. */
  readonly reset: number | null
}

export interface H2PeerOptions {
  readonly tls?: ConnectionOptions
  /** What the first SETTINGS say; null sends nothing at all, not even the preface. */
  readonly settings?: Partial<Record<SettingName, number>> | null
  /** Default: SETTINGS and PING are answered. */
  readonly silent?: boolean
}

/** A client of HTTP/2 that is driven frame by frame, to do what no well-behaved one does. */
export class H2Peer {
  readonly socket: Socket
  readonly frames: SeenFrame[] = []
  /** What the gateway announced. */
  readonly settings: PeerSettings
  readonly ended: Promise<void>
  closed = false
  #wake: (() => void)[] = []
  /** Frames that `next` has passed. */
  #taken = 0

  private constructor(socket: Socket, silent: boolean) {
    this.socket = socket
    const decoder = new HpackDecoder({ tableBytes: 4096, listBytes: 1_000_000, fieldCount: 1000 })
    const see = (frame: SeenFrame): void => {
      this.frames.push(frame)
      this.#notify()
    }
    const reader = new FrameReader(
      {
        data: (streamId, buf, start, end, _flowBytes, endStream) =>
          see({ type: 'data', streamId, bytes: Buffer.from(buf.subarray(start, end)), endStream }),
        headers: (streamId, bytes, start, end, endStream) => {
          const list = decodeFields(decoder, bytes, start, end)
          if (!Array.isArray(list)) throw new Error(list.summary)
          const fields = list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1] ?? ''] as const] : []))
          see({ type: 'headers', streamId, fields, endStream })
        },
        settings: () => {
          see({ type: 'settings', streamId: 0 })
          if (!silent) this.write((out, at) => writeSettingsAck(out, at))
        },
        settingsAck: () => see({ type: 'settings-ack', streamId: 0 }),
        ping: (buf, at) => {
          see({ type: 'ping', streamId: 0 })
          if (!silent) this.write((out, to) => writePing(out, to, true, buf, at))
        },
        pingAck: (buf, at) => see({ type: 'pong', streamId: 0, payload: buf.toString('latin1', at, at + 8) }),
        windowUpdate: (streamId, increment) => see({ type: 'window', streamId, increment }),
        rstStream: (streamId, code) => see({ type: 'reset', streamId, code }),
        goaway: (streamId, code, debug) => see({ type: 'goaway', streamId, code, debug }),
        ignored: () => {},
        streamError: (_streamId, refusal) => {
          throw new Error(refusal.summary)
        },
      },
      { fromServer: true, blockBytes: 1_000_000, continuations: 100 },
    )
    this.settings = reader.peer
    socket.on('data', (chunk: Buffer) => {
      const refusal = reader.feed(chunk, 0, chunk.length)
      if (refusal !== null) socket.destroy(new Error(refusal.summary))
    })
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.closed = true
        this.#notify()
        resolve()
      })
    })
  }

  static async connect(port: number, options: H2PeerOptions = {}): Promise<H2Peer> {
    const { tls, settings = {}, silent = false } = options
    const socket =
      tls === undefined
        ? connect({ host: '127.0.0.1', port, noDelay: true })
        : connectTls({ host: '127.0.0.1', port, ALPNProtocols: ['h2'], ...tls } as ConnectionOptions)
    const peer = new H2Peer(socket, silent)
    await once(socket, tls === undefined ? 'connect' : 'secureConnect')
    if (settings !== null) {
      socket.write(clientPreface)
      peer.write((out, at) => writeSettings(out, at, settings))
    }
    return peer
  }

  // -- writing ----------------------------------------------------------------------------------------------------------

  send(bytes: Buffer): void {
    this.socket.write(bytes)
  }

  write(frame: (out: Buffer, at: number) => number): void {
    const out = Buffer.alloc(1024)
    this.send(out.subarray(0, frame(out, 0)))
  }

  frame(type: number, frameFlags: number, streamId: number, payload: Buffer = Buffer.alloc(0)): void {
    this.send(frameOf(type, frameFlags, streamId, payload))
  }

  headers(streamId: number, fields: readonly Field[], endStream = true): void {
    this.frame(frameTypes.headers, flags.endHeaders | (endStream ? flags.endStream : 0), streamId, block(...fields))
  }

  get(streamId: number, path: string, ...fields: readonly Field[]): void {
    this.headers(streamId, request('GET', path, ...fields))
  }

  data(streamId: number, bytes: string | Buffer, endStream = false): void {
    this.frame(
      frameTypes.data,
      endStream ? flags.endStream : 0,
      streamId,
      typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes,
    )
  }

  reset(streamId: number, code: H2ErrorCode = errorCodes.cancel): void {
    this.write((out, at) => writeRstStream(out, at, streamId, code))
  }

  window(streamId: number, increment: number): void {
    this.write((out, at) => writeWindowUpdate(out, at, streamId, increment))
  }

  ping(payload = 'a ping..'): void {
    this.write((out, at) => writePing(out, at, false, Buffer.from(payload, 'latin1'), 0))
  }

  destroy(): void {
    this.socket.destroy()
  }

  // -- reading ----------------------------------------------------------------------------------------------------------

  /** The next frame that satisfies `wanted` and was not returned yet; those before it are passed over. */
  async next<T extends SeenFrame['type']>(
    type: T,
    wanted: (frame: Extract<SeenFrame, { type: T }>) => boolean = () => true,
  ): Promise<Extract<SeenFrame, { type: T }>> {
    for (;;) {
      while (this.#taken < this.frames.length) {
        const frame = this.frames[this.#taken++] as SeenFrame
        if (frame.type === type && wanted(frame as Extract<SeenFrame, { type: T }>))
          return frame as Extract<SeenFrame, { type: T }>
      }
      if (this.closed) throw new Error(`the connection ended before ${type}; frames: ${describeFrames(this.frames)}`)
      await this.changed()
    }
  }

  /** Everything the gateway says is there: it has answered a PING sent now. */
  async settled(): Promise<void> {
    const payload = `settle${String(Math.floor(Math.random() * 90) + 10)}`
    this.ping(payload)
    await this.until(() => this.frames.some((frame) => frame.type === 'pong' && frame.payload === payload))
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.closed) throw new Error(`the connection ended; frames: ${describeFrames(this.frames)}`)
      await this.changed()
    }
  }

  changed(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve))
  }

  /** What came for a stream, once it has ended or was reset. */
  async response(streamId: number): Promise<SeenResponse> {
    await this.until(() => this.#response(streamId).done)
    return this.#response(streamId).seen
  }

  /** What has come for a stream so far. */
  soFar(streamId: number): SeenResponse {
    return this.#response(streamId).seen
  }

  #response(streamId: number): { readonly done: boolean; readonly seen: SeenResponse } {
    const informational: number[] = []
    let fields: readonly Field[] = []
    let trailers: readonly Field[] = []
    let status = 0
    let body = ''
    let ended = false
    let reset: number | null = null
    for (const frame of this.frames) {
      if (frame.streamId !== streamId) continue
      if (frame.type === 'headers') {
        const said = Number(fieldOf(frame.fields, ':status') ?? '0')
        if (status !== 0) trailers = frame.fields
        else if (said < 200) informational.push(said)
        else {
          status = said
          fields = frame.fields
        }
        ended ||= frame.endStream
      } else if (frame.type === 'data') {
        body += frame.bytes.toString('latin1')
        ended ||= frame.endStream
      } else if (frame.type === 'reset') {
        reset = frame.code
      }
    }
    return { done: ended || reset !== null, seen: { status, fields, body, trailers, informational, ended, reset } }
  }

  #notify(): void {
    const wake = this.#wake
    this.#wake = []
    for (const resolve of wake) resolve()
  }
}

export function request(method: string, path: string, ...fields: readonly Field[]): readonly Field[] {
  return [[':method', method], [':scheme', 'http'], [':path', path], [':authority', 'gateway.test'], ...fields]
}

export function fieldOf(fields: readonly Field[], name: string): string | null {
  const values = fields.filter(([known]) => known === name).map(([, value]) => value)
  return values.length === 0 ? null : values.join('|')
}

export function frameOf(type: number, frameFlags: number, streamId: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9)
  writeFrameHeader(header, 0, payload.length, type, frameFlags, streamId)
  return Buffer.concat([header, payload])
}

function describeFrames(frames: readonly SeenFrame[]): string {
  return frames.map((frame) => `${frame.type} ${frame.streamId}${'code' in frame ? ` ${frame.code}` : ''}`).join(', ')
}
