import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type AlertEvent, type Alerts, openAlerts, type StoredAlert } from '../../src/monitor/alerts/engine.ts'
import type { DeliveryLimits } from '../../src/monitor/alerts/delivery.ts'
import type { CertificateFact } from '../../src/monitor/alerts/rule.ts'
import type { Monitor } from '../../src/monitor/query.ts'
import { dayMs, minuteMs } from '../../src/monitor/time-range.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startReceiver, until } from './alert-receiver.ts'
import { type Finished, memoryMonitor } from './memory-monitor.ts'

const start = Date.UTC(2026, 6, 1, 12, 0, 5)

const failed: NonNullable<Finished['key']> = {
  status: 503,
  targetStatus: 0,
  fault: 'tls-untrusted',
  verdict: 'missing-root',
  party: 'gateway',
  faultCode: 'messaging.adaptors.http.flow.SslHandshakeFailed',
  faultSource: 'target',
}

interface Rig extends AsyncDisposable {
  readonly alerts: Alerts
  readonly events: AlertEvent[]
  readonly requests: Finished[]
  readonly rules: StoredAlert[]
  now: number
}

function rig(
  rules: readonly Readonly<Record<string, unknown>>[],
  options: {
    readonly delivery?: Partial<DeliveryLimits>
    readonly roots?: readonly string[]
    readonly certificates?: readonly CertificateFact[]
    readonly monitor?: (inner: Monitor) => Monitor
    readonly file?: string
    readonly now?: number
    readonly requests?: Finished[]
  } = {},
): Rig {
  const { requests = [] } = options
  const events: AlertEvent[] = []
  const stored = rules.map((bean, at): StoredAlert => {
    return { id: `rule-${at}`, organization: 'acme', bean: { name: `rule ${at}`, environment: 'test', ...bean } }
  })
  const memory = memoryMonitor(requests)
  const { roots, certificates = [], monitor = (inner: Monitor) => inner, delivery = {} } = options
  const made: Rig = {
    now: options.now ?? start,
    requests,
    events,
    rules: stored,
    alerts: openAlerts({
      monitor: monitor(memory),
      rules: async () => stored,
      certificates: () => certificates,
      collection: async () => null,
      region: () => 'r1',
      file: options.file ?? null,
      onEvent: (event) => events.push(event),
      clock: () => made.now,
      everyMs: 0,
      delivery: { backoffMs: 5, ...delivery },
      ...(roots === undefined ? {} : { roots: () => roots }),
    }),
    [Symbol.asyncDispose]: () => made.alerts.close(),
  }
  return made
}

const appears = (url: string, more: object = {}) => ({
  conditions: [{ metric: 'verdict-appears', durationSeconds: 60 }],
  notifications: [{ channel: 'webhook', destination: url, ...more }],
})

const tooMany = (url: string, more: object = {}) => ({
  conditions: [{ metric: 'count', threshold: 2, comparator: '>', durationSeconds: 60 }],
  notifications: [{ channel: 'webhook', destination: url }],
  ...more,
})

