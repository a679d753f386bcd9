import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { getSystemErrorName } from 'node:util'

/** Writes text at once, past the stream. */
export interface DirectWrites {
  /** latin1 text. @returns false when nothing was written, and the stream has to */
  write(text: string): boolean
  /** Part of the last one is not with the kernel yet. The stream's `writableLength` does not know of it. */
  readonly pending: boolean
}

/**
 * Short text straight to the handle of a plain connection: a stream's write of it costs a native request object and a walk
 * through the stream's states, for what the kernel takes at once nearly always. What it does not take is left to libuv,
 * whose queue the stream's own writes, its end and its destruction come behind.
 *
 * Never for TLS: a handle of TLS aborts the process over a second write before the first has been acknowledged, and the
 * stream is what keeps them apart.
 *
 * @returns null where the runtime does not allow it; then everything goes through the stream
 */
export function directWrites(socket: Socket): DirectWrites | null {
  if (native === null || socket instanceof TLSSocket) return null
  const { _handle: handle } = socket as Socket & { _handle?: unknown }
  return hasTextWrites(handle) ? new HandleWrites(socket, handle, native) : null
}

/** Longer text the handle does not try to write at once. */
const longestDirect = 16_384

interface TextHandle {
  /** @returns 0, or a negative error number. An untouched request can be used again. */
  writeLatin1String(request: WriteRequest, text: string): number
}

interface WriteRequest {
  oncomplete?: (status: number) => void
}

interface NativeWrites {
  readonly newRequest: () => WriteRequest
  /** Of the last write on this thread: the handle keeps the request, and completes it later. */
  readonly lastWasAsync: () => boolean
}

class HandleWrites implements DirectWrites {
  readonly #socket: Socket
  readonly #handle: TextHandle
  readonly #native: NativeWrites
  pending = false

  constructor(socket: Socket, handle: TextHandle, natives: NativeWrites) {
    this.#socket = socket
    this.#handle = handle
    this.#native = natives
  }

  write(text: string): boolean {
    const socket = this.#socket
    // One at a time, and only before an empty stream: what piles up is the stream's, which counts it. (I10)
    if (this.pending || text.length > longestDirect || socket.writableLength > 0 || !socket.writable) return false
    spare ??= this.#native.newRequest()
    const status = this.#handle.writeLatin1String(spare, text)
    if (status !== 0) {
      socket.destroy(writeError(status))
    } else if (this.#native.lastWasAsync()) {
      spare.oncomplete = (outcome) => this.#completed(outcome)
      spare = null
      this.pending = true
    }
    return true
  }

  #completed(status: number): void {
    this.pending = false
    if (status < 0 && !this.#socket.destroyed) this.#socket.destroy(writeError(status))
  }
}

/** Shared by all connections: the handle takes a request only when it could not write at once. */
let spare: WriteRequest | null = null

const native = nativeWrites()

function nativeWrites(): NativeWrites | null {
  try {
    const internals = process as unknown as { binding(name: string): Record<string, unknown> }
    const wraps = internals.binding('stream_wrap')
    const { WriteWrap: Request, streamBaseState: state, kLastWriteWasAsync: index } = wraps
    if (typeof Request !== 'function' || !ArrayBuffer.isView(state) || typeof index !== 'number') return null
    const words = state as Int32Array
    return {
      newRequest: () => new (Request as new () => WriteRequest)(),
      lastWasAsync: () => words[index] !== 0,
    }
  } catch {
    return null
  }
}

function hasTextWrites(handle: unknown): handle is TextHandle {
  return typeof handle === 'object' && handle !== null && 'writeLatin1String' in handle
}

function writeError(status: number): Error {
  return Object.assign(new Error(`write failed: ${getSystemErrorName(status)}`), { code: getSystemErrorName(status) })
}
