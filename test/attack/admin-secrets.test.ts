import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync, generateKeySync } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiRoute } from '../../src/admin/api.ts'
import { allRoutes } from '../../src/admin/routes.ts'
import { selfSignedDer } from '../../src/pki/self-signed.ts'
import { openState } from '../../src/state/open.ts'
import { adminPassword, startManagedGateway } from '../support/managed-gateway.ts'
import { bag, certificateBag, pfx as pfxFile } from './pfx.ts'
import { keyNeedle, leaksIn, type Needle, textNeedle } from './secret-needles.ts'

const run = promisify(execFile)

interface Made {
  readonly certificate: string
  readonly key: string
  readonly der: Buffer
}

function pem(label: string, der: Buffer): string {
  return `-----BEGIN ${label}-----\n${(der.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${label}-----\n`
}

function made(keys: ReturnType<typeof generateKeyPairSync>, name: string): Made {
  const subject = { commonName: name, org: '', orgUnit: '', locality: '', state: '', countryCode: '', email: '' }
  const pair = keys as unknown as Parameters<typeof selfSignedDer>[0]['keys']
  const [notBefore, notAfter] = [new Date(Date.now() - 1000), new Date(Date.now() + 86_400_000)]
  const der = Buffer.from(selfSignedDer({ subject, names: [name], keys: pair, digest: 'sha256', notBefore, notAfter }))
  return {
    certificate: pem('CERTIFICATE', der),
    key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    der,
  }
}

/** Of every parameter that a route may have; what is not here is `x`. */
const names: Readonly<Record<string, string>> = {
  org: 'acme',
  env: 'test',
  keystore: 'ks',
  store: 'ks',
  alias: 'rsa',
  cert: 'rsa-cert',
  reference: 'trust',
  targetserver: 'ts',
  virtualhost: 'default',
  name: 'orders',
  api: 'orders',
  revision: '1',
  map: 'hidden',
  entry: 'pass',
  user: 'ann',
}

const pathOf = ({ path }: ApiRoute, other: Readonly<Record<string, string>> = {}): string =>
  path.replaceAll(/:([A-Za-z]+)/g, (_, name: string) => encodeURIComponent(other[name] ?? names[name] ?? 'x'))