test('fires once while it holds, says so to the receiver, and resolves', async () => {
  await using hook = await startReceiver()
  await using it = rig([
    { ...appears(hook.url, { secret: 'a signing key' }), description: 'handshakes', playbook: 'https://wiki/tls' },
  ])
  const { alerts, events, requests } = it
  await alerts.evaluate()
  assert.equal(hook.received.length, 0)
  requests.push({ at: it.now - 1000, key: failed, id: 'gw-17', sample: { summary: 'The root is not in the store.' } })
  await alerts.evaluate()
  await alerts.evaluate()
  await hook.until(1)
  it.now += 3 * minuteMs
  await alerts.evaluate()
  await hook.until(2)
  await until(() => alerts.health().queued === 0)
  const [fired, resolved] = hook.received
  assert.equal(fired?.json.type, 'alert-fired')
  assert.equal(fired.json.test, false)
  assert.deepEqual(fired.json.alert, {
    id: 'rule-0',
    name: 'rule 0',
    description: 'handshakes',
    playbook: 'https://wiki/tls',
  })
  assert.deepEqual([fired.json.organization, fired.json.environment], ['acme', 'test'])
  assert.equal(fired.json.verdict, 'missing-root')
  assert.deepEqual(fired.json.cell, { target: 'acme/test/orders/default', verdict: 'missing-root' })
  assert.equal(fired.json.requests[0].id, 'gw-17')
  assert.equal(fired.json.requests[0].summary, 'The root is not in the store.')
  assert.equal(fired.json.conditions[0].value, 1)
  assert.ok(fired.json.window.from < fired.json.window.to)
  const time = String(fired.headers['postern-timestamp'])
  const signature = createHmac('sha256', 'a signing key').update(`${time}.${fired.text}`).digest('hex')
  assert.equal(fired.headers['postern-signature'], `sha256=${signature}`)
  assert.ok(!fired.text.includes('a signing key'))
  assert.equal(resolved?.json.type, 'alert-resolved')
  assert.equal(resolved.json.instance, fired.json.instance)
  assert.deepEqual(
    events.map(({ type }) => type),
    ['alert-fired', 'alert-resolved'],
  )
  const [instance] = alerts.history('acme', 0, it.now + 1, null)
  assert.equal(instance?.resolvedAt, it.now)
  assert.deepEqual([instance.verdict, instance.requests, instance.notice], ['missing-root', ['gw-17'], 'sent'])
  assert.deepEqual(alerts.history('other', 0, it.now + 1, null), [])
  assert.equal(alerts.instance('other', instance.id), null)
  assert.equal(alerts.health().delivered, 2)
})

test('a second time within the throttle is kept, and not sent', async () => {
  await using hook = await startReceiver()
  await using it = rig([tooMany(hook.url, { throttleIntervalSeconds: 600 })])
  const burst = (): void => {
    for (let at = 0; at < 3; at++) it.requests.push({ at: it.now - minuteMs })
  }
  const step = async (): Promise<void> => {
    it.now += 2 * minuteMs
    await it.alerts.evaluate()
  }
  burst()
  await it.alerts.evaluate()
  await step()
  it.now += minuteMs
  burst()
  await it.alerts.evaluate()
  await step()
  await hook.until(2)
  const notices = (): readonly string[] => it.alerts.history('acme', 0, it.now + 1, null).map(({ notice }) => notice)
  assert.deepEqual(notices(), ['throttled', 'sent'])
  it.now += 10 * minuteMs
  burst()
  await it.alerts.evaluate()
  await hook.until(3)
  assert.deepEqual(notices(), ['sent', 'throttled', 'sent'])
  assert.deepEqual(
    hook.received.map(({ json }) => json.type),
    ['alert-fired', 'alert-resolved', 'alert-fired'],
  )
})

test('each of ANY fires by itself, and two conditions must both hold', async () => {
  await using hook = await startReceiver()
  const any = { metric: 'count', threshold: 1, comparator: '>', dimensions: { proxy: 'ANY' } }
  const slow = { metric: 'totalLatency', threshold: 400, comparator: '>', dimensions: { proxy: 'ANY' } }
  await using it = rig([{ conditions: [any, slow], notifications: [{ channel: 'slack', destination: hook.url }] }])
  const at = it.now - minuteMs
  for (const proxy of ['a', 'b', 'c']) {
    it.requests.push({ at, key: { proxy }, totalMs: 500 }, { at, key: { proxy }, totalMs: proxy === 'b' ? 1 : 500 })
  }
  it.requests.push({ at, key: { proxy: '<d>' }, totalMs: 900 }, { at, key: { proxy: '<d>' }, totalMs: 900 })
  it.requests.splice(2, 1)
  await it.alerts.evaluate()
  await hook.until(3)
  const fired = it.alerts.history('acme', 0, it.now + 1, null).map(({ values }) => values['proxy'])
  assert.deepEqual(new Set(fired), new Set(['<d>', 'a', 'c']))
  assert.equal(fired.length, 3)
  const texts = hook.received.map(({ json }) => String(json.text))
  assert.ok(texts.every((text) => text.startsWith('*Alert "rule 0" (acme/test, proxy ')))
  assert.ok(texts.some((text) => text.includes('proxy &lt;d&gt;')))
})

