import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { createIntermediate, createLeaf, createRoot, createSelfSigned, pemOf } from '../../../src/pki/make.ts'
import { shellWord } from '../../../src/verdict/shell.ts'
import { oneTarget } from '../../support/admin-client.ts'
import { adminPassword, startManagedGateway } from '../../support/managed-gateway.ts'
import { startTlsBackend } from '../../support/tls-backend.ts'
import { nativeClient } from './native-client.ts'

const root = await createRoot({ commonName: 'Backend Root', organization: 'Acme' })
const other = await createRoot({ commonName: 'Other Root', organization: 'Acme' })
const issuing = await createIntermediate(root, { commonName: 'Backend Issuing CA' })
const leaf = await createLeaf(issuing, { names: ['127.0.0.1'] })
const client = await createLeaf(root, { names: ['client'], commonName: 'client', purposes: ['clientAuth'] })
const strangeClient = await createLeaf(other, { names: ['client'], commonName: 'strange', purposes: ['clientAuth'] })
/** The root is sent as well, so that what is missing is at hand. */
const withRoot = { chainPem: pemOf(leaf.certificate, issuing.certificate, root.certificate), keyPem: leaf.keyPem }
const cli = `${shellWord(process.execPath)} ${shellWord(join(import.meta.dirname, '../../../src/cli/main.ts'))}`

const trusting = (port: number, store: string, more = ''): string =>
  `<URL>https://127.0.0.1:${port}</URL><SSLInfo><Enabled>true</Enabled><TrustStore>${store}</TrustStore>${more}</SSLInfo>`

