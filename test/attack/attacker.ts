import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { FrameReader } from '../../src/wire/h2/frame-reader.ts'
import type { FrameVisitor } from '../../src/wire/h2/frame-visitor.ts'
import { clientPreface, flags, frameTypes, writeSettingsAck } from '../../src/wire/h2/frames.ts'
import { type SettingName, writeSettings } from '../../src/wire/h2/settings.ts'
import { frameOf } from '../proxy/h2-client-peer.ts'
import { block, type Field } from '../wire-h2/blocks.ts'

/** A connection that says what it likes, and of what comes back keeps only counts: floods would fill anything else. */
export class Attacker {
  readonly socket: Socket
  readonly scheme: 'http' | 'https'
  /** Code of the last GOAWAY; -1: none came. */
  goaway = -1
  /** RST_STREAM frames that came, by their code. */
  readonly resets = new Map<number, number>()
  /** Responses whose head has come. */
  heads = 0
  dataBytes = 0
  settingsCame = false
  /** Told of each DATA frame. */
  came: () => void = () => {}
  /** Told of each WINDOW_UPDATE. */
  granted: (streamId: number, increment: number) => void = () => {}
  closed = false
  readonly ended: Promise<void>

  private constructor(socket: Socket, scheme: 'http' | 'https') {
    this.socket = socket
    this.scheme = scheme
    const reader = new FrameReader(this.#visitor(), { fromServer: true, blockBytes: 1_048_576, continuations: 1000 })
    socket.on('data', (chunk: Buffer) => reader.feed(chunk, 0, chunk.length))
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.closed = true
        resolve()
      })
    })
  }

  /** @param ca with it: over TLS */
  static async connect(
    port: number,
    { ca, settings = {} }: { ca?: string | undefined; settings?: Partial<Record<SettingName, number>> | null } = {},
  ): Promise<Attacker> {
    const socket =
      ca === undefined
        ? connect({ host: '127.0.0.1', port, noDelay: true })
        : connectTls({ host: '127.0.0.1', port, ca, servername: 'gateway.test', ALPNProtocols: ['h2'] })
    const attacker = new Attacker(socket, ca === undefined ? 'http' : 'https')
    await once(socket, ca === undefined ? 'connect' : 'secureConnect')
    if (settings !== null) {
      const out = Buffer.alloc(256)
      socket.write(Buffer.concat([clientPreface, out.subarray(0, writeSettings(out, 0, settings))]))
    }
    return attacker
  }

  /** SETTINGS of the gateway have come and are acknowledged. */
  async acknowledge(): Promise<void> {
    while (!this.settingsCame && !this.closed) await new Promise((resolve) => setImmediate(resolve))
    const ack = Buffer.alloc(9)
    writeSettingsAck(ack, 0)
    this.socket.write(ack)
  }

  get resetCount(): number {
    let count = 0
    for (const each of this.resets.values()) count += each
    return count
  }

  /** A request without a body, as one HEADERS frame. */
  get(streamId: number, path: string, ...fields: readonly Field[]): Buffer {
    return this.head(streamId, 'GET', path, true, ...fields)
  }

  head(streamId: number, method: string, path: string, endStream: boolean, ...fields: readonly Field[]): Buffer {
    const frameFlags = flags.endHeaders | (endStream ? flags.endStream : 0)
    return frameOf(frameTypes.headers, frameFlags, streamId, this.block(method, path, ...fields))
  }

  block(method: string, path: string, ...fields: readonly Field[]): Buffer {
    const name = 'gateway.test'
    return block([':method', method], [':scheme', this.scheme], [':path', path], [':authority', name], ...fields)
  }

  #visitor(): FrameVisitor {
    return {
      data: (_streamId, _buf, _start, _end, flowBytes) => {
        this.dataBytes += flowBytes
        this.came()
      },
      headers: () => this.heads++,
      settings: () => (this.settingsCame = true),
      settingsAck: () => {},
      ping: () => {},
      pingAck: () => {},
      windowUpdate: (streamId, increment) => this.granted(streamId, increment),
      rstStream: (_streamId, code) => this.resets.set(code, (this.resets.get(code) ?? 0) + 1),
      goaway: (_lastStreamId, code) => (this.goaway = code),
      ignored: () => {},
      streamError: () => {},
    }
  }
}

export function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return frameOf(frameTypes.windowUpdate, 0, streamId, number32(increment))
}

export function reset(streamId: number, code = 8): Buffer {
  return frameOf(frameTypes.rstStream, 0, streamId, number32(code))
}

export function setting(id: number, value: number): Buffer {
  return frameOf(frameTypes.settings, 0, 0, Buffer.concat([Buffer.from([0, id]), number32(value)]))
}

/** `frame` so many times. */
export function repeated(frame: Buffer, times: number): Buffer {
  return Buffer.concat(Array.from({ length: times }, () => frame))
}
