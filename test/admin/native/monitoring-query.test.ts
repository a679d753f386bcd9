import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NativeGateway } from '../../../src/admin/gateway-view.ts'
import { monitoringRoutes } from '../../../src/admin/native/monitoring.ts'
import { PosternError } from '../../../src/core/errors.ts'
import type { Monitor } from '../../../src/monitor/query.ts'
import type { Traces } from '../../../src/traces/types.ts'
import { type Finished, memoryMonitor } from '../../monitor/memory-monitor.ts'
import { basic, idleNative, makeUser, readJson, startAdmin } from '../support.ts'

const minute = 60_000
const now = Date.UTC(2026, 6, 1, 12, 0)

const failed: NonNullable<Finished['key']> = {
  status: 503,
  targetStatus: 0,
  fault: 'tls-untrusted',
  verdict: 'missing-root',
  party: 'gateway',
  faultCode: 'messaging.adaptors.http.flow.SslHandshakeFailed',
  faultSource: 'target',
}

const requests: readonly Finished[] = [
  { at: now - 3 * minute, id: 'one', totalMs: 10, targetMs: 4 },
  { at: now - 3 * minute, id: 'two', totalMs: 30, targetMs: 6 },
  { at: now - 2 * minute, id: 'three', key: failed, totalMs: 5, targetMs: -1 },
  { at: now - minute, id: 'four', key: { proxy: 'billing', method: 'POST' }, totalMs: 100, targetMs: 90 },
  { at: now - minute, id: 'theirs', key: { organization: 'other', proxy: 'secret' } },
  { at: now - minute, id: 'prod', key: { environment: 'prod', proxy: 'secret' } },
]

// oxlint-disable-next-line typescript/no-explicit-any -- a test that is wrong about it fails
type Any = any

const native: NativeGateway = {
  ...idleNative,
  stored: { ...idleNative.stored, environments: [{ org: 'acme', env: 'test' }] },
}

