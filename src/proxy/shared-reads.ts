import { type OnReadOpts, Socket } from 'node:net'
import { clientReadBuffer } from './read-buffer.ts'

/**
 * Gives an accepted connection the read path of `onread`, which `net.connect` offers and `net.createServer` does not: all
 * connections read into one buffer, and a request costs no allocation, no garbage and none of the stream's queueing.
 * The accepted socket hands its handle to a new one; where the runtime does not let it, null, and 'data' events serve.
 *
 * @param read called with the number of bytes in `clientReadBuffer`; false pauses the socket
 */
export function withSharedReads(accepted: Socket, read: (length: number) => boolean): Socket | null {
  // Not in the documentation, but what the runtime's own cluster module does with accepted handles.
  const { _handle: handle } = accepted as Socket & { _handle?: unknown }
  if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return null
  const onread: OnReadOpts = { buffer: clientReadBuffer, callback: read }
  const options: object = { handle, onread, allowHalfOpen: true }
  const socket = new Socket(options)
  ;(accepted as Socket & { _handle?: unknown })._handle = null
  return socket
}
