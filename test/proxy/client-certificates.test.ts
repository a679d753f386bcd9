import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectH2 } from 'node:http2'
import { type AddressInfo, connect as connectPlain, createServer } from 'node:net'
import { after, describe, it } from 'node:test'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { createIntermediate, createLeaf, createRoot, type Identity } from '../../src/pki/make.ts'
import { ask as askH2 } from './h2-client-rig.ts'
import { get, Peer } from './peer.ts'
import { type Addition, proxyPlan, startPlannedGateway } from './planned-gateway.ts'

/* Clients of a listener that must show a certificate. */

const root = await createRoot({ commonName: 'Gateway CA' })
const clientRoot = await createRoot({ commonName: 'Client CA' })
const otherRoot = await createRoot({ commonName: 'Other Client CA' })
const server = await createLeaf(root, { names: ['gateway.test'] })
const good = await createLeaf(clientRoot, { names: ['client'], purposes: ['clientAuth'] })
const wrong = await createLeaf(otherRoot, { names: ['client'], purposes: ['clientAuth'] })
const serving = await createLeaf(clientRoot, { names: ['client'] })
const self = await createRoot({ commonName: 'Self' })
const day = 86_400_000
const expired = await createLeaf(clientRoot, {
  names: ['client'],
  purposes: ['clientAuth'],
  notBefore: new Date(Date.now() - 2 * day),
  notAfter: new Date(Date.now() - day),
})
const middle = await createIntermediate(clientRoot, { commonName: 'Client Intermediate' })
const below = await createLeaf(middle, { names: ['client'], purposes: ['clientAuth'] })

const secure = (name: string) => ({
  name,
  address: '127.0.0.1',
  port: 0,
  tls: { certificates: [{ certificate: './server.pem', key: './server.key' }] },
})
/** Anchors by listener; a listener without asks for nothing. */
const asking =
  (anchors: Readonly<Record<string, readonly string[]>>): Addition =>
  ({ listeners }) => ({
    listeners: listeners.map((plan) =>
      plan.tls === null ? plan : { ...plan, tls: { ...plan.tls, clientAnchors: anchors[plan.name] ?? null } },
    ),
    proxies: [proxyPlan({ kind: 'none' })],
  })
const strict = asking({ mutual: [clientRoot.certificatePem] })
const gateway = await startPlannedGateway({ listeners: [secure('open'), secure('mutual')] }, strict, {
  files: { 'server.pem': server.chainPem, 'server.key': server.keyPem },
  workers: 2,
})
after(() => gateway[Symbol.asyncDispose]())

interface Shown extends ConnectionOptions {
  readonly by?: Identity | null
  readonly listener?: string
}

function options({ by = good, listener = 'mutual', ...more }: Shown): ConnectionOptions {
  return {
    host: '127.0.0.1',
    port: gateway.gateway.ports[listener] ?? 0,
    ca: root.certificatePem,
    servername: 'gateway.test',
    ALPNProtocols: ['http/1.1'],
    ...(by === null ? {} : { cert: by.chainPem, key: by.keyPem }),
    ...more,
  }
}

/** `200`, or how the connection ended instead of an answer. */
async function outcome(shown: Shown): Promise<string> {
  const socket = connect(options(shown))
  let text = ''
  let error = 'closed'
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1')
    if (text.includes('\r\n\r\n')) socket.destroy()
  })
  socket.on('error', (thrown: Error & { code?: string }) => (error = thrown.code ?? thrown.message))
  socket.on('secureConnect', () => socket.write(get('/')))
  await new Promise((resolve) => socket.once('close', resolve))
  return text === '' ? error : text.slice(9, 12)
}

