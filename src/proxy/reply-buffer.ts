import type { Socket } from 'node:net'
import { latin1 } from '../wire/bytes.ts'
import { type DirectWrites, directWrites } from './direct-writes.ts'
import { chunkBytes, giveChunkBack, takeChunk } from './chunks.ts'
import { smallBytes } from './read-buffer.ts'

/**
 * What is on its way to one client, or the body of a request to one backend. Small answers are one string and one write. Bodies are gathered into chunks of 64 KiB:
 * TLS hands them over in records of 16 KiB, and a write per record is four system calls where one does.
 */
export class ReplyBuffer {
  readonly #socket: Socket
  readonly #direct: DirectWrites | null
  #text = ''
  #chunk: Buffer | null = null
  #used = 0

  constructor(socket: Socket) {
    this.#socket = socket
    this.#direct = directWrites(socket)
  }

  /** Body bytes wait for the end of the turn; see `flush`. */
  get gathering(): boolean {
    return this.#chunk !== null
  }

  /** Something handed over is not with the kernel yet. */
  get unsent(): boolean {
    return this.#socket.writableLength !== 0 || this.#direct?.pending === true
  }

  text(text: string): void {
    if (this.#chunk === null) {
      this.#text += text
    } else if (this.#used + text.length <= chunkBytes) {
      this.#used += this.#chunk.write(text, this.#used, 'latin1')
    } else {
      this.flush()
      this.#text = text
    }
  }

  /** Copies buf[start, end). */
  bytes(buf: Buffer, start: number, end: number): void {
    if (this.#chunk === null) {
      if (end - start <= smallBytes && this.#text.length <= smallBytes) {
        this.#text += latin1(buf, start, end)
        return
      }
      this.#begin()
    }
    let at = start
    while (at < end) {
      const chunk = this.#chunk ?? this.#begin()
      const take = Math.min(end - at, chunkBytes - this.#used)
      buf.copy(chunk, this.#used, at, at + take)
      this.#used += take
      at += take
      if (this.#used === chunkBytes) this.#writeChunk(chunk)
    }
  }

  /** Hands everything to the socket. */
  flush(): void {
    if (this.#chunk !== null) this.#writeChunk(this.#chunk)
    if (this.#text === '') return
    const text = this.#text
    this.#text = ''
    if (this.#direct === null || !this.#direct.write(text)) this.#socket.write(text, 'latin1')
  }

  /** Forgets what was not handed over. */
  drop(): void {
    if (this.#chunk !== null) giveChunkBack(this.#chunk)
    this.#chunk = null
    this.#text = ''
  }

  #begin(): Buffer {
    const chunk = takeChunk()
    this.#used = 0
    if (this.#text.length > chunkBytes >> 1) {
      const text = this.#text
      this.#text = ''
      this.#socket.write(text, 'latin1')
    } else if (this.#text !== '') {
      this.#used = chunk.write(this.#text, 0, 'latin1')
      this.#text = ''
    }
    this.#chunk = chunk
    return chunk
  }

  #writeChunk(chunk: Buffer): void {
    this.#chunk = null
    this.#socket.write(this.#used === chunkBytes ? chunk : chunk.subarray(0, this.#used), () => giveChunkBack(chunk))
  }
}
