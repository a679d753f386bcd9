import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Resolved, type ResolvedOk, resolveConfig } from '../../src/config/resolve.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import type { ServerPlan, TargetPlan } from '../../src/proxy/plan.ts'

const directory = await mkdtemp(join(tmpdir(), 'postern-servers-'))
after(() => rm(directory, { recursive: true, force: true }))

const root = await createRoot({ commonName: 'Corp Root' })
const leaf = await createLeaf(root, { names: ['gw.example.com'] })
await writeFile(join(directory, 'root.pem'), root.certificatePem)
await writeFile(join(directory, 'gw.pem'), leaf.chainPem)
await writeFile(join(directory, 'gw.key'), leaf.keyPem)

let files = 0
const listeners = 'listeners: [ { name: http, port: 8080 } ]'
const corp = 'trustStores: { corp: { sources: [ { file: root.pem } ] } }'

async function resolveText(text: string, env: Record<string, string> = {}): Promise<Resolved> {
  const file = join(directory, `c${files++}.yaml`)
  await writeFile(file, text)
  return resolveConfig(file, env)
}

async function good(text: string, env: Record<string, string> = {}): Promise<ResolvedOk> {
  const resolved = await resolveText(text, env)
  assert.ok(resolved.ok, resolved.ok ? '' : JSON.stringify(resolved.problems, null, 2))
  return resolved
}

async function targetOf(fields: string, env: Record<string, string> = {}): Promise<TargetPlan> {
  const { plan } = await good(`${listeners}\n${corp}\ntargets: { billing: { ${fields} } }`, env)
  return plan.targets[0] ?? assert.fail()
}

const https = 'url: "https://billing.internal:8443/v2", tls: { trust: [corp] }'
const http = 'url: "http://billing.internal:8080"'

test('a URL alone is one server, chosen always, checked never, tried once', async () => {
  const target = await targetOf('url: "http://[2001:DB8::1]:8080"')
  const server: ServerPlan = {
    target: 'billing',
    name: '[2001:db8::1]:8080',
    scheme: 'http',
    host: '2001:db8::1',
    port: 8080,
    tls: null,
    h2c: false,
    weight: 1,
    fallback: false,
    timeouts: {
      connectMs: 3000,
      handshakeMs: 10_000,
      firstByteMs: 55_000,
      bodyIdleMs: 55_000,
      keepAliveMs: 55_000,
      drainMs: 25_000,
    },
    limits: { connections: 1024, streams: 100, pending: 1024, responseHeaderBytes: 25_600 },
    dns: { servers: [], refreshMs: 30_000 },
    egress: null,
    authority: null,
  }
  assert.deepEqual(target.servers, [server])
  const { balance, health, ejection, retries, breaker } = target
  assert.deepEqual(
    { balance, health, ejection, breaker, attempts: retries.attempts },
    {
      balance: 'round-robin',
      health: null,
      ejection: null,
      breaker: null,
      attempts: 0,
    },
  )
})

test("listed servers take the place of the URL's host, and keep its scheme, path, Host and port", async () => {
  const target = await targetOf(
    `${https}, servers: [ { address: A.internal }, { name: b, address: "10.0.0.7:9443", weight: 3 }, { address: "[::1]", fallback: true } ]`,
  )
  assert.deepEqual([target.authority, target.pathPrefix], ['billing.internal:8443', '/v2'])
  assert.deepEqual(
    target.servers.map(({ name, host, port, weight, fallback }) => [name, host, port, weight, fallback]),
    [
      ['a.internal:8443', 'a.internal', 8443, 1, false],
      ['b', '10.0.0.7', 9443, 3, false],
      ['[::1]:8443', '::1', 8443, 1, true],
    ],
  )
  for (const { target: name, scheme } of target.servers) assert.deepEqual([name, scheme], ['billing', 'https'])
})

test('weights are heard: the way to choose follows from them, unless it is said', async () => {
  const cases: [fields: string, balance: string][] = [
    ['servers: [ { address: a }, { address: b } ]', 'round-robin'],
    ['servers: [ { address: a, weight: 1 }, { address: b } ]', 'round-robin'],
    ['servers: [ { address: a, weight: 2 }, { address: b } ]', 'weighted'],
    ['servers: [ { address: a, weight: 2 }, { address: b } ], balance: least-requests', 'least-requests'],
    ['servers: [ { address: a }, { address: b } ], balance: weighted', 'weighted'],
  ]
  for (const [fields, balance] of cases) assert.equal((await targetOf(`${http}, ${fields}`)).balance, balance, fields)
  const refused = await resolveText(
    `${listeners}\ntargets: { a: { ${http}, balance: round-robin, servers: [ { address: a, weight: 2 } ] } }`,
  )
  assert.equal(refused.ok, false)
})