async function asking(monitor: Monitor = memoryMonitor(requests), traces: Pick<Traces, 'find'> | null = null) {
  const server = await startAdmin(monitoringRoutes({ monitor, native, traces }), { clock: () => now })
  await makeUser(server.services, 'viewer', { acme: 'viewer' })
  await makeUser(server.services, 'other', { other: 'admin' })
  return {
    server,
    async get(path: string, as = 'viewer'): Promise<{ readonly status: number; readonly json: Any }> {
      const answer = await fetch(`${server.origin}/api/organizations/acme/environments/test/monitoring/${path}`, {
        headers: { authorization: basic(as) },
      })
      return { status: answer.status, json: await readJson<Any>(answer) }
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

test('a matrix of one dimension over time', async () => {
  await using it = await asking()
  const { status, json } = await it.get('matrix?rows=proxy&from=-4m')
  assert.equal(status, 200)
  assert.deepEqual(json.rows, { dimension: 'proxy', values: ['orders', 'billing'], measures: [3, 1] })
  assert.deepEqual(json.columns, {
    dimension: 'time',
    values: [4, 3, 2, 1].map((back) => new Date(now - back * minute).toISOString()),
  })
  assert.deepEqual(json.cells, [
    [0, 2, 1, 0],
    [0, 0, 0, 1],
  ])
  assert.deepEqual([json.interval, json.truncated], [minute, false])
})

test('a matrix of two dimensions, with the measure that is asked for', async () => {
  await using it = await asking()
  const average = await it.get('matrix?rows=proxy&columns=status&measure=average&latency=target&from=-4m')
  assert.deepEqual(average.json.columns.values, ['200', '503'])
  // Nothing was measured where the backend did not answer, and where nothing came.
  assert.deepEqual(average.json.cells, [
    [5, null],
    [90, null],
  ])
  const errors = await it.get('matrix?rows=faultCode&columns=verdict&measure=errorRate&from=-4m')
  assert.deepEqual(errors.json.rows.values, ['', failed.faultCode])
  assert.deepEqual(errors.json.cells, [
    [0, null],
    [null, 1],
  ])
  const limited = await it.get('matrix?rows=proxy&from=-4m&limit=1')
  assert.deepEqual([limited.json.rows.values, limited.json.truncated], [['orders'], true])
})

test('filters: any of the values, and none of them', async () => {
  await using it = await asking()
  const rows = async (query: string): Promise<unknown> =>
    (await it.get(`matrix?rows=proxy&from=-4m&${query}`)).json.cells
  assert.deepEqual(await rows('proxy=billing'), [[0, 0, 0, 1]])
  assert.deepEqual(await rows('proxy=billing&proxy=orders&status!=503'), [
    [0, 2, 0, 0],
    [0, 0, 0, 1],
  ])
  assert.deepEqual(await rows('verdict!='), [[0, 0, 1, 0]])
})

test('series of all requests, and by dimensions', async () => {
  await using it = await asking()
  const all = (await it.get('series?from=-4m&measure=requests,p99,rate')).json
  assert.equal(all.series.length, 1)
  assert.deepEqual(all.series[0].points.requests, [0, 2, 1, 1])
  assert.deepEqual(all.series[0].whole.requests, 4)
  assert.deepEqual(all.series[0].points.p99[0], null)
  assert.equal(all.series[0].points.rate[1], 2 / 60)
  const by = (await it.get('series?from=-4m&by=proxy,method&interval=2m')).json
  assert.deepEqual(
    by.series.map(({ values, points }: Any) => [values, points.requests]),
    [
      [{ proxy: 'orders', method: 'GET' }, [2, 1]],
      [{ proxy: 'billing', method: 'POST' }, [0, 1]],
    ],
  )
})

test('a cell: counts, causes, and the newest requests with their ids', async () => {
  await using it = await asking()
  const { json } = await it.get('cell?proxy=orders&from=-4m')
  assert.deepEqual(json.counts, {
    requests: 3,
    faults: 1,
    errors: 1,
    targetErrors: 1,
    requestBytes: 300,
    responseBytes: 3000,
  })
  assert.equal(json.latency.total.average, 15)
  assert.equal(json.latency.target.max, 6)
  assert.deepEqual(json.breakdown.verdict, [{ value: 'missing-root', requests: 1 }])
  assert.deepEqual(json.breakdown.status, [
    { value: '200', requests: 2 },
    { value: '503', requests: 1 },
  ])
  assert.deepEqual(json.requests[0].id, 'three')
  assert.deepEqual([json.requests[0].targetMs, json.requests[0].debugSession], [null, null])
  assert.deepEqual(json.targets, [])
  const none = (await it.get('cell?proxy=nobody&from=-4m')).json
  assert.deepEqual([none.counts.requests, none.latency.total.average, none.requests], [0, null, []])
})

test('a request by its id, and the debug session that has it', async () => {
  const session = (organization: string): Any => ({
    session: { id: 's1', request: { organization, environment: 'test', proxy: 'orders', revision: '1', name: 'mine' } },
  })
  const traces = { find: (id: string) => (id === 'three' ? session('acme') : id === 'one' ? session('other') : null) }
  await using it = await asking(memoryMonitor(requests), traces)
  const { json } = await it.get('requests/three')
  assert.deepEqual([json.verdict, json.status, json.faultSource], ['missing-root', 503, 'target'])
  assert.deepEqual(json.debugSession, { id: 's1', name: 'mine', proxy: 'orders', revision: '1' })
  assert.equal((await it.get('requests/one')).json.debugSession, null)
  const listed = (await it.get('requests?status=503&from=-4m')).json.requests
  assert.deepEqual(
    listed.map(({ id }: Any) => id),
    ['three'],
  )
})

test('nothing of another organization or environment is seen, however it is asked for', async () => {
  await using it = await asking()
  const heard: string[] = []
  const paths = [
    'matrix?rows=proxy&from=-4m',
    'series?by=proxy&from=-4m',
    'cell?from=-4m',
    'requests?from=-4m',
    'dimensions?from=-4m',
  ]
  for (const path of paths) {
    const { status, json } = await it.get(path)
    assert.equal(status, 200, path)
    heard.push(JSON.stringify(json))
  }
  assert.ok(heard.every((text) => !text.includes('secret') && !text.includes('theirs')))
  assert.ok(heard.some((text) => text.includes('billing')))
  for (const id of ['theirs', 'prod', 'nobody']) assert.equal((await it.get(`requests/${id}`)).status, 404)
  assert.equal((await it.get('cell?organization=other')).status, 400)
  assert.equal((await it.get('cell?environment=prod')).status, 400)
  assert.equal((await it.get('cell', 'other')).status, 403)
})

const refused: readonly (readonly [sentence: string, path: string, code: string])[] = [
  ['rows are needed', 'matrix', 'bad-query'],
  ['a dimension that is none', 'matrix?rows=moon', 'bad-query'],
  ['the same dimension twice', 'matrix?rows=proxy&columns=proxy', 'bad-query'],
  ['a measure that is none', 'matrix?rows=proxy&measure=mood', 'bad-query'],
  ['two measures in a matrix', 'matrix?rows=proxy&measure=requests,errors', 'bad-query'],
  ['a range that ends before it begins', 'cell?from=now&to=-1h', 'monitoring-range'],
  ['an interval of seconds', 'series?interval=10s', 'monitoring-interval'],
  ['three dimensions', 'series?by=proxy,method,status', 'bad-query'],
  ['a parameter that is none', 'cell?prxy=orders', 'bad-query'],
  ['too many requests', 'requests?limit=1001', 'bad-query'],
]

test('what cannot be answered is refused by name', async () => {
  await using it = await asking()
  for (const [sentence, path, code] of refused) {
    const { status, json } = await it.get(path)
    assert.deepEqual([status, json.error?.code], [400, code], sentence)
  }
})

test('a store that does not answer is 503, and one that is off 404', async () => {
  const broken = (code: string): Monitor => {
    const fail = () => Promise.reject(new PosternError(code, 'the store is not there'))
    return { aggregate: fail, samples: fail, find: fail, health: fail }
  }
  for (const [code, status] of [
    ['monitoring-unavailable', 503],
    ['monitoring-off', 404],
  ] as const) {
    await using it = await asking(broken(code))
    const answer = await it.get('cell')
    assert.deepEqual([answer.status, answer.json.error.code], [status, code])
    assert.deepEqual(it.server.errors, [])
  }
})

test('what is missing is said in words', async () => {
  await using it = await asking()
  const noRows = await it.get('matrix')
  assert.equal(noRows.status, 400)
  assert.match(noRows.json.error.message, /^rows is missing: one of proxy, /)
  const none = await it.get('requests/none')
  assert.equal(none.status, 404)
  assert.match(none.json.error.message, /about a second after its answer; of what failed the newest of a kind are kept/)
})
