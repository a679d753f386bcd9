import { FrameReader, type FrameReaderOptions } from '../../src/wire/h2/frame-reader.ts'
import type { FrameVisitor } from '../../src/wire/h2/frame-visitor.ts'
import { type H2Refusal, h2Refusals } from '../../src/wire/h2/refusals.ts'

function refusalName(refusal: H2Refusal): string {
  const name = Object.entries(h2Refusals).find(([, known]) => known === refusal)?.[0]
  if (name === undefined) throw new Error(`a refusal of its own: ${JSON.stringify(refusal)}`)
  return name
}

/** Writes down what a reader says. Pieces of one DATA frame are joined, so what was said does not depend on the splits. */
export class RecordingVisitor implements FrameVisitor {
  readonly events: string[] = []
  /** The last event is DATA that did not end its stream. */
  #open = false
  #piece = ''
  #flowBytes = 0
  /** Calls of `data`. */
  pieces = 0

  data(streamId: number, buf: Buffer, start: number, end: number, flowBytes: number, endStream: boolean): void {
    // Two frames of one stream in a row are one event as well: what matters is what they say and take together.
    this.pieces++
    const text = buf.toString('latin1', start, end)
    const previous = this.events.at(-1)
    if (this.#open && previous?.startsWith(`data ${streamId} `) === true) {
      this.events.pop()
      this.#piece += text
      this.#flowBytes += flowBytes
    } else {
      this.#piece = text
      this.#flowBytes = flowBytes
    }
    this.#open = !endStream
    this.events.push(`data ${streamId} ${this.#piece} ${this.#flowBytes}${endStream ? ' end' : ''}`)
  }

  #say(event: string): void {
    this.#open = false
    this.events.push(event)
  }

  headers(
    streamId: number,
    block: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    refusal: H2Refusal | null,
  ): void {
    const why = refusal === null ? '' : ` refused ${refusalName(refusal)}`
    this.#say(`headers ${streamId} ${block.toString('hex', start, end)}${endStream ? ' end' : ''}${why}`)
  }

  settings(windowShift: number): void {
    this.#say(`settings ${windowShift}`)
  }

  settingsAck(): void {
    this.#say('settings ack')
  }

  ping(buf: Buffer, at: number): void {
    this.#say(`ping ${buf.toString('latin1', at, at + 8)}`)
  }

  pingAck(buf: Buffer, at: number): void {
    this.#say(`ping ack ${buf.toString('latin1', at, at + 8)}`)
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#say(`window ${streamId} ${increment}`)
  }

  rstStream(streamId: number, code: number): void {
    this.#say(`reset ${streamId} ${code}`)
  }

  goaway(lastStreamId: number, code: number, debug: string): void {
    this.#say(`goaway ${lastStreamId} ${code} ${debug}`)
  }

  ignored(type: number, streamId: number): void {
    this.#say(`ignored ${type} ${streamId}`)
  }

  streamError(streamId: number, refusal: H2Refusal): void {
    this.#say(`stream error ${streamId} ${refusalName(refusal)}`)
  }
}

export interface Reading {
  readonly events: readonly string[]
  readonly refusal: string | null
}

/** What a reader makes of `bytes` when they come in pieces that end at `cuts`, each in a buffer that is overwritten after. */
export function readPieces(bytes: Buffer, cuts: readonly number[], options: FrameReaderOptions): Reading {
  const visitor = new RecordingVisitor()
  const reader = new FrameReader(visitor, options)
  let start = 0
  for (const end of [...cuts, bytes.length]) {
    const shared = Buffer.alloc(end - start + 2, 0x77)
    bytes.copy(shared, 1, start, end)
    const refusal = reader.feed(shared, 1, 1 + end - start)
    shared.fill(0x77)
    if (refusal !== null) return { events: visitor.events, refusal: refusalName(refusal) }
    start = end
  }
  return { events: visitor.events, refusal: null }
}
