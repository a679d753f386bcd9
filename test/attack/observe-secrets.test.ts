import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startReceiver as startHook } from '../monitor/alert-receiver.ts'
import { startReceiver as startOtlp } from '../otlp/receiver.ts'
import { createSelfSigned } from '../../src/pki/make.ts'
import { adminPassword, startManagedGateway } from '../support/managed-gateway.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { leaksIn, type Needle, textNeedle } from './secret-needles.ts'

/*
 * What requests carry, and what the gateway is given, in everything that shows or sends away what was observed (I6, I7).
 * Log lines have the target of a request as it came: that is what an access log is for.
 */

const needles: Needle[] = []
/** In query and path parameters: access lines have them. */
const inTargets = new Set<string>()
const secret = (name: string, text: string): string => (needles.push(textNeedle(name, text)), text)
const parameter = (name: string, text: string): string => (inTargets.add(name), secret(name, text))

test('nothing that is observed shows a credential of a request, or a secret of the gateway', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-observe-secrets-'))
  const haystacks: [what: string, bytes: Buffer][] = []
  const answered = {
    'Content-Type': 'application/json',
    'Set-Cookie': `sid=${secret('Set-Cookie', 'set-Cookie-0001')}; HttpOnly`,
    Location: `/next?access_token=${secret('token in Location', 'location-Token-0002')}`,
  }
  const body = JSON.stringify({
    access_token: secret('token of an answer', 'answer-Token-0003'),
    nested: [{ refreshToken: secret('nested token of an answer', 'refresh-Token-0004') }],
    ok: true,
  })
  const backend = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(request.url?.includes('fail') ? 502 : 200, answered).end(body))
  })
  backend.listen(0, '127.0.0.1')
  await once(backend, 'listening')
  const egress = createTcp((socket) =>
    socket.on('error', () => {}).once('data', () => socket.end('HTTP/1.1 407 No\r\n\r\n')),
  )
  egress.listen(0, '127.0.0.1')
  await once(egress, 'listening')
  const lines: Buffer[] = []
  const syslog = createTcp((socket) => socket.on('error', () => {}).on('data', (chunk) => lines.push(chunk)))
  syslog.listen(0, '127.0.0.1')
  await once(syslog, 'listening')
  await using strange = await startTlsBackend({ identity: await createSelfSigned({ names: ['localhost'] }) })
  await using otlp = await startOtlp()
  await using hook = await startHook()
  const egressFile = join(directory, 'egress')
  await writeFile(egressFile, secret('egress password', 'egress-Password-0005'))
  const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port
  const monitoringFile = join(directory, 'monitoring.db')
  const gateway = await startManagedGateway(
    {
      otlp: {
        endpoint: otlp.url,
        encoding: 'json',
        headers: { authorization: { env: 'OTLP_AUTH' } },
        metrics: { interval: '1s' },
      },
      tracing: { sample: 1 },
      faultDetail: 'verbose',
      logs: [
        { format: 'native', file: 'native.log' },
        { format: 'native', otlp: true },
        { format: 'native', syslog: { address: `tcp://127.0.0.1:${portOf(syslog)}` } },
        { format: 'apim-json', file: 'apim.log' },
        { format: 'edge-system', file: 'system.log' },
      ],
      trustStores: { system: { sources: [{ system: true }] } },
      targets: {
        good: { url: `http://127.0.0.1:${portOf(backend)}` },
        strange: { url: `https://localhost:${strange.port}`, tls: { trust: ['system'] } },
        through: {
          url: 'https://127.0.0.1:9',
          tls: { trust: ['system'] },
          egress: { url: `http://127.0.0.1:${portOf(egress)}`, user: 'joe', password: { file: egressFile } },
        },
      },
      proxies: {
        good: { basePath: '/good', target: 'good' },
        strange: { basePath: '/strange', target: 'strange', faults: 'apigee' },
        through: { basePath: '/through', target: 'through', faults: 'apim' },
      },
    },
    { env: { OTLP_AUTH: `Bearer ${secret('OTLP header', 'otlp-Header-0006')}` }, monitoringFile },
  )
  try {
    secret('admin password', adminPassword)
    const origin = `http://127.0.0.1:${gateway.gateway.managementPort}`
    const authorization = `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}`
    const ask = async (method: string, path: string, json?: unknown, accept = 'application/json'): Promise<string> => {
      const answer = await fetch(`${origin}${path}`, {
        method,
        headers: { authorization, accept, ...(json === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
        signal: AbortSignal.timeout(10_000),
      })
      const text = await answer.text()
      haystacks.push([
        `${method} ${path} ${answer.status}`,
        Buffer.from(`${JSON.stringify([...answer.headers])} ${text}`),
      ])
      assert.ok(answer.status < 500, `${method} ${path}: ${answer.status} ${text}`)
      return text
    }
    void fetch(`${origin}/api/events`, { headers: { authorization } }).then((events) => follow(events, haystacks))

    // A user who may look, and no more: what operators are shown of a webhook is not for him.
    const word = secret('password of a viewer', 'viewer-Password-0007')
    await ask('POST', '/api/users', { name: 'ann', password: word, roles: { acme: 'viewer' } })
    const asViewer = async (path: string): Promise<void> => {
      const headers = { authorization: `Basic ${Buffer.from(`ann:${word}`).toString('base64')}` }
      const text = await (await fetch(`${origin}${path}`, { headers })).text()
      haystacks.push([`viewer: ${path}`, Buffer.from(text)])
    }
    needles.push(textNeedle('token of a webhook', 't0p'))
    const alert = {
      name: 'verdicts',
      environment: 'test',
      conditions: [{ metric: 'verdict-appears', dimensions: { env: 'test', proxy: 'ANY' } }],
      notifications: [
        { channel: 'webhook', destination: hook.url, secret: secret('key of a webhook', 'webhook-Secret-0008') },
        { channel: 'webhook', destination: `http://127.0.0.1:9/${secret('path of a webhook', 'hook-Path-0009')}` },
      ],
    }
    await ask('POST', '/api/organizations/acme/alerts', alert)
    needles.pop()
    needles.pop()
    needles.pop()
    haystacks.pop()
    needles.push(textNeedle('key of a webhook', 'webhook-Secret-0008'))

    // Requests with a credential wherever one may stand, under sessions that take them all.
    const place = '/api/organizations/acme/environments/test'
    const filter = secret('filter of a session', 'filter-Value-0010')
    const ids: string[] = []
    for (const proxy of ['good', 'strange', 'through']) {
      const session = JSON.parse(await ask('POST', `${place}/traces`, { proxy, maxTransactions: 50 })) as { id: string }
      ids.push(session.id)
    }
    const filtered = {
      proxy: 'good',
      headers: [{ name: 'X-Api-Key', value: filter }],
      query: [{ name: 'token', value: filter }],
    }
    haystacks.push(['start', Buffer.from(JSON.stringify(filtered).replaceAll(filter, ''))])
    ids.push((JSON.parse(await ask('POST', `${place}/traces`, filtered)) as { id: string }).id)

    const query = [
      `access_token=${parameter('access_token', 'query-Token-0011')}`,
      `api_key=${parameter('api_key', 'query-Key-0012')}`,
      `X-Amz-Signature=${parameter('signature', 'amz-Signature-0013')}`,
      `code=${parameter('code', 'oauth-Code-0014')}`,
      `%70assword=${parameter('encoded name', 'query-Password-0015')}`,
      `token%5B%5D=${parameter('token[]', 'token-List-0016')}`,
      `SAMLResponse=${parameter('SAML', 'saml-Response-0017')}`,
    ].join('&')
    const path = `/x;jsessionid=${parameter('path parameter', 'session-Id-0018')}`
    const headers = {
      Authorization: `Bearer ${secret('Authorization', 'client-Bearer-0019')}`,
      Cookie: `sid=${secret('Cookie', 'client-Cookie-0020')}`,
      'X-Api-Key': secret('X-Api-Key', 'client-Api-Key-0021'),
      'X-Auth-Token': secret('X-Auth-Token', 'client-Auth-Token-0022'),
      'Proxy-Authorization': `Basic ${Buffer.from(`u:${secret('Proxy-Authorization', 'proxy-Auth-0023')}`).toString('base64')}`,
      Referer: `http://a.test/?token=${secret('Referer', 'referer-Token-0024')}`,
    }
    const bodies: readonly (readonly [type: string, body: string])[] = [
      ['application/x-www-form-urlencoded', `a=1&client_secret=${secret('form', 'form-Secret-0025')}`],
      [
        'application/json',
        `{"user":"u","password":"${secret('JSON member', 'json-Password-0026')}","pinToken":${secret('JSON number', '271828182845')}}`,
      ],
      [
        'text/xml',
        `<e><w:Password Type="t">${secret('XML element', 'xml-Password-0027')}</w:Password><u secret="${secret('XML attribute', 'xml-Secret-0028')}"/></e>`,
      ],
      [
        'multipart/form-data; boundary=b',
        `--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n${secret('multipart', 'part-Password-0029')}\r\n--b--\r\n`,
      ],
    ]
    for (const base of ['/good', '/good/fail', '/strange', '/through', '/nowhere']) {
      for (const [type, text] of bodies) {
        const answer = await fetch(`http://127.0.0.1:${gateway.port}${base}${path}?x=1&${query}`, {
          method: 'POST',
          redirect: 'manual',
          headers: { ...headers, 'content-type': type },
          body: text,
        })
        const told = Buffer.from(await answer.arrayBuffer())
        if (answer.status >= 500 && base !== '/good/fail') haystacks.push([`error answer of ${base}`, told])
      }
    }
    await hook.until(1)
    const until = async (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> => {
      for (const end = Date.now() + 8000; !(await isSo()); await sleep(50)) if (Date.now() > end) throw new Error(what)
    }
    await until('spans', () => JSON.stringify(otlp.records('spans')).includes('/through'))
    await until('log records', () => JSON.stringify(otlp.records('logs')).includes('/through'))
    await until('samples', async () =>
      /"proxy":\s*"through"/.test(await ask('GET', `${place}/monitoring/requests?limit=100`)),
    )

    // Everything there is to read.
    for (const id of ids) {
      const session = await ask('GET', `${place}/traces/${id}`)
      for (const { id: one } of (JSON.parse(session) as { transactions: { id: string }[] }).transactions) {
        await ask('GET', `${place}/traces/${id}/transactions/${one}`)
        await ask('GET', `/api/traces?requestId=${one}`)
        await ask('GET', `${place}/monitoring/requests/${one}`)
      }
      for (const format of ['xml', 'json']) await ask('GET', `${place}/traces/${id}/export?format=${format}`)
      await asViewer(`${place}/traces/${id}`)
    }
    const monitored = `${place}/monitoring`
    const past = 'org=acme&env=test&timeRange=-1h'
    for (const each of [
      `${place}/traces`,
      `${monitored}/cell?proxy=good`,
      `${monitored}/cell?proxy=strange`,
      `${monitored}/matrix?rows=proxy`,
      `${monitored}/series?by=proxy,verdict`,
      `${monitored}/dimensions`,
      '/api/organizations/acme/alert-instances',
      '/api/alerts/health',
      '/api/monitoring/health',
      `/monitoring/logs?${past}&limit=1000`,
      `/monitoring/logs/apiproxies?${past}`,
      `/monitoring/metrics/traffic?${past}&groupBy=proxy`,
      `/monitoring/metrics/alerthistory?${past}`,
      '/v1/o/acme/e/test/stats/apiproxy?select=sum(message_count)&timeRange=01/01/2026%2000:00~12/31/2026%2023:59',
      '/api/audit?rows=1000',
      '/metrics',
      '/status',
      '/inventory',
    ]) {
      await ask('GET', each)
    }
    await asViewer('/api/organizations/acme/alerts')
    await asViewer(`/monitoring/alerts?${past}`)
    haystacks.push(['spans', Buffer.from(JSON.stringify(otlp.records('spans')))])
    haystacks.push(['metrics', Buffer.from(JSON.stringify(otlp.records('metrics')))])
    haystacks.push(['log: OTLP', Buffer.from(JSON.stringify(otlp.records('logs')))])
    for (const { text } of hook.received) haystacks.push(['webhook', Buffer.from(text)])
  } finally {
    await gateway[Symbol.asyncDispose]()
    for (const server of [backend, egress, syslog]) server.close()
    backend.closeAllConnections()
  }
  haystacks.push(['log: syslog', Buffer.concat(lines)])
  for (const name of await readdir(directory)) {
    if (name.startsWith('monitoring.db')) haystacks.push([name, await readFile(join(directory, name))])
  }
  await rm(directory, { recursive: true, force: true })

  for (const name of ['token of a webhook', 'path of a webhook']) {
    needles.push(textNeedle(name, name.startsWith('token') ? 'token=t0p' : 'hook-Path-0009'))
  }
  const sizes = Object.fromEntries(haystacks.map(([what, bytes]) => [what, bytes.length]))
  for (const what of ['spans', 'metrics', 'webhook', 'log: OTLP', 'log: syslog', 'monitoring.db']) {
    assert.ok((sizes[what] ?? 0) > 200, `${what} has ${sizes[what]} bytes`)
  }
  const leaks = haystacks.flatMap(([what, bytes]) =>
    leaksIn(bytes, needles)
      .filter((name) => !(what.startsWith('log: ') && inTargets.has(name)))
      .map((name) => `${what}: ${name}`),
  )
  t.diagnostic(`${haystacks.length} answers, messages and files, ${needles.length} secrets`)
  assert.deepEqual([...new Set(leaks)], [])
  // The net has no holes: targets are in the log as they came, and the names are in what is shown.
  assert.ok(leaksIn(Buffer.concat(lines), needles).some((name) => inTargets.has(name)))
  assert.ok(haystacks.some(([what, bytes]) => what === 'spans' && bytes.includes('api_key=REDACTED')))
})

async function follow(answer: Response, haystacks: [string, Buffer][]): Promise<void> {
  try {
    for await (const chunk of answer.body ?? []) haystacks.push(['log: events', Buffer.from(chunk)])
  } catch {
    // It ends with the gateway.
  }
}
