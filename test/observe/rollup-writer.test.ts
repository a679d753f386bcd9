import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Fault } from '../../src/faults/fault.ts'
import type { AccessRecord } from '../../src/observe/events.ts'
import { latencyBucket } from '../../src/observe/latency.ts'
import { keyText } from '../../src/observe/rollup-key.ts'
import { RollupWriter, type RollupWriterOptions } from '../../src/observe/rollup-writer.ts'
import type { RollupMessage, RollupRow } from '../../src/observe/rollup.ts'
import type { ProxyPlan } from '../../src/proxy/plan.ts'
import { seededRandom } from '../support/random.ts'

const minute = 60_000
const start = Date.UTC(2026, 4, 30, 21, 17)

describe('counting of finished requests', () => {
  it('counts each once, under what it is, however they are mixed', () => {
    const random = generator(9)
    const counted = open()
    const expected = new Map<string, AccessRecord[]>()
    for (let at = 0; at < 20_000; at++) {
      counted.now += Math.floor(random() * 12)
      const record = anyRecord(random, counted.now)
      counted.count(record)
      const name = `${Math.floor(counted.now / minute)} ${nameOf(record)}`
      expected.set(name, [...(expected.get(name) ?? []), record])
      // A timer that is late, now and then by more than a minute.
      if (random() < 0.01) counted.writer.tick()
      if (random() < 0.000_5) counted.now += 2 * minute
    }
    counted.writer.flush()

    const actual = new Map<string, RollupRow[]>()
    for (const { from, rows } of counted.messages) {
      for (const row of rows) {
        const name = `${Math.floor(from / minute)} ${[row.key.proxy, row.key.listener, row.key.method, row.key.target, row.key.status, row.key.targetStatus, row.key.fault, row.key.verdict, row.key.party].join(' ')}`
        actual.set(name, [...(actual.get(name) ?? []), row])
      }
    }
    assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort())
    assert.ok(counted.messages.length > 100 && expected.size > 100)
    for (const [name, records] of expected) {
      const rows = actual.get(name) ?? []
      const sum = (of: (row: RollupRow) => number): number => rows.reduce((all, row) => all + of(row), 0)
      assert.equal(
        sum(({ counts }) => counts.requests),
        records.length,
        name,
      )
      assert.equal(
        sum(({ counts }) => counts.totalMs),
        records.reduce((all, { totalMs }) => all + totalMs, 0),
      )
      assert.equal(
        sum(({ counts }) => counts.requestBytes),
        records.reduce((all, one) => all + one.requestBytes, 0),
      )
      assert.equal(
        sum(({ counts }) => counts.responseBytes),
        records.reduce((all, one) => all + one.responseBytes, 0),
      )
      assert.equal(Math.max(...rows.map(({ counts }) => counts.maxMs)), Math.max(...records.map((one) => one.totalMs)))
      const answered = records.flatMap(({ backend }) => (backend !== null && backend.firstByteMs >= 0 ? [backend] : []))
      assert.equal(
        sum(({ counts }) => counts.targetRequests),
        answered.length,
      )
      assert.equal(
        sum(({ counts }) => counts.targetMs),
        answered.reduce((all, one) => all + one.totalMs, 0),
      )
      const buckets = Array.from({ length: 33 }, (_, bucket) => sum(({ counts }) => counts.total[bucket] ?? 0))
      const expectedBuckets = Array.from({ length: 33 }, () => 0)
      for (const { totalMs } of records) expectedBuckets[latencyBucket(totalMs)]!++
      assert.deepEqual(buckets, expectedBuckets)
      assert.equal(
        sum(({ counts }) => counts.target.reduce((a, b) => a + b)),
        answered.length,
      )
    }
  })

  it('a message holds one minute, though the timer comes late', () => {
    const counted = open({ now: start + minute - 5 })
    counted.count(requestOf({ startedAt: counted.now }))
    counted.now += 10
    counted.count(requestOf({ startedAt: counted.now }))
    counted.writer.tick()
    assert.deepEqual(
      counted.messages.map(({ from, rows }) => [from - start, rows[0]?.counts.requests]),
      [
        [minute - 5, 1],
        [minute + 5, 1],
      ],
    )
  })

  it('a request that has seen the clock go back is counted in the minute that is', () => {
    const counted = open()
    for (const minutes of [5, 6, -5]) counted.count(requestOf({ startedAt: start + minutes * minute }))
    counted.writer.tick()
    assert.deepEqual(
      counted.messages.map(({ from, rows }) => [from, rows[0]?.counts.requests]),
      [[start, 3]],
    )
  })

  it('a request of the configuration before makes those that follow no dearer', () => {
    const counted = open()
    const [before, now] = [readPlan('orders'), readPlan('orders')]
    counted.count(requestOf({ proxy: before.plan }))
    for (let at = 0; at < 100; at++) counted.count(requestOf({ proxy: now.plan }))
    counted.writer.tick()
    for (let at = 0; at < 100; at++) counted.count(requestOf({ proxy: now.plan }))
    counted.writer.flush()
    assert.deepEqual([before.reads, now.reads], [1, 1], 'the words of a proxy are read where it is not known yet')
    assert.deepEqual(
      counted.messages.map(({ rows }) => rows.map(({ counts }) => counts.requests)),
      [[101], [100]],
    )
  })

  it('nothing is said while nothing happens, but that connections have come or gone', () => {
    let connections: RollupMessage['connections'] = []
    const counted = open({ connections: () => connections })
    counted.writer.tick()
    counted.count(requestOf({}))
    counted.writer.tick()
    counted.writer.tick()
    assert.equal(counted.messages.length, 1)
    connections = [{ target: 'stock', snapshot: 's1', open: 2 }]
    counted.writer.tick()
    counted.writer.tick()
    assert.equal(counted.messages.length, 2)
    assert.deepEqual([counted.messages[1]?.rows, counted.messages[1]?.connections], [[], connections])
  })

  it('what is in no proxy is of the gateway, and a fault has the names that the original gives it', () => {
    const counted = open()
    counted.count(requestOf({ proxy: null, status: 404, backend: null, fault: faults[0]!, method: 'BREW' }), -1)
    counted.writer.flush()
    assert.deepEqual(counted.messages[0]?.rows[0]?.key, {
      proxyKey: '',
      organization: 'acme',
      environment: 'test',
      proxy: '',
      revision: '',
      basePath: '',
      listener: 'http',
      method: '_OTHER',
      target: '',
      status: 404,
      targetStatus: 0,
      fault: 'no-route',
      verdict: '',
      party: 'client',
      faultCode: 'messaging.adaptors.http.flow.ApplicationNotFound',
      faultSource: 'apigee',
    })
  })

  it('too many rows are counted in fewer words, and every request is', () => {
    const counted = open({ maxRows: 20 })
    for (let at = 0; at < 100; at++) {
      const { backend } = requestOf({})
      counted.count(requestOf({ backend: { ...backend!, target: `t${at}` } }))
      counted.count(
        requestOf({ status: 503, fault: faults[1]!, backend: { ...backend!, target: `t${at}`, status: 0 } }),
      )
    }
    for (let at = 0; at < 100; at++) counted.count(requestOf({ proxy: proxyOf(`more${at}`) }), at + 10)
    counted.writer.flush()
    const [message] = counted.messages
    assert.ok(message!.rows.length <= 2 * 20 + 2, String(message?.rows.length))
    const sum = (rows: readonly RollupRow[]): number => rows.reduce((all, { counts }) => all + counts.requests, 0)
    assert.equal(sum(message!.rows), 300)
    assert.equal(sum(message!.rows.filter(({ key }) => key.verdict === 'missing-root')), 100)
    assert.equal(message!.crowded, 280)
    assert.equal(new Set(message!.rows.map(({ key }) => keyText(key))).size, message!.rows.length)
  })

  it('with room for all of them each has its own row, and they begin anew after each message', () => {
    const counted = open()
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 100; at++) {
        const { backend } = requestOf({})
        counted.count(requestOf({ backend: { ...backend!, target: `t${at % (100 - round * 40)}` } }))
      }
      counted.writer.tick()
    }
    assert.deepEqual(
      counted.messages.map(({ rows, crowded }) => [rows.length, crowded]),
      [
        [100, 0],
        [60, 0],
        [20, 0],
      ],
    )
    assert.equal(counted.messages[2]?.rows[0]?.counts.requests, 5)
  })
})