test('an answer of 500 is tried again, one of 404 is not', async () => {
  await using hook = await startReceiver((count) => (count === 1 ? 500 : 200))
  await using wrong = await startReceiver(() => 404)
  await using it = rig([appears(hook.url), appears(wrong.url)])
  it.requests.push({ at: it.now, key: failed })
  await it.alerts.evaluate()
  await hook.until(2)
  await until(() => it.alerts.health().queued === 0)
  assert.equal(hook.received[0]?.text, hook.received[1]?.text)
  assert.equal(wrong.received.length, 1)
  const { delivered, retried, failed: lost, problem } = it.alerts.health()
  assert.deepEqual([delivered, retried, lost], [1, 1, 1])
  assert.match(problem, /^http:\/\/127\.0\.0\.1:\d+: the receiver answered 404$/)
})

test('dead and slow receivers hold nothing up; what is too much is dropped and counted', async () => {
  await using hook = await startReceiver()
  await using slow = await startReceiver(() => null)
  const dead = `http://127.0.0.1:${await closedPort()}/`
  const limits = { timeoutMs: 150, attempts: 2, atOnceToOne: 1, queued: 4 }
  await using it = rig([appears(slow.url), appears(slow.url), appears(dead), appears(hook.url), appears(hook.url)], {
    delivery: limits,
  })
  it.requests.push({ at: it.now, key: failed })
  const before = performance.now()
  await it.alerts.evaluate()
  const evaluated = performance.now() - before
  await hook.until(1)
  assert.ok(evaluated < 150, `the evaluation waited ${evaluated} ms`)
  // The first answered before the slow one was given up.
  assert.equal(it.alerts.health().dropped, 1)
  await until(() => it.alerts.health().queued === 0)
  const { delivered, failed: lost, retried } = it.alerts.health()
  assert.deepEqual([delivered, lost, retried], [1, 3, 3])
  assert.equal(slow.received.length, 4)
})

test('a receiver that never answers leaves room for the others', async () => {
  await using hook = await startReceiver()
  await using slow = await startReceiver(() => null)
  const limits = { timeoutMs: 3000, attempts: 1, atOnce: 2, atOnceToOne: 1 }
  await using it = rig([appears(slow.url), appears(slow.url), appears(hook.url)], { delivery: limits })
  it.requests.push({ at: it.now, key: failed })
  await it.alerts.evaluate()
  await hook.until(1)
  assert.equal(it.alerts.health().failed, 0)
  await slow.until(1)
  assert.equal(slow.received.length, 1)
})