describe('a listener with client anchors', () => {
  const rows: readonly (readonly [what: string, shown: Shown, expected: RegExp])[] = [
    ['takes a certificate that an anchor has issued', {}, /^200$/],
    ['takes it over TLS 1.2', { maxVersion: 'TLSv1.2' }, /^200$/],
    ['takes it with an intermediate that the client sends', { by: below }, /^200$/],
    ['takes it from clients without SNI', { servername: '', checkServerIdentity: () => undefined }, /^200$/],
    ['refuses clients without one, with an alert', { by: null }, /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/],
    ['refuses them over TLS 1.2 too', { by: null, maxVersion: 'TLSv1.2' }, /HANDSHAKE_FAILURE|ECONNRESET/],
    ['refuses one of another issuer', { by: wrong }, /^(closed|ECONNRESET|EPIPE)$/],
    ['refuses that over TLS 1.2 too', { by: wrong, maxVersion: 'TLSv1.2' }, /^(closed|ECONNRESET|EPIPE)$/],
    ['refuses one that is for servers', { by: serving }, /^(closed|ECONNRESET|EPIPE)$/],
    ['refuses one that has expired', { by: expired }, /^(closed|ECONNRESET|EPIPE)$/],
  ]
  for (const [what, shown, expected] of rows) {
    it(what, async () => {
      assert.match(await outcome(shown), expected)
    })
  }

  it('does the same to HTTP/2', async () => {
    const { cert, key, ca } = options({})
    const portOf = gateway.gateway.ports['mutual'] ?? 0
    const dial = (identity: object) =>
      connectH2(`https://127.0.0.1:${portOf}`, { servername: 'gateway.test', ca: ca as string, ...identity })
    const client = dial({ cert, key })
    assert.equal((await askH2(client, { ':path': '/' })).status, 200)
    client.destroy()
    for (const identity of [{}, { cert: wrong.chainPem, key: wrong.keyPem }]) {
      const refused = dial(identity)
      refused.on('error', () => {})
      await assert.rejects(askH2(refused, { ':path': '/' }))
      refused.destroy()
    }
  })

  it('leaves other listeners as they are', async () => {
    assert.equal(await outcome({ by: null, listener: 'open' }), '200')
    assert.equal(await outcome({ by: wrong, listener: 'open' }), '200')
  })

  it('takes an anchor that is no root', async () => {
    await gateway.plan(asking({ mutual: [middle.certificatePem] }))
    const nameless = { servername: '', checkServerIdentity: () => undefined }
    assert.equal(await outcome({ by: below }), '200')
    assert.equal(await outcome({ by: below, ...nameless }), '200')
    assert.notEqual(await outcome({ by: good }), '200')
    assert.notEqual(await outcome({ by: good, ...nameless }), '200')
    await gateway.plan(strict)
  })
})

describe('a change of client anchors', () => {
  it('is in force for the next connection, in both directions', async () => {
    for (const anchors of [[otherRoot], null, [clientRoot], [otherRoot, clientRoot], [self]] as const) {
      await gateway.plan(asking(anchors === null ? {} : { mutual: anchors.map((each) => each.certificatePem) }))
      const takes = (issuer: typeof root): boolean =>
        anchors === null || (anchors as readonly unknown[]).includes(issuer)
      const name = anchors === null ? 'none' : `${anchors.length}`
      assert.equal((await outcome({ by: good })) === '200', takes(clientRoot), name)
      assert.equal((await outcome({ by: wrong })) === '200', takes(otherRoot), name)
      assert.equal((await outcome({ by: null })) === '200', anchors === null, name)
    }
  })

  it('ends connections that came in under others, after their request; any other change does not', async () => {
    await gateway.plan(strict)
    const peer = await Peer.connectTls(options({}))
    peer.send(get('/'))
    await peer.response()
    await gateway.plan(strict)
    peer.send(get('/'))
    await peer.response()
    await gateway.plan(asking({ mutual: [otherRoot.certificatePem] }))
    assert.equal(await peer.ended, 'end')
    peer.destroy()
    await gateway.plan(strict)
  })

  for (const [before, anchors] of [
    ['other anchors', { mutual: [clientRoot.certificatePem] }],
    ['none', {}],
  ] as const) {
    it(`reaches a handshake that began under ${before}`, async () => {
      for (const change of [false, true]) {
        await gateway.plan(asking(anchors))
        await using relay = await startRelay(gateway.gateway.ports['mutual'] ?? 0)
        const socket = connect({ ...options({}), port: relay.port })
        let text = ''
        socket.on('error', () => {})
        socket.on('data', (bytes: Buffer) => {
          text += bytes.toString('latin1')
          socket.destroy()
        })
        await relay.held
        await gateway.plan(asking(change ? { mutual: [otherRoot.certificatePem] } : anchors))
        relay.release()
        socket.write(get('/'))
        await new Promise((resolve) => socket.once('close', resolve))
        assert.equal(text.slice(9, 12), change ? '' : '200')
      }
      await gateway.plan(strict)
    })
  }
})

