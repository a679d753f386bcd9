import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { clientPreface, flags, frameTypes } from '../../src/wire/h2/frames.ts'
import { frameOf } from '../proxy/h2-client-peer.ts'
import { block } from '../wire-h2/blocks.ts'
import { assertBounded, type Harm, harmOf, mebibyte, pour, slack, startAttacked } from './attacked.ts'
import { Attacker } from './attacker.ts'

/*
 * I10: clients that take their time, many at once, and clients of HTTP/1.1 that say much and mean nothing. The gateway ends
 * what does not move on, and serves the others meanwhile.
 */

const attacked = await startAttacked()
after(() => attacked[Symbol.asyncDispose]())

const timeout = 60_000
/** Clients of each kind. */
const many = 60
const settings = frameOf(frameTypes.settings, 0, 0, Buffer.alloc(0))
const preface = Buffer.concat([clientPreface, settings])
const request = block([':method', 'POST'], [':scheme', 'http'], [':path', '/good/silent'], [':authority', 'a'])
const post = Buffer.concat([preface, frameOf(frameTypes.headers, flags.endHeaders, 1, request)])
const text = (...lines: readonly string[]): Buffer => Buffer.from(lines.join('\r\n'), 'latin1')

/** What is said at once, and what then comes byte by byte. */
const slow: readonly (readonly [what: string, first: Buffer, rest: Buffer])[] = [
  ['nothing', Buffer.alloc(0), Buffer.alloc(0)],
  ['the preface of HTTP/2', Buffer.alloc(0), clientPreface],
  ['the end of the preface', clientPreface.subarray(0, 20), clientPreface.subarray(20, 23)],
  ['its first SETTINGS', clientPreface, settings.subarray(0, 8)],
  ['nothing after its SETTINGS', preface, Buffer.alloc(0)],
  ['a frame header', preface, settings.subarray(0, 8)],
  ['a head in one frame', preface, frameOf(frameTypes.headers, flags.endHeaders, 1, request).subarray(0, -1)],
  [
    'a head in CONTINUATION frames',
    Buffer.concat([preface, frameOf(frameTypes.headers, 0, 1, request)]),
    Buffer.concat(Array.from({ length: 10 }, () => frameOf(frameTypes.continuation, 0, 1, Buffer.alloc(0)))),
  ],
  ['a frame of no known type', preface, frameOf(0x77, 0, 0, Buffer.alloc(200))],
  ['a request line', Buffer.alloc(0), text('GET /good/ HTTP/1.1').subarray(0, 18)],
  ['a header line', text('GET /good/ HTTP/1.1', 'Host: a', 'X-Slow: '), Buffer.alloc(100, 'a')],
  ['a second head', text('GET /nowhere HTTP/1.1', 'Host: a', '', 'GET /g'), Buffer.alloc(100, 'a')],
]

/** What is said at once, of which nothing more comes. */
const stopped: readonly (readonly [what: string, said: Buffer])[] = [
  ['the body of a stream', Buffer.concat([post, frameOf(frameTypes.data, 0, 1, Buffer.from('some'))])],
  ['a DATA frame', Buffer.concat([post, frameOf(frameTypes.data, 0, 1, Buffer.alloc(100)).subarray(0, 50)])],
  [
    'the padding of a DATA frame',
    Buffer.concat([post, frameOf(frameTypes.data, flags.padded, 1, Buffer.alloc(100, 90)).subarray(0, 50)]),
  ],
  ['a body of a length', text('POST /good/silent HTTP/1.1', 'Host: a', 'Content-Length: 10', '', 'abc')],
  ['a chunk', text('POST /good/silent HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', '', 'a', 'abc')],
  ['a chunk extension', text('POST /good/silent HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', '', 'a;b')],
  ['trailers', text('POST /good/silent HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', '', '0', 'X-A')],
]

async function open(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true })
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'connect')
  return socket
}

/** The gateway has ended it: with an orderly end, or with a reset. */
function seenOff(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed || socket.readableEnded) resolve()
    socket.on('end', () => resolve())
    socket.on('close', () => resolve())
  })
}