test('a server with a name of its own is verified by it under a snapshot of its own; the others share the target’s', async () => {
  const target = await targetOf(
    `url: "https://billing.internal", tls: { trust: [corp], subjectAltNames: [x.internal, y.internal] }, servers: [
      { address: a.internal }, { address: 10.0.0.7, serverName: B.internal }, { address: c.internal } ]`,
  )
  const [a, b, c] = target.servers
  assert.equal(a?.tls, target.tls)
  assert.equal(c?.tls, target.tls)
  assert.deepEqual([a?.tls?.serverName, a?.tls?.verifyNames], ['billing.internal', ['x.internal', 'y.internal']])
  assert.deepEqual([b?.tls?.serverName, b?.tls?.verifyNames], ['b.internal', ['b.internal']])
  assert.equal(b?.tls?.anchors, target.tls?.anchors, 'the list of anchors is shared, not copied')
  assert.notEqual(b?.tls?.snapshotId, target.tls?.snapshotId)
  const { snapshotId: _one, serverName: _two, verifyNames: _three, ...rest } = b?.tls ?? assert.fail()
  const { snapshotId: _four, serverName: _five, verifyNames: _six, ...base } = target.tls ?? assert.fail()
  assert.deepEqual(rest, base, 'nothing but the names differs')
})

test('the snapshot of a server counts its names: equal names give equal ids, others give others', async () => {
  const idOf = async (serverName: string): Promise<string | undefined> =>
    (await targetOf(`${https}, servers: [ { address: a.internal${serverName} } ]`)).servers[0]?.tls?.snapshotId
  const inherited = await idOf('')
  assert.equal(await idOf(', serverName: Billing.Internal'), inherited)
  const other = await idOf(', serverName: b.internal')
  assert.notEqual(other, inherited)
  assert.equal(await idOf(', serverName: b.internal'), other)
  assert.notEqual(await idOf(', serverName: c.internal'), other)
})

test('an exception of the target holds for a server with its own name as well, and shows in it', async () => {
  const target = await targetOf(
    `url: "https://billing.internal", tls: { trust: [corp], exceptions: [ { skip: name, owner: me, reason: x } ] }, servers: [ { address: a, serverName: b.internal } ]`,
  )
  assert.deepEqual([target.servers[0]?.tls?.skipName, target.servers[0]?.tls?.exceptions.length], [true, 1])
})

test('health, ejection, retries and breaker: what is given, and the default of what is not', async () => {
  const bare = await targetOf(`${https}, health: { http: { path: /healthz } }, ejection: {}, retries: {}, breaker: {}`)
  assert.deepEqual(bare.health, {
    check: {
      kind: 'http',
      method: 'GET',
      path: '/healthz',
      host: 'billing.internal:8443',
      statuses: [[200, 299]],
      headers: '',
      body: '',
      expectHeaders: [],
    },
    port: null,
    intervalMs: 5000,
    timeoutMs: 3000,
    healthyAfter: 2,
    unhealthyAfter: 3,
  })
  assert.deepEqual(bare.ejection, {
    consecutiveFailures: 5,
    statuses: [],
    baseMs: 30_000,
    maxMs: 300_000,
    maxPercent: 50,
  })
  assert.deepEqual(bare.retries, {
    attempts: 1,
    on: ['connect', 'refused-stream', 'reset'],
    statuses: [],
    methods: ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'],
    budgetPercent: 20,
    budgetMinPerSecond: 3,
  })
  assert.deepEqual(bare.breaker, { failurePercent: 50, minimumRequests: 20, windowMs: 10_000, openMs: 5000 })

  const given = await targetOf(
    `${http}, health: { tcp: true, interval: 1s, timeout: 500ms, healthyAfter: 1, unhealthyAfter: 1 },
      ejection: { consecutiveFailures: 1, statuses: [500, 502-504], base: 1s, max: 1s, maxPercent: 100 },
      retries: { attempts: 3, on: [timeout], statuses: ["503"], methods: [POST], budget: { percent: 0, minPerSecond: 0 } },
      breaker: { failurePercent: 1, minimumRequests: 1, window: 100ms, open: 1h }`,
  )
  assert.deepEqual(given.health, {
    check: { kind: 'tcp' },
    port: null,
    intervalMs: 1000,
    timeoutMs: 500,
    healthyAfter: 1,
    unhealthyAfter: 1,
  })
  const statuses = [
    [500, 500],
    [502, 504],
  ]
  assert.deepEqual(given.ejection, { consecutiveFailures: 1, statuses, baseMs: 1000, maxMs: 1000, maxPercent: 100 })
  assert.deepEqual(given.retries, {
    attempts: 3,
    on: ['timeout', 'status'],
    statuses: [[503, 503]],
    methods: ['POST'],
    budgetPercent: 0,
    budgetMinPerSecond: 0,
  })
  assert.deepEqual(given.breaker, { failurePercent: 1, minimumRequests: 1, windowMs: 100, openMs: 3_600_000 })
})

test('name servers become address and port', async () => {
  const target = await targetOf(`${http}, dns: { servers: [10.0.0.53, "10.0.0.53:5353", "[FD00::53]"], refresh: 1m }`)
  assert.deepEqual(target.servers[0]?.dns, {
    servers: ['10.0.0.53:53', '10.0.0.53:5353', '[fd00::53]:53'],
    refreshMs: 60_000,
  })
})

