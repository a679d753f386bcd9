import assert from 'node:assert/strict'
import { connect } from 'node:http2'
import { after, describe, it } from 'node:test'
import type { RecordedTransaction, RecordingOrder } from '../../src/observe/recording.ts'
import { RecordingOutbox } from '../../src/proxy/recording-outbox.ts'
import { ok, startBackend } from './backend.ts'
import { ask as askH2 } from './h2-client-rig.ts'
import { ask, get, request, statusOf } from './peer.ts'
import { proxyPlan, targetPlan } from './planned-gateway.ts'
import { order, slots, startRecordingRig, stepsOf, takenOf } from './recording-rig.ts'

/* Which requests a debug session takes, how many, and how much of each. */

const backend = await startBackend(({ start }) => {
  const status = /\/status\/(\d+)/.exec(start)?.[1]
  if (status !== undefined) return `HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`
  const length = Number(/\/length\/(\d+)/.exec(start)?.[1] ?? 2)
  return ok('x'.repeat(length))
})
const unused = await startBackend()
await unused[Symbol.asyncDispose]()
const proxies = [
  proxyPlan({ kind: 'target', target: 'b' }, { key: 'p', name: 'p', basePath: '/p' }),
  proxyPlan({ kind: 'target', target: 'b' }, { key: 'p4', name: 'p', revision: '4', basePath: '/four' }),
  proxyPlan({ kind: 'target', target: 'dead' }, { key: 'dead', name: 'p', basePath: '/dead' }),
  proxyPlan({ kind: 'target', target: 'b' }, { name: 'q', basePath: '/q' }),
]
const parts = { targets: [targetPlan('b', [backend.port]), targetPlan('dead', [unused.port])], proxies }
const rig = await startRecordingRig(parts, 2)
after(async () => {
  await rig[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

/** What of these requests the sessions take, by their paths. */
async function taken(orders: readonly RecordingOrder[], requests: readonly string[]): Promise<readonly string[]> {
  await rig.order(orders)
  const from = rig.recorded.length
  for (const each of requests) await ask(rig.port, each)
  // Other orders have every worker tell what there is.
  await rig.order([])
  return rig.recorded
    .slice(from)
    .map(({ uri }) => uri)
    .toSorted()
}

describe('a filter', () => {
  const table: readonly (readonly [
    what: string,
    change: Partial<RecordingOrder>,
    requests: readonly string[],
    expected: readonly string[],
  ])[] = [
    [
      'takes everything of the proxy where there is none',
      {},
      [get('/p/1'), get('/q/1'), get('/four')],
      ['/four', '/p/1'],
    ],
    ['takes one revision', { revision: '4' }, [get('/p/1'), get('/four')], ['/four']],
    ['is of one environment', { environment: 'prod' }, [get('/p/1')], []],
    ['is of one organization', { organization: 'other' }, [get('/p/1')], []],
    [
      'on a header looks at its whole value, whatever the spelling of its name',
      { headers: [['x-a', 'one']] },
      [
        get('/p/1', 'X-A: one'),
        get('/p/2', 'x-a:  one '),
        get('/p/3', 'X-A: ONE'),
        get('/p/4', 'X-A: one1'),
        get('/p/5'),
      ],
      ['/p/1', '/p/2'],
    ],
    [
      'on a header is met by any of its lines, and by all of them together',
      { headers: [['x-a', 'one']] },
      [get('/p/1', 'X-A: two', 'X-A: one'), get('/p/2', 'X-A: one, two')],
      ['/p/1'],
    ],
    [
      'on a header sees those that the gateway writes itself as they came',
      {
        headers: [
          ['host', 'gateway.test'],
          ['x-forwarded-for', '192.0.2.1'],
        ],
      },
      [get('/p/1', 'X-Forwarded-For: 192.0.2.1'), get('/p/2')],
      ['/p/1'],
    ],
    [
      'on a query parameter compares what is decoded',
      { query: [['a b', 'ü&']] },
      [get('/p?a+b=%C3%BC%26'), get('/p?a%20b=%c3%bc%26&c=1'), get('/p?a=b'), get('/p?a+b=x')],
      ['/p?a%20b=%c3%bc%26&c=1', '/p?a+b=%C3%BC%26'],
    ],
    [
      'needs all of its parts',
      { query: [['a', '1']], headers: [['x-a', '1']] },
      [get('/p?a=1', 'X-A: 1'), get('/p?a=1'), get('/p', 'X-A: 1')],
      ['/p?a=1'],
    ],
    [
      'on the status knows it at the end',
      {
        statuses: [
          [404, 404],
          [500, 599],
        ],
      },
      [get('/p/status/404'), get('/p/status/503'), get('/p/status/403'), get('/dead/1')],
      ['/dead/1', '/p/status/404', '/p/status/503'],
    ],
    [
      'on failures takes faults and what a backend says of itself',
      { failuresOnly: true },
      [get('/p/status/404'), get('/p/status/500'), get('/dead/1'), get('/p/..%2f')],
      ['/dead/1', '/p/..%2f', '/p/status/500'],
    ],
    [
      'on failures and statuses needs both',
      { failuresOnly: true, statuses: [[500, 500]] },
      [get('/p/status/500'), get('/dead/1')],
      ['/p/status/500'],
    ],
    ['takes nothing once its time is over', { until: Date.now() - 1 }, [get('/p/1')], []],
    ['takes nothing without a slot', { slots: slots(0) }, [get('/p/1')], []],
  ]
  for (const [what, change, requests, expected] of table) {
    it(what, async () => {
      assert.deepEqual(await taken([order(change)], requests), expected)
    })
  }

  it('holds for HTTP/2 as well', async () => {
    await rig.order([order({ headers: [['x-a', '1']], query: [['q', '1']] })])
    const client = connect(`http://127.0.0.1:${rig.port}`)
    await askH2(client, { ':path': '/p/h2?q=1' })
    await askH2(client, { ':path': '/p/h2?q=1&yes', 'x-a': '1' })
    client.destroy()
    await rig.of('/p/h2?q=1&yes')
    assert.ok(!rig.recorded.some(({ uri }) => uri === '/p/h2?q=1'))
  })
})

describe('several sessions', () => {
  it('take one request together, each with its own slot', async () => {
    const one = order({ session: 'one', bodyBytes: 3 })
    const two = order({ session: 'two', bodyBytes: 6, failuresOnly: true })
    const three = order({ session: 'three', query: [['three', '1']] })
    await rig.order([one, two, three])
    await ask(rig.port, get('/p/length/10?together'))
    await ask(rig.port, get('/dead?together'))
    const [good, bad] = [await rig.of('/p/length/10?together'), await rig.of('/dead?together')]
    assert.deepEqual([good.sessions, bad.sessions], [['one'], ['one', 'two']])
    // The largest of their caps.
    assert.equal(stepsOf(good, 'response-body')[0]?.body.text, 'xxxxxx')
    assert.deepEqual([takenOf(one), takenOf(two), takenOf(three)], [2, 1, 0])
  })
})

describe('a session', () => {
  it('takes exactly as many as it may, over all workers at once', async () => {
    const first = order({ session: 'first', slots: slots(150) })
    const failures = order({ session: 'failures', slots: slots(50), failuresOnly: true })
    await rig.order([first, failures])
    const from = rig.recorded.length
    const load = Array.from({ length: 40 }, async (_, client) => {
      for (let n = 0; n < 6; n++) {
        const path = n % 2 === 0 ? '/p/load' : '/dead/load'
        assert.ok([200, 502, 503].includes(statusOf(await ask(rig.port, get(`${path}?${client}-${n}`)))))
      }
    })
    await Promise.all(load)
    await rig.order([])
    const since = rig.recorded.slice(from)
    const of = (session: string): readonly RecordedTransaction[] =>
      since.filter(({ sessions }) => sessions.includes(session))
    assert.deepEqual([takenOf(first), takenOf(failures)], [150, 50])
    assert.deepEqual([of('first').length, of('failures').length], [150, 50])
    assert.equal(new Set(of('first').map(({ worker }) => worker)).size, 2)
    assert.ok(since.every(({ sessions }) => sessions.length > 0))
  })

  it('goes on in the next generation, also of proxies that come with it', async () => {
    await rig.order([order({ proxy: 'late' }), order({ session: 's2' })])
    await rig.plan({
      ...parts,
      proxies: [...proxies, proxyPlan({ kind: 'target', target: 'b' }, { name: 'late', basePath: '/late' })],
    })
    await ask(rig.port, get('/late/1'))
    await ask(rig.port, get('/p/late'))
    assert.deepEqual((await rig.of('/late/1')).sessions, ['s1'])
    assert.deepEqual((await rig.of('/p/late')).sessions, ['s2'])
  })
})

describe('a transaction', () => {
  it('holds no more of bodies than it may, and says how long they were', async () => {
    await rig.order([order({ bodyBytes: 5 })])
    const body = 'y'.repeat(100_000)
    await ask(rig.port, `${request('POST', '/p/length/50000', `Content-Length: ${body.length}`)}${body}`)
    const transaction = await rig.of('/p/length/50000')
    assert.deepEqual(stepsOf(transaction, 'request-body')[0]?.body, { text: 'yyyyy', bytes: 100_000 })
    assert.deepEqual(stepsOf(transaction, 'response-body')[0]?.body, { text: 'xxxxx', bytes: 50_000 })
    assert.deepEqual(transaction.dropped, { steps: 0, bytes: 0 })
  })

  it('holds no more bytes than it may, and counts what it drops', async () => {
    const transactionBytes = 4000
    await rig.order([order({ transactionBytes, bodyBytes: 1_000_000 })])
    const lines = Array.from({ length: 20 }, (_, n) => `X-Long-${n}: ${'z'.repeat(1000)}`)
    const body = 'y'.repeat(10_000)
    await ask(rig.port, `${request('POST', '/p/length/10000', ...lines, `Content-Length: ${body.length}`)}${body}`)
    const transaction = await rig.of('/p/length/10000')
    const held = JSON.stringify(transaction.steps).length
    assert.ok(held < 2 * transactionBytes, `${held} bytes`)
    assert.ok(transaction.dropped.bytes > 30_000, `${transaction.dropped.bytes} dropped`)
    const last = transaction.steps.slice(-3).map(({ type }) => type)
    assert.deepEqual(last, ['response-sent', 'response-body', 'ended'])
    assert.equal(stepsOf(transaction, 'response-body')[0]?.body.bytes, 10_000)
  })
})

describe('what has been recorded', () => {
  it('is told up to a bound without an answer, and what is lost is counted', () => {
    let told = 0
    let lost = 0
    const outbox = new RecordingOutbox(({ transactions, spans, lost: more }) => {
      const bare = spans === null ? [] : (JSON.parse(spans.text) as readonly unknown[])
      assert.equal(bare.length, spans?.transactions ?? 0)
      told += transactions.length + bare.length
      lost += more
    })
    const one = { sessions: [] as readonly string[] } as RecordedTransaction
    const other = { ...one, sessions: ['a'] }
    for (let n = 0; n < 5000; n++) outbox.add(n % 3 === 0 ? other : one)
    outbox.flush()
    assert.deepEqual([told, lost], [4096, 904])
    outbox.took(100)
    for (let n = 0; n < 100; n++) outbox.add(one)
    outbox.flush()
    assert.deepEqual([told, lost], [4196, 904])
    outbox.add(one)
    assert.equal(lost, 904)
    outbox.took(1)
    assert.deepEqual([told, lost], [4196, 905], 'said as soon as something is taken, whether more comes or not')
  })
})
