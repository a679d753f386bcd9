import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readZip } from '../../src/core/zip.ts'
import { createLeaf, createRoot, pemOf } from '../../src/pki/make.ts'
import { oneTarget } from '../support/admin-client.ts'
import { adminPassword } from '../support/managed-gateway.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { startSupportRig, type SupportBundle } from './rig.ts'

/** Secrets stand wherever they can; none of them is in any byte of any bundle, packed twice or not. */

const planted = {
  egressPassword: 'egress-pw-Zq7#kk/é',
  otlpToken: 'otlp-token-51c0ffee',
  plainHeader: 'plain-header-value-99',
  userName: 'egress-user-name-31',
  comment: 'password-in-a-comment-1',
  basic: 'Zm9vYmFyOmJhenF1eA==',
  cookie: 'session=cookie-value-4711',
  apiKey: 'apikey-0a1b2c3d4e',
  queryToken: 'query-token-55aa',
  formSecret: 'form-secret-8899',
  responseCookie: 'sid=response-cookie-123',
  bundlePassword: 'bundle-password-321',
  bundleHeader: 'Basic YnVuZGxlOnNlY3JldHM=',
  masked: 'customer-number-123456',
  accessToken: '',
}

const rivals = { organization: 'rivalcorp', environment: 'backyard', proxy: 'hushhush', store: 'vaultx' }