interface Relay extends AsyncDisposable {
  readonly port: number
  /** The client has sent what comes after its first flight. */
  readonly held: Promise<void>
  release(): void
}

/** Passes bytes on, but of the client the first flight alone until it is released. */
async function startRelay(port: number): Promise<Relay> {
  let release = (): void => {}
  let hold = (): void => {}
  const held = new Promise<void>((resolve) => (hold = resolve))
  const relay = createServer((client) => {
    const inner = connectPlain(port, '127.0.0.1')
    const later: Buffer[] = []
    let flights = 0
    let open = false
    client.on('data', (bytes: Buffer) => {
      if (open || flights++ === 0) {
        inner.write(bytes)
        return
      }
      later.push(bytes)
      hold()
    })
    release = () => {
      open = true
      for (const bytes of later) inner.write(bytes)
    }
    inner.pipe(client)
    for (const [one, other] of [
      [client, inner],
      [inner, client],
    ] as const) {
      one.on('error', () => {})
      one.on('close', () => other.destroy())
    }
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  return {
    port: (relay.address() as AddressInfo).port,
    held,
    release: () => release(),
    async [Symbol.asyncDispose]() {
      relay.close()
    },
  }
}

describe('a session', () => {
  /** A session of a connection that was served, to resume. */
  async function sessionOf(shown: Shown): Promise<Buffer> {
    const socket = connect(options(shown))
    const session = once(socket, 'session') as Promise<[Buffer]>
    await once(socket, 'secureConnect')
    socket.write(get('/'))
    const [ticket] = await session
    await once(socket, 'data')
    socket.destroy()
    return ticket
  }

  async function resumes(shown: Shown): Promise<{ resumed: boolean; outcome: string }> {
    const socket: TLSSocket = connect(options(shown))
    let text = ''
    let resumed = false
    socket.on('error', () => {})
    socket.once('secureConnect', () => {
      resumed = socket.isSessionReused()
      socket.write(get('/'))
    })
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1')
      socket.destroy()
    })
    await new Promise((resolve) => socket.once('close', resolve))
    return { resumed, outcome: text.slice(9, 12) }
  }

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`of ${maxVersion} is resumed where it was made`, async () => {
      const session = await sessionOf({ maxVersion })
      // Often enough to come to the other worker too.
      for (let n = 0; n < 8; n++) {
        assert.deepEqual(await resumes({ maxVersion, session }), { resumed: true, outcome: '200' })
      }
    })

    it(`of ${maxVersion} from a listener that asks for nothing opens none that asks`, async () => {
      const session = await sessionOf({ maxVersion, by: null, listener: 'open' })
      assert.deepEqual(await resumes({ maxVersion, session, by: null, listener: 'open' }), {
        resumed: true,
        outcome: '200',
      })
      assert.equal((await resumes({ maxVersion, session, by: null })).outcome, '')
    })

    it(`of ${maxVersion} from before a change of anchors opens nothing after it`, async () => {
      await gateway.plan(strict)
      const session = await sessionOf({ maxVersion })
      await gateway.plan(asking({ mutual: [otherRoot.certificatePem] }))
      assert.equal((await resumes({ maxVersion, session })).outcome, '')
      await gateway.plan(strict)
    })
  }
})
