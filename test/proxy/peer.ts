import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'

/** A message as it was on the wire, latin1: one character a byte. */
export interface WireMessage {
  readonly start: string
  /** Header lines in their order, as they came. */
  readonly lines: readonly string[]
  /** The body as it was framed: chunk sizes and trailers included. */
  readonly raw: string
  /** The data alone. */
  readonly body: string
}

/** How the other side ended: `end` is a FIN, `reset` anything that destroyed what was under way. */
export type Ending = 'end' | 'reset'

/** One end of a connection, driven by hand. What is read is consumed piece by piece, so a test can say what comes next. */
export class Peer {
  readonly socket: Socket
  readonly ended: Promise<Ending>
  #unread = ''
  #ending: Ending | null = null
  #wake: (() => void) | null = null

  constructor(socket: Socket) {
    this.socket = socket
    this.ended = new Promise((resolve) => {
      const end = (ending: Ending): void => {
        this.#ending ??= ending
        resolve(this.#ending)
        this.#wake?.()
      }
      socket.on('data', (chunk: Buffer) => {
        this.#unread += chunk.toString('latin1')
        this.#wake?.()
      })
      socket.once('end', () => end('end'))
      socket.once('error', () => end('reset'))
      socket.once('close', () => end('reset'))
    })
  }

  static async connect(port: number): Promise<Peer> {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
    const peer = new Peer(socket)
    await once(socket, 'connect')
    return peer
  }

  static async connectTls(options: ConnectionOptions): Promise<Peer> {
    const socket = connectTls({ host: '127.0.0.1', allowHalfOpen: true, ...options } as ConnectionOptions)
    const peer = new Peer(socket)
    await once(socket, 'secureConnect')
    return peer
  }

  /** What has arrived and was not read yet. */
  get unread(): string {
    return this.#unread
  }

  send(text: string | Buffer): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
  }

  end(): void {
    this.socket.end()
  }

  /** An abortive close: the other side sees a reset. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Reads up to and with `marker`. */
  async until(marker: string): Promise<string> {
    return this.#take(() => {
      const at = this.#unread.indexOf(marker)
      return at === -1 ? -1 : at + marker.length
    }, JSON.stringify(marker))
  }

  async exactly(count: number): Promise<string> {
    return this.#take(() => (this.#unread.length >= count ? count : -1), `${count} bytes`)
  }

  /** Everything until the other side ends. */
  async rest(): Promise<string> {
    await this.ended
    const text = this.#unread
    this.#unread = ''
    return text
  }

  /** Reads a request, with its body. */
  async request(): Promise<WireMessage> {
    const head = await this.until('\r\n\r\n')
    return this.#message(head, true, false)
  }

  /** Reads a response, informational ones included. `bodiless`: it answers a HEAD. */
  async response(bodiless = false): Promise<WireMessage> {
    const head = await this.until('\r\n\r\n')
    const status = Number(head.slice(9, 12))
    return this.#message(head, false, bodiless || status < 200 || status === 204 || status === 304)
  }

  async #message(head: string, request: boolean, bodiless: boolean): Promise<WireMessage> {
    const [start = '', ...lines] = head.slice(0, -4).split('\r\n')
    const fields = { start, lines }
    if (bodiless) return { ...fields, raw: '', body: '' }
    if (fieldOf(fields, 'transfer-encoding') === 'chunked') {
      let raw = ''
      let body = ''
      for (;;) {
        const line = await this.until('\r\n')
        raw += line
        const size = Number.parseInt(line, 16)
        if (size === 0) break
        const data = await this.exactly(size + 2)
        raw += data
        body += data.slice(0, -2)
      }
      let trailer: string
      do {
        trailer = await this.until('\r\n')
        raw += trailer
      } while (trailer !== '\r\n')
      return { ...fields, raw, body }
    }
    const length = fieldOf(fields, 'content-length')
    const body = length !== null ? await this.exactly(Number(length)) : request ? '' : await this.rest()
    return { ...fields, raw: body, body }
  }

  async #take(length: () => number, wanted: string): Promise<string> {
    for (;;) {
      const count = length()
      if (count !== -1) {
        const text = this.#unread.slice(0, count)
        this.#unread = this.#unread.slice(count)
        return text
      }
      if (this.#ending !== null) {
        throw new Error(
          `the connection ended (${this.#ending}) before ${wanted}; unread: ${JSON.stringify(this.#unread.slice(0, 200))}`,
        )
      }
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

/** The value of a header field, or null; the values of a repeated one joined by `|`. */
export function fieldOf(message: { readonly lines: readonly string[] }, name: string): string | null {
  const values = message.lines
    .filter((line) => line.slice(0, line.indexOf(':')).toLowerCase() === name.toLowerCase())
    .map((line) => line.slice(line.indexOf(':') + 1).trim())
  return values.length === 0 ? null : values.join('|')
}

export function statusOf(message: WireMessage): number {
  return Number(message.start.slice(9, 12))
}

/** One request on a connection of its own, and its final response. */
export async function ask(port: number, request: string): Promise<WireMessage> {
  const peer = await Peer.connect(port)
  peer.send(request)
  const bodiless = request.startsWith('HEAD ')
  let response = await peer.response(bodiless)
  while (statusOf(response) < 200) response = await peer.response(bodiless)
  peer.destroy()
  return response
}

/** A request without a body, with these header lines after Host. */
export function get(path: string, ...lines: readonly string[]): string {
  return request('GET', path, ...lines)
}

export function request(method: string, path: string, ...lines: readonly string[]): string {
  return `${method} ${path} HTTP/1.1\r\nHost: gateway.test\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`
}