describe('samples of finished requests', () => {
  it('of a row that fails the newest ten go with each message, of another the first', () => {
    const counted = open()
    for (let round = 0; round < 2; round++) {
      for (let at = 0; at < 25; at++) {
        counted.count(requestOf({ id: `w${round}-${at}` }))
        counted.count(requestOf({ id: `f${round}-${at}`, status: 503, fault: faults[1]! }))
        counted.count(requestOf({ id: `n${round}-${at}`, status: 404 }))
      }
      counted.writer.tick()
    }
    for (const [round, { rows }] of counted.messages.entries()) {
      const ids = rows.map(({ samples }) => samples.map(({ id }) => id))
      const newest = (what: string): readonly string[] =>
        Array.from({ length: 10 }, (_, at) => `${what}${round}-${15 + at}`)
      assert.deepEqual(ids, [[`w${round}-0`], newest('f'), newest('n')])
    }
  })

  it('are bounded over all rows, and long texts are cut', () => {
    const counted = open({ maxSamples: 12 })
    for (let at = 0; at < 30; at++) {
      counted.count(requestOf({ status: 400 + at, target: `/${'x'.repeat(9_000)}`, host: 'h'.repeat(900) }))
    }
    counted.writer.tick()
    const samples = counted.messages[0]?.rows.flatMap((row) => row.samples) ?? []
    assert.equal(samples.length, 12)
    assert.equal(samples[0]?.request.length, 'GET '.length + 2_048 + ' HTTP/1.1'.length)
    assert.equal(samples[0]?.host.length, 255)
  })

  it('say when the backend sent no byte', () => {
    const counted = open()
    const { backend } = requestOf({})
    counted.count(requestOf({ status: 504, backend: { ...backend!, status: 0, firstByteMs: -1 } }))
    counted.count(requestOf({ status: 500 }))
    counted.writer.tick()
    const rows = counted.messages[0]!.rows
    assert.deepEqual(
      rows.map(({ samples, counts }) => [samples[0]?.targetMs, counts.targetRequests]),
      [
        [-1, 0],
        [4, 1],
      ],
    )
  })
})

