import type { Socket } from 'node:net'
import type { Outlet } from './outlet.ts'
import type { SyslogFormatter } from './syslog-message.ts'

import { backoff, createOutage, linesOf, type Outage, reasonOf, utf8Within } from './syslog-outage.ts'
import type { SyslogHooks, SyslogLimits } from './syslog-outage.ts'

export interface StreamOptions {
  /** For texts: `tls://loghost:6514`. */
  readonly place: string
  /** Begins to connect; `ready` is called when messages may be written. */
  readonly connect: (ready: () => void) => Socket
  readonly format: SyslogFormatter
  readonly hooks: SyslogHooks
  readonly limits: SyslogLimits
}

/** Longer messages are cut; receivers allow far less. */
const maxMessageBytes = 64 * 1024
/** What is written at once, and comes twice where it is not known how much of it the receiver has. */
const maxWriteBytes = 64 * 1024

interface Frames {
  readonly bytes: Buffer
  readonly records: number
}

/**
 * Messages over a connection, each with its length before it (RFC 6587 section 3.4.1, RFC 5425 section 4.3). The protocol has
 * no acknowledgement: what the kernel had taken when a connection broke may be lost, and nobody can count it. What it had
 * not taken is sent again over the next one; of the last 64 KiB some may come twice.
 */
export class SyslogStream implements Outlet {
  #options: StreamOptions
  #outage: Outage
  #queue: Frames[] = []
  #queuedBytes = 0
  #queuedRecords = 0
  #dropped = 0
  #socket: Socket | null = null
  #ready = false
  #readyAt = 0
  #writing = false
  /** Of the connection: it is connecting, or a write is under way. */
  #deadline: NodeJS.Timeout | null = null
  #retry: NodeJS.Timeout | null = null
  #failures = 0
  #closing: (() => void) | null = null

  constructor(options: StreamOptions) {
    this.#options = options
    const { place, limits, hooks } = options
    this.#outage = createOutage(
      place,
      limits.settleMs,
      hooks,
      () => this.#ready,
      () => this.#dropped,
    )
    this.#connect()
  }

  get dropped(): number {
    return this.#dropped
  }

  write(lines: Uint8Array): void {
    const { format, hooks } = this.#options
    const at = hooks.now()
    let parts: Buffer[] = []
    let bytes = 0
    const flush = () => {
      if (parts.length > 0) this.#enqueue({ bytes: Buffer.concat(parts), records: parts.length })
      parts = []
      bytes = 0
    }
    for (const line of linesOf(lines)) {
      const message = utf8Within(format(line, at), maxMessageBytes)
      const frame = Buffer.concat([Buffer.from(`${message.length} `), message])
      if (bytes + frame.length > maxWriteBytes) flush()
      parts.push(frame)
      bytes += frame.length
    }
    flush()
    this.#pump()
  }

  async close(timeoutMs: number): Promise<void> {
    this.#outage.stop()
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.#closing = () => {
        clearTimeout(timer)
        resolve()
      }
      if (this.#retry !== null) {
        // Once more, if it is waiting to.
        clearTimeout(this.#retry)
        this.#retry = null
        if (timeoutMs > 0 && this.#queue.length > 0) this.#connect()
      }
      if (this.#queue.length === 0 && !this.#ready) this.#closing()
      this.#pump()
    })
    this.#dropped += this.#queuedRecords
    this.#queue = []
    this.#queuedBytes = 0
    this.#queuedRecords = 0
    this.#clearDeadline()
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#socket?.destroy()
  }

  #enqueue(frames: Frames): void {
    const { limits } = this.#options
    const full =
      this.#queuedBytes + frames.bytes.length > limits.queuedBytes ||
      this.#queuedRecords + frames.records > limits.queuedRecords
    if (full || this.#closing !== null) {
      // After a failed connection there is nothing new to say.
      this.#outage.failed('takes messages slower than they come; lines are being lost')
      this.#dropped += frames.records
      return
    }
    this.#queue.push(frames)
    this.#queuedBytes += frames.bytes.length
    this.#queuedRecords += frames.records
  }

  #pump(): void {
    if (this.#writing || !this.#ready || this.#socket === null) return
    if (this.#queue.length === 0) return this.#finish()
    const socket = this.#socket
    const count = this.#countOfWrite()
    const frames = this.#queue.slice(0, count)
    this.#writing = true
    this.#armDeadline(this.#options.limits.stallMs, 'has taken nothing for a while')
    socket.write(
      frames.length === 1 ? (frames[0]?.bytes ?? '') : Buffer.concat(frames.map(({ bytes }) => bytes)),
      (error) => {
        // What was not taken stays in the queue; why is told by `error` and `close`.
        if (error != null || socket !== this.#socket) return
        this.#writing = false
        this.#clearDeadline()
        this.#queue.splice(0, count)
        for (const { bytes, records } of frames) {
          this.#queuedBytes -= bytes.length
          this.#queuedRecords -= records
        }
        this.#pump()
      },
    )
  }

  #countOfWrite(): number {
    let count = 0
    let bytes = 0
    for (const frames of this.#queue) {
      bytes += frames.bytes.length
      if (count > 0 && bytes > maxWriteBytes) break
      count++
    }
    return count
  }

  /** All is with the kernel; a `close` that waits ends when the end of the stream is there too. */
  #finish(): void {
    const done = this.#closing
    if (done !== null) this.#socket?.end(done)
  }

  #connect(): void {
    let reason = 'the receiver closed the connection'
    const socket = this.#options.connect(() => {
      this.#ready = true
      this.#readyAt = performance.now()
      this.#clearDeadline()
      this.#pump()
    })
    this.#socket = socket
    this.#armDeadline(this.#options.limits.connectTimeoutMs, 'does not answer')
    socket.setKeepAlive(true, 60_000)
    // Nothing is expected, but only who reads learns of the end.
    socket.resume()
    socket.on('error', (error) => (reason = reasonOf(error)))
    socket.on('end', () => socket.destroy())
    socket.on('close', () => {
      if (socket === this.#socket) this.#lost(reason)
    })
  }

  #lost(reason: string): void {
    const { limits } = this.#options
    const lived = this.#ready ? performance.now() - this.#readyAt : 0
    this.#failures = lived >= limits.settleMs ? 1 : this.#failures + 1
    this.#socket = null
    this.#ready = false
    this.#writing = false
    this.#clearDeadline()
    if (this.#closing !== null) return this.#closing()
    this.#outage.failed(reason)
    this.#retry = setTimeout(
      () => {
        this.#retry = null
        this.#connect()
      },
      backoff(this.#failures - 1, limits.backoffMs),
    )
  }

  #armDeadline(ms: number, reason: string): void {
    this.#clearDeadline()
    const socket = this.#socket
    this.#deadline = setTimeout(() => socket?.destroy(new Error(`${reason} (${ms} ms)`)), ms)
  }

  #clearDeadline(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline)
    this.#deadline = null
  }
}