test('nothing that the management API says or keeps has a private key or a password in it (I7)', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-secrets-'))
  const stateKey = generateKeySync('aes', { length: 256 })
  const keyFile = join(directory, 'state.key')
  await writeFile(keyFile, stateKey.export().toString('base64'), { mode: 0o600 })
  const stateDirectory = join(directory, 'state')
  const store = await openState({ directory: stateDirectory, key: stateKey })
  const logs = ['native', 'apim-text', 'apim-json', 'edge-access', 'edge-system'].map((format) => ({
    format,
    file: `${format}.log`,
  }))
  const egressFile = join(directory, 'egress')
  await writeFile(egressFile, 'egress-Password-31415\n')
  const formats = await acceptedFormats(directory, logs)
  const gateway = await startManagedGateway(
    {
      logs: formats,
      listeners: [{ name: 'http', address: '127.0.0.1', port: 0 }],
      trustStores: { system: { sources: [{ system: true }] } },
      targets: {
        file: {
          url: 'https://127.0.0.1:9',
          tls: { trust: ['system'] },
          egress: { url: 'http://127.0.0.1:9', user: 'joe', password: { file: egressFile } },
        },
      },
      proxies: { file: { basePath: '/file', target: 'file' } },
    },
    { store, env: { OTHER_SECRET: 'env-Secret-27182' } },
  )
  const haystacks: [what: string, bytes: Buffer][] = []
  const needles: Needle[] = []
  const secret = (name: string, text: string): string => (needles.push(textNeedle(name, text)), text)
  const privateKey = (name: string, key: string): string => (needles.push(keyNeedle(name, key)), key)
  try {
    secret('admin password', adminPassword)
    secret('egress password', 'egress-Password-31415')
    secret('environment', 'env-Secret-27182')
    secret('state key', stateKey.export().toString('base64'))
    needles.push({
      name: 'state key',
      plain: [],
      hex: [stateKey.export().toString('hex')],
      base64: [],
      raw: [stateKey.export()],
    })
    const origin = `http://127.0.0.1:${gateway.gateway.managementPort}`
    const basic = (user: string, word: string): string => `Basic ${Buffer.from(`${user}:${word}`).toString('base64')}`
    const root = basic('admin', adminPassword)
    const ask = async (
      method: string,
      path: string,
      init: RequestInit = {},
    ): Promise<{ status: number; text: string }> => {
      const headers = { authorization: root, ...(init.headers as Record<string, string> | undefined) }
      const answer = await fetch(`${origin}${path}`, { method, ...init, headers, signal: AbortSignal.timeout(20_000) })
      const streams = answer.headers.get('content-type') === 'text/event-stream'
      const bytes = streams ? Buffer.from('') : Buffer.from(await answer.arrayBuffer())
      if (streams) void follow(answer, haystacks)
      haystacks.push([`${method} ${path} ${answer.status}`, Buffer.from(`${JSON.stringify([...answer.headers])}\n`)])
      // Answers to strangers' tokens are looked at too; those that hand a token out are not asked for here.
      haystacks.push([`${method} ${path} ${answer.status}`, bytes])
      return { status: answer.status, text: bytes.toString('utf8') }
    }
    const expect = async (status: number, ...call: Parameters<typeof ask>): Promise<void> => {
      const answer = await ask(...call)
      assert.equal(answer.status, status, `${call[0]} ${call[1]}: ${answer.status} ${answer.text}`)
    }
    const jsonBody = (value: unknown): RequestInit => ({
      body: JSON.stringify(value),
      headers: { 'content-type': 'application/json' },
    })
    const events = await ask('GET', '/api/events')
    assert.equal(events.status, 200)

    // Seeds, through the API itself.
    const rsa = made(generateKeyPairSync('rsa', { modulusLength: 2048 }), 'rsa.test')
    const ec = made(generateKeyPairSync('rsa', { modulusLength: 2048 }), 'sealed.test')
    const p12 = made(generateKeyPairSync('rsa', { modulusLength: 2048 }), 'p12.test')
    const never = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const neverPem = privateKey('key that is refused', never.export({ type: 'pkcs8', format: 'pem' }).toString())
    privateKey('RSA key', rsa.key)
    privateKey('key under a passphrase', ec.key)
    privateKey('key of a PKCS#12', p12.key)
    const passphrase = secret('passphrase', 'Pass-phrase-of-a-key')
    const filePassword = secret('password of a PKCS#12', 'Pfx-password-16180')
    const wrong = secret('wrong password', 'Wrong-password-14142')
    const sealed = createPrivateKey(ec.key)
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase })
      .toString()
    const e = '/v1/o/acme/e/test'
    await expect(201, 'POST', `${e}/keystores`, jsonBody({ name: 'ks' }))
    const form = (parts: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>): RequestInit => {
      const body = new FormData()
      for (const [name, part] of Object.entries(parts)) {
        if (name === 'password' && typeof part === 'string') body.set(name, part)
        else body.set(name, new Blob([part]), name)
      }
      return { body }
    }
    const aliases = `${e}/keystores/ks/aliases`
    await expect(
      201,
      'POST',
      `${aliases}?alias=rsa&format=keycertfile`,
      form({ certFile: rsa.certificate, keyFile: rsa.key }),
    )
    await expect(
      201,
      'POST',
      `${aliases}?alias=sealed&format=keycertfile`,
      form({ certFile: ec.certificate, keyFile: sealed, password: passphrase }),
    )
    const pfx = pfxOf(p12, filePassword)
    await expect(201, 'POST', `${aliases}?alias=p12&format=pkcs12`, form({ file: pfx, password: filePassword }))
    await expect(
      201,
      'POST',
      `${aliases}?alias=own&format=selfsignedcert`,
      jsonBody({ alias: 'own', subject: { commonName: 'own.test' } }),
    )
    for (const alias of ['own']) {
      const kept = await store.read((view) => view.secret('alias', 'acme/test/ks', alias))
      assert.ok(kept !== null)
      privateKey('key that was made here', kept.toString('utf8'))
    }
    await expect(201, 'POST', `${e}/references`, jsonBody({ name: 'trust', refers: 'ks', resourceType: 'TrustStore' }))
    await expect(
      201,
      'POST',
      `${e}/targetservers`,
      jsonBody({ name: 'ts', host: 'localhost', port: 9, isEnabled: true }),
    )
    const mapValue = secret('value of an encrypted map', 'Encrypted-entry-17320')
    await expect(
      201,
      'POST',
      `${e}/keyvaluemaps`,
      jsonBody({ name: 'hidden', encrypted: true, entry: [{ name: 'pass', value: mapValue }] }),
    )
    const word = secret('password of a user', 'Password-of-ann-22360')
    await expect(201, 'POST', '/api/users', jsonBody({ name: 'ann', password: word, roles: { acme: 'operator' } }))
    const login = await fetch(`${origin}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'password', username: 'ann', password: word }),
    })
    const tokens = (await login.json()) as Record<string, string>
    secret('refresh token', tokens['refresh_token'] ?? '')
    secret('signature of an access token', (tokens['access_token'] ?? '').split('.')[2] ?? '')
    const apiToken = await fetch(`${origin}/api/tokens`, {
      method: 'POST',
      headers: { authorization: basic('ann', word) },
      body: '{}',
    })
    secret('API token', ((await apiToken.json()) as Record<string, string>)['token'] ?? '')
    const hash = await store.read(async (view) => (await view.get('user', '', 'ann'))?.body.password ?? '')
    secret('hash of a password', hash.split('$').at(-1) ?? '')
    const tokenKey = await store.read((view) => view.secret('setting', '', 'access-token-key'))
    assert.ok(tokenKey !== null)
    needles.push({
      name: 'key of access tokens',
      plain: [],
      hex: [tokenKey.toString('hex')],
      base64: [tokenKey.toString('base64').slice(0, 42)],
      raw: [tokenKey],
    })

    // Every route, with what is good, what is wrong, and what belongs elsewhere.
    const routes = allRoutes({
      access: {} as never,
      gateway: {} as never,
      native: { subscribe: () => () => {} } as never,
      alerts: {} as never,
      monitoringPrefix: '/monitoring',
    })
    const asPaths = (route: ApiRoute): readonly string[] => {
      const base = pathOf(route)
      if (route.path.includes(':alias')) {
        return ['rsa', 'sealed', 'p12', 'own'].map((alias) => pathOf(route, { alias }))
      }
      return route.path.includes(':cert') ? ['rsa-cert', 'own'].map((cert) => pathOf(route, { cert })) : [base]
    }
    const wrongForm = () => form({ certFile: neverPem, keyFile: rsa.key, file: neverPem, password: wrong })
    const bodies: readonly (() => RequestInit)[] = [
      () =>
        jsonBody({ name: neverPem, alias: neverPem, value: { nested: neverPem }, password: [wrong], host: neverPem }),
      () => ({
        body: `{"password": "${wrong}", "key": ${JSON.stringify(neverPem)}, `,
        headers: { 'content-type': 'application/json' },
      }),
      () => ({
        body: `<A name="${wrong}"><B>${neverPem}</C>&${wrong};`,
        headers: { 'content-type': 'application/xml' },
      }),
      () => ({ body: neverPem, headers: { 'content-type': 'application/octet-stream' } }),
      () => ({ body: neverPem, headers: { 'content-type': 'application/yaml', 'if-match': '*' } }),
      wrongForm,
    ]
    for (const route of routes) {
      if (route.method !== 'GET') continue
      for (const path of asPaths(route)) {
        if (route.path === '/api/events') continue
        await ask('GET', path)
        await ask(
          'GET',
          `${path}?password=${wrong}&keyPassword=${wrong}&expand=true&format=json&limit=x&count=x&sign=${wrong}`,
        )
      }
    }
    for (const route of routes) {
      if (route.method === 'GET' || route.method === 'DELETE') continue
      const path = pathOf(route)
      for (const body of bodies) await ask(route.method, `${path}?password=${wrong}`, body())
      await ask(route.method, `${path}?alias=wrong&format=pkcs12`, form({ file: pfx, password: wrong }))
      await ask(
        route.method,
        `${path}?alias=${encodeURIComponent(neverPem)}&name=${encodeURIComponent(neverPem)}`,
        form({ file: pfx, password: wrong }),
      )
      await ask(route.method, `${path}?alias=wrong&format=jks`, form({ file: pfx, password: wrong }))
    }
    // A key beside a certificate that is not its own; a change that cannot run.
    await ask('POST', `${aliases}?alias=bad`, form({ certFile: rsa.certificate, keyFile: ec.key }))
    await ask('POST', `${aliases}?alias=bad`, form({ certFile: `${rsa.key}${rsa.certificate}` }))
    await ask('PUT', `${aliases}/rsa`, form({ certFile: rsa.key }))
    await ask(
      'POST',
      `${e}/testssl`,
      jsonBody({
        host: '127.0.0.1',
        port: 9,
        targetEndpointConfiguration: { keyStore: 'ks', keyAlias: 'rsa', clientAuthEnabled: true },
      }),
    )
    await ask('POST', `/api/target/check?name=file`)
    for (const authorization of [
      basic('ann', wrong),
      basic(wrong, 'x'),
      `Bearer ${tokens['access_token']}x`,
      'Bearer pst_nothing',
    ]) {
      await ask('GET', '/api/session', { headers: { authorization } })
    }
    for (const grant of [
      { grant_type: 'password', username: 'ann', password: wrong },
      { grant_type: 'password', username: wrong, password: word },
      { grant_type: wrong, username: 'ann', password: word },
      { grant_type: 'refresh_token', refresh_token: `${tokens['refresh_token']}`.replace(/.$/, '!') },
    ]) {
      await ask('POST', '/oauth/token', { body: new URLSearchParams(grant as Record<string, string>) })
      await ask('POST', `/oauth/token?${new URLSearchParams(grant as Record<string, string>).toString()}`, { body: '' })
    }
    for (const route of routes.filter(({ method }) => method === 'DELETE')) {
      if (!route.path.includes('/users/:user') && !/:(org|env|keystore|map)$/.test(route.path))
        await ask('DELETE', pathOf(route))
    }
    for (const path of ['/api/audit?rows=10000', '/v1/audits/organizations/acme?expand=true', '/metrics', '/status']) {
      await ask('GET', path)
    }

    // What is kept, and what people are shown of it.
    const copy = join(directory, 'copy.db')
    const cli = (...args: readonly string[]) =>
      run(process.execPath, ['src/cli/main.ts', ...args], { env: { ...process.env, NO_COLOR: '1' } }).then(
        ({ stdout, stderr }) => haystacks.push([`postern ${args[0]}`, Buffer.from(`${stdout}\n${stderr}`)]),
        (error: { stdout: string; stderr: string }) =>
          haystacks.push([`postern ${args[0]}`, Buffer.from(`${error.stdout}\n${error.stderr}`)]),
      )
    await cli('backup', '--state', stateDirectory, '--to', copy)
    await cli('backup', '--list', copy)
    await cli('backup', '--list', copy, '--json')
    await sleep(200)
    haystacks.push(['the copy', await readFile(copy)])
    for (const name of await readdir(stateDirectory)) {
      if (name !== 'postern.lock' && name !== 'postern.db' && !name.endsWith('-shm')) {
        haystacks.push([`state/${name}`, await readFile(join(stateDirectory, name))])
      }
    }
    const logged = (await readdir(gateway.directory)).filter((name) => name.endsWith('.log'))
    assert.ok(logged.length > 0)
    for (const name of logged) haystacks.push([name, await readFile(join(gateway.directory, name))])

    assert.ok(haystacks.length > 500, `${haystacks.length}`)
    const leaks = haystacks.flatMap(([what, bytes]) => leaksIn(bytes, needles).map((name) => `${what}: ${name}`))
    // Hashes are what the state is for; nobody is shown one.
    const bad = leaks.filter((leak) => !/^(the copy|state\/.*): hash of a password$/.test(leak))
    t.diagnostic(`${haystacks.length} answers, logs and files, ${needles.length} secrets, ${formats.length} logs`)
    assert.deepEqual([...new Set(bad)], [])

    // The net has no holes: each secret is found where it is planted, in any spelling.
    const key = createPrivateKey(p12.key)
    const jwk = key.export({ format: 'jwk' })
    for (const planted of [
      p12.key,
      JSON.stringify({ pem: p12.key }),
      key.export({ type: 'pkcs1', format: 'der' }).toString('hex'),
      key.export({ type: 'pkcs8', format: 'der' }).toString('base64url'),
      p12.key.split('\n').slice(12, 15).join('\n'),
      jwk.dq ?? '',
      encodeURIComponent(p12.key),
      key.export({ type: 'pkcs8', format: 'der' }).toString('hex').match(/../g)?.join(':').toUpperCase() ?? '',
    ]) {
      assert.deepEqual(
        leaksIn(Buffer.from(`before ${planted} after`), needles),
        ['key of a PKCS#12'],
        planted.slice(0, 40),
      )
    }
    assert.deepEqual(leaksIn(key.export({ type: 'pkcs8', format: 'der' }), needles), ['key of a PKCS#12'])
    assert.deepEqual(leaksIn(Buffer.from(`x ${basic('ann', word)}`), needles), ['password of a user'])
  } finally {
    await gateway[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  }
})

async function follow(answer: Response, haystacks: [string, Buffer][]): Promise<void> {
  try {
    for await (const chunk of answer.body ?? []) haystacks.push(['GET /api/events', Buffer.from(chunk)])
  } catch {
    // It ends with the gateway.
  }
}

/** Those formats of logs that this version writes. */
async function acceptedFormats(directory: string, logs: readonly { format: string; file: string }[]) {
  const { resolveConfig } = await import('../../src/config/resolve.ts')
  const good: { format: string; file: string }[] = []
  for (const log of logs) {
    const file = join(directory, `${log.format}.yaml`)
    await writeFile(file, JSON.stringify({ listeners: [{ name: 'a', address: '127.0.0.1', port: 0 }], logs: [log] }))
    if ((await resolveConfig(file, {}, Date.now(), 1, null)).ok) good.push(log)
  }
  return good
}

/** The key under the password, the certificate in the open. */
function pfxOf({ der, key }: Made, password: string): Uint8Array<ArrayBuffer> {
  const sealed = createPrivateKey(key).export({
    type: 'pkcs8',
    format: 'der',
    cipher: 'aes-256-cbc',
    passphrase: password,
  })
  return new Uint8Array(pfxFile(certificateBag(der), bag(2, sealed)))
}
