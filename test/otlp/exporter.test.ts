import type { MetricFamily } from '../../src/observe/exposition.ts'
import type { OtlpPlan } from '../../src/observer/plan.ts'
import type { OtlpExporter } from '../../src/otlp/exporter.ts'
import type { Message } from './decode.ts'
import type { Receiver } from './receiver.ts'

import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openOtlp, type OtlpLimits, otlpLimits } from '../../src/otlp/exporter.ts'
import { createLeaf, createRoot, createSelfSigned } from '../../src/pki/make.ts'
import { partialSuccess } from './decode.ts'
import { startReceiver, until } from './receiver.ts'
import { cases, transaction } from './transactions.ts'

const now = () => Date.UTC(2026, 0, 23)

const family: MetricFamily = {
  name: 'postern_requests_total',
  help: 'Requests.',
  type: 'counter',
  samples: [{ labels: { proxy: 'billing' }, value: 7 }],
}

const line = '{"time":"2026-01-23T07:26:26.678Z","type":"access","id":"one","status":200,"method":"GET"}\n'

/** As in service, but nothing takes seconds. */
const quick: OtlpLimits = {
  lanes: {
    spans: { ...otlpLimits.lanes.spans, delayMs: 10 },
    metrics: otlpLimits.lanes.metrics,
    logs: { ...otlpLimits.lanes.logs, delayMs: 10 },
  },
  retry: { backoffMs: [10, 50], tries: 8, maxAgeMs: 10_000 },
}

function withLogs(over: Partial<OtlpLimits['lanes']['logs']>): OtlpLimits {
  return { ...quick, lanes: { ...quick.lanes, logs: { ...quick.lanes.logs, ...over } } }
}

interface Opened extends AsyncDisposable {
  readonly exporter: OtlpExporter
  readonly warnings: readonly (readonly [code: string, message: string])[]
}

function open(url: string, plan: Partial<OtlpPlan> = {}, limits: OtlpLimits = quick): Opened {
  const warnings: [string, string][] = []
  const exporter = openOtlp(
    {
      endpoint: url,
      encoding: 'protobuf',
      headers: {},
      gzip: false,
      timeoutMs: 5000,
      tls: null,
      traces: true,
      metrics: { intervalMs: 1000 },
      ...plan,
    },
    { organization: 'acme', environment: 'prod', region: 'aks', hostName: 'gw1', version: '1.2.3', instance: 'i-1' },
    { warn: (code, message) => warnings.push([code, message]), now },
    limits,
  )
  return { exporter, warnings, [Symbol.asyncDispose]: () => exporter.close(0) }
}

function write(outlet: ReturnType<OtlpExporter['outlet']>, count: number, text = line): void {
  outlet.write(Buffer.from(text.repeat(count)), count)
}

function bodies(receiver: Receiver): readonly unknown[] {
  return receiver.records('logs').map(({ body }) => (body as Message)['stringValue'])
}

