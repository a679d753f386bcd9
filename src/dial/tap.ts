import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { CapturedAlert, CapturedHandshake } from '../wire/tls/captured-handshake.ts'
import { readClientFlight, readSentAlerts } from '../wire/tls/client-flight.ts'
import type { ClientHello } from '../wire/tls/handshake-messages.ts'
import { readServerFlight } from '../wire/tls/server-flight.ts'
import type { DialPhase } from './classify.ts'

/** Of a handshake; OpenSSL ends one whose certificates take more than 100 KiB. (I10) */
const maxReceived = 256 * 1024
const maxSent = 16 * 1024
/** TLS 1.3 has five, and each is about 200 bytes. */
const maxKeylogLines = 16
/** Reads and writes that are told apart; a peer may send a byte at a time. (I10) */
const maxPieces = 1024

/** Bytes of one direction as they came or went in one piece; under TLS, so nothing in them is in clear that was not on the wire. */
export interface TranscriptPiece {
  /** Ms since the epoch, with fractions. */
  readonly at: number
  readonly from: 'gateway' | 'backend'
  readonly bytes: Buffer
}

/**
 * Keeps what one dial sent and received under TLS, and when it reached which phase. For probes and debug sessions: bytes pass
 * through JavaScript twice, and no session is given or taken, as a resumed one shows neither chain nor request for ours.
 *
 * The key log opens the connection to whoever has it, so it stays in here; only what was read with it comes out. (I7)
 */
export class Tap {
  /** Called after bytes were received; to be set by who waits for more of them. */
  received: () => void = nothing
  readonly #reached = new Map<DialPhase, number>()
  readonly #keylog: string[] = []
  readonly #in = new Kept(maxReceived)
  readonly #out = new Kept(maxSent)
  readonly #pieces: TranscriptPiece[] = []
  /** What was read last, and of how many bytes. */
  #read: CapturedHandshake | null = null
  #readLength = 0
  #ended = false

  /** What TLS is to run over in the place of `tcp`, which is connected and has no reader. */
  over(tcp: Socket): Duplex {
    const send = (bytes: Buffer, done: () => void): void => {
      this.#keep('gateway', bytes)
      tcp.write(bytes, done)
    }
    const duplex = new Duplex({
      read: () => void tcp.resume(),
      write: (chunk: Buffer, _encoding, done) => send(chunk, done),
      // A flight of several pieces leaves in one, as it does without a tap.
      writev: (pieces, done) => send(Buffer.concat(pieces.map(({ chunk }) => chunk as Buffer)), done),
      final: (done) => void tcp.end(done),
      destroy(error, done) {
        tcp.destroy()
        done(error)
      },
    })
    tcp.on('data', (bytes: Buffer) => {
      this.#keep('backend', bytes)
      if (!duplex.push(bytes)) tcp.pause()
      this.received()
    })
    tcp.on('end', () => void duplex.push(null))
    tcp.on('error', (error) => void duplex.destroy(error))
    tcp.on('close', () => void duplex.destroy())
    return duplex
  }

  /** Collects the secrets of a handshake that has not begun. */
  follow(tls: TLSSocket): void {
    tls.on('keylog', (line: Buffer) => {
      if (!this.#ended && this.#keylog.length < maxKeylogLines) this.#keylog.push(line.toString('latin1'))
    })
  }

  enter(phase: DialPhase): void {
    if (!this.#reached.has(phase)) this.#reached.set(phase, performance.now())
  }

  /** When the dial came to this phase (`performance.now()`); null when it did not. */
  reached(phase: DialPhase): number | null {
    return this.#reached.get(phase) ?? null
  }

  /** What the server has sent so far; null when no TLS was begun. */
  handshake(): CapturedHandshake | null {
    if (!this.#reached.has('handshake')) return null
    if (this.#read === null || this.#readLength !== this.#in.length) {
      this.#readLength = this.#in.length
      this.#read = readServerFlight(this.#in.bytes(), this.#keylog)
    }
    return this.#read
  }

  /** Forgets what was kept, and keeps no more: the runtime lets go of a socket, and of what hangs on it, long after it closed. */
  end(): void {
    this.received = nothing
    this.#in.end()
    this.#out.end()
    this.#ended = true
    this.#pieces.length = 0
    this.#keylog.length = 0
    this.#read = null
  }

  /** What was offered to the server; null when nothing was sent. */
  clientHello(): ClientHello | null {
    return readClientFlight(this.#out.bytes())
  }

  /** Alerts that we have sent, as far as they can be read. */
  sentAlerts(): readonly CapturedAlert[] {
    return readSentAlerts(this.#out.bytes())
  }

  /** The bytes themselves, both directions in the order in which they passed here. The key log is no part of it. (I7) */
  transcript(): readonly TranscriptPiece[] {
    return [...this.#pieces]
  }

  #keep(from: TranscriptPiece['from'], bytes: Buffer): void {
    const kept = (from === 'gateway' ? this.#out : this.#in).add(bytes)
    if (kept === null || this.#pieces.length === maxPieces) return
    this.#pieces.push({ at: performance.timeOrigin + performance.now(), from, bytes: kept })
  }
}

/** The first bytes of one direction. */
class Kept {
  #limit: number
  readonly #chunks: Buffer[] = []
  length = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** @returns what of it is kept; null: nothing */
  add(chunk: Buffer): Buffer | null {
    const room = this.#limit - this.length
    if (room <= 0) return null
    const part = chunk.length > room ? chunk.subarray(0, room) : chunk
    if (this.#chunks.length === maxPieces) this.#chunks.splice(0, maxPieces, this.bytes())
    this.#chunks.push(part)
    this.length += part.length
    return part
  }

  end(): void {
    this.#limit = 0
    this.#chunks.length = 0
  }

  bytes(): Buffer {
    return this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
  }
}

function nothing(): void {
  // Nobody waits.
}
