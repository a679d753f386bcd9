import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type IncomingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { after, describe, it } from 'node:test'
import type { TracingPlan } from '../../src/proxy/plan.ts'
import { ok, startBackend } from './backend.ts'
import { ask as askH2 } from './h2-client-rig.ts'
import { ask, get, Peer, type WireMessage } from './peer.ts'
import { plannedServer, proxyPlan, targetPlan } from './planned-gateway.ts'
import { order, startRecordingRig, stepsOf, typesOf } from './recording-rig.ts'

/* Traces of W3C Trace Context through the gateway, and what is recorded for their spans. */

const backend = await startBackend(({ start }) =>
  start.includes('/status/500') ? 'HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n' : ok(),
)
const h2 = createServer()
const seenByH2: IncomingHttpHeaders[] = []
h2.on('stream', (stream, headers) => {
  seenByH2.push(headers)
  stream.respond({ ':status': 200 })
  stream.end('ok')
})
h2.listen(0, '127.0.0.1')
await once(h2, 'listening')
const unused = await startBackend()
await unused[Symbol.asyncDispose]()
const parts = {
  targets: [
    targetPlan('h1', [backend.port]),
    targetPlan('h2', [], { servers: [plannedServer('h2', (h2.address() as AddressInfo).port, { h2c: true })] }),
    targetPlan('dead', [unused.port]),
  ],
  proxies: [
    proxyPlan({ kind: 'target', target: 'h1' }, { key: 'h1', basePath: '/h1' }),
    proxyPlan({ kind: 'target', target: 'h2' }, { key: 'h2', basePath: '/h2' }),
    proxyPlan({ kind: 'target', target: 'dead' }, { key: 'dead', basePath: '/dead' }),
  ],
}
const rig = await startRecordingRig(parts)
after(async () => {
  await rig[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
  h2.close()
})

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'
const sampled = `00-${traceId}-${spanId}-01`
const unsampled = `00-${traceId}-${spanId}-00`

const tracing = (plan: Partial<TracingPlan> | null): Promise<void> =>
  rig.plan({ ...parts, tracing: plan === null ? null : { sample: 0, failures: false, spans: true, ...plan } })

/** Trace lines that the backend was sent. */
const traceLines = ({ lines }: WireMessage): readonly string[] =>
  lines.filter((line) => /^trace(parent|state):/i.test(line))

let asked = 0

/** Asks once. @returns trace lines that the backend was sent, and the path */
async function through(...lines: readonly string[]): Promise<{ lines: readonly string[]; uri: string }> {
  const uri = `/h1/${++asked}`
  await ask(rig.port, get(uri, ...lines))
  return { lines: traceLines(backend.requests.at(-1) as WireMessage), uri }
}

async function recordedCount(): Promise<number> {
  await rig.order([])
  return rig.recorded.length
}

describe('without tracing', () => {
  it('trace headers cross byte for byte, and nothing is recorded', async () => {
    const before = await recordedCount()
    const lines = ['TraceParent:  nonsense ', 'traceparent: twice', 'X-A: 1', 'Tracestate: a=1', 'tracestate: ,,A=,']
    await ask(rig.port, get('/h1/off', ...lines))
    const request = backend.requests.at(-1) as WireMessage
    assert.deepEqual(request.lines.slice(1, -2), lines)
    assert.equal(await recordedCount(), before)
    await tracing(null) // the log is flushed with the generation
    const line = rig.lines().find((each) => each['path'] === '/h1/off')
    assert.equal(line?.['status'], 200)
    assert.ok(line !== undefined && !('traceId' in line))
  })

  it('a debug session changes nothing of it', async () => {
    await ask(rig.port, get('/h1/plain', `traceparent: ${sampled}`, 'tracestate: A=,'))
    const plain = backend.requests.at(-1) as WireMessage
    await rig.order([order()])
    await ask(rig.port, get('/h1/plain', `traceparent: ${sampled}`, 'tracestate: A=,'))
    const recorded = backend.requests.at(-1) as WireMessage
    const without = ({ start, lines, raw }: WireMessage): unknown => [
      start,
      lines.filter((line) => !line.startsWith('X-Request-ID')),
      raw,
    ]
    assert.deepEqual(without(recorded), without(plain))
    assert.equal((await rig.of('/h1/plain')).context, null)
    await rig.order([])
  })
})

describe('a request that nobody sampled', () => {
  it('is in no trace where it came with none', async () => {
    await tracing({})
    const before = await recordedCount()
    assert.deepEqual((await through()).lines, [])
    assert.equal(await recordedCount(), before)
  })

  const table: readonly (readonly [what: string, lines: readonly string[], sent: readonly string[]])[] = [
    [
      'crosses with its trace unchanged',
      [`TraceParent: ${unsampled}`, 'TraceState: a=1,A='],
      [`TraceParent: ${unsampled}`, 'TraceState: a=1,A='],
    ],
    [
      'crosses with a later version unchanged',
      [`traceparent: cc-${traceId}-${spanId}-00-x`],
      [`traceparent: cc-${traceId}-${spanId}-00-x`],
    ],
    ['loses a traceparent that is none, and its state', ['traceparent: 00-xyz', 'tracestate: a=1'], []],
    ['loses two of them', [`traceparent: ${sampled}`, `traceparent: ${sampled}`, 'tracestate: a=1'], []],
    ['loses a tracestate alone', ['tracestate: a=1'], []],
  ]
  for (const [what, lines, sent] of table) {
    it(what, async () => {
      await tracing({})
      const before = await recordedCount()
      assert.deepEqual((await through(...lines)).lines, sent)
      assert.equal(await recordedCount(), before)
    })
  }

  it('has its trace in the access log', async () => {
    await tracing({})
    const { uri } = await through(`traceparent: ${unsampled}`)
    await tracing({}) // the log is flushed with the generation
    const line = rig.lines().find((each) => each['path'] === uri)
    assert.equal(line?.['traceId'], traceId)
  })
})

describe('a request that its caller sampled', () => {
  it('goes on with a span of the gateway for its parent, and the state cleaned', async () => {
    await tracing({})
    const { lines, uri } = await through('X-A: 1', `TraceParent: ${sampled}`, 'tracestate: a=1, B=2', 'TraceState: c=3')
    const { context, sessions, steps } = await rig.of(uri)
    assert.equal(context?.traceId, traceId)
    assert.equal(context?.parentId, spanId)
    assert.equal(context?.state, 'a=1,c=3')
    assert.equal(context?.sampled, true)
    assert.deepEqual(lines, [`traceparent: 00-${traceId}-${context?.upstreamSpanId}-01`, 'tracestate: a=1,c=3'])
    assert.equal(new Set([spanId, context?.spanId, context?.upstreamSpanId]).size, 3)
    assert.deepEqual(sessions, [])
    // No heads and no bodies: what spans are made of goes on to other places than a trace.
    assert.ok(!/gateway\.test|X-A/.test(JSON.stringify(steps)))
    const types = steps.map(({ type }) => type)
    for (const type of ['server-chosen', 'connected', 'request-sent', 'response-received', 'response-sent', 'ended'])
      assert.ok(types.includes(type as never), type)
  })

  it('keeps the random flag, and speaks version 00', async () => {
    await tracing({})
    const { lines, uri } = await through(`traceparent: cc-${traceId}-${spanId}-ff-more`)
    const { context } = await rig.of(uri)
    assert.deepEqual(lines, [`traceparent: 00-${traceId}-${context?.upstreamSpanId}-03`])
  })

  it('goes on so to a backend of HTTP/2, from a client of HTTP/2', async () => {
    await tracing({})
    const client = connect(`http://127.0.0.1:${rig.port}`)
    await askH2(client, { ':path': '/h2/two', traceparent: sampled, tracestate: 'a=1' })
    await askH2(client, { ':path': '/h2/plain' })
    client.destroy()
    const { context } = await rig.of('/h2/two')
    const [two, plain] = seenByH2.slice(-2)
    assert.equal(two?.['traceparent'], `00-${traceId}-${context?.upstreamSpanId}-01`)
    assert.equal(two?.['tracestate'], 'a=1')
    assert.equal(plain?.['traceparent'], undefined)
  })

  it('has no span where no proxy was found but the one of the gateway', async () => {
    await tracing({})
    await ask(rig.port, get('/nowhere', `traceparent: ${sampled}`))
    const { context, proxy, fault } = await rig.of('/nowhere')
    assert.deepEqual([context?.traceId, proxy, fault?.kind], [traceId, null, 'no-route'])
  })
})

describe('a request that the gateway samples', () => {
  it('begins a trace', async () => {
    await tracing({ sample: 1 })
    const { lines, uri } = await through()
    const { context } = await rig.of(uri)
    assert.match(context?.traceId ?? '', /^[0-9a-f]{32}$/)
    assert.deepEqual([context?.parentId, context?.state, context?.sampled], ['', '', true])
    assert.deepEqual(lines, [`traceparent: 00-${context?.traceId}-${context?.upstreamSpanId}-01`])
  })

  it('begins one in the place of a traceparent that is none, without its state', async () => {
    await tracing({ sample: 1 })
    const { lines, uri } = await through(`traceparent: 00-${'0'.repeat(32)}-${spanId}-01`, 'tracestate: a=1')
    const { context } = await rig.of(uri)
    assert.deepEqual(lines, [`traceparent: 00-${context?.traceId}-${context?.upstreamSpanId}-01`])
    assert.notEqual(context?.traceId, '0'.repeat(32))
  })

  it('is not one that its caller decided against', async () => {
    await tracing({ sample: 1 })
    const before = await recordedCount()
    assert.deepEqual((await through(`traceparent: ${unsampled}`)).lines, [`traceparent: ${unsampled}`])
    assert.equal(await recordedCount(), before)
  })

  it('is none where nobody is sent the spans: a parent of ours would be one that no receiver has', async () => {
    await tracing({ sample: 1, failures: true, spans: false })
    const before = await recordedCount()
    assert.deepEqual((await through()).lines, [])
    const came = [`traceparent: ${sampled}`, 'tracestate: A=,']
    const { lines, uri } = await through(...came)
    assert.deepEqual(lines, came)
    await ask(rig.port, get('/nowhere'))
    assert.equal(await recordedCount(), before)
    await tracing(null) // the log is flushed with the generation
    assert.equal(rig.lines().find(({ path }) => path === uri)?.['traceId'], traceId)
  })

  it('tells of a connection that was there before in few words', async () => {
    await tracing({ sample: 1 })
    await through()
    const { uri } = await through()
    const [connected] = stepsOf(await rig.of(uri), 'connected')
    assert.equal(connected?.reused, true)
    assert.equal(connected?.story.address, `127.0.0.1:${backend.port}`)
    assert.deepEqual(connected?.story.attempts, [])
  })

  it('is about as many as it should be', async () => {
    await tracing({ sample: 0.5 })
    const before = await recordedCount()
    const peer = await Peer.connect(rig.port)
    for (let n = 0; n < 200; n++) {
      peer.send(get('/h1/some'))
      await peer.response()
    }
    peer.destroy()
    const count = (await recordedCount()) - before
    assert.ok(count > 50 && count < 150, `${count} of 200`)
  })

  it('belongs to a debug session too, where one takes it', async () => {
    await tracing({ sample: 1 })
    await rig.order([order()])
    const { lines, uri } = await through()
    const transaction = await rig.of(uri)
    assert.deepEqual(transaction.sessions, ['s1'])
    const [sent] = stepsOf(transaction, 'request-sent')
    const parent = sent?.message?.headers.find(([name]) => name === 'traceparent')?.[1]
    assert.deepEqual(lines, [`traceparent: ${parent}`])
    await rig.order([order({ failuresOnly: true })])
    const { uri: other } = await through()
    const spans = await rig.of(other)
    assert.deepEqual([spans.sessions, stepsOf(spans, 'request-received').length], [[], 0])
    assert.ok(!JSON.stringify(spans).includes('X-Request-ID'))
    await rig.order([])
  })
})

describe('a request that fails', () => {
  it('is told of where failures are, with a trace of its own', async () => {
    await tracing({ failures: true })
    await ask(rig.port, get('/dead/1'))
    const { context, fault, backend: part, ...transaction } = await rig.of('/dead/1')
    assert.match(context?.traceId ?? '', /^[0-9a-f]{32}$/)
    assert.deepEqual([context?.sampled, context?.parentId, context?.upstreamSpanId], [false, '', ''])
    assert.deepEqual([fault?.kind, part?.target], ['connect-refused', 'dead'])
    assert.deepEqual(typesOf({ ...transaction, context, fault, backend: part }), ['fault', 'ended'])
    await tracing({}) // flushes the log
    assert.equal(rig.lines().find((line) => line['path'] === '/dead/1')?.['traceId'], context?.traceId)
  })

  it('keeps the trace of its caller, and the backend that answers badly was not told another', async () => {
    await tracing({ failures: true })
    await ask(rig.port, get('/h1/status/500', `traceparent: ${unsampled}`, 'tracestate: a=1,A='))
    assert.deepEqual(traceLines(backend.requests.at(-1) as WireMessage), [
      `traceparent: ${unsampled}`,
      'tracestate: a=1,A=',
    ])
    const { context, fault, status } = await rig.of('/h1/status/500')
    assert.deepEqual([context?.traceId, context?.parentId, context?.state], [traceId, spanId, 'a=1'])
    assert.deepEqual([fault, status], [null, 500])
  })

  it('that could not be read has one too', async () => {
    await tracing({ failures: true })
    const before = await recordedCount()
    await ask(rig.port, 'GET /h1/bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n')
    await ask(rig.port, get('/missing'))
    await recordedCount()
    const kinds = rig.recorded.slice(before).map(({ fault }) => fault?.kind)
    assert.deepEqual(kinds, ['bad-request', 'no-route'])
  })

  it('is not told of where they are not', async () => {
    await tracing({})
    const before = await recordedCount()
    await ask(rig.port, get('/dead/2'))
    assert.equal(await recordedCount(), before)
  })
})
