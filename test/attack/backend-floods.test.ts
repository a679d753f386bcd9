import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { after, describe, it } from 'node:test'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { flags, frameTypes } from '../../src/wire/h2/frames.ts'
import { frameOf } from '../proxy/h2-client-peer.ts'
import { block, type Field, indexed, literal } from '../wire-h2/blocks.ts'
import { assertBounded, harmOf, mebibyte, neighboured, pour, slack, startAttacked } from './attacked.ts'
import { Attacker, number32, repeated, reset, setting, windowUpdate } from './attacker.ts'

/*
 * I10: backends that say what no backend should, on and on. Their own requests fail; requests to other backends do not, the
 * gateway keeps nothing of it, and it does not call again and again.
 */

const settings = frameOf(frameTypes.settings, 0, 0, Buffer.alloc(0))
const empty = Buffer.alloc(0)
const head = (...fields: readonly Field[]): Buffer =>
  frameOf(frameTypes.headers, flags.endHeaders, 1, block([':status', '200'], ...fields))
const informational = frameOf(
  frameTypes.headers,
  flags.endHeaders,
  1,
  block([':status', '103'], ['link', '</a>; rel=preload']),
)
const per = 50
const rest = frameOf(frameTypes.headers, 0, 1, block([':status', '200']))

/** What an HTTP/2 backend says to the first request of a connection: once, and then without end. */
const h2: readonly (readonly [what: string, once: readonly Buffer[], endless: Buffer])[] = [
  ['informational responses', [], repeated(informational, per)],
  [
    'informational responses that are large',
    [],
    frameOf(frameTypes.headers, flags.endHeaders, 1, block([':status', '103'], ['link', 'l'.repeat(12_000)])),
  ],
  ['CONTINUATION (CVE-2024-27316)', [rest], repeated(frameOf(frameTypes.continuation, 0, 1, empty), per)],
  ['fields of one head', [rest], frameOf(frameTypes.continuation, 0, 1, repeated(literal(['x', 'y'.repeat(90)]), 150))],
  [
    'a head of more fields than there may be',
    [],
    head(...Array.from({ length: 600 }, (_, i) => ['x', String(i)] as const)),
  ],
  [
    'mentions of a large field (an HPACK bomb)',
    [],
    frameOf(
      frameTypes.headers,
      flags.endHeaders,
      1,
      Buffer.concat([
        indexed(8),
        literal(['x', 'b'.repeat(4000)], { form: 'incremental' }),
        repeated(indexed(62), 5000),
      ]),
    ),
  ],
  ['PING', [], repeated(frameOf(frameTypes.ping, 0, 0, Buffer.alloc(8)), per)],
  ['SETTINGS', [], repeated(settings, per)],
  ['SETTINGS that move windows', [], repeated(Buffer.concat([setting(4, 1), setting(4, 0)]), per)],
  ['grants of one byte', [], repeated(windowUpdate(1, 1), per)],
  ['grants beyond any window', [], repeated(windowUpdate(0, 0x7fff_ffff), 2)],
  ['grants of nothing', [], repeated(windowUpdate(1, 0), per)],
  ['PRIORITY', [], repeated(frameOf(frameTypes.priority, 0, 1, Buffer.from([0, 0, 0, 3, 1])), per)],
  ['frames of no known type', [], repeated(frameOf(0x77, 0, 0, empty), per)],
  [
    'PUSH_PROMISE',
    [],
    repeated(
      frameOf(frameTypes.pushPromise, flags.endHeaders, 1, Buffer.concat([number32(2), block([':status', '200'])])),
      per,
    ),
  ],
  ['empty DATA', [head()], repeated(frameOf(frameTypes.data, 0, 1, empty), per)],
  ['DATA beyond what it said', [head(['content-length', '3'])], frameOf(frameTypes.data, 0, 1, Buffer.alloc(16_384))],
  ['DATA before a head', [], frameOf(frameTypes.data, 0, 1, Buffer.alloc(16_384))],
  [
    'DATA after the end',
    [head(), frameOf(frameTypes.data, flags.endStream, 1, empty)],
    frameOf(frameTypes.data, 0, 1, Buffer.alloc(16_384)),
  ],
  ['heads after the end', [head(), frameOf(frameTypes.data, flags.endStream, 1, empty)], repeated(head(), per)],
  [
    'resets of a stream that has ended',
    [head(), frameOf(frameTypes.data, flags.endStream, 1, empty)],
    repeated(reset(1), per),
  ],
  ['resets of streams that nobody began', [], repeated(reset(2_000_001), per)],
  ['trailers', [head()], repeated(frameOf(frameTypes.headers, flags.endHeaders, 1, block(['x', 'y'])), per)],
  ['GOAWAY', [], repeated(frameOf(frameTypes.goaway, 0, 0, Buffer.concat([number32(0x7fff_ffff), number32(0)])), per)],
]

