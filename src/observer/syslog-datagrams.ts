import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import type { Outlet } from './outlet.ts'
import type { SyslogFormatter } from './syslog-message.ts'

import { backoff, createOutage, linesOf, type Outage, reasonOf, utf8Within } from './syslog-outage.ts'
import type { SyslogHooks, SyslogLimits } from './syslog-outage.ts'

export interface DatagramOptions {
  readonly place: string
  readonly host: string
  readonly port: number
  readonly format: SyslogFormatter
  readonly hooks: SyslogHooks
  readonly limits: SyslogLimits
}

/** What rsyslog takes as it comes. RFC 5426 section 3.2 has 2048 as what receivers should take, and 65507 as the end. */
const maxMessageBytes = 8192

/**
 * One message a datagram (RFC 5426 section 3.1). Nothing tells that one has arrived: counted as lost are those that could not
 * be sent, and one for each refusal that a machine without a receiver sends back.
 */
export class SyslogDatagrams implements Outlet {
  #options: DatagramOptions
  #outage: Outage
  #socket: Socket | null = null
  #openedAt = 0
  #opening = false
  #retry: NodeJS.Timeout | null = null
  #failures = 0
  /** While the address is looked for. */
  #waiting: Buffer[] = []
  #queuedBytes = 0
  #queuedRecords = 0
  #dropped = 0
  /** Since the last failure. */
  #sent = false
  #closing: (() => void) | null = null
  #over = false

  constructor(options: DatagramOptions) {
    this.#options = options
    this.#outage = createOutage(
      options.place,
      options.limits.settleMs,
      options.hooks,
      () => this.#sent,
      () => this.#dropped,
    )
    this.#open()
  }

  get dropped(): number {
    return this.#dropped
  }

  write(lines: Uint8Array): void {
    const { format, hooks, limits } = this.#options
    const at = hooks.now()
    // Another machine may have the name by now, and nothing else would tell.
    if (this.#socket !== null && performance.now() - this.#openedAt > limits.addressMs) this.#open()
    for (const line of linesOf(lines)) {
      const message = utf8Within(format(line, at), maxMessageBytes)
      const full =
        this.#queuedBytes + message.length > limits.queuedBytes || this.#queuedRecords >= limits.queuedRecords
      if (full || this.#closing !== null) {
        this.#outage.failed('messages cannot be sent as fast as they come; lines are being lost')
        this.#dropped++
        continue
      }
      this.#queuedBytes += message.length
      this.#queuedRecords++
      if (this.#socket === null) this.#waiting.push(message)
      else this.#send(this.#socket, message)
    }
  }

  async close(timeoutMs: number): Promise<void> {
    this.#outage.stop()
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#closing = () => {
        clearTimeout(timer)
        resolve()
      }
      this.#settled()
    })
    this.#over = true
    this.#dropped += this.#queuedRecords
    this.#waiting = []
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#socket?.close()
    this.#socket = null
  }

  #open(): void {
    if (this.#opening || this.#retry !== null) return
    this.#opening = true
    void this.#connected().then(
      (socket) => {
        this.#opening = false
        if (this.#over) {
          socket.close()
          return
        }
        this.#failures = 0
        this.#openedAt = performance.now()
        const old = this.#socket
        this.#socket = socket
        // What it still had to send is called back with an error, and counted.
        old?.close()
        for (const message of this.#waiting.splice(0)) this.#send(socket, message)
      },
      (error: unknown) => {
        this.#opening = false
        this.#openedAt = performance.now()
        this.#fail(reasonOf(error), 0)
        if (this.#over) return
        this.#retry = setTimeout(
          () => {
            this.#retry = null
            this.#open()
          },
          backoff(this.#failures++, this.#options.limits.backoffMs),
        )
      },
    )
  }

  /** A connected socket hears of refusals, and asks for the address once. */
  async #connected(): Promise<Socket> {
    const { host, port } = this.#options
    const { address, family } = await lookup(host)
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.once('error', reject)
    socket.connect(port, address, resolve)
    await promise.catch((error: unknown) => {
      socket.close()
      throw error
    })
    socket.removeAllListeners('error')
    socket.on('error', (error) => this.#fail(reasonOf(error), 1))
    return socket
  }

  #send(socket: Socket, message: Buffer): void {
    socket.send(message, (error) => {
      this.#queuedBytes -= message.length
      this.#queuedRecords--
      if (error === null) this.#sent = true
      else this.#fail(reasonOf(error), 1)
      this.#settled()
    })
  }

  #fail(reason: string, records: number): void {
    if (this.#over) return
    this.#outage.failed(reason)
    this.#sent = false
    this.#dropped += records
  }

  #settled(): void {
    if (this.#queuedRecords === 0) this.#closing?.()
  }
}
