import type { Socket } from 'node:net'
import { clientPreface } from '../wire/h2/frames.ts'
import type { Timed } from './deadlines.ts'
import type { ListenerClient, ListenerRuntime } from './listeners.ts'
import { clientReadBuffer } from './read-buffer.ts'
import type { WorkerRuntime } from './runtime.ts'
import { readAgain, withSharedReads } from './shared-reads.ts'

/** `PRI * HTTP/2.0`: no request of HTTP/1.1 begins with these bytes. The rest of the preface is HTTP/2's to check. */
const decisive = clientPreface.subarray(0, 14)

export type Protocol = 'h2' | 'http/1.1'

/**
 * A connection without TLS whose client has not shown yet whether it speaks HTTP/2 (prior knowledge, RFC 9113 section
 * 3.3). Decided by its first bytes, which may come one by one; whoever serves it then reads them again.
 */
export class UndecidedClient implements Timed, ListenerClient {
  deadline: number
  readonly idle = true
  readonly #runtime: WorkerRuntime
  readonly #listener: ListenerRuntime
  readonly #socket: Socket
  readonly #decided: (protocol: Protocol, socket: Socket) => void
  /** Bytes that came before, all of which match. */
  #matched = 0
  #over = false
  readonly #onData = (chunk: Buffer): void => this.#data(chunk)
  readonly #onEnd = (): void => this.destroy()

  /** @param decided serves the connection; called once, with nothing of what the client sent lost */
  constructor(
    runtime: WorkerRuntime,
    listener: ListenerRuntime,
    accepted: Socket,
    decided: (protocol: Protocol, socket: Socket) => void,
  ) {
    this.#runtime = runtime
    this.#listener = listener
    this.#decided = decided
    const shared = withSharedReads(accepted, (length) => this.#read(length))
    this.#socket = shared ?? accepted
    this.deadline = runtime.deadlines.in(listener.plan.timeouts.headMs)
    runtime.deadlines.add(this)
    this.#socket.on('end', this.#onEnd)
    this.#socket.on('error', this.#onEnd)
    this.#socket.on('close', this.#onEnd)
    if (shared === null) {
      accepted.on('data', this.#onData)
      accepted.resume()
    }
  }

  drain(): void {
    this.destroy()
  }

  destroy(): void {
    if (this.#over) return
    this.#leave()
    this.#runtime.generation.metrics.clientClosed()
    this.#socket.on('error', () => {})
    this.#socket.destroy()
  }

  onDeadline(): void {
    this.destroy()
  }

  #read(length: number): boolean {
    const protocol = this.#protocol(clientReadBuffer, length)
    if (protocol === null) return true
    const before = decisive.subarray(0, this.#matched)
    // The buffer is about to be written to when there is something to be read before what is in it.
    const bytes = before.length === 0 ? null : Buffer.from(clientReadBuffer.subarray(0, length))
    this.#leave()
    this.#decided(protocol, this.#socket)
    if (bytes === null) return readAgain(this.#socket, clientReadBuffer.subarray(0, length))
    const first = readAgain(this.#socket, before)
    return readAgain(this.#socket, bytes) && first
  }

  /** Where the runtime does not let listeners' sockets share a buffer. */
  #data(chunk: Buffer): void {
    const protocol = this.#protocol(chunk, chunk.length)
    if (protocol === null) return
    this.#leave()
    this.#socket.pause()
    this.#socket.unshift(Buffer.concat([decisive.subarray(0, this.#matched), chunk]))
    this.#decided(protocol, this.#socket)
  }

  /** Compares what came with the preface; null: it may still become either. */
  #protocol(buf: Buffer, length: number): Protocol | null {
    const end = Math.min(length, decisive.length - this.#matched)
    for (let at = 0; at < end; at++) if (buf[at] !== decisive[this.#matched + at]) return 'http/1.1'
    if (this.#matched + end === decisive.length) return 'h2'
    this.#matched += end
    return null
  }

  #leave(): void {
    this.#over = true
    this.deadline = Number.POSITIVE_INFINITY
    this.#runtime.deadlines.delete(this)
    this.#listener.clients.delete(this)
    this.#socket.off('data', this.#onData)
    this.#socket.off('end', this.#onEnd)
    this.#socket.off('error', this.#onEnd)
    this.#socket.off('close', this.#onEnd)
  }
}