describe('targets over the native API', { timeout: 30_000 }, () => {
  it('a target of a bundle whose root is missing is mended by the printed commands alone', async () => {
    await using backend = await startTlsBackend({ identity: withRoot })
    await using running = await startManagedGateway({ diagnosis: { live: true, wait: '5s' } }, { posternCommand: cli })
    const { api } = running
    const native = nativeClient(running)
    await api.keystore('partners')
    // Under the name that an upload of the missing root would have: it must not stand in its way.
    await api.alias('partners', 'backend-root', other.certificatePem)
    await api.reference('trust', 'partners')
    await api.importBundle('orders', oneTarget('orders', trusting(backend.port, 'ref://trust')))
    await api.deploy('orders', 1)
    const ask = (): Promise<number> => fetch(`http://127.0.0.1:${running.port}/orders`).then(({ status }) => status)
    assert.equal(await ask(), 503)
    const name = 'acme/test/orders/1/default'
    const before = await native.send(`GET /api/target?name=${encodeURIComponent(name)}`)
    const [server] = before.json.servers
    assert.equal(before.json.origin.api, 'orders')
    assert.deepEqual(server.trust, [{ written: 'ref://trust', store: 'acme/test/partners' }])
    assert.equal(server.last.verdict, 'missing-root')
    assert.equal(server.last.source, 'traffic')
    assert.equal(server.last.current, true)
    const [first] = server.remedy
    assert.equal(first.kind, 'edge-management-api')
    assert.match(first.action, /trust store partners of acme\/test/)
    for (const remedy of server.report.remedy) assert.doesNotMatch(remedy.commands.join('\n'), /config set/)
    const shell = async (command: string): Promise<unknown> =>
      promisify(execFile)('/bin/sh', ['-c', command], {
        cwd: running.directory,
        env: { ...process.env, POSTERN_USER: 'admin', POSTERN_PASSWORD: adminPassword },
      })
    for (const command of first.commands) await shell(command)
    assert.equal(await ask(), 200)
    const after = await native.send(`POST /api/target/check?name=${encodeURIComponent(name)}`)
    assert.equal(after.json.reports[0].verdict.code, 'trusted')
    const list = await native.send('GET /api/targets')
    assert.equal(list.json.targets[0].servers[0].last.verdict, 'trusted')
    assert.equal(list.json.targets[0].servers[0].last.source, 'check')
    assert.notEqual(list.json.targets[0].servers[0].chainEnds, null)
    assert.doesNotMatch(native.heard(), /PRIVATE KEY|a-password-for-tests/)
  })

  it('the last word on a target is that of its traffic: null, failed, trusted again', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    await using running = await startManagedGateway({ diagnosis: { live: true, wait: '5s' } })
    const { api } = running
    const native = nativeClient(running)
    for (const store of ['good', 'bad']) await api.keystore(store)
    await api.alias('good', 'root', root.certificatePem)
    await api.alias('bad', 'root', other.certificatePem)
    await api.reference('trust', 'good')
    await api.importBundle('orders', oneTarget('orders', trusting(backend.port, 'ref://trust')))
    await api.deploy('orders', 1)
    const ask = (): Promise<number> => fetch(`http://127.0.0.1:${running.port}/orders`).then(({ status }) => status)
    const last = async () => {
      const { json } = await native.send('GET /api/targets')
      const found = json.targets[0].servers[0].last
      return found === null ? null : [found.verdict, found.source, found.current]
    }
    assert.equal(await last(), null)
    for (const [store, status, verdict] of [
      ['good', 200, 'trusted'],
      ['bad', 503, 'missing-root'],
      ['good', 200, 'trusted'],
    ] as const) {
      await api.switchReference('trust', store)
      assert.equal(await ask(), status)
      // What a worker has seen is told beside the response.
      for (let tries = 0; tries < 100 && (await last())?.[0] !== verdict; tries++)
        await new Promise((resolve) => setTimeout(resolve, 20))
      assert.deepEqual(await last(), [verdict, 'traffic', true])
    }
    await api.switchReference('trust', 'bad')
    assert.deepEqual(await last(), ['trusted', 'traffic', false])
  })

  it('a root that another managed store holds is found there, and its command takes it from there', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    await using running = await startManagedGateway()
    const { api } = running
    const native = nativeClient(running)
    for (const store of ['partners', 'archive']) await api.keystore(store)
    await api.alias('partners', 'other', other.certificatePem)
    await api.alias('archive', 'backend root', root.certificatePem)
    await api.importBundle('orders', oneTarget('orders', trusting(backend.port, 'partners')))
    await api.deploy('orders', 1)
    const checked = await native.send('POST /api/target/check?name=acme/test/orders/1/default')
    const [report] = checked.json.reports
    assert.equal(report.verdict.code, 'missing-root')
    const [remedy] = report.remedy
    assert.match(remedy.action, /found in managed store acme\/test\/archive, alias backend root/)
    for (const command of remedy.commands) {
      await promisify(execFile)('/bin/sh', ['-c', command], {
        cwd: running.directory,
        env: { ...process.env, POSTERN_USER: 'admin', POSTERN_PASSWORD: adminPassword },
      })
    }
    const again = await native.send('POST /api/target/check?name=acme/test/orders/1/default')
    assert.equal(again.json.reports[0].verdict.code, 'trusted')
  })

  it('a root that came into another store after the last generation is found there by live diagnosis', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    await using running = await startManagedGateway({ diagnosis: { live: true, wait: '5s' } })
    const { api } = running
    for (const store of ['partners', 'archive']) await api.keystore(store)
    await api.alias('partners', 'other', other.certificatePem)
    await api.importBundle('orders', oneTarget('orders', trusting(backend.port, 'partners')))
    await api.deploy('orders', 1)
    const { generation } = running.gateway
    await api.alias('archive', 'backend root', root.certificatePem)
    assert.equal(running.gateway.generation, generation)
    const answer = await fetch(`http://127.0.0.1:${running.port}/orders`)
    assert.equal(answer.status, 503)
    const { json } = await nativeClient(running).send('GET /api/target?name=acme/test/orders/1/default')
    const [{ last, remedy }] = json.servers
    assert.deepEqual([last.verdict, last.source], ['missing-root', 'traffic'])
    assert.match(remedy[0].action, /found in managed store acme\/test\/archive, alias backend root/)
  })

  it('what the server asks for is held against what the gateway has to show', async () => {
    await using backend = await startTlsBackend({
      identity: leaf,
      ca: root.certificatePem,
      requestCert: true,
      rejectUnauthorized: false,
    })
    await using running = await startManagedGateway()
    const { api } = running
    const native = nativeClient(running)
    for (const store of ['trust', 'keys']) await api.keystore(store)
    await api.alias('trust', 'root', root.certificatePem)
    await api.alias('keys', 'fitting', client.chainPem, client.keyPem)
    await api.alias('keys', 'strange', strangeClient.chainPem, strangeClient.keyPem)
    const cases = [
      { api: 'none', more: '', matches: false, why: /none to show/ },
      { api: 'fitting', more: identity('fitting'), matches: true, why: /leads to an authority that the server names/ },
      {
        api: 'strange',
        more: identity('strange'),
        matches: false,
        why: /issued by "CN=Other Root, O=Acme", none of which/,
      },
    ]
    for (const each of cases) {
      await api.importBundle(each.api, oneTarget(each.api, trusting(backend.port, 'trust', each.more)))
      await api.deploy(each.api, 1)
      const name = `acme/test/${each.api}/1/default`
      const { json } = await native.send(`POST /api/target/check?name=${name}`)
      const [facts] = json.clientAuthentication
      assert.equal(facts.asked, true)
      assert.deepEqual(facts.acceptableIssuers, ['CN=Backend Root, O=Acme'])
      assert.ok(facts.signatureAlgorithms.includes('ecdsa_secp256r1_sha256'), String(facts.signatureAlgorithms))
      assert.equal(facts.matches, each.matches, each.api)
      assert.match(facts.why, each.why)
      const detail = await native.send(`GET /api/target?name=${name}`)
      assert.deepEqual(detail.json.servers[0].clientAuthentication, facts)
    }
    assert.doesNotMatch(native.heard(), /PRIVATE KEY/)
  })

  it('targets of the file are there too; what is wrong with a question is said', async () => {
    const pinned = await createSelfSigned({ names: ['127.0.0.1'] })
    await using backend = await startTlsBackend({ identity: pinned })
    const config = {
      trustStores: { corp: { sources: [{ inline: pinned.certificatePem }] } },
      targets: {
        billing: { url: `https://127.0.0.1:${backend.port}`, tls: { trust: ['corp'] } },
        plain: { url: `http://127.0.0.1:${backend.port}` },
      },
      proxies: { billing: { basePath: '/billing', target: 'billing' } },
    }
    await using running = await startManagedGateway(config)
    const native = nativeClient(running)
    const { json } = await native.send('POST /api/target/check?name=billing')
    assert.equal(json.reports[0].verdict.code, 'trusted')
    const wrong = [
      ['GET /api/target', 400, 'bad-query'],
      ['GET /api/target?name=nobody', 404, 'target-unknown'],
      ['POST /api/target/check?name=nobody', 404, 'target-unknown'],
      ['POST /api/target/check?name=plain', 409, 'plain-http'],
      ['POST /api/target/check?name=billing&server=x', 404, 'server-unknown'],
    ] as const
    for (const [what, status, code] of wrong) {
      const answer = await native.send(what)
      assert.deepEqual([answer.status, answer.json.error.code], [status, code], what)
    }
  })

  it('who has a role in one organization sees and checks its targets, and no store of another one', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    const config = {
      targets: { plain: { url: 'http://127.0.0.1:9' } },
      proxies: { plain: { basePath: '/plain', target: 'plain' } },
    }
    await using running = await startManagedGateway(config)
    const { api } = running
    const native = nativeClient(running)
    await native.send('POST /v1/organizations', { name: 'globex' })
    await native.send('POST /v1/o/globex/e', { name: 'test' })
    await native.send('POST /v1/o/globex/e/test/keystores', { name: 'archive' })
    const form = new FormData()
    form.set('certFile', new Blob([root.certificatePem]), 'cert.pem')
    const archive = await fetch(
      `${native.origin}/v1/o/globex/e/test/keystores/archive/aliases?alias=r&format=keycertfile`,
      {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}` },
        body: form,
      },
    )
    assert.equal(archive.status, 201)
    await api.keystore('partners')
    await api.alias('partners', 'other', other.certificatePem)
    await api.importBundle('orders', oneTarget('orders', trusting(backend.port, 'partners')))
    await api.deploy('orders', 1)
    for (const [name, organization] of [
      ['ann', 'acme'],
      ['bob', 'globex'],
    ] as const) {
      const user = { name, password: adminPassword, roles: { [organization]: 'operator' } }
      assert.equal((await native.send('POST /api/users', user)).status, 201)
    }
    const as = (user: string) => ({ as: `${user}:${adminPassword}` })
    const name = 'acme/test/orders/1/default'
    const all = await native.send(`POST /api/target/check?name=${name}`)
    assert.match(JSON.stringify(all.json), /globex\/test\/archive/, 'who may see all hears of every store')
    const hidden = await native.send(`GET /api/organizations/acme/target?name=${name}`, undefined, as('ann'))
    assert.doesNotMatch(hidden.text, /globex/)
    const ours = await native.send(`POST /api/organizations/acme/target/check?name=${name}`, undefined, as('ann'))
    assert.equal(ours.json.reports[0].verdict.code, 'missing-root')
    assert.doesNotMatch(ours.text, /globex/)
    const detail = await native.send(`GET /api/organizations/acme/target?name=${name}`, undefined, as('ann'))
    assert.equal(detail.json.servers[0].report.verdict.code, 'missing-root')
    const names = async (organization: string, user: string): Promise<readonly string[]> =>
      (await native.send(`GET /api/organizations/${organization}/targets`, undefined, as(user))).json.targets.map(
        (each: { name: string }) => each.name,
      )
    assert.deepEqual(await names('acme', 'ann'), [name])
    assert.deepEqual(await names('globex', 'bob'), [])
    const refused = [
      ['ann', 'POST /api/target/check?name=plain', 403, /role operator on \*/],
      [
        'bob',
        `POST /api/organizations/acme/target/check?name=${name}`,
        403,
        /role operator in organization acme, or on \*/,
      ],
      ['bob', `POST /api/organizations/globex/target/check?name=${name}`, 404, /no target acme/],
      ['ann', 'GET /api/organizations/acme/target?name=plain', 404, /no target plain/],
    ] as const
    for (const [user, what, status, message] of refused) {
      const answer = await native.send(what, undefined, as(user))
      assert.equal(answer.status, status, what)
      assert.match(answer.json.error.message, message)
    }
  })

  it('testssl tries a place with stores of the environment, by name and by reference', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    // Where deployed targets without a trust store are let pass, a test of one still says what it would be.
    await using running = await startManagedGateway({ apigee: { compat: 'edge' } })
    const { api } = running
    for (const store of ['good', 'bad']) await api.keystore(store)
    await api.alias('good', 'root', root.certificatePem)
    await api.alias('bad', 'root', other.certificatePem)
    await api.reference('trust', 'good')
    const test = async (trustStore: string | undefined): Promise<{ success: boolean; verdict: { code: string } }> => {
      const targetEndpointConfiguration = { trustStore, clientAuthEnabled: false, protocols: [], ciphers: [] }
      const body = {
        host: '127.0.0.1',
        port: String(backend.port),
        connectionTimeout: '3000',
        targetEndpointConfiguration,
      }
      return JSON.parse((await api.send('POST', '/e/test/testssl', body)).body) as never
    }
    assert.equal((await test('good')).success, true)
    assert.equal((await test('ref://trust')).success, true)
    const bad = await test('bad')
    assert.deepEqual([bad.success, bad.verdict.code], [false, 'missing-root'])
    assert.equal((await test(undefined)).success, false)
    await assert.rejects(test('nowhere'), /trust-store-unknown/)
    await assert.rejects(api.send('POST', '/e/test/testssl', { port: 1 }), /host/)
  })
})

const identity = (alias: string): string =>
  `<ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>keys</KeyStore><KeyAlias>${alias}</KeyAlias>`
