import { connect, type Socket } from 'node:net'

export interface LoadOptions {
  readonly port: number
  /** Requests a second, over all connections. */
  readonly rate: number
  /** Kept-alive connections to the gateway. */
  readonly connections: number
  /** Path of the request with this number; it also goes out as `x-sequence`. */
  readonly path: (sequence: number) => string
  readonly done: (request: LoadedRequest) => void
  /** One request of so many goes out over a connection of its own; without it none. */
  readonly freshOneIn?: number
  /** All connections are opened and used in turn, instead of no more than are needed. */
  readonly spread?: boolean
}

export interface LoadedRequest {
  readonly sequence: number
  readonly startedAt: number
  readonly endedAt: number
  /** 0: the connection broke before the answer was complete. */
  readonly status: number
  readonly body: string
}

export interface Load {
  /** Requests that should have gone out and found no free connection. */
  readonly missed: number
  /** One request over each of so many connections that are free now, with `spread` those first that were used longest ago. */
  burst(connections: number): void
  /** Sends no more; resolves when all are answered. What takes longer than 10 s has status 0. */
  stop(): Promise<void>
}

/** A steady stream of GETs over kept-alive connections. Times are `performance.now()`, as the gateway's events here. */
export function startLoad(options: LoadOptions): Load {
  const free: Client[] = []
  const all = new Set<Client>()
  let sequence = 0
  let missed = 0
  let busy = 0
  let idle = (): void => {}
  const startedAt = performance.now()
  const send = (): void => {
    const alone = options.freshOneIn !== undefined && (sequence + missed) % options.freshOneIn === 0
    const mayOpen = all.size < options.connections
    const client =
      alone || (options.spread === true && mayOpen)
        ? open()
        : ((options.spread === true ? free.shift() : free.pop()) ?? (mayOpen ? open() : undefined))
    if (client === undefined) {
      missed++
      return
    }
    const number = ++sequence
    const begun = performance.now()
    busy++
    client.send(options.path(number), number, (status, body) => {
      busy--
      if (status === 0) all.delete(client)
      else if (alone) client.close()
      else free.push(client)
      options.done({ sequence: number, startedAt: begun, endedAt: performance.now(), status, body })
      if (busy === 0) idle()
    })
  }
  const open = (): Client => {
    const client = new Client(options.port, () => {
      all.delete(client)
      const at = free.indexOf(client)
      if (at !== -1) free.splice(at, 1)
    })
    all.add(client)
    return client
  }
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * options.rate) - sequence - missed
    for (let sent = 0; sent < due; sent++) send()
  }, 5)
  return {
    get missed() {
      return missed
    },
    burst(connections) {
      for (let left = Math.min(connections, free.length); left > 0; left--) send()
    },
    async stop() {
      clearInterval(timer)
      if (busy > 0) {
        const late = setTimeout(() => {
          for (const client of all) client.close()
        }, 10_000)
        await new Promise<void>((resolve) => {
          idle = resolve
        })
        clearTimeout(late)
      }
      for (const client of all) client.close()
    },
  }
}

/** One connection, one request at a time; answers need a Content-Length or are chunked in one piece. */
class Client {
  readonly #socket: Socket
  #received = ''
  #answered: ((status: number, body: string) => void) | null = null

  constructor(port: number, gone: () => void) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (text: string) => this.#read(text))
    this.#socket.on('error', () => {}) // 'close' follows
    this.#socket.on('close', () => {
      gone()
      this.#answer(0, this.#received)
    })
  }

  send(path: string, sequence: number, answered: (status: number, body: string) => void): void {
    this.#answered = answered
    this.#received = ''
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: api.test\r\nx-sequence: ${sequence}\r\n\r\n`)
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(text: string): void {
    this.#received += text
    const end = this.#received.indexOf('\r\n\r\n')
    if (end === -1) return
    const length = Number(/^content-length: (\d+)/im.exec(this.#received.slice(0, end))?.[1] ?? Number.NaN)
    if (Number.isNaN(length)) {
      // Not what these backends send; taken for a broken answer rather than guessed at.
      this.#socket.destroy()
      return
    }
    if (this.#received.length < end + 4 + length) return
    this.#answer(Number(this.#received.slice(9, 12)), this.#received.slice(end + 4))
  }

  #answer(status: number, body: string): void {
    const answered = this.#answered
    this.#answered = null
    answered?.(status, body)
  }
}