interface Counted {
  readonly writer: RollupWriter
  readonly messages: RollupMessage[]
  now: number
  count(record: AccessRecord, index?: number): void
}

/** The plan of a proxy that says how often its words were read. */
function readPlan(name: string): { readonly plan: ProxyPlan; reads: number } {
  const read = { plan: proxyOf(name), reads: 0 }
  Object.defineProperty(read.plan, 'key', {
    get() {
      read.reads++
      return name
    },
  })
  return read
}

function open(options: Partial<RollupWriterOptions> & { readonly now?: number } = {}): Counted {
  const messages: RollupMessage[] = []
  const { now = start, ...rest } = options
  const writer = new RollupWriter({
    worker: 1,
    organization: 'acme',
    environment: 'test',
    // As it crosses to the main thread.
    send: (message) => messages.push(structuredClone(message)),
    clock: () => counted.now,
    ...rest,
  })
  const counted: Counted = {
    writer,
    messages,
    now,
    count: (record, index = record.proxy === null ? -1 : proxies.indexOf(record.proxy)) => writer.count(record, index),
  }
  return counted
}

const proxies = ['orders', 'invoices', 'stock'].map(proxyOf)

const faults: readonly Fault[] = [
  { kind: 'no-route', verdict: null, party: 'client', summary: 'no proxy', evidence: {} },
  { kind: 'tls-untrusted', verdict: 'missing-root', party: 'gateway', summary: 'the root is not there', evidence: {} },
  { kind: 'tls-untrusted', verdict: 'expired', party: 'backend', summary: 'it has expired', evidence: {} },
  { kind: 'tls-untrusted', verdict: 'revoked', party: 'backend', summary: 'it is revoked', evidence: {} },
  { kind: 'tls-untrusted', verdict: 'expired', party: 'gateway', summary: 'the root has expired', evidence: {} },
]

function proxyOf(name: string): ProxyPlan {
  const plan: Partial<ProxyPlan> = {
    key: name,
    name,
    organization: 'acme',
    environment: 'test',
    revision: '3',
    basePath: '/',
  }
  return plan as ProxyPlan
}

function requestOf(change: Partial<AccessRecord>): AccessRecord {
  return {
    id: 'gw-1',
    traceId: '',
    startedAt: start,
    totalMs: 5,
    worker: 1,
    listener: 'http',
    clientAddress: '127.0.0.1',
    clientPort: 4_000,
    clientProtocol: 'HTTP/1.1',
    clientTls: '',
    method: 'GET',
    target: '/',
    host: 'api.test',
    userAgent: '',
    forwardedFor: '',
    proxy: proxies[0]!,
    status: 200,
    requestBytes: 100,
    responseBytes: 200,
    responseBodyBytes: 100,
    backend: {
      target: 'stock',
      address: '127.0.0.1:80',
      url: '',
      status: 200,
      protocol: 'HTTP/1.1',
      totalMs: 4,
      firstByteMs: 3,
      reused: false,
      snapshot: '',
    },
    fault: null,
    ...change,
  }
}

function anyRecord(random: () => number, now: number): AccessRecord {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() ** 2 * list.length)] as T
  const totalMs = Math.floor(random() ** 4 * 8_000) / 8
  const { backend } = requestOf({})
  const status = pick([200, 201, 404, 503])
  return requestOf({
    startedAt: now - totalMs,
    totalMs,
    proxy: pick(proxies),
    method: pick(['GET', 'POST', 'PUT']),
    status,
    requestBytes: Math.floor(random() * 1e4),
    responseBytes: Math.floor(random() * 1e6),
    backend: pick([
      { ...backend!, target: pick(['a', 'b']), status, totalMs: totalMs / 2, firstByteMs: pick([0, -1]) },
      null,
    ]),
    fault: status === 503 ? pick(faults) : null,
  })
}

function nameOf({ proxy, listener, method, backend, status, fault }: AccessRecord): string {
  return [
    proxy?.name,
    listener,
    method,
    backend?.target ?? '',
    status,
    backend?.status ?? 0,
    fault?.kind ?? '',
    fault?.verdict ?? '',
    fault?.party ?? '',
  ].join(' ')
}

/** From 0 to 1, the same every time. */
function generator(seed: number): () => number {
  const random = seededRandom(seed)
  return () => random.below(2 ** 32) / 2 ** 32
}
