import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { decodeFields } from '../../src/wire/h2/field-list.ts'
import {
  clientPreface,
  flags,
  frameHeaderBytes,
  frameTypes,
  read31,
  writeFrameHeader,
} from '../../src/wire/h2/frames.ts'
import { HpackDecoder } from '../../src/wire/h2/hpack-decoder.ts'
import type { Field } from '../wire-h2/blocks.ts'
import { type CountingBackend, startCountingBackend } from './counting-backend.ts'
import { blockOf, type StreamMessage } from './downgrade-message.ts'
import type { Peer } from './peers.ts'
import { hungAfter, whenQuiet } from './quiet.ts'
import type { Answer, Reading } from './reading.ts'

/** What became of a stream: an answer, or null where it was reset or the connection ended. */
type StreamAnswer = Answer | null

export interface StreamOptions {
  /** Waits for the end of every stream: not for peers that leave a bad one open. */
  readonly patient?: boolean
  /** Each frame in a turn of its own. */
  readonly apart?: boolean
  /** The doors speak TLS, so `http` and `https` change places in :scheme. */
  readonly tls?: boolean
}

/** Sends each message through the proxy on a connection of its own, and then a good request on the same connection. */
export async function readAllStreams(
  messages: readonly StreamMessage[],
  lanes: number,
  start: (ports: readonly number[]) => Promise<Peer>,
  options: StreamOptions = {},
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
  message: StreamMessage,
  peer: Peer,
  lane: number,
  backend: CountingBackend,
  options: StreamOptions,
): Promise<Reading> {
  const client = await openStreams(peer.open(lane), backend, options)
  const own = await client.ask(1, message, options.patient === true ? hungAfter : 24)
  const marker = await client.ask(3, getOf('/base/marker'), hungAfter)
  await client.end()
  const other = await openStreams(peer.open(lane), backend, options)
  const victim = await other.ask(1, getOf('/base/victim'), hungAfter)
  await other.end()
  // Whatever the proxy wrote before it answered that is here by now; it is read in the next turns.
  await turn()
  await turn()
  const seen = backend.take()
  const last = seen.requests.findLastIndex(({ target }) => target === '/base/victim')
  return {
    seen: { ...seen, requests: seen.requests.filter((_, index) => index !== last) },
    received: '',
    answers: [own, marker].map((answer) => answer ?? { status: 0, to: '' }),
    victim: victim === null ? '' : `${victim.status} ${victim.to}`,
    hung: client.hung() || other.hung(),
  }
}

function getOf(path: string): StreamMessage {
  const fields: readonly Field[] = [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'api.test'],
  ]
  return { name: path, fields, data: null, trailers: null, refusal: null, forwarded: [] }
}

function framesOf(streamId: number, { fields, data, trailers }: StreamMessage, tls: boolean): readonly Buffer[] {
  const own = tls ? fields.map(otherScheme) : fields
  const last = (frame: boolean): number => (frame ? flags.endStream : 0)
  const pieces = [
    frame(frameTypes.headers, flags.endHeaders | last(data === null && trailers === null), streamId, blockOf(own)),
  ]
  for (const [index, { text, padding }] of (data ?? []).entries()) {
    const end = last(index === (data?.length ?? 0) - 1 && trailers === null)
    const bytes = Buffer.from(text, 'latin1')
    pieces.push(
      padding === undefined
        ? frame(frameTypes.data, end, streamId, bytes)
        : frame(
            frameTypes.data,
            end | flags.padded,
            streamId,
            Buffer.concat([Buffer.from([padding]), bytes, Buffer.alloc(padding)]),
          ),
    )
  }
  if (trailers !== null) {
    pieces.push(frame(frameTypes.headers, flags.endHeaders | flags.endStream, streamId, blockOf(trailers)))
  }
  return pieces
}

function otherScheme(field: Field): Field {
  const [name, value] = field
  if (name !== ':scheme' || !value.startsWith('http')) return field
  return [name, value.startsWith('https') ? value.replace('https', 'http') : value.replace('http', 'https')]
}

