import { type OnReadOpts, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { clientReadBuffer } from './read-buffer.ts'

type Read = (length: number) => boolean

/** Who reads from a socket that has been given shared reads. */
const readers = new WeakMap<Socket, { read: Read }>()

/**
 * Gives an accepted connection the read path of `onread`, which `net.connect` offers and servers do not: all connections
 * read into one buffer, and a request costs no allocation, no garbage and none of the stream's queueing.
 * A socket that has shared reads already is returned as it is, and read by `read` from then on.
 *
 * @param read called with the number of bytes in `clientReadBuffer`; false pauses the socket
 * @returns the socket to use from now on; null where the runtime does not allow it, and 'data' events serve
 */
export function withSharedReads(accepted: Socket, read: Read): Socket | null {
  const reader = readers.get(accepted)
  if (reader !== undefined) {
    reader.read = read
    return accepted
  }
  const handle = handleOf(accepted)
  if (handle === null) return null
  const current = { read }
  const callback: Read = (length) => current.read(length)
  const socket =
    accepted instanceof TLSSocket ? sharedTls(accepted, handle, callback) : sharedPlain(accepted, handle, callback)
  if (socket !== null) readers.set(socket, current)
  return socket
}

/** Hands bytes that someone else has read to whoever reads from the socket now. @returns false: it reads no more */
export function readAgain(socket: Socket, bytes: Buffer): boolean {
  const reader = readers.get(socket)
  if (reader === undefined) return true
  bytes.copy(clientReadBuffer)
  return reader.read(bytes.length)
}

interface BufferHandle {
  useUserBuffer(buffer: Buffer): void
}

/** The accepted socket hands its handle to a new one, as the runtime's own cluster module does; not in its documentation. */
function sharedPlain(accepted: Socket, handle: BufferHandle, callback: Read): Socket {
  const onread: OnReadOpts = { buffer: clientReadBuffer, callback }
  const options: object = { handle, onread, allowHalfOpen: true }
  const socket = new Socket(options)
  ;(accepted as Socket & { _handle?: unknown })._handle = null
  return socket
}

/**
 * A TLS socket keeps its handle, which is tied to it, and is told of the buffer in the way its constructor would have
 * been: `tls.connect` has the option, servers do not pass it on.
 */
function sharedTls(accepted: TLSSocket, handle: BufferHandle, callback: Read): Socket | null {
  // What is in the stream's queue already would be overtaken: it came before its worker was in force.
  if (accepted.readableLength > 0) return null
  const fields = Object.getOwnPropertySymbols(accepted)
  const bufferField = fields.find(({ description }) => description === 'kBuffer')
  const callbackField = fields.find(({ description }) => description === 'kBufferCb')
  const socket = accepted as unknown as Record<symbol, unknown>
  if (bufferField === undefined || callbackField === undefined) return null
  if (socket[bufferField] !== null || socket[callbackField] !== null) return null
  socket[bufferField] = clientReadBuffer
  socket[callbackField] = callback
  handle.useUserBuffer(clientReadBuffer)
  return accepted
}

function handleOf(accepted: Socket): BufferHandle | null {
  const { _handle: handle } = accepted as Socket & { _handle?: unknown }
  if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return null
  return handle as BufferHandle
}
