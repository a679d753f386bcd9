import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { line } from '../wire/message.ts'
import { type CountingBackend, startCountingBackend } from './counting-backend.ts'
import { marker, type Message } from './messages.ts'
import type { Peer } from './peers.ts'
import { hungAfter, whenQuiet } from './quiet.ts'
import { answersIn, type Reading } from './reading.ts'

export interface SendOptions {
  /** One byte a write. */
  readonly dribble?: boolean
}

/**
 * Sends each message through the proxy on a connection of its own, one after the other at each door, and reads what
 * became of it.
 */
export async function readAllMessages(
  messages: readonly Message[],
  lanes: number,
  start: (ports: readonly number[]) => Promise<Peer>,
  options: SendOptions = {},
): Promise<ReadonlyMap<string, Reading>> {
  const backends = await Promise.all(Array.from({ length: lanes }, () => startCountingBackend()))
  const readings = new Map<string, Reading>()
  try {
    await using peer = await start(backends.map((backend) => backend.port))
    const queue = [...messages]
    await Promise.all(
      backends.map(async (backend, lane) => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          readings.set(next.name, await read(next, peer, lane, backend, options))
        }
      }),
    )
  } finally {
    await Promise.all(backends.map((backend) => backend[Symbol.asyncDispose]()))
  }
  return readings
}

async function read(
  message: Message,
  peer: Peer,
  lane: number,
  backend: CountingBackend,
  options: SendOptions,
): Promise<Reading> {
  const bytes = message.cut ? message.bytes : message.bytes + (message.late === '' ? marker : '')
  const client = await converse(peer.open(lane), backend, async (socket) => {
    if (options.dribble === true) await dribble(socket, bytes)
    else socket.write(bytes, 'latin1')
    if (message.cut) socket.end()
    return message.late === '' ? null : message.late + marker
  })
  const victim = await converse(peer.open(lane), backend, async (socket) => {
    socket.write(line('GET /base/victim HTTP/1.1').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    return null
  })
  // Whatever the proxy wrote before it answered that is here by now; it is read in the next turns.
  await turn()
  await turn()
  const seen = backend.take()
  // The victim's own request is no part of the message.
  const own = seen.requests.findLastIndex(({ target }) => target === '/base/victim')
  return {
    seen: { ...seen, requests: seen.requests.filter((_, index) => index !== own) },
    received: client.received,
    answers: answersIn(client.received),
    victim: answersIn(victim.received)
      .map(({ status, to }) => `${status} ${to}`)
      .join(),
    hung: client.hung || victim.hung,
  }
}

/** Until the proxy ends the connection, by itself or because the client did when nothing moved any more. */
async function converse(
  socket: Socket,
  backend: CountingBackend,
  send: (socket: Socket) => Promise<string | null>,
): Promise<{ received: string; hung: boolean }> {
  let received = ''
  let hung = false
  let late: string | null = null
  let activity = 0
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  socket.on('data', (bytes: Buffer) => {
    received += bytes.toString('latin1')
    activity++
    sendLate()
  })
  socket.on('error', () => resolve())
  socket.on('end', () => resolve())
  socket.on('close', () => resolve())
  const sendLate = (): void => {
    if (late === null) return
    activity++
    socket.write(late, 'latin1')
    late = null
  }
  await once(socket, 'connect').catch(() => resolve())
  late = await send(socket)
  if (received !== '') sendLate()
  // The proxy waits for more of the message, and is told that there is none.
  const stop = whenQuiet(
    () => activity + backend.activity,
    (times) => {
      if (late !== null) {
        sendLate()
      } else if (times > hungAfter) {
        hung = true
        socket.destroy()
      } else if (!socket.writableEnded) {
        socket.end()
      }
    },
  )
  await closed
  stop()
  socket.destroy()
  return { received, hung }
}

async function dribble(socket: Socket, bytes: string): Promise<void> {
  for (let at = 0; at < bytes.length && socket.writable && !socket.readableEnded; at++) {
    socket.write(bytes.charAt(at), 'latin1')
    await turn()
  }
}
