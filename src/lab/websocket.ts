import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/** Accepts a WebSocket (RFC 6455) and sends every message back. Frames above 64 KiB end the connection. */
export function echoWebSocket(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const key = request.headers['sec-websocket-key']
  if (key === undefined) {
    socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    return
  }
  const accept = createHash('sha1')
    .update(key + magic)
    .digest('base64')
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  let pending = head
  const drain = () => {
    for (;;) {
      const frame = readFrame(pending)
      if (frame === 'incomplete') return
      if (frame === 'too-large') {
        socket.destroy()
        return
      }
      pending = pending.subarray(frame.size)
      if (frame.opcode === opcodePong) continue
      const opcode = frame.opcode === opcodePing ? opcodePong : frame.opcode
      socket.write(writeFrame(opcode, frame.final, frame.payload))
      if (opcode === opcodeClose) {
        socket.end()
        return
      }
    }
  }
  socket.on('data', (bytes: Buffer) => {
    pending = pending.length === 0 ? bytes : Buffer.concat([pending, bytes])
    drain()
  })
  socket.on('error', () => socket.destroy())
  socket.on('end', () => socket.end())
  drain()
}

interface Frame {
  readonly opcode: number
  readonly final: boolean
  readonly payload: Buffer
  /** Bytes of the whole frame. */
  readonly size: number
}

/** One frame of a client, RFC 6455 section 5.2; those are always masked. */
function readFrame(bytes: Buffer): Frame | 'incomplete' | 'too-large' {
  if (bytes.length < 2) return 'incomplete'
  const first = bytes[0]!
  let length = bytes[1]! & 0x7f
  let at = 2
  if (length === 127) return 'too-large'
  if (length === 126) {
    if (bytes.length < 4) return 'incomplete'
    length = bytes.readUInt16BE(2)
    at = 4
  }
  if (bytes.length < at + 4 + length) return 'incomplete'
  const mask = bytes.subarray(at, at + 4)
  const payload = Buffer.from(bytes.subarray(at + 4, at + 4 + length))
  for (let i = 0; i < length; i++) payload[i]! ^= mask[i & 3]!
  return { opcode: first & 0x0f, final: (first & 0x80) !== 0, payload, size: at + 4 + length }
}

function writeFrame(opcode: number, final: boolean, payload: Buffer): Buffer {
  const first = (final ? 0x80 : 0) | opcode
  const { length } = payload
  const header = length < 126 ? [first, length] : [first, 126, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(header), payload])
}

const magic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const opcodeClose = 0x8
const opcodePing = 0x9
const opcodePong = 0xa
