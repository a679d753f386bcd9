import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLeaf, createRoot, type Identity } from '../../src/pki/make.ts'
import { startTestGateway, type TestConfig } from '../support/gateway.ts'
import { ok, startBackend } from './backend.ts'
import { ask, fieldOf, get, Peer, request, statusOf } from './peer.ts'

/* Which certificate a client sees and what changes of the configuration do to the clients that are there. */

const root = await createRoot({ commonName: 'Listener Test CA' })
const identities = {
  first: await createLeaf(root, { names: ['first.test'] }),
  wild: await createLeaf(root, { names: ['*.wild.test', 'also.test'] }),
  exact: await createLeaf(root, { names: ['exact.wild.test'] }),
}
const files = Object.fromEntries(
  Object.entries(identities).flatMap(([name, { chainPem, keyPem }]) => [
    [`${name}.pem`, chainPem],
    [`${name}.key`, keyPem],
  ]),
)
const backend = await startBackend(() => ok('ok'))

const plain = { name: 'http', address: '127.0.0.1', port: 0 }
const secure = {
  name: 'https',
  address: '127.0.0.1',
  port: 0,
  tls: {
    certificates: Object.keys(identities).map((name) => ({ certificate: `./${name}.pem`, key: `./${name}.key` })),
  },
}
const configOf = (...listeners: readonly object[]): TestConfig => ({
  listeners,
  targets: { b: { url: `http://127.0.0.1:${backend.port}` } },
  proxies: { b: { basePath: '/', target: 'b' } },
})
const gateway = await startTestGateway(configOf(plain, secure), { files, pollMs: 50, workers: 2 })
const portOf = (listener: string): number => gateway.gateway.ports[listener] ?? 0
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

async function handshake(servername: string, session?: Buffer): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port: portOf('https'),
    servername,
    ca: root.certificatePem,
    ALPNProtocols: ['http/1.1'],
    // Which certificate is chosen is the test; whether its name fits is the client's business.
    checkServerIdentity: () => undefined,
    ...(session === undefined ? {} : { session }),
  })
  await once(socket, 'secureConnect')
  return socket
}

async function shown(servername: string): Promise<string> {
  const socket = await handshake(servername)
  const { fingerprint256 } = socket.getPeerX509Certificate() ?? {}
  socket.destroy()
  return fingerprint256 ?? ''
}

async function fingerprint(identity: Identity): Promise<string> {
  const { X509Certificate } = await import('node:crypto')
  return new X509Certificate(identity.certificate).fingerprint256
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await holds()) return
    await sleep(25)
  }
  throw new Error(`it did not come to be: ${what}`)
}

describe('the certificate that a client sees', () => {
  const cases: readonly (readonly [name: string, expected: keyof typeof identities])[] = [
    ['first.test', 'first'],
    ['also.test', 'wild'],
    ['any.wild.test', 'wild'],
    ['exact.wild.test', 'exact'],
    ['EXACT.wild.TEST', 'exact'],
    ['two.labels.wild.test', 'first'],
    ['wild.test', 'first'],
    ['unknown.test', 'first'],
    ['', 'first'],
  ]
  for (const [name, expected] of cases) {
    it(`asking for ${name === '' ? 'nothing' : name}: ${expected}`, async () => {
      assert.equal(await shown(name), await fingerprint(identities[expected]))
    })
  }
})

describe('an HTTPS and an HTTP listener', () => {
  it('serve the same, and tell the backend which it was', async () => {
    const socket = new Peer(await handshake('first.test'))
    socket.send(get('/x'))
    assert.equal((await socket.response()).body, 'ok')
    assert.equal(fieldOf(backend.requests.at(-1) ?? { lines: [] }, 'x-forwarded-proto'), 'https')
    await ask(portOf('http'), get('/x'))
    assert.equal(fieldOf(backend.requests.at(-1) ?? { lines: [] }, 'x-forwarded-proto'), 'http')
    socket.destroy()
  })
  it('a client that half-closes after its request over TLS gets its response', async () => {
    const client = new Peer(await handshake('first.test'))
    client.send(get('/x'))
    client.end()
    assert.equal((await client.response()).body, 'ok')
    await client.ended
  })
  it('plain HTTP on the HTTPS port gets no answer, and the listener stands', async () => {
    const client = await Peer.connect(portOf('https'))
    client.send(get('/x'))
    await client.ended
    assert.equal(await shown('first.test'), await fingerprint(identities.first))
  })
})

