import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorCodeName } from '../../src/wire/h2/error-codes.ts'
import { flags, frameTypes } from '../../src/wire/h2/frames.ts'
import { frameOf } from '../proxy/h2-client-peer.ts'
import { indexed, integer, literal } from '../wire-h2/blocks.ts'
import { assertBounded, harmOf, patienceMs, pour, startAttacked } from './attacked.ts'
import { Attacker, number32, repeated, reset, setting, windowUpdate } from './attacker.ts'

/*
 * I10: frames that cost an HTTP/2 client little and the gateway more, without end, over TLS and without. Each flood ends
 * its connection, the gateway's memory stays where it was, and other clients notice nothing.
 */

const attacked = await startAttacked()
after(() => attacked[Symbol.asyncDispose]())

interface Flood {
  readonly what: string
  /** What is said before it. */
  readonly prelude?: (client: Attacker) => Buffer
  /** The nth piece of it, `frames` of them. */
  readonly piece: (client: Attacker, turn: number) => Buffer
  /** Frames of one piece; default 50. */
  readonly frames?: number
  /** Its SETTINGS. */
  readonly settings?: { readonly initialWindowSize: number }
  /** The gateway's SETTINGS are not acknowledged. */
  readonly unacknowledged?: true
  /** Nothing that the gateway sends is read. */
  readonly unread?: true
  /** How its connection ends; null: it need not. */
  readonly ends?:
    | 'FLOW_CONTROL_ERROR'
    | 'ENHANCE_YOUR_CALM'
    | 'PROTOCOL_ERROR'
    | 'STREAM_CLOSED'
    | 'COMPRESSION_ERROR'
    | null
}

const silent = '/good/silent'
const per = 50
/** Frames of a flood in all, as far as the gateway takes them. */
const framesOfAll = 200_000
const connections = 20

/** `per` streams of their own for each turn. */
function streams(turn: number, make: (streamId: number) => readonly Buffer[]): Buffer {
  return Buffer.concat(Array.from({ length: per }, (_, i) => make(1 + 2 * (per * turn + i))).flat())
}

function open(client: Attacker): Buffer {
  return client.head(1, 'POST', silent, false)
}

/** A hundred requests whose responses wait for a window. */
function hundredLarge(client: Attacker): Buffer {
  return Buffer.concat(Array.from({ length: 100 }, (_, i) => client.get(1 + 2 * i, '/good/large')))
}

const empty = Buffer.alloc(0)
const priority = frameOf(frameTypes.priority, 0, 1, Buffer.from([0, 0, 0, 3, 1]))

/** A field of 4000 bytes in the dynamic table, and then three thousand mentions of it, with all that a request needs. */
function bomb(client: Attacker): Buffer {
  const large = literal(['x-bomb', 'b'.repeat(4000)], { form: 'incremental' })
  return Buffer.concat([client.block('GET', silent), large, repeated(indexed(62), 3000)])
}