function frame(type: number, frameFlags: number, streamId: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(frameHeaderBytes)
  writeFrameHeader(header, 0, payload.length, type, frameFlags, streamId)
  return Buffer.concat([header, payload])
}

/** Turns enough for the proxy, which is another thread of this process, to have read what was written before. */
async function pause(turns: number): Promise<void> {
  for (let left = turns; left > 0; left--) await sleep(1)
}

interface StreamClient {
  /** Sends a request, and waits until its stream is over, or for as many quiet periods. */
  ask(streamId: number, message: StreamMessage, periods: number): Promise<StreamAnswer>
  /** Ends the connection. */
  end(): Promise<void>
  hung(): boolean
}

async function openStreams(socket: Socket, backend: CountingBackend, options: StreamOptions): Promise<StreamClient> {
  const decoder = new HpackDecoder({ tableBytes: 4096, listBytes: 65_536, fieldCount: 200 })
  const answers = new Map<number, Answer>()
  const over = new Set<number>()
  const connection = { closed: false }
  let hung = false
  let activity = 0
  let pending: Buffer = Buffer.alloc(0)
  let changed = Promise.withResolvers<void>()
  const notify = (): void => {
    changed.resolve()
    changed = Promise.withResolvers<void>()
  }
  const onFrame = (type: number, frameFlags: number, streamId: number, payload: Buffer): void => {
    if (type === frameTypes.settings && (frameFlags & flags.ack) === 0) {
      socket.write(frame(frameTypes.settings, flags.ack, 0, Buffer.alloc(0)))
    } else if (type === frameTypes.headers) {
      const fields = decodeFields(decoder, payload, 0, payload.length)
      if (Array.isArray(fields)) {
        const value = (name: string): string => fields[fields.indexOf(name) + 1] ?? ''
        const status = fields[0] === ':status' ? Number(fields[1]) : 0
        const to = fields.includes('x-answer') ? value('x-answer').replace(/^\d+ /, '') : ''
        if (status >= 200) answers.set(streamId, { status, to })
      }
    } else if (type === frameTypes.rstStream) {
      over.add(streamId)
    }
    const ends = type === frameTypes.headers || type === frameTypes.data
    if (ends && (frameFlags & flags.endStream) !== 0) over.add(streamId)
  }
  socket.on('data', (bytes: Buffer) => {
    activity++
    pending = Buffer.concat([pending, bytes])
    for (;;) {
      if (pending.length < frameHeaderBytes) break
      const size = frameHeaderBytes + pending.readUIntBE(0, 3)
      if (pending.length < size) break
      onFrame(pending[3] as number, pending[4] as number, read31(pending, 5), pending.subarray(frameHeaderBytes, size))
      pending = pending.subarray(size)
    }
    notify()
  })
  const onClose = (): void => {
    connection.closed = true
    notify()
  }
  socket.on('error', onClose)
  socket.on('end', onClose)
  socket.on('close', onClose)
  await once(socket, options.tls === true ? 'secureConnect' : 'connect').catch(onClose)
  socket.write(Buffer.concat([clientPreface, frame(frameTypes.settings, 0, 0, Buffer.alloc(0))]))
  /** Until `done`, the end of the connection, or so many quiet periods. @returns whether it was quiet that ended it */
  const wait = async (done: () => boolean, periods: number): Promise<boolean> => {
    const quiet = { over: false }
    const stop = whenQuiet(
      () => activity + backend.activity,
      (times) => {
        quiet.over = times >= periods
        if (quiet.over) notify()
      },
    )
    while (!done() && !connection.closed && !quiet.over) await changed.promise
    stop()
    return quiet.over
  }
  return {
    async ask(streamId, message, periods) {
      const frames = framesOf(streamId, message, options.tls === true)
      for (const piece of options.apart === true ? frames : [Buffer.concat(frames)]) {
        if (!connection.closed) socket.write(piece)
        await pause(options.apart === true ? 3 : 0)
      }
      await wait(() => over.has(streamId), periods)
      return answers.get(streamId) ?? null
    },
    async end() {
      if (!socket.writableEnded) socket.end()
      hung ||= await wait(() => connection.closed, hungAfter)
      socket.destroy()
    },
    hung: () => hung,
  }
}