describe('a certificate that is replaced on disk', () => {
  it('is shown to new clients, without a restart, while those that are there live on', async () => {
    const before = new Peer(await handshake('first.test'))
    before.send(get('/x'))
    assert.equal((await before.response()).body, 'ok')
    const renewed = await createLeaf(root, { names: ['first.test'], key: identities.first.keys })
    await writeFile(join(gateway.directory, 'first.pem'), renewed.chainPem)
    const expected = await fingerprint(renewed)
    await until('the new certificate', async () => (await shown('first.test')) === expected)
    assert.equal(await shown('unknown.test'), expected)
    assert.equal(await shown(''), expected)
    assert.equal(await shown('also.test'), await fingerprint(identities.wild))
    before.send(get('/x'))
    assert.equal((await before.response()).body, 'ok')
    before.destroy()
  })
  it('leaves sessions resumable, by whichever worker', async () => {
    const first = await handshake('first.test')
    const [session] = (await once(first, 'session')) as [Buffer]
    first.destroy()
    const renewed = await createLeaf(root, { names: ['exact.wild.test'], key: identities.exact.keys })
    await writeFile(join(gateway.directory, 'exact.pem'), renewed.chainPem)
    const expected = await fingerprint(renewed)
    await until('the new certificate', async () => (await shown('exact.wild.test')) === expected)
    for (let i = 0; i < 8; i++) {
      const next = await handshake('first.test', session)
      assert.equal(next.isSessionReused(), true)
      next.destroy()
    }
  })
  it('by a broken one stays in force, and the fault is reported', async () => {
    const good = await shown('also.test')
    const before = gateway.events.filter((event) => event.type === 'generation-refused').length
    const reported = (): boolean =>
      gateway.events.filter((event) => event.type === 'generation-refused').length > before
    await writeFile(join(gateway.directory, 'wild.pem'), 'not a certificate')
    await until('a report', reported)
    const event = gateway.events.filter((one) => one.type === 'generation-refused').at(-1)
    assert.match(JSON.stringify(event), /listeners\[1\]\.tls\.certificates\[1\]/)
    assert.equal(await shown('also.test'), good)
    await writeFile(join(gateway.directory, 'wild.pem'), identities.wild.chainPem)
    await sleep(150)
    assert.equal(await shown('also.test'), good)
  })
})

describe('a change of the configuration', () => {
  it('opens a listener and closes it again: its idle clients end, busy ones after their response', async () => {
    assert.equal(await gateway.reconfigure(configOf(plain, secure, { ...plain, name: 'third' })), true)
    const third = portOf('third')
    const kept = await Peer.connect(portOf('http'))
    const idle = await Peer.connect(third)
    idle.send(get('/x'))
    assert.equal((await idle.response()).body, 'ok')
    const busy = await Peer.connect(third)
    busy.send(`${request('POST', '/x', 'Content-Length: 4')}bo`)
    await until('the request at the backend', () => backend.accepted.some((peer) => peer.unread.endsWith('bo')))
    assert.equal(await gateway.reconfigure(configOf(plain, secure)), true)
    assert.equal(await idle.ended, 'end')
    const before = backend.requests.length
    idle.send(get('/too-late'))
    busy.send('dy')
    const response = await busy.response()
    assert.equal(response.body, 'ok')
    assert.equal(fieldOf(response, 'connection'), 'close')
    assert.equal(await busy.ended, 'end')
    await assert.rejects(Peer.connect(third))
    kept.send(get('/x'))
    assert.equal((await kept.response()).body, 'ok')
    // What came after the end was not forwarded: a response could not have been delivered.
    assert.deepEqual(
      backend.requests.slice(before).map(({ start }) => start.split(' ')[0]),
      ['POST', 'GET'],
    )
    assert.equal(
      backend.requests.some(({ start }) => start.includes('too-late')),
      false,
    )
    for (const peer of [kept, idle, busy]) peer.destroy()
  })
  it('moves a listener to another port', async () => {
    const moving = (port: number): TestConfig => configOf(plain, secure, { ...plain, name: 'moving', port })
    const free = await startBackend()
    await free[Symbol.asyncDispose]()
    assert.equal(await gateway.reconfigure(moving(0)), true)
    const old = portOf('moving')
    assert.equal(statusOf(await ask(old, get('/x'))), 200)
    assert.equal(await gateway.reconfigure(moving(free.port)), true)
    assert.equal(portOf('moving'), free.port)
    assert.equal(statusOf(await ask(free.port, get('/x'))), 200)
    await assert.rejects(Peer.connect(old))
    assert.equal(await gateway.reconfigure(configOf(plain, secure)), true)
  })
  it('to a port that is taken is refused whole, and everything stays as it was', async () => {
    const generation = gateway.gateway.generation
    const blocked = { ...plain, name: 'blocked', port: backend.port }
    assert.equal(await gateway.reconfigure(configOf(plain, secure, blocked)), false)
    assert.equal(gateway.gateway.generation, generation)
    assert.match(JSON.stringify(gateway.events.at(-1)), /blocked.*cannot listen/)
    assert.equal(statusOf(await ask(portOf('http'), get('/x'))), 200)
    assert.equal(await gateway.reconfigure(configOf(plain, secure)), false)
  })
})