const floods: readonly Flood[] = [
  {
    what: 'requests that are taken back at once (CVE-2023-44487)',
    piece: (client, turn) => streams(turn, (id) => [client.get(id, silent), reset(id)]),
  },
  ...(
    [
      ['a grant of nothing', (_client, id) => windowUpdate(id, 0)],
      ['grants beyond any window', (_client, id) => repeated(windowUpdate(id, 0x7fff_ffff), 2)],
      [
        'a stream that depends on itself',
        (_client, id) => frameOf(frameTypes.priority, 0, id, Buffer.concat([number32(id), Buffer.from([1])])),
      ],
      ['PRIORITY of a wrong size', (_client, id) => frameOf(frameTypes.priority, 0, id, Buffer.from([0, 0, 0, 0]))],
      ['DATA after the end', (_client, id) => frameOf(frameTypes.data, 0, id, Buffer.from('x'))],
      ['a head after the end', (client, id) => client.get(id, silent)],
    ] as readonly (readonly [string, (client: Attacker, id: number) => Buffer])[]
  ).map(
    ([how, wrong]): Flood => ({
      what: `requests that we have to reset for ${how} (CVE-2025-8671)`,
      piece: (client, turn) => streams(turn, (id) => [client.get(id, silent), wrong(client, id)]),
    }),
  ),
  {
    what: 'requests beyond the limit',
    piece: (client, turn) => streams(turn, (id) => [client.get(id, silent)]),
  },
  {
    what: 'requests beyond the limit by a client that never takes note of it',
    unacknowledged: true,
    piece: (client, turn) => streams(turn, (id) => [client.get(id, silent)]),
  },
  {
    what: 'malformed requests',
    piece: (client, turn) => streams(turn, (id) => [client.get(id, silent, ['te', 'gzip'])]),
  },
  { what: 'SETTINGS', piece: () => repeated(frameOf(frameTypes.settings, 0, 0, empty), per) },
  {
    what: 'SETTINGS that open and close the windows of a hundred waiting responses',
    settings: { initialWindowSize: 0 },
    prelude: hundredLarge,
    piece: () => repeated(Buffer.concat([setting(4, 1), setting(4, 0)]), per / 2),
  },
  { what: 'acknowledgements', piece: () => repeated(frameOf(frameTypes.settings, flags.ack, 0, empty), per) },
  { what: 'PING', piece: () => repeated(frameOf(frameTypes.ping, 0, 0, Buffer.alloc(8)), per) },
  {
    what: 'PING by a client that reads no answer',
    unread: true,
    piece: () => repeated(frameOf(frameTypes.ping, 0, 0, Buffer.alloc(8)), per),
    ends: null,
  },
  { what: 'answers to no PING', piece: () => repeated(frameOf(frameTypes.ping, flags.ack, 0, Buffer.alloc(8)), per) },
  { what: 'empty DATA', prelude: open, piece: () => repeated(frameOf(frameTypes.data, 0, 1, empty), per) },
  {
    what: 'DATA of padding alone',
    prelude: open,
    piece: () => repeated(frameOf(frameTypes.data, flags.padded, 1, Buffer.from([1, 0])), per),
  },
  {
    what: 'empty heads for a stream that was reset',
    prelude: (client) => Buffer.concat([open(client), windowUpdate(1, 0)]),
    piece: () => repeated(frameOf(frameTypes.headers, flags.endHeaders, 1, empty), per),
  },
  {
    what: 'DATA for a stream that was reset',
    prelude: (client) => Buffer.concat([open(client), windowUpdate(1, 0)]),
    piece: () => frameOf(frameTypes.data, 0, 1, Buffer.alloc(16_000)),
    frames: 100,
    ends: 'FLOW_CONTROL_ERROR',
  },
  { what: 'PRIORITY', piece: () => repeated(priority, per) },
  {
    what: 'PRIORITY on streams that nobody has begun',
    piece: (_client, turn) =>
      streams(turn, (id) => [frameOf(frameTypes.priority, 0, id, Buffer.from([0, 0, 0, 0, 1]))]),
  },
  { what: 'frames of no known type', piece: () => repeated(frameOf(0x77, 0, 0, empty), per) },
  { what: 'grants of one byte to the connection', piece: () => repeated(windowUpdate(0, 1), per) },
  { what: 'grants of one byte to a stream', prelude: open, piece: () => repeated(windowUpdate(1, 1), per) },
  {
    what: 'resets of a stream that has ended',
    prelude: (client) => Buffer.concat([client.get(1, silent), reset(1)]),
    piece: () => repeated(reset(1), per),
  },
  {
    what: 'GOAWAY',
    piece: () => repeated(frameOf(frameTypes.goaway, 0, 0, Buffer.concat([number32(0), number32(0)])), per),
  },
  {
    what: 'empty CONTINUATION (CVE-2024-27316)',
    prelude: (client) => frameOf(frameTypes.headers, 0, 1, client.block('GET', silent)),
    piece: () => repeated(frameOf(frameTypes.continuation, 0, 1, empty), per),
  },
  {
    what: 'CONTINUATION with more and more fields',
    prelude: (client) => frameOf(frameTypes.headers, 0, 1, client.block('GET', silent)),
    piece: () => frameOf(frameTypes.continuation, 0, 1, repeated(literal(['x', 'y'.repeat(90)]), 150)),
    frames: 100,
  },
  {
    what: 'heads that are small and mean much (an HPACK bomb)',
    piece: (client, turn) =>
      frameOf(frameTypes.headers, flags.endHeaders | flags.endStream, 1 + 2 * turn, bomb(client)),
    frames: 200,
    ends: null,
  },
  {
    what: 'changes of the size of the dynamic table',
    piece: (client, turn) =>
      frameOf(
        frameTypes.headers,
        flags.endHeaders | flags.endStream,
        1 + 2 * turn,
        Buffer.concat([
          repeated(Buffer.concat([integer(0x20, 5, 4096), integer(0x20, 5, 0)]), 1000),
          client.block('GET', '/nowhere'),
        ]),
      ),
    frames: 200,
    ends: null,
  },
  {
    what: 'a dynamic table of four gigabytes',
    piece: (client) =>
      frameOf(
        frameTypes.headers,
        flags.endHeaders,
        1,
        Buffer.concat([integer(0x20, 5, 0xffff_ffff), client.block('GET', silent)]),
      ),
    ends: 'COMPRESSION_ERROR',
  },
]

describe('a flood of', { timeout: 120_000 }, () => {
  for (const flood of floods) {
    it(`${flood.what} is bounded, and ends nobody else's requests`, async () => {
      const { frames = per, ends = 'ENHANCE_YOUR_CALM' } = flood
      const codes = new Set<string>()
      const one = async (tls: boolean): Promise<void> => {
        const client = await Attacker.connect(tls ? attacked.httpsPort : attacked.port, {
          ca: tls ? attacked.ca : undefined,
          ...(flood.settings === undefined ? {} : { settings: flood.settings }),
        })
        if (flood.unacknowledged === undefined) await client.acknowledge()
        if (flood.unread !== undefined) client.socket.pause()
        if (flood.prelude !== undefined) client.socket.write(flood.prelude(client))
        const pieces = Math.ceil(Math.min(framesOfAll / connections / frames, 20_000 / frames))
        await pour(client.socket, flood.frames === undefined ? pieces : frames, (turn) => flood.piece(client, turn))
        if (ends !== null) {
          await Promise.race([client.ended, sleep(patienceMs, null, { ref: false })])
          assert.ok(client.closed, 'the connection goes on')
          codes.add(client.goaway === -1 ? 'no GOAWAY' : errorCodeName(client.goaway))
        }
        client.socket.destroy()
      }
      const attack = async (): Promise<void> => {
        for (let i = 0; i < connections; i++) await one(i % 4 === 3)
      }
      const harm = await harmOf(attacked, attack)
      assertBounded(harm)
      if (ends !== null) assert.ok(codes.has(ends) && codes.size <= 2, [...codes].join(', '))
    })
  }
})