describe('OTLP export to a receiver', () => {
  for (const encoding of ['json', 'protobuf'] as const) {
    for (const gzip of [false, true]) {
      it(`${encoding}${gzip ? ' with gzip' : ''}: spans, metrics and log lines come whole, each under its path`, async () => {
        await using receiver = await startReceiver()
        await using opened = open(`${receiver.url}/`, { encoding, gzip, headers: { 'x-scope-orgid': 'payments' } })
        const { exporter, warnings } = opened
        exporter.spans(Object.values(cases))
        exporter.metrics(now(), [family])
        write(exporter.outlet(), 3)
        await exporter.close(5000)
        const spans = receiver.records('spans')
        assert.equal(
          spans.filter(({ kind }) => kind === 2 || kind === 'SPAN_KIND_SERVER').length,
          Object.keys(cases).length,
        )
        assert.equal(receiver.records('metrics')[0]?.['name'], 'postern.requests')
        assert.deepEqual(bodies(receiver), Array(3).fill(line.trimEnd()))
        for (const { headers, message } of receiver.received) {
          assert.equal(headers['content-encoding'], gzip ? 'gzip' : undefined)
          assert.equal(headers['x-scope-orgid'], 'payments')
          assert.match(JSON.stringify(message), /"service.name","value":\{"stringValue":"postern"/)
          assert.match(JSON.stringify(message), /"service.instance.id","value":\{"stringValue":"i-1"/)
        }
        assert.deepEqual(exporter.dropped, { spans: 0, metricExports: 0, logRecords: 0 })
        assert.deepEqual(warnings, [])
      })
    }
  }

  it('JSON and protobuf are the same messages', async () => {
    const seen: unknown[] = []
    for (const encoding of ['json', 'protobuf'] as const) {
      await using receiver = await startReceiver()
      await using opened = open(receiver.url, { encoding })
      opened.exporter.spans(Object.values(cases))
      opened.exporter.metrics(now(), [family])
      write(opened.exporter.outlet(), 3)
      await opened.exporter.close(5000)
      const [first, ...rest] = receiver.received.toSorted((one, other) => (one.signal < other.signal ? -1 : 1))
      seen.push(withoutRandomIds([first, ...rest].map((each) => each?.message)))
    }
    assert.deepEqual(seen[0], seen[1])
  })

  it('a base URL with a path keeps it', async () => {
    await using receiver = await startReceiver()
    await using opened = open(`${receiver.url}/otlp/`)
    write(opened.exporter.outlet(), 1)
    await until('it has said so', () => opened.warnings.length > 0)
    assert.match(opened.warnings[0]?.[1] ?? '', /does not take logs: it answers 404/)
  })

  it('requests are sent when they are full, and over one connection', async () => {
    await using receiver = await startReceiver()
    await using opened = open(receiver.url, {}, withLogs({ batchRecords: 10, delayMs: 60_000 }))
    const outlet = opened.exporter.outlet()
    for (let count = 0; count < 5; count++) {
      write(outlet, 10)
      await until('the request has come', () => receiver.received.length === count + 1)
    }
    write(outlet, 9)
    await sleep(50)
    assert.equal(receiver.received.length, 5)
    assert.equal(receiver.connections, 1)
    await outlet.close(5000)
    assert.equal(receiver.records('logs').length, 59)
  })

  it('what the plan does not want is not sent, and is no loss', async () => {
    await using receiver = await startReceiver()
    await using opened = open(receiver.url, { traces: false, metrics: null })
    opened.exporter.spans([transaction()])
    opened.exporter.metrics(now(), [family])
    await opened.exporter.close(1000)
    assert.equal(receiver.asked, 0)
    assert.deepEqual(opened.exporter.dropped, { spans: 0, metricExports: 0, logRecords: 0 })
  })

  it('a transaction in no distributed trace is not sent', async () => {
    await using receiver = await startReceiver()
    await using opened = open(receiver.url)
    opened.exporter.spans([transaction({ context: null })])
    await opened.exporter.close(1000)
    assert.equal(receiver.asked, 0)
  })
})

describe('a receiver that fails', () => {
  it('one that is away is tried again, warned of once, and again when it is back', async () => {
    const port = await freePort()
    await using opened = open(`http://127.0.0.1:${port}`)
    const { exporter, warnings } = opened
    const outlet = exporter.outlet()
    write(outlet, 2)
    exporter.spans([transaction()])
    await until('it has warned', () => warnings.length > 0)
    await sleep(60)
    await using receiver = await startReceiver({ port })
    await until('all has come', () => receiver.records('logs').length === 2 && receiver.records('spans').length === 2)
    await until('it has said so', () => warnings.length === 2)
    assert.deepEqual(
      warnings.map(([code]) => code),
      ['otlp-failing', 'otlp-restored'],
    )
    assert.match(warnings[0]?.[1] ?? '', /nothing can be sent to http:.*ECONNREFUSED/)
    assert.deepEqual(exporter.dropped, { spans: 0, metricExports: 0, logRecords: 0 })
  })

  it('one that stays away costs what its queue holds and no more; the rest is counted', async () => {
    const limits = withLogs({ queuedRecords: 100, queuedBytes: 20_000, batchRecords: 10 })
    await using opened = open(`http://127.0.0.1:${await freePort()}`, {}, limits)
    const { exporter } = opened
    const [one, other] = [exporter.outlet(), exporter.outlet()]
    for (let count = 0; count < 100; count++) write(count % 2 === 0 ? one : other, 10)
    assert.ok(exporter.dropped.logRecords >= 900, `${exporter.dropped.logRecords} dropped`)
    await exporter.close(1000)
    assert.equal(exporter.dropped.logRecords, 1000)
    assert.equal(one.dropped + other.dropped, 1000)
    assert.equal(opened.warnings.length, 1)
  })

  it('one that never answers costs a timeout, and the end does not wait for it', async () => {
    await using receiver = await startReceiver({ answer: () => new Promise(() => {}) })
    await using opened = open(receiver.url, { timeoutMs: 30 })
    const { exporter, warnings } = opened
    write(exporter.outlet(), 5)
    await until('it is tried again', () => receiver.asked > 1)
    assert.match(warnings[0]?.[1] ?? '', /no answer within 30 ms/)
    await exporter.close(20)
    assert.equal(exporter.dropped.logRecords, 5)
  })

  it('one that is slow has one request at a time; what does not fit is counted', async () => {
    let under = 0
    let most = 0
    await using receiver = await startReceiver({
      answer: async () => {
        most = Math.max(most, (under += 1))
        await sleep(20)
        under--
        return false
      },
    })
    await using opened = open(receiver.url, {}, withLogs({ queuedRecords: 50, batchRecords: 10 }))
    const outlet = opened.exporter.outlet()
    for (let count = 0; count < 40; count++) {
      write(outlet, 10)
      await sleep(2)
    }
    await opened.exporter.close(5000)
    assert.equal(most, 1)
    const came = receiver.records('logs').length
    assert.equal(came + opened.exporter.dropped.logRecords, 400)
    assert.ok(came >= 50 && came < 400, `${came} came`)
  })

  for (const [status, after] of [
    [429, 1],
    [502, 0],
    [503, 0],
    [504, 0],
  ] as const) {
    it(`${status}: the same request comes again, after as long as it is asked for`, async () => {
      const times: number[] = []
      await using receiver = await startReceiver({
        answer: (response, number) => {
          times.push(performance.now())
          if (number > 1) return false
          response.writeHead(status, after === 0 ? {} : { 'retry-after': String(after) }).end()
          return true
        },
      })
      await using opened = open(receiver.url)
      write(opened.exporter.outlet(), 4)
      await until('it has said that it works', () => opened.warnings.length === 2)
      assert.equal(receiver.records('logs').length, 4)
      assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= after * 990, 'it came too early')
      assert.deepEqual(
        opened.warnings.map(([code]) => code),
        ['otlp-failing', 'otlp-restored'],
      )
      assert.equal(opened.exporter.dropped.logRecords, 0)
    })
  }

  it('a date it may be asked for, too', async () => {
    await using receiver = await startReceiver({
      answer: (response, number) => {
        if (number > 1) return false
        response.writeHead(503, { 'retry-after': new Date(now() + 60_000).toUTCString() }).end()
        return true
      },
    })
    await using opened = open(receiver.url, {}, { ...quick, retry: { ...quick.retry, maxAgeMs: 100 } })
    write(opened.exporter.outlet(), 4)
    // A minute is longer than a request may grow old.
    await until('it has been given up', () => opened.exporter.dropped.logRecords === 4)
  })

  it('a request that fails again and again is given up, and the next is tried', async () => {
    await using receiver = await startReceiver({
      answer: (response, number) => {
        if (number > 3) return false
        response.writeHead(503).end()
        return true
      },
    })
    await using opened = open(receiver.url, {}, { ...quick, retry: { ...quick.retry, tries: 3 } })
    const outlet = opened.exporter.outlet()
    write(outlet, 4)
    await until('it has been given up', () => outlet.dropped === 4)
    write(outlet, 1)
    await until('the next has come', () => receiver.records('logs').length === 1)
  })

  for (const status of [400, 401, 404, 413, 500]) {
    it(`${status}: the request is not sent again, its records are counted`, async () => {
      await using receiver = await startReceiver({
        answer: (response) => {
          // google.rpc.Status: field 2 is the message.
          response.writeHead(status).end(Buffer.concat([Buffer.from([0x12, 4]), Buffer.from('no\ne')]))
          return true
        },
      })
      await using opened = open(receiver.url)
      const { exporter, warnings } = opened
      const outlet = exporter.outlet()
      for (let count = 1; count <= 3; count++) {
        write(outlet, 4)
        await until('it has been counted', () => outlet.dropped === 4 * count)
      }
      assert.equal(receiver.asked, 3)
      assert.deepEqual(warnings, [['otlp-failing', `${receiver.url} does not take logs: it answers ${status}: no\\ne`]])
    })
  }

  for (const encoding of ['json', 'protobuf'] as const) {
    it(`${encoding}: what is taken in part is counted, and warned of once`, async () => {
      await using receiver = await startReceiver({
        answer: (response, _number, signal) => {
          const json = JSON.stringify({ partialSuccess: { rejectedLogRecords: '3', errorMessage: 'too old' } })
          response.end(encoding === 'json' ? json : partialSuccess(signal, 3, 'too old'))
          return false
        },
      })
      await using opened = open(receiver.url, { encoding })
      const outlet = opened.exporter.outlet()
      for (let count = 1; count <= 2; count++) {
        write(outlet, 4)
        await until('it has been counted', () => outlet.dropped === 3 * count)
      }
      assert.equal(opened.exporter.dropped.logRecords, 6)
      assert.deepEqual(opened.warnings, [
        ['otlp-partial', `${receiver.url} takes only a part of the logs: 3 of one request were refused: too old`],
      ])
    })
  }

  for (const [what, encoding, type, body, warned] of [
    [
      'JSON to protobuf is read',
      'protobuf',
      'application/json; charset=utf-8',
      '{"partialSuccess":{"rejectedLogRecords":"4"}}',
      true,
    ],
    ['an empty object to protobuf is success', 'protobuf', 'application/json', '{}', false],
    ['a word to protobuf is success', 'protobuf', 'text/plain', 'ok thanks', false],
    ['a word to JSON is success', 'json', 'application/json', 'OK', false],
  ] as const) {
    it(`answered with 200: ${what}`, async () => {
      await using receiver = await startReceiver({
        answer: (response) => {
          response.setHeader('content-type', type)
          response.end(body)
          return false
        },
      })
      await using opened = open(receiver.url, { encoding })
      const outlet = opened.exporter.outlet()
      write(outlet, 4)
      await opened.exporter.close(2_000)
      assert.equal(receiver.asked, 1)
      assert.equal(opened.exporter.dropped.logRecords, warned ? 4 : 0)
      assert.deepEqual(
        opened.warnings.map(([code]) => code),
        warned ? ['otlp-partial'] : [],
      )
    })
  }

  it('of metrics, the newest is sent when it takes them again', async () => {
    const port = await freePort()
    await using opened = open(`http://127.0.0.1:${port}`)
    const { exporter } = opened
    for (let count = 1; count <= 5; count++) {
      exporter.metrics(now() + count, [{ ...family, samples: [{ labels: {}, value: count }] }])
    }
    await until('it has warned', () => opened.warnings.length > 0)
    await using receiver = await startReceiver({ port })
    await until('two have come', () => receiver.records('metrics').length === 2)
    assert.match(JSON.stringify(receiver.records('metrics')[1]), /"asDouble":5/)
    assert.equal(exporter.dropped.metricExports, 3)
  })

  it('an answer that does not end is not read on and on', async () => {
    await using receiver = await startReceiver({
      answer: (response) => {
        response.on('error', () => {})
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(16_384))) continue
          if (!response.destroyed) response.once('drain', more)
        }
        more()
        return true
      },
    })
    await using opened = open(receiver.url)
    write(opened.exporter.outlet(), 1)
    await until('it has warned', () => opened.warnings.length > 0)
    assert.match(opened.warnings[0]?.[1] ?? '', /its answer is longer than 65536 bytes/)
  })
})

