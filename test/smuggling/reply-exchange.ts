import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { lines } from '../wire/message.ts'
import type { Peer } from './peers.ts'
import { hungAfter, whenQuiet } from './quiet.ts'
import type { Reply } from './reply-messages.ts'
import { readReplies } from './reply-readers.ts'

/** What became of one reply. */
export interface ReplyReading {
  /** Everything that the client got. */
  readonly received: string
  /** The first response, as `Reply.outcome` says it. */
  readonly outcome: string
  /** The second response, to the request that was sent right behind: `STATUS body`, or '' where none came. */
  readonly next: string
  /** The answer to another client's request. */
  readonly victim: string
  /** Whether one of those two came over the connection that the reply had been played on. */
  readonly again: boolean
  readonly hung: boolean
}

/** Has a backend play each reply behind the proxy, one after the other at each door. */
export async function readAllReplies(
  replies: readonly Reply[],
  lanes: number,
  start: (ports: readonly number[]) => Promise<Peer>,
): Promise<ReadonlyMap<string, ReplyReading>> {
  const backends = await Promise.all(Array.from({ length: lanes }, () => startPlayingBackend()))
  const readings = new Map<string, ReplyReading>()
  try {
    await using peer = await start(backends.map((backend) => backend.port))
    const queue = [...replies]
    await Promise.all(
      backends.map(async (backend, lane) => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          readings.set(next.name, await read(next, peer, lane, backend))
        }
      }),
    )
  } finally {
    await Promise.all(backends.map((backend) => backend[Symbol.asyncDispose]()))
  }
  return readings
}

async function read(reply: Reply, peer: Peer, lane: number, backend: PlayingBackend): Promise<ReplyReading> {
  backend.play(reply)
  const first = lines(`${reply.method} /base/case HTTP/1.1`, 'Host: api.test', ...reply.asks)
  // Bytes that come later are for an idle connection: nothing else is asked for then.
  const both = reply.late === ''
  const client = await converse(peer.open(lane), both ? first + next : first, backend)
  const victim = await converse(peer.open(lane), next.replace('/next', '/victim'), backend)
  const [own, second] = readReplies(client.received, [reply.method, 'GET'])
  return {
    received: client.received,
    outcome: own === undefined || !own.whole ? 'cut' : own.status >= 500 ? 'refused' : `${own.status} ${own.body}`,
    next: second === undefined ? '' : `${second.status} ${second.body}`,
    victim: readReplies(victim.received, ['GET'])
      .map(({ status, body }) => `${status} ${body}`)
      .join(),
    again: backend.again,
    hung: client.hung || victim.hung,
  }
}

const next = lines('GET /base/next HTTP/1.1', 'Host: api.test', 'Connection: close')

interface PlayingBackend extends AsyncDisposable {
  readonly port: number
  /** Grows whenever something comes or goes. */
  readonly activity: number
  /** Whether a request came on the connection that the last reply was played on. */
  readonly again: boolean
  /** The next request for `/base/case` gets this. */
  play(reply: Reply): void
  /** Sends what comes late, or ends a connection that somebody still waits on. @returns false when there is nothing to do */
  goOn(): boolean
}

async function startPlayingBackend(): Promise<PlayingBackend> {
  const sockets = new Set<Socket>()
  let playing: Reply | null = null
  let stage: Socket | null = null
  let late = ''
  let activity = 0
  let again = false
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket)
    let pending = ''
    socket.on('error', () => {})
    socket.on('end', () => socket.end())
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (bytes: Buffer) => {
      activity++
      pending += bytes.toString('latin1')
      for (let end = pending.indexOf('\r\n\r\n'); end !== -1; end = pending.indexOf('\r\n\r\n')) {
        const [method = '', target = ''] = pending.slice(0, end).split(' ')
        pending = pending.slice(end + 4)
        if (target === '/base/case' && playing !== null) {
          stage = socket
          socket.write(playing.bytes, 'latin1')
          if (playing.ends) socket.end()
        } else {
          if (socket === stage) again = true
          const body = `for ${method} ${target}`
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
        }
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get activity() {
      return activity
    },
    get again() {
      return again
    },
    play(reply) {
      playing = reply
      late = reply.late
      stage = null
      again = false
    },
    goOn() {
      if (stage === null || stage.destroyed || stage.writableEnded) return false
      if (late !== '') stage.write(late, 'latin1')
      else if (playing?.late === '') stage.end()
      else return false
      late = ''
      activity++
      return true
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

async function converse(
  socket: Socket,
  request: string,
  backend: PlayingBackend,
): Promise<{ received: string; hung: boolean }> {
  let received = ''
  let hung = false
  let activity = 0
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  socket.on('data', (bytes: Buffer) => {
    received += bytes.toString('latin1')
    activity++
  })
  socket.on('error', () => resolve())
  socket.on('end', () => resolve())
  socket.on('close', () => resolve())
  socket.write(request, 'latin1')
  const stop = whenQuiet(
    () => activity + backend.activity,
    (times) => {
      if (backend.goOn()) return
      if (times > hungAfter) {
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
