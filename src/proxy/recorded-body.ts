import type { RecordedBody } from '../observe/recording.ts'
import { latin1 } from '../wire/bytes.ts'
import { ChunkedDecoder } from '../wire/h1/chunked.ts'

/** The first bytes of a body that passes, and how many there were. */
export class BodyCapture {
  /** Something of the body has come. */
  begun = false
  #text = ''
  #bytes = 0
  #chunks: ChunkedDecoder | null = null

  /** Bytes come from the start. `framed`: they are chunked as HTTP/1.1 has it, and checked. */
  begin(framed: boolean): void {
    this.begun = true
    if (!framed) return
    this.#chunks = new ChunkedDecoder()
    this.#chunks.reset(false)
  }

  /** @returns bytes that were kept; at most `most` */
  add(buf: Buffer, start: number, end: number, most: number): number {
    const chunks = this.#chunks
    if (chunks === null) return this.#data(buf, start, end, most)
    chunks.decode(buf, start, end)
    let kept = 0
    for (let at = 0; at < chunks.rangeCount; at += 2) {
      kept += this.#data(buf, chunks.ranges[at] as number, chunks.ranges[at + 1] as number, most - kept)
    }
    return kept
  }

  get keptBytes(): number {
    return this.#text.length
  }

  get body(): RecordedBody {
    return { text: this.#text, bytes: this.#bytes }
  }

  #data(buf: Buffer, start: number, end: number, most: number): number {
    this.#bytes += end - start
    const take = Math.min(end - start, most)
    if (take <= 0) return 0
    this.#text += latin1(buf, start, start + take)
    return take
  }
}