describe('of clients that are', { timeout }, () => {
  /** Of each kind, how many were seen off. */
  const ended = new Map<string, number>()
  let harm: Harm | null = null

  const one = async (what: string, said: Buffer, rest: Buffer): Promise<void> => {
    const socket = await open(attacked.impatientPort)
    socket.write(said)
    let at = 0
    const dribble = setInterval(() => {
      if (at < rest.length && socket.writable) socket.write(rest.subarray(at, ++at))
    }, 50)
    await seenOff(socket)
    clearInterval(dribble)
    socket.destroy()
    ended.set(what, (ended.get(what) ?? 0) + 1)
  }

  // All kinds at once, as each takes its time.
  before(async () => {
    harm = await harmOf(attacked, async () => {
      const all: Promise<void>[] = []
      for (let i = 0; i < many; i++) {
        for (const [what, first, rest] of slow) all.push(one(what, first, rest))
        for (const [what, said] of stopped) all.push(one(what, said, Buffer.alloc(0)))
      }
      await Promise.all(all)
    })
  })

  for (const [what] of slow) {
    it(`slow with ${what}, each is seen off`, () => assert.equal(ended.get(what), 2 * many))
  }
  for (const [what] of stopped) {
    it(`stopping in the middle of ${what}, each is seen off`, () => assert.equal(ended.get(what), 2 * many))
  }
  it('either, a thousand cost little, and nobody else notices', () => {
    assert.ok(harm !== null)
    assertBounded(harm, 2 * slack)
  })

  it('ending their side alone, wherever that is, each is seen off', async () => {
    const harm = await harmOf(attacked, async () => {
      await Promise.all(
        [Buffer.alloc(0), preface, post, ...stopped.map(([, said]) => said)].map(async (said) => {
          const socket = await open(attacked.impatientPort)
          socket.end(said)
          await seenOff(socket)
          socket.destroy()
        }),
      )
    })
    assertBounded(harm)
  })
})

describe('connections beyond the limit', { timeout }, () => {
  it('are closed as they come, and those within it are served', async () => {
    const first = await Attacker.connect(attacked.fewPort)
    await first.acknowledge()
    const harm = await harmOf(attacked, async () => {
      const sockets = await Promise.all(Array.from({ length: 500 }, () => open(attacked.fewPort)))
      const served = await Promise.all(sockets.map(isServed))
      for (const socket of sockets) socket.destroy()
      // One of eight is `first`.
      assert.ok(served.filter((is) => is).length <= 7)
    })
    assertBounded(harm)
    first.socket.write(first.get(1, '/good'))
    while (first.heads === 0) await once(first.socket, 'data')
    first.socket.destroy()
  })
})

async function isServed(socket: Socket): Promise<boolean> {
  socket.write(text('GET /nowhere HTTP/1.1', 'Host: a', '', ''))
  return Promise.race([
    seenOff(socket).then(() => false),
    once(socket, 'data').then(
      () => true,
      () => false,
    ),
  ])
}

/** What a client of HTTP/1.1 says once, and then on and on. `reads`: it reads what comes back. */
const endless: readonly (readonly [what: string, once: Buffer, more: Buffer, reads: boolean])[] = [
  [
    'requests, and reads no answer',
    Buffer.alloc(0),
    text(...Array.from({ length: 50 }, () => 'GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n')).subarray(0, -2),
    false,
  ],
  [
    'requests that a backend answers, and reads no answer',
    Buffer.alloc(0),
    Buffer.from('GET /good HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(50)),
    false,
  ],
  ['empty lines before a request', Buffer.alloc(0), Buffer.from('\r\n'.repeat(500)), true],
  ['a request line', Buffer.from('GET /'), Buffer.alloc(1000, 'a'), true],
  ['header lines', text('GET / HTTP/1.1', ''), Buffer.from('A: b\r\n'.repeat(100)), true],
  ['a header line', text('GET / HTTP/1.1', 'A: '), Buffer.alloc(1000, 'a'), true],
  [
    'chunks of one byte',
    text('POST /good/silent HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', '', ''),
    Buffer.from('1\r\na\r\n'.repeat(2000)),
    true,
  ],
  [
    'a chunk extension',
    text('POST /good/silent HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', '', '1;'),
    Buffer.from('a=b;'.repeat(200)),
    true,
  ],
  [
    'a chunk extension for each byte',
    text('POST /good/silent HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', '', ''),
    Buffer.from(`1;${'a'.repeat(80)}\r\na\r\n`.repeat(200)),
    true,
  ],
  [
    'zeros of a chunk size',
    text('POST /good/silent HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', '', ''),
    Buffer.alloc(1000, '0'),
    true,
  ],
  [
    'trailers',
    text('POST /good/silent HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', '', '0', ''),
    Buffer.from('A: b\r\n'.repeat(100)),
    true,
  ],
  [
    'chunks to a backend that takes none',
    text('POST /good/unread HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', '', ''),
    Buffer.from('1\r\na\r\n'.repeat(2000)),
    true,
  ],
]

describe('a client of HTTP/1.1 that says without end', { timeout }, () => {
  for (const [what, said, more, reads] of endless) {
    it(`${what} costs its own connection alone`, async () => {
      const harm = await harmOf(attacked, async () => {
        await Promise.all(
          Array.from({ length: 8 }, async () => {
            const socket = await open(attacked.port)
            if (!reads) socket.pause()
            socket.write(said)
            await pour(socket, Math.ceil(mebibyte / 2 / more.length), () => more)
            socket.destroy()
          }),
        )
      })
      assertBounded(harm, slack + 8 * mebibyte)
    })
  }
})