test('the test button sends a marked message, and says what came of it', async () => {
  const root = await createRoot({ commonName: 'Alerts Root' })
  const leaf = await createLeaf(root, { names: ['127.0.0.1'] })
  const tls = { cert: leaf.chainPem, key: leaf.keyPem }
  await using hook = await startReceiver(() => 202)
  await using secure = await startReceiver(() => 200, tls)
  await using slow = await startReceiver(() => null)
  const notifications = [
    { channel: 'webhook', destination: hook.url },
    { channel: 'webhook', destination: secure.url },
    { channel: 'email', destination: 'ops@example.com' },
    { channel: 'webhook', destination: slow.url },
    { channel: 'webhook', destination: `http://127.0.0.1:${await closedPort()}/` },
  ]
  const rule = { ...appears(hook.url), notifications }
  await using plain = rig([rule], { delivery: { timeoutMs: 200 } })
  const told = await plain.alerts.test(plain.rules[0] as StoredAlert)
  assert.deepEqual(
    told.map(({ delivered, status, problem }) => [delivered, status, problem?.code ?? '', problem?.verdict ?? '']),
    [
      [true, 202, '', ''],
      [false, null, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unknown-issuer'],
      [false, null, 'undeliverable', ''],
      [false, null, 'timeout', ''],
      [false, null, 'ECONNREFUSED', 'connection-refused'],
    ],
  )
  assert.match(
    told[1]?.problem?.message ?? '',
    /certificate of its CA into a trust store and name that in alerts\.trust; .* 127\.0\.0\.1:\d+ shows/,
  )
  assert.match(told[4]?.problem?.message ?? '', /ECONNREFUSED/)
  for (const { problem } of told) assert.doesNotMatch(problem?.message ?? '', /backend/)
  assert.match(told[0]?.destination ?? '', /^http:\/\/127\.0\.0\.1:\d+\/\*\*\*$/)
  assert.deepEqual([hook.received[0]?.json.type, hook.received[0]?.json.test], ['alert-test', true])
  assert.equal(secure.received.length, 0)
  assert.deepEqual(plain.events, [])
  // With its root, the same receiver is trusted.
  await using trusting = rig([rule], { roots: [root.certificatePem], delivery: { timeoutMs: 200 } })
  const again = await trusting.alerts.test(trusting.rules[0] as StoredAlert)
  assert.deepEqual([again[1]?.delivered, again[1]?.status], [true, 200])
})

test('a rule that is gone or switched off resolves without a word to the receiver', async () => {
  await using hook = await startReceiver()
  await using it = rig([appears(hook.url), appears(hook.url)])
  it.requests.push({ at: it.now, key: failed })
  await it.alerts.evaluate()
  await hook.until(2)
  const [first] = it.rules
  assert.ok(first !== undefined)
  it.rules.splice(0, 2, { ...first, bean: { ...(first.bean as object), enabled: false } })
  await it.alerts.evaluate()
  assert.equal(it.alerts.health().firing, 0)
  assert.equal(it.events.filter(({ type }) => type === 'alert-resolved').length, 2)
  assert.equal(hook.received.length, 2)
})

test('while the rollups do not answer, what holds goes on to hold, and the trouble is told', async () => {
  await using hook = await startReceiver()
  let isBroken = false
  const monitor = (inner: Monitor): Monitor => ({
    ...inner,
    aggregate: (query) => (isBroken ? Promise.reject(new Error('gone')) : inner.aggregate(query)),
  })
  await using it = rig([appears(hook.url)], { monitor })
  it.requests.push({ at: it.now, key: failed })
  await it.alerts.evaluate()
  isBroken = true
  it.now += 10 * minuteMs
  await it.alerts.evaluate()
  assert.equal(it.alerts.health().firing, 1)
  assert.deepEqual(it.alerts.health().troubles, [{ organization: 'acme', alert: 'rule-0', message: 'gone' }])
  isBroken = false
  await it.alerts.evaluate()
  assert.equal(it.alerts.health().firing, 0)
  assert.deepEqual(it.alerts.health().troubles, [])
})

test('a certificate that ends soon fires, until another takes its place', async () => {
  await using hook = await startReceiver()
  const certificates: CertificateFact[] = [
    {
      kind: 'leaf',
      name: 'backend.test',
      organization: 'acme',
      environment: 'test',
      target: 't',
      store: null,
      notAfter: start + 5.5 * dayMs,
      subject: 'CN=backend.test',
      isInUse: true,
    },
  ]
  const rule = {
    conditions: [{ metric: 'certificate-expires', threshold: 30 }],
    notifications: [{ channel: 'webhook', destination: hook.url }],
  }
  await using it = rig([rule], { certificates })
  await it.alerts.evaluate()
  await hook.until(1)
  assert.equal(hook.received[0]?.json.cell.subject, 'CN=backend.test')
  assert.equal(hook.received[0].json.conditions[0].value, 5.5)
  assert.match(hook.received[0].json.summary, /certificate ends in 5\.5 days/)
  const [found] = certificates
  if (found !== undefined) certificates.splice(0, 1, { ...found, notAfter: start + 90 * dayMs })
  await it.alerts.evaluate()
  assert.equal(it.alerts.health().firing, 0)
})

test('rules are looked at by themselves, and no more once it is closed', async () => {
  let asked = 0
  const alerts = openAlerts({
    monitor: memoryMonitor([]),
    rules: async () => {
      asked++
      return []
    },
    certificates: () => [],
    collection: async () => null,
    region: () => '',
    everyMs: 5,
  })
  // The timer alone keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  await until(() => asked >= 2)
  await alerts.close()
  const before = asked
  await alerts.evaluate()
  await new Promise((resolve) => setTimeout(resolve, 30))
  clearInterval(alive)
  assert.equal(asked, before)
})

test('what fired is known over a restart: no second notice within the throttle, and an end is told', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-alerts-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'alerts.json')
  await using hook = await startReceiver()
  const rules = [appears(hook.url, { secret: 'a signing key' })]
  const requests: Finished[] = [{ at: start - 1000, key: failed, id: 'gw-1' }]
  const told = () => hook.received.map(({ json }) => json.type as string)
  {
    await using before = rig(rules, { file, requests })
    await before.alerts.evaluate()
    await hook.until(1)
    // Not closed in order yet: what is written is there at once.
    await until(() => existsSync(file))
  }
  assert.ok(!readFileSync(file, 'utf8').includes('signing key') && !readFileSync(file, 'utf8').includes('/hook'))
  assert.equal(statSync(file).mode & 0o777, 0o600)
  {
    await using again = rig(rules, { file, requests, now: start + 10_000 })
    await again.alerts.evaluate()
    assert.equal(again.events.length, 0, 'it holds still: nothing new')
    assert.equal(again.alerts.history('acme', 0, 9e12, null).length, 1)
    again.now += 5 * minuteMs
    await again.alerts.evaluate()
    await hook.until(2)
    assert.deepEqual(told(), ['alert-fired', 'alert-resolved'])
    assert.equal(again.events.at(-1)?.alert, 'rule-0')
  }
  requests.push({ at: start + 6 * minuteMs, key: failed, id: 'gw-2' })
  await using third = rig(rules, { file, requests, now: start + 6 * minuteMs + 1 })
  await third.alerts.evaluate()
  assert.deepEqual(
    third.alerts.history('acme', 0, 9e12, null).map(({ notice }) => notice),
    ['throttled', 'sent'],
  )
  third.now += 5 * minuteMs
  await third.alerts.evaluate()
  assert.equal(third.events.length, 2)
  assert.equal(hook.received.length, 2, 'within the throttle nothing more is sent')
})