describe('probes', () => {
  const paths = ['/healthz', '/readyz', '/status-0123456789abcdef', '/status-012345678990abcdef']
  for (const path of paths) {
    it(`${path} is answered here, by GET and HEAD, and reaches no proxy and no log`, async () => {
      const before = backend.requests.length
      const answered = await ask(portOf('http'), get(path))
      assert.equal(statusOf(answered), 200)
      const head = await ask(portOf('http'), request('HEAD', path))
      assert.equal(statusOf(head), 200)
      assert.equal(fieldOf(head, 'content-length'), String(answered.body.length))
      assert.equal(backend.requests.length, before)
      await ask(portOf('http'), get(`/after${path}`))
      const lines = await gateway.logLines('postern.log', (line) => line.includes(`"/after${path}"`))
      assert.equal(
        lines.some((line) => line.includes(`"path":"${path}"`)),
        false,
      )
    })
    it(`${path} is no probe by POST, with a query, or longer`, async () => {
      for (const text of [
        request('POST', path, 'Content-Length: 0'),
        get(`${path}?x`),
        get(`${path}/x`),
        get(`${path}x`),
      ]) {
        const before = backend.requests.length
        assert.equal((await ask(portOf('http'), text)).body, 'ok')
        assert.equal(backend.requests.length, before + 1)
      }
    })
  }
  it('are left to the proxies where the listener says so', async () => {
    assert.equal(await gateway.reconfigure(configOf({ ...plain, probes: false }, secure)), true)
    const before = backend.requests.length
    for (const path of paths) assert.equal((await ask(portOf('http'), get(path))).body, 'ok')
    assert.equal(backend.requests.length, before + paths.length)
    assert.equal(await gateway.reconfigure(configOf(plain, secure)), true)
  })
})

describe('two workers', () => {
  it('share one port, and both serve', async () => {
    for (let i = 0; i < 60; i++) await ask(portOf('http'), get(`/shared/${i}`))
    // Each worker writes its lines in batches of its own.
    const logged = new Set<string>()
    const lines = await gateway.logLines('postern.log', (line) => {
      const path = /"path":"(\/shared\/\d+)"/.exec(line)?.[1]
      if (path !== undefined) logged.add(path)
      return logged.size === 60
    })
    const workers = new Set(
      lines.filter((line) => line.includes('"/shared/')).map((line) => (JSON.parse(line) as { worker: number }).worker),
    )
    assert.deepEqual(
      [...workers].sort((a, b) => a - b),
      [0, 1],
    )
  })
})

describe('a port that another gateway of the same user has', () => {
  it('is refused at the start, although both could share it', async () => {
    await assert.rejects(
      startTestGateway({ listeners: [{ name: 'http', address: '127.0.0.1', port: portOf('http') }] }),
      { code: 'listener-failed' },
    )
  })
})