const root = await createRoot({ commonName: 'Backend Root', organization: 'Acme' })
const rivalRoot = await createRoot({ commonName: 'Rival Root', organization: 'Rivals' })
const leaf = await createLeaf(root, { names: ['127.0.0.1'] })
const client = await createLeaf(root, { names: ['client'], commonName: 'client', purposes: ['clientAuth'] })
const backend = await startTlsBackend({
  identity: { chainPem: pemOf(leaf.certificate, root.certificate), keyPem: leaf.keyPem },
  answer: (_request, response) => void response.writeHead(500, { 'set-cookie': planted.responseCookie }).end('no'),
})
const rig = await startSupportRig(['missing-root', 'client-certificate-rejected'], {
  gateway: { env: { EGRESS_PASSWORD: planted.egressPassword, OTLP_TOKEN: planted.otlpToken } },
  change(config) {
    const targets = config['targets'] as Record<string, Record<string, unknown>>
    targets['by-proxy'] = {
      ...targets['missing-root'],
      egress: { url: 'http://127.0.0.1:9', user: planted.userName, password: { env: 'EGRESS_PASSWORD' } },
    }
    const proxies = config['proxies'] as Record<string, unknown>
    proxies['by-proxy'] = { basePath: '/by-proxy', target: 'by-proxy', faults: 'apigee' }
    return {
      ...config,
      otlp: {
        endpoint: 'http://127.0.0.1:9',
        headers: { authorization: { env: 'OTLP_TOKEN' }, 'x-tenant': planted.plainHeader },
      },
    }
  },
})
after(async () => {
  await rig[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

async function send(method: string, path: string, body?: unknown): Promise<string> {
  const answer = await rig.call(method, path, body)
  const text = await answer.text()
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
  return text
}

/** A proxy of stored objects that shows a client certificate of a key store. */
async function deploy(organization: string, environment: string, name: string, store: string): Promise<void> {
  const { admin } = rig
  const authorization = `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}`
  const base = `/v1/organizations/${organization}/environments/${environment}`
  const upload = async (path: string, body: FormData | Uint8Array<ArrayBuffer>): Promise<void> => {
    const answer = await fetch(`${admin}${path}`, {
      method: 'POST',
      headers: { authorization, ...(body instanceof Uint8Array ? { 'content-type': 'application/octet-stream' } : {}) },
      body,
    })
    assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.text()}`)
  }
  const form = (chain: string, key?: string): FormData => {
    const made = new FormData()
    made.set('certFile', new Blob([chain]), 'cert.pem')
    if (key !== undefined) made.set('keyFile', new Blob([key]), 'key.pem')
    return made
  }
  await send('POST', `${base}/keystores`, { name: store })
  const anchor = organization === rivals.organization ? root : rivalRoot
  await upload(`${base}/keystores/${store}/aliases?alias=root&format=keycertfile`, form(anchor.certificatePem))
  await upload(
    `${base}/keystores/${store}/aliases?alias=me&format=keycertfile`,
    form(client.certificatePem, client.keyPem),
  )
  const files = {
    ...oneTarget(
      name,
      `<URL>https://127.0.0.1:${backend.port}</URL><SSLInfo><Enabled>true</Enabled><ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>${store}</KeyStore><KeyAlias>me</KeyAlias><TrustStore>${store}</TrustStore></SSLInfo>`,
    ),
    'resources/jsc/a.js': `var password = "x"\nvar h = {"password": "${planted.bundlePassword}", "Authorization": "${planted.bundleHeader}"}\n`,
    'resources/xsl/b.xml': `<a><Password>${planted.bundlePassword}</Password><Header name="Authorization">${planted.bundleHeader}</Header>${client.keyPem}</a>`,
  }
  const { writeZip } = await import('../../src/core/zip.ts')
  const zip = await writeZip(
    Object.entries(files).map(([path, text]) => [`apiproxy/${path}`, Buffer.from(text)] as const),
  )
  await upload(`/v1/organizations/${organization}/apis?action=import&name=${name}`, new Uint8Array(zip))
  await send('POST', `${base}/apis/${name}/revisions/1/deployments`)
}

const bundles: SupportBundle[] = []

describe('what is planted everywhere', { timeout: 60_000 }, () => {
  before(async () => {
    await deploy('myorg', 'test', 'stored', 'ours')
    await send('POST', '/v1/organizations', {
      name: rivals.organization,
      displayName: rivals.organization,
      type: 'paid',
    })
    await send('POST', `/v1/organizations/${rivals.organization}/environments`, { name: rivals.environment })
    await send('POST', `/v1/organizations/${rivals.organization}/environments/${rivals.environment}/virtualhosts`, {
      name: 'default',
      hostAliases: ['rival.test'],
      port: String(rig.running.port),
    })
    await deploy(rivals.organization, rivals.environment, rivals.proxy, rivals.store)
    await send('POST', '/v1/organizations/myorg/maskconfigs', {
      name: 'default',
      variables: ['request.queryparam.customer', 'client.ip'],
    })
    planted.accessToken = (
      JSON.parse(await send('POST', '/api/tokens', { description: 'support-test' })) as { token: string }
    ).token
    const headers = {
      authorization: `Basic ${planted.basic}`,
      cookie: planted.cookie,
      'x-api-key': planted.apiKey,
      'x-forwarded-for': '203.0.113.77',
      'content-type': 'application/x-www-form-urlencoded',
    }
    const body = `a=1&client_secret=${planted.formSecret}`
    for (const proxy of ['apigee-missing-root', 'apigee-client-certificate-rejected', 'by-proxy', 'stored']) {
      await rig.trace(proxy)
    }
    // An administrator's, who may see them in the session; no bundle shows them.
    const open = { proxy: 'apigee-missing-root', name: 'open', showCredentials: true }
    await send('POST', '/api/organizations/myorg/environments/test/traces', open)
    const query = `?token=${planted.queryToken}&apikey=${planted.apiKey}&customer=${planted.masked}&q=1`
    for (const path of [
      '/apigee/missing-root/a',
      '/apigee/client-certificate-rejected/a',
      '/by-proxy/a',
      '/stored/a',
    ]) {
      const id = await rig.fails(`${path}${query}`, { method: 'POST', headers, body })
      bundles.push(await rig.bundle({ requestId: id, capture: true }))
    }
    bundles.push(await rig.bundle({ proxy: 'stored', capture: true }), await rig.bundle({ target: 'by-proxy' }))
  })

  it('was there to be found: the bundles are of requests that carried it', async () => {
    const log = await readFile(join(rig.directory, 'native.log'), 'utf8')
    for (const secret of [planted.queryToken, planted.apiKey, planted.masked]) assert.ok(log.includes(secret), secret)
    const [first, , , stored] = bundles
    assert.equal(first?.json('request.json').verdict, 'missing-root')
    assert.equal(first?.json('request.json').client, '*****')
    const inside = await readZip(stored?.files.get('bundle/stored_rev1.zip') ?? Buffer.alloc(0))
    assert.match(inside.get('apiproxy/resources/xsl/b.xml')?.toString() ?? '', /<Password>\*{5}<\/Password>/)
    const traces = first?.manifest.files.filter(({ name }) => /^trace\/.*json$/.test(name))
    assert.equal(traces?.length, 2)
    for (const { name } of traces) assert.match(first?.text(name) ?? '', /"authorization",\s+"\*{5}"/)
    const rules = first?.manifest.redacted.map(({ rule }) => rule)
    assert.ok(rules?.includes('mask') && rules.includes('parameter'), String(rules))
    assert.match(first?.text('config/postern.yaml') ?? '', /env: EGRESS_PASSWORD/)
    assert.ok(stored !== undefined)
    const { keystores } = stored.json('config/objects.json') as { keystores: { name: string; aliases: object[] }[] }
    assert.deepEqual(
      keystores.map(({ name, aliases }) => [name, aliases.length]),
      [['ours', 2]],
    )
    for (const bundle of bundles) assert.ok(bundle.manifest.files.length > 10)
  })

  it('is in no byte of a bundle, in no encoding', async () => {
    const keys = [
      client.keyPem,
      leaf.keyPem,
      await readFile(join(rig.directory, 'client-certificate-rejected-client.key'), 'utf8'),
    ]
    const bodies = keys.map((pem) => pem.replaceAll(/-----[^-]+-----|\s/g, ''))
    const secrets = [
      ...Object.values(planted),
      adminPassword,
      Buffer.from(`admin:${adminPassword}`).toString('base64'),
      Buffer.from(`${planted.userName}:${planted.egressPassword}`).toString('base64'),
      'cookie-value-4711',
      'response-cookie-123',
      'foobar:bazqux',
      ...keys,
      ...bodies,
      // Lines that hold a part of the private number.
      ...keys.flatMap((pem) => pem.split('\n').slice(1, 3)),
      // The private number itself. (The rest of a key is what its certificate says.)
      ...keys.map((pem) => createPrivateKey(pem).export({ format: 'jwk' }).d ?? ''),
    ]
    for (const secret of secrets) {
      assert.ok(secret.length >= 8, secret)
      const utf8 = Buffer.from(secret)
      const forms = [
        utf8,
        Buffer.from(JSON.stringify(secret).slice(1, -1)),
        Buffer.from(secret.replaceAll('\n', '\\n')),
        Buffer.from(encodeURIComponent(secret)),
        Buffer.from(utf8.toString('base64').replace(/=+$/, '')),
        Buffer.from(utf8.toString('hex')),
      ]
      for (const bundle of bundles) {
        for (const [name, bytes] of await everyFile(bundle)) {
          for (const form of forms) assert.ok(!bytes.includes(form), `${name} has ${secret.slice(0, 30)}`)
        }
      }
    }
    for (const bundle of bundles) {
      for (const [name, bytes] of await everyFile(bundle)) assert.ok(!bytes.includes('PRIVATE KEY-----\n'), name)
    }
  })

  it('nor is anything of another organization', async () => {
    const words = [...Object.values(rivals), 'rival', 'Rival Root']
    for (const bundle of bundles) {
      for (const [name, bytes] of await everyFile(bundle)) {
        // The anchor that our own store holds is ours to see.
        const isStore = /^target\/(?:store|comparison)|objects\.json|^target\/.*report|inventory|summary/.test(name)
        for (const word of isStore ? Object.values(rivals) : words) {
          assert.ok(!bytes.toString('latin1').includes(word), `${name} has ${word}`)
        }
      }
    }
  })

  it('an operator of one organization gets no bundle of another one, nor of a request of it', async () => {
    const user = { name: 'operator', password: 'correct horse battery', roles: { myorg: 'operator' } }
    await send('POST', '/api/users', user)
    const as = `${user.name}:${user.password}`
    const viewer = { name: 'viewer', password: 'correct horse battery', roles: { myorg: 'viewer' } }
    await send('POST', '/api/users', viewer)
    const ours = 'myorg/environments/test'
    const ask = async (question: object, by = as, place = ours) => {
      const answer = await rig.call('POST', `/api/organizations/${place}/support`, question, by)
      const text = await answer.text()
      return [
        answer.status,
        text.startsWith('{') ? (JSON.parse(text) as { error: { code: string } }).error.code : '',
      ] as const
    }
    assert.deepEqual(await ask({ target: 'missing-root' }), [200, ''])
    assert.deepEqual(await ask({ target: 'missing-root' }, `${viewer.name}:${viewer.password}`), [403, 'forbidden'])
    const others = `${rivals.organization}/environments/${rivals.environment}`
    assert.deepEqual(await ask({ proxy: rivals.proxy }, as, others), [403, 'forbidden'])
    assert.deepEqual(await ask({ proxy: rivals.proxy }), [404, 'proxy-unknown'])
    const id = await new Promise<string>((resolve, reject) => {
      const { port } = rig.running
      get({ host: '127.0.0.1', port, path: `/${rivals.proxy}/a`, headers: { host: 'rival.test' } }, (answer) => {
        answer.resume().on('end', () => resolve(String(answer.headers['x-apigee-message-id'])))
      }).on('error', reject)
    })
    const { monitor } = rig.running.gateway
    let found = await monitor.find(id)
    for (let tries = 0; found === null && tries < 200; tries++) {
      await sleep(25)
      found = await monitor.find(id)
    }
    assert.equal(found?.key.organization, rivals.organization)
    assert.deepEqual(await ask({ requestId: id }), [404, 'request-unknown'])
    const root = `admin:${adminPassword}`
    assert.deepEqual(await ask({ requestId: id }, root, others), [200, ''])
    // Beside something that is ours: nothing of it is told.
    const beside = await rig.bundle({ requestId: id, target: 'missing-root' }, as)
    assert.ok(!beside.files.has('request.json'))
    for (const [name, bytes] of beside.files)
      assert.ok(name === 'manifest.json' || name === 'summary.md' || !bytes.includes(id), name)
  })
})

/** Also those of zips inside. */
async function everyFile({ files }: SupportBundle): Promise<readonly (readonly [string, Buffer])[]> {
  const all: (readonly [string, Buffer])[] = []
  for (const [name, bytes] of files) {
    all.push([name, bytes])
    if (!name.endsWith('.zip')) continue
    for (const [inside, content] of await readZip(bytes)) all.push([`${name}/${inside}`, content])
  }
  return all
}