const okHead = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
const h1: readonly (readonly [what: string, once: string, endless: string])[] = [
  ['informational responses', '', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'],
  ['header lines', 'HTTP/1.1 200 OK\r\n', 'X-A: b\r\n'.repeat(per)],
  ['one header line', 'HTTP/1.1 200 OK\r\nX-A: ', 'a'.repeat(1000)],
  ['reason', 'HTTP/1.1 200 ', 'a'.repeat(1000)],
  ['chunk extensions', `${okHead}1;`, 'a=b;'.repeat(per)],
  ['zeros of a chunk size', okHead, '0'.repeat(1000)],
  ['trailers', `${okHead}0\r\n`, 'X-A: b\r\n'.repeat(per)],
  ['responses that nobody asked for', '', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'.repeat(per)],
]

/** What becomes of connections that are hardly there. */
const doors: readonly (readonly [what: string, serve: (socket: Socket) => void])[] = [
  ['ends every connection at once', (socket) => socket.destroy()],
  ['ends every connection after its SETTINGS', (socket) => socket.end(settings)],
  [
    'says GOAWAY on every connection at once',
    (socket) =>
      socket.write(
        Buffer.concat([settings, frameOf(frameTypes.goaway, 0, 0, Buffer.concat([number32(0), number32(0)]))]),
      ),
  ],
  [
    'says GOAWAY as often as it can, and that it has done what was asked',
    (socket) =>
      socket.write(
        Buffer.concat([
          settings,
          repeated(frameOf(frameTypes.goaway, 0, 0, Buffer.concat([number32(1), number32(0)])), 5),
          frameOf(frameTypes.headers, flags.endHeaders | flags.endStream, 1, block([':status', '204'])),
        ]),
      ),
  ],
  [
    'refuses every stream',
    (socket) => {
      socket.write(settings)
      let id = -1
      socket.on('data', () => socket.write(reset((id += 2), 7)))
    },
  ],
  ['allows no stream', (socket) => socket.write(setting(3, 0))],
  [
    'resets every stream (and is asked again)',
    (socket) => {
      socket.write(settings)
      let id = -1
      socket.on('data', () => socket.write(reset((id += 2), 2)))
    },
  ],
]

const root = await createRoot({ commonName: 'Bad Backend CA' })
const leaf = await createLeaf(root, { names: ['bad.test'] })
const servers: Server[] = []
const sockets = new Set<Socket>()
const accepted = new Map<string, number>()
/** Names of those that were asked, and have begun to flood. */
const begun = new Set<string>()

async function listen(name: string, tls: boolean, serve: (socket: Socket) => void): Promise<[string, object]> {
  const onSocket = (socket: Socket): void => {
    accepted.set(name, (accepted.get(name) ?? 0) + 1)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    serve(socket)
  }
  const server = tls
    ? createTlsServer({ cert: leaf.chainPem, key: leaf.keyPem, ALPNProtocols: ['h2'] }, onSocket)
    : createServer({ noDelay: true }, onSocket)
  server.on('tlsClientError', () => {})
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const timeouts = { firstByte: '400ms', bodyIdle: '400ms' }
  const at = tls
    ? { url: `https://127.0.0.1:${port}`, tls: { trust: ['bad'], serverName: 'bad.test', alpn: ['h2'] } }
    : { url: `http://127.0.0.1:${port}`, h2c: !name.startsWith('h1') }
  return [name, { ...at, timeouts }]
}

/** Says one thing when it is asked, and then another for as long as it is let. */
function flooding(name: string, first: Buffer, more: Buffer, greeting: Buffer): (socket: Socket) => void {
  return (socket) => {
    socket.write(greeting)
    let asked = false
    socket.on('data', (chunk: Buffer) => {
      // SETTINGS may come before the request does.
      if (asked || !/flooded/.test(chunk.toString('latin1'))) return
      asked = true
      begun.add(name)
      socket.write(first)
      void pour(socket, Math.ceil((4 * mebibyte) / more.length), () => more)
    })
  }
}

const targets = Object.fromEntries(
  await Promise.all([
    ...h2.map(([, first, endless], i) =>
      listen(`h2-${i}`, i % 3 === 2, flooding(`h2-${i}`, Buffer.concat(first), endless, settings)),
    ),
    ...h1.map(([, first, endless], i) =>
      listen(
        `h1-${i}`,
        false,
        flooding(`h1-${i}`, Buffer.from(first, 'latin1'), Buffer.from(endless, 'latin1'), empty),
      ),
    ),
    ...doors.map(([, serve], i) => listen(`door-${i}`, true, serve)),
    listen('deaf', false, (socket) => {
      socket.write(settings)
      socket.once('data', () => socket.pause())
    }),
    listen(
      'crumbs',
      false,
      flooding('crumbs', head(), repeated(frameOf(frameTypes.data, 0, 1, Buffer.from('x')), 1000), settings),
    ),
  ]),
)
const attacked = await startAttacked({
  targets,
  trustStores: { bad: { sources: [{ file: './bad.pem' }] } },
  files: { 'bad.pem': root.certificatePem },
})
after(async () => {
  await attacked[Symbol.asyncDispose]()
  for (const socket of sockets) socket.destroy()
  for (const server of servers) server.close()
})

/** Asks, and waits for whatever becomes of it: an answer, or its breaking off. */
async function ask(path: string, times: number): Promise<number[]> {
  const statuses: number[] = []
  for (let i = 0; i < times; i++) {
    try {
      const response = await fetch(`http://127.0.0.1:${attacked.port}${path}`, { signal: AbortSignal.timeout(10_000) })
      statuses.push(response.status)
      await response.arrayBuffer()
    } catch (error) {
      if ((error as Error).name === 'TimeoutError') throw error
    }
  }
  return statuses
}

const timeout = 120_000

for (const [protocol, table] of [
  ['h2', h2],
  ['h1', h1],
] as const) {
  describe(`a backend of ${protocol} that says without end`, { timeout }, () => {
    for (const [index, [what]] of table.entries()) {
      it(`${what} costs its own requests alone`, async () => {
        const harm = await harmOf(attacked, async () => {
          await ask(`/${protocol}-${index}/flooded`, 3)
        })
        assertBounded(harm)
        assert.ok(begun.has(`${protocol}-${index}`))
      })
    }
  })
}

describe('a backend that', { timeout }, () => {
  for (const [index, [what]] of doors.entries()) {
    it(`${what} is called a few times for each request, and no more`, async () => {
      const requests = 10
      await neighboured(attacked, async () => {
        await Promise.all(Array.from({ length: requests }, () => ask(`/door-${index}`, 1)))
      })
      const calls = accepted.get(`door-${index}`) ?? 0
      assert.ok(calls > 0 && calls <= 4 * requests, String(calls))
      // Nobody asks any more, so nobody is called.
      await neighboured(attacked, async () => {
        await new Promise((resolve) => setTimeout(resolve, 200))
      })
      assert.equal(accepted.get(`door-${index}`), calls)
    })
  }

  it('does not read is given no more requests than it might read one day', async () => {
    const large = ['x-large', 'v'.repeat(8000)] as const
    const harm = await harmOf(attacked, async () => {
      for (let i = 0; i < 30; i++) {
        const client = await Attacker.connect(attacked.port)
        await client.acknowledge()
        // Taken back at once: what waits for the backend is not bounded by what is under way.
        await pour(client.socket, 150, (turn) =>
          Buffer.concat([client.get(1 + 2 * turn, '/deaf', large, ['x-more', large[1]]), reset(1 + 2 * turn)]),
        )
        client.socket.end()
        await client.ended
      }
    })
    assertBounded(harm)
    assert.ok((accepted.get('deaf') ?? 0) < 100)
  })

  it('sends a response in crumbs to a client that takes none holds up nobody', async () => {
    const harm = await harmOf(attacked, async () => {
      const client = await Attacker.connect(attacked.impatientPort, { settings: { initialWindowSize: 0 } })
      await client.acknowledge()
      client.socket.write(client.get(1, '/crumbs/flooded'))
      while (client.resetCount === 0 && !client.closed) await once(client.socket, 'data')
      client.socket.destroy()
    })
    assertBounded(harm, slack)
  })
})