describe('a receiver with TLS', () => {
  const identities = (async () => {
    const root = await createRoot({ commonName: 'Test Root' })
    return { root, leaf: await createLeaf(root, { names: ['collector.test'] }) }
  })()
  const tlsOf = async () => {
    const { leaf } = await identities
    return { cert: leaf.chainPem, key: leaf.keyPem }
  }

  it('is reached when its chain and its name are what the plan says', async () => {
    const { root } = await identities
    await using receiver = await startReceiver({ tls: await tlsOf() })
    const tls = { anchors: [root.certificatePem], serverName: 'collector.test', clientCertificate: null }
    await using opened = open(receiver.url, { tls })
    write(opened.exporter.outlet(), 2)
    await until('they have come', () => receiver.records('logs').length === 2)
    assert.deepEqual(opened.warnings, [])
  })

  it('is shown a certificate where it wants one', async () => {
    const { root } = await identities
    const client = await createLeaf(root, { names: ['gateway.test'], purposes: ['clientAuth'] })
    const wanted = { ...(await tlsOf()), ca: root.certificatePem, requestCert: true, rejectUnauthorized: true }
    await using receiver = await startReceiver({ tls: wanted })
    const tls = { anchors: [root.certificatePem], serverName: 'collector.test', clientCertificate: null }
    await using without = open(receiver.url, { tls })
    write(without.exporter.outlet(), 1)
    await until('it has warned', () => without.warnings.length > 0)
    assert.equal(receiver.asked, 0)
    const clientCertificate = { chain: client.chainPem, key: client.keyPem }
    await using opened = open(receiver.url, { tls: { ...tls, clientCertificate } })
    write(opened.exporter.outlet(), 2)
    await until('they have come', () => receiver.records('logs').length === 2)
  })

  const refused: readonly [what: string, tls: () => Promise<OtlpPlan['tls']>, why: RegExp][] = [
    ["is refused by the system's roots when it is of a private authority", () => Promise.resolve(null), /UNABLE_TO/],
    [
      'is refused when it has another name',
      async () => ({ anchors: [(await identities).root.certificatePem], serverName: '', clientCertificate: null }),
      /ERR_TLS_CERT_ALTNAME_INVALID/,
    ],
    [
      'is refused when its authority is not one of the anchors',
      async () => ({
        anchors: [(await createRoot({ commonName: 'Other' })).certificatePem],
        serverName: 'collector.test',
        clientCertificate: null,
      }),
      /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT/,
    ],
  ]
  for (const [what, tls, why] of refused) {
    it(what, async () => {
      await using receiver = await startReceiver({ tls: await tlsOf() })
      await using opened = open(receiver.url, { tls: await tls() })
      write(opened.exporter.outlet(), 1)
      await until('it has warned', () => opened.warnings.length > 0)
      assert.match(opened.warnings[0]?.[1] ?? '', why)
      await sleep(50)
      assert.equal(opened.warnings.length, 1)
      assert.equal(receiver.asked, 0)
    })
  }

  it('that signed its own certificate is refused, even where the environment says otherwise', async () => {
    const own = await createSelfSigned({ names: ['localhost'] })
    await using receiver = await startReceiver({ tls: { cert: own.chainPem, key: own.keyPem } })
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    try {
      await using opened = open(receiver.url)
      write(opened.exporter.outlet(), 1)
      await until('it has warned', () => opened.warnings.length > 0)
      assert.match(opened.warnings[0]?.[1] ?? '', /DEPTH_ZERO_SELF_SIGNED_CERT/)
      assert.equal(receiver.asked, 0)
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
    }
  })
})

/** Ids of spans that are made up here differ from one export to the next. */
function withoutRandomIds(messages: unknown): unknown {
  return JSON.parse(
    JSON.stringify(messages).replaceAll(/"spanId":"(?!00f067aa0ba902b7|53995c3f42cd8ad8)[0-9a-f]{16}"/g, '"spanId":""'),
  )
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