test('HTTP/2 is agreed on with clients unless said otherwise, and with backends only when said', async () => {
  const tls = 'certificates: [ { certificate: gw.pem, key: gw.key } ]'
  const { plan } = await good(
    `listeners:
  - { name: https, port: 0, tls: { ${tls} } }
  - { name: only-h1, port: 0, tls: { ${tls}, alpn: [http/1.1] } }
  - { name: old, port: 0, tls: { ${tls}, minVersion: TLSv1, maxVersion: TLSv1.1, ciphers: "DEFAULT:@SECLEVEL=0" } }
  - { name: mesh, port: 0, h2c: true, limits: { streams: 7 } }
${corp}
targets:
  default: { ${https} }
  asked: { url: "https://a.internal", tls: { trust: [corp], alpn: [h2, http/1.1] }, limits: { streams: 8 } }
  grpc: { url: "http://a.internal", h2c: true }
`,
  )
  assert.deepEqual(
    plan.listeners.map(({ tls, h2c, limits }) => [tls?.alpn ?? null, h2c, limits.streams]),
    [
      [['h2', 'http/1.1'], false, 100],
      [['http/1.1'], false, 100],
      [['http/1.1'], false, 100], // no HTTP/2 below TLS 1.2
      [null, true, 7],
    ],
  )
  assert.deepEqual(
    plan.targets.map(({ servers: [server] }) => [server?.tls?.alpn ?? null, server?.h2c, server?.limits.streams]),
    [
      [['http/1.1'], false, 100],
      [['h2', 'http/1.1'], false, 8],
      [null, true, 100],
    ],
  )
})

const egress = (fields: string): string => `${http}, egress: { url: "http://Proxy.internal:3128/"${fields} }`

test('the way out: a proxy, with credentials from where they are kept', async () => {
  await writeFile(join(directory, 'password'), 'se:cret\n')
  await writeFile(join(directory, 'bearer'), 'Bearer abc\r\n')
  const cases: [fields: string, authorization: string | null][] = [
    ['', null],
    [', authorization: { env: PROXY_AUTH }', 'Bearer from-env'],
    [', authorization: { file: bearer }', 'Bearer abc'],
    [', user: gateway, password: { env: PROXY_PASSWORD }', `Basic ${btoa('gateway:pÃ¤ssword')}`],
    [', user: gateway, password: { file: password }', `Basic ${btoa('gateway:se:cret')}`],
  ]
  for (const [fields, authorization] of cases) {
    const env = { PROXY_AUTH: 'Bearer from-env', PROXY_PASSWORD: 'pässword' }
    const { servers } = await targetOf(egress(fields), env)
    assert.deepEqual(servers[0]?.egress, { host: 'proxy.internal', port: 3128, authorization }, fields)
  }
  const { watch } = await good(`${listeners}\ntargets: { a: { ${egress(', authorization: { file: bearer }')} } }`)
  assert.ok(watch.includes(join(directory, 'bearer')), 'a rotated credential needs no restart')
})

test('a credential that is missing or could split a header is a problem at its place, which does not repeat it (I7)', async () => {
  await writeFile(join(directory, 'empty'), '\n')
  await writeFile(join(directory, 'split'), 'Bearer abc\r\nX-Admin: hunter2\r\n')
  await writeFile(join(directory, 'wide'), 'Bearer hunter2\u00e4')
  await writeFile(join(directory, 'padded'), 'Bearer hunter2 ')
  await writeFile(join(directory, 'long'), 'hunter2'.repeat(2000))
  const cases: [fields: string, place: string, message: RegExp][] = [
    [', authorization: { env: GONE }', 'authorization', /the variable GONE is not set/],
    [', authorization: { env: BLANK }', 'authorization', /the variable BLANK is empty/],
    [', authorization: { env: SPLIT }', 'authorization', /the variable SPLIT has a line end/],
    [', authorization: { file: gone }', 'authorization', /gone does not exist/],
    [', authorization: { file: empty }', 'authorization', /empty is empty/],
    [', authorization: { file: split }', 'authorization', /split has a line end/],
    [', authorization: { file: wide }', 'authorization', /holds a character/],
    [', authorization: { file: padded }', 'authorization', /a space at an end/],
    [', user: u, password: { file: split }', 'password', /split has a line end/],
    [', user: u, password: { file: long }', 'password', /more than 8192/],
  ]
  for (const [fields, place, message] of cases) {
    const text = `${listeners}\ntargets: { a: { ${egress(fields)} } }`
    const resolved = await resolveText(text, { BLANK: '', SPLIT: 'Bearer hunter2\nX: y' })
    assert.equal(resolved.ok, false, fields)
    if (resolved.ok) continue
    const [problem, ...others] = resolved.problems
    assert.deepEqual(others, [])
    assert.equal(problem?.path, `targets.a.egress.${place}`)
    assert.match(problem?.message ?? '', message)
    assert.doesNotMatch(JSON.stringify(resolved), /hunter2/)
  }
})

test('what is refused of a credential is still watched, so that mending the file is noticed', async () => {
  const resolved = await resolveText(`${listeners}\ntargets: { a: { ${egress(', authorization: { file: later }')} } }`)
  assert.equal(resolved.ok, false)
  assert.ok(resolved.watch.includes(join(directory, 'later')))
})