test('a file of alerts that cannot be read is said, and begins anew', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-alerts-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'alerts.json')
  writeFileSync(file, '{"version":1,"instances":[{')
  await using it = rig([{ conditions: [{ metric: 'verdict-appears' }] }], { file })
  it.requests.push({ at: it.now - 1000, key: failed, id: 'gw-1' })
  await it.alerts.evaluate()
  assert.equal(it.events.length, 1)
  await until(() => readFileSync(file, 'utf8').includes('gw-1'))
})

test('many that begin and end at once are told in one message each, a few one by one', async () => {
  for (const [count, messages] of [
    [5, 5],
    [6, 1],
    [40, 1],
  ] as const) {
    await using hook = await startReceiver()
    await using it = rig([appears(hook.url)])
    for (let at = 0; at < count; at++) it.requests.push({ at: it.now - 1000, key: { ...failed, target: `t${at}` } })
    await it.alerts.evaluate()
    await hook.until(messages)
    assert.equal(it.events.length, count)
    it.now += 3 * minuteMs
    await it.alerts.evaluate()
    await hook.until(messages * 2)
    await until(() => it.alerts.health().queued === 0)
    assert.equal(hook.received.length, messages * 2)
    const [first] = hook.received
    if (messages > 1) {
      assert.equal(first?.json.instances, undefined)
      continue
    }
    assert.equal(first?.json.instances.length, count)
    assert.equal(new Set(first.json.instances.map(({ cell }: { cell: { target: string } }) => cell.target)).size, count)
    assert.match(first.json.summary, new RegExp(`holds for ${count}: .*; and ${count - 3} more\\.$`))
    assert.match(hook.received[1]?.json.summary, new RegExp(`is over for ${count}: `))
  }
})

