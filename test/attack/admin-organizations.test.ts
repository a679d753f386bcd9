import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { writeZip } from '../../src/core/zip.ts'
import { createIntermediate, createLeaf, createRoot, type Identity } from '../../src/pki/make.ts'
import { oneTarget } from '../support/admin-client.ts'
import { adminPassword, type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'
import { startTlsBackend, type TlsBackend } from '../support/tls-backend.ts'

let gateway: ManagedTestGateway
let backend: TlsBackend
let leaf: Identity

const eve = `Basic ${Buffer.from('eve:password-of-eve').toString('base64')}`
const root = `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}`

async function ask(
  authorization: string,
  method: string,
  path: string,
  body?: object | Uint8Array,
): Promise<{ status: number; text: string }> {
  const isBytes = body instanceof Uint8Array
  const answer = await fetch(`http://127.0.0.1:${gateway.gateway.managementPort}${path}`, {
    method,
    headers: { authorization, 'content-type': isBytes ? 'application/octet-stream' : 'application/json' },
    ...(body === undefined ? {} : { body: isBytes ? new Uint8Array(body) : JSON.stringify(body) }),
  })
  return { status: answer.status, text: await answer.text() }
}

async function made(...call: Parameters<typeof ask>): Promise<string> {
  const { status, text } = await ask(...call)
  assert.ok(status < 300, `${call[1]} ${call[2]}: ${status} ${text}`)
  return text
}

/** Imported and deployed by the operator of the other organization. */
async function deployed(name: string, connection: string): Promise<{ status: number; text: string }> {
  const files = Object.entries(oneTarget(name, connection)).map(
    ([path, text]) => [`apiproxy/${path}`, Buffer.from(text)] as const,
  )
  await made(eve, 'POST', `/v1/o/globex/apis?action=import&name=${name}`, await writeZip(files))
  return ask(eve, 'POST', `/v1/o/globex/e/prod/apis/${name}/revisions/1/deployments`)
}

before(async () => {
  gateway = await startManagedGateway()
  const ca = await createRoot({ commonName: 'Root of acme' })
  const between = await createIntermediate(ca, { commonName: 'Intermediate of acme' })
  leaf = await createLeaf(between, { names: ['127.0.0.1'] })
  // Without its intermediate, which only acme has.
  backend = await startTlsBackend({ identity: { chainPem: leaf.certificatePem, keyPem: leaf.keyPem } })
  const { api } = gateway
  await api.keystore('secret-store')
  await api.alias('secret-store', 'root', ca.certificatePem)
  await api.alias('secret-store', 'between', between.certificatePem)
  await api.alias('secret-store', 'client', leaf.certificatePem, leaf.keyPem)
  await api.reference('trust', 'secret-store')
  await api.targetServer('ts', { name: 'ts', host: '127.0.0.1', port: backend.port, isEnabled: true })
  await made(root, 'POST', '/v1/o', { name: 'globex' })
  await made(root, 'POST', '/v1/o/globex/environments', { name: 'prod' })
  await made(root, 'POST', '/api/users', { name: 'eve', password: 'password-of-eve', roles: { globex: 'operator' } })
})

after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

const elsewhere = [
  'secret-store',
  'acme/test/secret-store',
  '/acme/test/secret-store',
  '../../acme/test/secret-store',
  'test/secret-store',
  'ref://trust',
  'ref://acme/test/trust',
  'ref://../../acme/test/trust',
  'ref://ref://acme/test/trust',
]

describe('An operator of one organization', () => {
  test('trusts nothing of another by any name', async () => {
    for (const [index, store] of elsewhere.entries()) {
      const sslInfo = `<SSLInfo><Enabled>true</Enabled><TrustStore>${store}</TrustStore></SSLInfo>`
      const { status, text } = await deployed(`trust-${index}`, `<URL>${backend.url}</URL>${sslInfo}`)
      assert.equal(status, 400, `${store}: ${text}`)
      assert.doesNotMatch(text, /Root of acme/)
    }
  })

  test('shows no key of another by any name, whether a bundle, a virtual host, or a test of a connection asks for it', async () => {
    for (const [index, store] of elsewhere.entries()) {
      const sslInfo = `<SSLInfo><Enabled>true</Enabled><ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>${store}</KeyStore><KeyAlias>client</KeyAlias></SSLInfo>`
      const { status, text } = await deployed(`key-${index}`, `<URL>${backend.url}</URL>${sslInfo}`)
      assert.equal(status, 400, `${store}: ${text}`)
      const ssl = { enabled: true, clientAuthEnabled: true, keyStore: store, keyAlias: 'client', trustStore: store }
      const tested = await ask(eve, 'POST', '/v1/o/globex/e/prod/testssl', {
        host: '127.0.0.1',
        port: backend.port,
        targetEndpointConfiguration: ssl,
      })
      assert.equal(tested.status, 400, `${store}: ${tested.text}`)
      const host = { name: `vh${index}`, port: String(gateway.port), hostAliases: ['x.test'], sSLInfo: ssl }
      await ask(eve, 'POST', '/v1/o/globex/e/prod/virtualhosts', host)
    }
    const served = gateway.gateway.plan.listeners.map(({ tls }) => JSON.stringify(tls)).join(' ')
    assert.ok(!served.includes(leaf.certificatePem.slice(100, 200)), 'a listener shows the certificate of another')
  })

  test('reaches no target server of another', async () => {
    for (const [index, name] of ['ts', 'acme/test/ts', '../../acme/test/ts'].entries()) {
      const balancer = `<LoadBalancer><Server name="${name}"/></LoadBalancer>`
      const { status, text } = await deployed(`server-${index}`, balancer)
      assert.equal(status, 400, `${name}: ${text}`)
    }
  })

  test('makes no reference to a store of another', async () => {
    for (const refers of elsewhere) {
      const body = { name: 'mine', refers, resourceType: 'TrustStore' }
      const { status, text } = await ask(eve, 'POST', '/v1/o/globex/e/prod/references', body)
      assert.ok(status >= 400 && status < 500, `${refers}: ${status} ${text}`)
    }
  })

  test('sees neither the other nor what runs for it', async () => {
    assert.deepEqual(JSON.parse(await made(eve, 'GET', '/v1/organizations')), ['globex'])
    for (const path of [
      '/v1/organizations/acme',
      '/v1/organizations/Acme',
      '/v1/organizations/*',
      '/v1/organizations/acme%20',
      '/v1/organizations/constructor',
      '/v1/o/acme/e/test/keystores',
      '/v1/audits/organizations/acme',
      '/status',
      '/inventory',
      '/api/config',
      '/api/targets',
      '/api/events',
      '/api/audit',
      '/api/users',
    ]) {
      assert.equal((await ask(eve, 'GET', path)).status, 403, path)
    }
    for (const path of ['/v1/o/globex%2f..%2facme/e/test', '/v1/o/globex/e/..%2f..%2facme']) {
      assert.ok([400, 404].includes((await ask(eve, 'GET', path)).status), path)
    }
  })

  test('is told nothing of the stores of another when he tests a connection', async () => {
    await made(eve, 'POST', '/v1/o/globex/e/prod/keystores', { name: 'own' })
    const { text } = await ask(eve, 'POST', '/v1/o/globex/e/prod/testssl', { host: '127.0.0.1', port: backend.port })
    assert.match(text, /"verdict"/)
    assert.doesNotMatch(text, /secret-store|acme\/|Root of acme/)
  })
})
