import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, describe, it } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { errorCodes } from '../../src/wire/h2/error-codes.ts'
import { clientPreface, flags, frameTypes } from '../../src/wire/h2/frames.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTestGateway } from '../support/gateway.ts'
import { block } from '../wire-h2/blocks.ts'
import { ok, startBackend } from './backend.ts'
import { frameOf, H2Peer, request } from './h2-client-peer.ts'
import { fieldOf, get, Peer, statusOf } from './peer.ts'

/* Who speaks HTTP/2: by ALPN with TLS, by the preface without. */

const root = await createRoot({ commonName: 'ALPN Test CA' })
const leaf = await createLeaf(root, { names: ['gateway.test'] })
const backend = await startBackend(() => ok('answer'))
const certificates = [{ certificate: './outer.pem', key: './outer.key' }]
const plain = { address: '127.0.0.1', port: 0 }
const config = (alpn: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => ({
  listeners: [
    { ...plain, name: 'both', tls: { certificates, ...alpn } },
    { ...plain, name: 'old', tls: { certificates, alpn: ['http/1.1'] } },
    { ...plain, name: 'tls11', tls: { certificates, minVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } },
    { ...plain, name: 'h2c', h2c: true, limits: { connections: 2 } },
    { ...plain, name: 'http' },
    { ...plain, name: 'impatient', h2c: true, timeouts: { head: '300ms' }, limits: { connections: 1 } },
  ],
  targets: { b: { url: `http://127.0.0.1:${backend.port}` } },
  proxies: { b: { basePath: '/', target: 'b' } },
})
const gateway = await startTestGateway(config({}), {
  files: { 'outer.pem': leaf.chainPem, 'outer.key': leaf.keyPem },
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})
const portOf = (name: string): number => gateway.gateway.ports[name] ?? 0

/** What a listener agrees on with a client that offers `offered`; false: nothing; null: the handshake failed. */
async function agreed(name: string, offered: readonly string[] | null): Promise<string | false | null> {
  const socket = connectTls({
    host: '127.0.0.1',
    port: portOf(name),
    ca: root.certificatePem,
    servername: 'gateway.test',
    ...(offered === null ? {} : { ALPNProtocols: [...offered] }),
  })
  try {
    await once(socket, 'secureConnect')
    const { alpnProtocol } = socket
    const head = alpnProtocol === 'h2' ? null : await overH1(socket)
    if (head !== null) assert.match(head, /^HTTP\/1\.1 200 /)
    return alpnProtocol
  } catch {
    return null
  } finally {
    socket.destroy()
  }
}

async function overH1(socket: TLSSocket): Promise<string> {
  socket.write(get('/'))
  return String(((await once(socket, 'data')) as [Buffer])[0])
}

describe('ALPN', () => {
  const cases: readonly (readonly [
    listener: string,
    offered: readonly string[] | null,
    result: string | false | null,
  ])[] = [
    ['both', ['h2', 'http/1.1'], 'h2'],
    ['both', ['http/1.1', 'h2'], 'h2'],
    ['both', ['http/1.1'], 'http/1.1'],
    ['both', ['h2'], 'h2'],
    ['both', null, false],
    ['both', ['spdy/3'], null],
    ['old', ['h2', 'http/1.1'], 'http/1.1'],
    ['old', ['h2'], null],
    ['old', null, false],
  ]
  for (const [listener, offered, result] of cases) {
    it(`of listener "${listener}" with a client that offers ${offered?.join(', ') ?? 'nothing'}: ${String(result)}`, async () => {
      assert.equal(await agreed(listener, offered), result)
    })
  }

  it('follows a change of the configuration', async () => {
    assert.equal(await gateway.reconfigure(config({ alpn: ['http/1.1', 'h2'] })), true)
    assert.equal(await agreed('both', ['h2', 'http/1.1']), 'http/1.1')
    assert.equal(await agreed('both', ['h2']), 'h2')
    assert.equal(await gateway.reconfigure(config({})), true)
    assert.equal(await agreed('both', ['h2', 'http/1.1']), 'h2')
  })

  it('for HTTP/2 with a TLS that is too old for it ends in GOAWAY (RFC 9113 9.2)', async () => {
    const client = await H2Peer.connect(portOf('tls11'), {
      tls: {
        ca: root.certificatePem,
        servername: 'gateway.test',
        minVersion: 'TLSv1.1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT:@SECLEVEL=0',
      },
    })
    client.get(1, '/old')
    assert.equal((await client.next('goaway')).code, errorCodes.inadequateSecurity)
    assert.equal(client.soFar(1).status, 0)
    await client.ended
  })

  it('that chose HTTP/2 is held to it', async () => {
    const socket = connectTls({
      host: '127.0.0.1',
      port: portOf('both'),
      ca: root.certificatePem,
      servername: 'gateway.test',
      ALPNProtocols: ['h2'],
    })
    await once(socket, 'secureConnect')
    const peer = new Peer(socket)
    peer.send(get('/'))
    assert.doesNotMatch(await peer.rest(), /HTTP\/1\.1/)
  })
})

const hello = Buffer.concat([
  clientPreface,
  frameOf(frameTypes.settings, 0, 0, Buffer.alloc(0)),
  frameOf(frameTypes.headers, flags.endHeaders | flags.endStream, 1, block(...request('GET', '/'))),
])

/** Ways in which the first bytes may come. */
const arrivals: readonly (readonly [how: string, cuts: readonly number[]])[] = [
  ['in one piece', []],
  ['with the first byte alone', [1]],
  ['cut inside the words', [3, 11]],
  ['cut after the version', [14]],
  ['cut after the preface', [24]],
  ['byte by byte', Array.from({ length: 60 }, (_, i) => i + 1)],
]

async function sendCut(send: (bytes: Buffer) => void, bytes: Buffer, cuts: readonly number[]): Promise<void> {
  let from = 0
  for (const to of [...cuts.filter((cut) => cut < bytes.length), bytes.length]) {
    send(bytes.subarray(from, to))
    from = to
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

describe('a listener with h2c', () => {
  for (const [how, cuts] of arrivals) {
    it(`serves HTTP/2 that comes ${how}`, async () => {
      const client = await H2Peer.connect(portOf('h2c'), { settings: null, silent: true })
      await sendCut((bytes) => client.send(bytes), hello, cuts)
      const { status, body } = await client.response(1)
      assert.deepEqual([status, body], [200, 'answer'])
      client.destroy()
    })

    it(`serves HTTP/1.1 that comes ${how}, and may do so twice`, async () => {
      for (const text of [get('/'), request11('PRIME /')]) {
        const peer = await Peer.connect(portOf('h2c'))
        await sendCut((bytes) => peer.send(bytes), Buffer.from(text, 'latin1'), cuts)
        assert.equal(statusOf(await peer.response()), 200)
        peer.send(get('/again'))
        assert.equal(statusOf(await peer.response()), 200)
        peer.destroy()
      }
    })
  }

  it('serves HTTP/1.1 with a body that fills the read buffer after a first byte alone', async () => {
    const peer = await Peer.connect(portOf('h2c'))
    const body = 'b'.repeat(300_000)
    peer.send('P')
    await new Promise((resolve) => setTimeout(resolve, 20))
    peer.send(`OST / HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    assert.equal(statusOf(await peer.response()), 200)
    assert.equal(backend.requests.at(-1)?.body, body)
    peer.destroy()
  })

  it('refuses what only begins as the preface', async () => {
    const client = await H2Peer.connect(portOf('h2c'), { settings: null, silent: true })
    client.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\n', 'latin1'))
    assert.equal((await client.next('goaway')).code, 1)
    await client.ended
  })

  it('does not take up an Upgrade to it', async () => {
    const peer = await Peer.connect(portOf('h2c'))
    peer.send(get('/', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'))
    const response = await peer.response()
    assert.equal(statusOf(response), 200)
    assert.equal(fieldOf(backend.requests.at(-1) ?? { lines: [] }, 'http2-settings'), null)
    assert.equal(fieldOf(backend.requests.at(-1) ?? { lines: [] }, 'upgrade'), null)
    peer.destroy()
  })

  it('ends a connection whose first bytes do not come, and has room for the next', async () => {
    for (const bytes of ['', 'PRI * HT']) {
      const peer = await Peer.connect(portOf('impatient'))
      if (bytes !== '') peer.send(bytes)
      assert.equal(await peer.rest(), '')
    }
    const client = await H2Peer.connect(portOf('impatient'))
    client.get(1, '/')
    assert.equal((await client.response(1)).status, 200)
    client.destroy()
  })

  it('forgets a client that leaves before it has said what it speaks', async () => {
    for (let i = 0; i < 6; i++) {
      const peer = await Peer.connect(portOf('h2c'))
      peer.send('PR')
      if (i % 2 === 0) peer.end()
      else peer.reset()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const client = await H2Peer.connect(portOf('h2c'))
    client.get(1, '/')
    assert.equal((await client.response(1)).status, 200)
    client.destroy()
  })
})

describe('a listener without h2c', () => {
  it('refuses the preface as the HTTP/1.1 that it is not', async () => {
    const peer = await Peer.connect(portOf('http'))
    peer.send(hello)
    assert.match(await peer.rest(), /^HTTP\/1\.1 (400|505) /)
  })
})

function request11(start: string): string {
  return `${start} HTTP/1.1\r\nHost: gateway.test\r\n\r\n`
}