const anchor = (change: Partial<CertificateFact>): CertificateFact => ({
  kind: 'anchor',
  name: 'CN=Root',
  organization: 'acme',
  environment: 'test',
  target: null,
  store: 'partners',
  notAfter: start + 5 * dayMs,
  subject: 'CN=Root',
  isInUse: true,
  ...change,
})

for (const [what, dimensions, fact, fires] of [
  ['an anchor that a chain hangs on', {}, anchor({}), true],
  ['an anchor that nothing hangs on', {}, anchor({ isInUse: false }), false],
  [
    'an anchor that nothing hangs on, where anchors are asked for',
    { certificate: 'anchor' },
    anchor({ isInUse: false }),
    true,
  ],
  [
    'an anchor that nothing hangs on, where its store is asked for',
    { store: 'partners' },
    anchor({ isInUse: false }),
    true,
  ],
  ['what ended a month ago', {}, anchor({ notAfter: start - 29 * dayMs }), true],
  ['what ended longer ago', {}, anchor({ notAfter: start - 31 * dayMs }), false],
  ['what ends later than is asked for', {}, anchor({ notAfter: start + 31 * dayMs }), false],
] as const) {
  test(`certificate-expires: ${what} ${fires ? 'fires' : 'does not'}`, async () => {
    const conditions = [{ metric: 'certificate-expires', threshold: 30, dimensions }]
    await using it = rig([{ conditions }], { certificates: [fact] })
    await it.alerts.evaluate()
    assert.equal(it.events.length, fires ? 1 : 0)
  })
}

test('over a restart a leaf that no backend has shown yet is not over', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-alerts-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'alerts.json')
  const leaf = anchor({ kind: 'leaf', name: 'b.test', target: 't', store: null })
  const certificates = [leaf]
  const rules = [{ conditions: [{ metric: 'certificate-expires', threshold: 30 }] }]
  {
    await using before = rig(rules, { file, certificates })
    await before.alerts.evaluate()
  }
  certificates.length = 0
  await using again = rig(rules, { file, certificates })
  await again.alerts.evaluate()
  assert.equal(again.alerts.health().firing, 1)
  certificates.push({ ...leaf, notAfter: start + 300 * dayMs })
  await again.alerts.evaluate()
  assert.equal(again.alerts.health().firing, 0)
})

test('history is bounded, and keeps what holds still', async () => {
  await using it = rig([{ conditions: [{ metric: 'verdict-appears' }] }])
  for (let round = 0; round < 120; round++) {
    it.requests.length = 0
    it.requests.push({ at: it.now, key: { ...failed, target: `once-${round}` } })
    it.requests.push({ at: it.now, key: { ...failed, target: `twice-${round}` } })
    it.requests.push({ at: it.now, key: { ...failed, target: 'always' } })
    await it.alerts.evaluate()
    it.now += 3 * minuteMs
  }
  const all = it.alerts.history('acme', 0, it.now, null)
  assert.equal(all.length, 200)
  assert.equal(all.filter(({ resolvedAt }) => resolvedAt === null).length, 3)
  assert.equal(all.at(-1)?.values['target'], 'always')
  assert.equal(all[0]?.notice, 'none')
})

async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

test('the end waits for no question that is never answered, and no further rule is looked at', async () => {
  let asked = 0
  const stuck = (inner: Monitor): Monitor => ({
    ...inner,
    aggregate: () => {
      asked++
      return asked === 1 ? inner.health().then(() => new Promise<never>(() => {})) : Promise.reject(new Error('again'))
    },
  })
  const rule = { conditions: [{ metric: 'count', comparator: '>', threshold: 0, durationSeconds: 60 }] }
  const it = rig([rule, rule], { monitor: stuck })
  void it.alerts.evaluate()
  await until(() => asked === 1)
  await it.alerts.close()
  assert.equal(asked, 1)
})
