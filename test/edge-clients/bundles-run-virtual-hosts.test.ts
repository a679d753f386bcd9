import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createLeaf, createRoot, type Identity, pemOf } from '../../src/pki/make.ts'
import { type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'
import {
  ask,
  type AskOptions,
  bundle,
  freePort,
  plainBackend,
  type PlainBackend,
  refusal,
  rule,
  short,
} from './bundles-rig.ts'

/* Virtual hosts of stored objects, as clients meet them: certificates by SNI, ports of their own, checks of clients. */

const notFound = '404 messaging.adaptors.http.flow.ApplicationNotFound'

let backend: PlainBackend
let running: ManagedTestGateway
let directory: string
let securePort: number
let root: Identity
let clients: Identity
let first: Identity

const leaf = (name: string, commonName = name): Promise<Identity> => createLeaf(root, { names: [name], commonName })

before(async () => {
  root = await createRoot({ commonName: 'Front Root' })
  clients = await createRoot({ commonName: 'Client Root' })
  backend = await plainBackend('saw')
  directory = await mkdtemp(join(tmpdir(), 'postern-front-'))
  const own = await leaf('front.example')
  await writeFile(join(directory, 'front.pem'), own.chainPem)
  await writeFile(join(directory, 'front.key'), own.keyPem)
  securePort = await freePort()
  const certificate = { certificate: join(directory, 'front.pem'), key: join(directory, 'front.key') }
  const listeners = [
    { name: 'http', address: '127.0.0.1', port: 0 },
    { name: 'https', address: '127.0.0.1', port: securePort, tls: { certificates: [certificate] } },
  ]
  running = await startManagedGateway({ faults: 'apigee', listeners, apigee: { virtualHosts: 'open' } }, { workers: 2 })
  const { api } = running
  for (const store of ['keys-1', 'keys-2', 'client-roots']) await api.keystore(store)
  first = await leaf('shop.example', 'first')
  const second = await leaf('shop.example', 'second')
  await api.alias('keys-1', 'server', first.chainPem, first.keyPem)
  await api.alias('keys-2', 'server', second.chainPem, second.keyPem)
  await api.alias('client-roots', 'root', pemOf(clients.certificate))
  await api.reference('keys', 'keys-1', 'KeyStore')
})

after(async () => {
  await running?.[Symbol.asyncDispose]()
  await backend?.[Symbol.asyncDispose]()
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
})

const virtualHost = (name: string, body: object): Promise<unknown> =>
  running.api.send('POST', '/e/test/virtualhosts', { name, ...body })

async function deployed(name: string, virtualHosts: readonly string[]): Promise<void> {
  const files = bundle({ basePath: `/${name}`, virtualHosts, routes: rule('r', backend.url) })
  await running.api.importBundle(name, files)
  await running.api.deploy(name, 1)
}

/** `200 saw /x of first` */
async function seen(port: number, path: string, options: AskOptions): Promise<string> {
  const answer = await ask(port, path, options)
  return `${short(answer)} of ${answer.certificate}`
}

const failure = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work
    return ''
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

const keys = { enabled: 'true', keyStore: 'ref://keys', keyAlias: 'server' }

describe('a virtual host on a TLS listener of the configuration', () => {
  const shop: AskOptions = { serverName: 'shop.example', headers: { host: 'shop.example' } }

  before(async () => {
    await virtualHost('shop', { port: String(securePort), hostAliases: ['shop.example'], sSLInfo: keys })
    await deployed('shop', ['shop'])
  })

  it('shows its certificate to who asks for its name, and that of the listener to others', async () => {
    assert.equal(await seen(securePort, '/shop/x', shop), '200 saw /x of first')
    assert.equal(
      await seen(securePort, '/shop/x', { ...shop, serverName: 'front.example' }),
      '200 saw /x of front.example',
    )
    assert.equal(
      await seen(securePort, '/shop/x', { serverName: 'front.example', headers: { host: 'front.example' } }),
      `${notFound} of front.example`,
    )
  })

  it('shows the new one from the next handshake on, once its reference was switched', async () => {
    for (const [store, name] of [
      ['keys-2', 'second'],
      ['keys-1', 'first'],
    ] as const) {
      await running.api.switchReference('keys', store, 'KeyStore')
      // As many connections as it takes to meet both workers.
      for (let each = 0; each < 6; each++)
        assert.equal(await seen(securePort, '/shop/x', shop), `200 saw /x of ${name}`)
    }
  })

  it('shows a renewed one of the same key, once it has taken the place of its alias', async () => {
    const renewed = await createLeaf(root, { names: ['shop.example'], commonName: 'renewed', key: first.keys })
    await running.api.replaceAlias('keys-1', 'server', renewed.chainPem)
    assert.equal(await seen(securePort, '/shop/x', shop), '200 saw /x of renewed')
  })
})

describe('a virtual host with a port of its own', () => {
  let port: number
  let good: Identity
  let stranger: Identity

  before(async () => {
    port = await freePort()
    good = await createLeaf(clients, { names: ['me.example'], commonName: 'me', purposes: ['clientAuth'] })
    stranger = await createLeaf(root, { names: ['you.example'], commonName: 'you', purposes: ['clientAuth'] })
  })

  it('opens it with the answer, without TLS too', async () => {
    const plain = await freePort()
    assert.equal(await failure(ask(plain, '/plain/x')), 'ECONNREFUSED')
    await virtualHost('plain', { port: String(plain) })
    assert.equal(short(await ask(plain, '/plain/x')), notFound)
    await deployed('plain', ['plain'])
    assert.equal(short(await ask(plain, '/plain/x')), '200 saw /x')
    assert.equal(short(await ask(running.port, '/plain/x')), notFound)
  })

  it('asks clients for certificates of its TrustStore, and lets in no other', async () => {
    const sSLInfo = { ...keys, clientAuthEnabled: 'true', trustStore: 'client-roots' }
    await virtualHost('closed', { port: String(port), hostAliases: ['shop.example'], sSLInfo })
    await deployed('closed', ['closed'])
    const options = { serverName: 'shop.example', headers: { host: 'shop.example' } }
    const requests = backend.seen.length
    assert.equal(await seen(port, '/closed/x', { ...options, identity: good }), '200 saw /x of renewed')
    assert.notEqual(await failure(ask(port, '/closed/x', { ...options, identity: stranger })), '')
    assert.notEqual(await failure(ask(port, '/closed/x', options)), '')
    assert.equal(backend.seen.length, requests + 1)
  })

  it('takes other clients with the answer to the change of its store', async () => {
    const options = { serverName: 'shop.example', headers: { host: 'shop.example' } }
    await running.api.alias('client-roots', 'other', pemOf(root.certificate))
    assert.equal(await seen(port, '/closed/x', { ...options, identity: stranger }), '200 saw /x of renewed')
    await running.api.removeAlias('client-roots', 'other')
    for (let each = 0; each < 4; each++) {
      assert.notEqual(await failure(ask(port, '/closed/x', { ...options, identity: stranger })), '')
    }
    assert.equal(await seen(port, '/closed/x', { ...options, identity: good }), '200 saw /x of renewed')
  })

  it('is not deleted while a deployed proxy names it, and closes its port when it is', async () => {
    const refused = await refusal(running.api.send('DELETE', '/e/test/virtualhosts/closed'))
    assert.equal(refused.status, 400)
    assert.match(
      refused.message,
      /acme\/test\/apis\/closed\/1, proxy endpoint default: names the virtual host \\"closed\\"/,
    )
    await running.api.send('DELETE', '/e/test/apis/closed/revisions/1/deployments')
    await running.api.send('DELETE', '/e/test/virtualhosts/closed')
    assert.equal(await failure(ask(port, '/closed/x', { serverName: 'shop.example' })), 'ECONNREFUSED')
  })

  it('whose port is taken is refused whole, and says so', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port: number } = taken.address() as { port: number }
    const { generation } = running.gateway
    try {
      const refused = await refusal(virtualHost('taken', { port: String(number) }))
      assert.equal(refused.status, 400)
      assert.match(
        refused.message,
        new RegExp(`listener \\\\"vhost-${number}\\\\" cannot listen .*EADDRINUSE.*give the virtual host another`),
      )
      assert.equal(running.gateway.generation, generation)
      await assert.rejects(running.api.send('GET', '/e/test/virtualhosts/taken'), /404/)
      assert.equal(short(await ask(running.port, '/plain/x')), notFound)
    } finally {
      taken.close()
      await once(taken, 'close')
    }
    await virtualHost('taken', { port: String(number) })
    assert.equal(short(await ask(number, '/plain/x')), notFound)
  })
})
