import type { Message } from './decode.ts'

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createLeaf, createRoot, createSelfSigned } from '../../src/pki/make.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { startReceiver, until } from './receiver.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const caller = 'b7ad6b7169203331'

describe('a gateway with an OTLP receiver', () => {
  it('tells of a good request, of one refused for its backend, and of its log lines, in one trace each', async () => {
    const root = await createRoot({ commonName: 'Test Root' })
    await using good = await startTlsBackend({ identity: await createLeaf(root, { names: ['localhost'] }) })
    await using strange = await startTlsBackend({ identity: await createSelfSigned({ names: ['localhost'] }) })
    await using receiver = await startReceiver()
    await using gateway = await startTestGateway({
      otlp: { endpoint: receiver.url, metrics: { interval: '1s' } },
      tracing: { sample: 1 },
      // The metrics of requests are made of what monitoring counts.
      management: { address: '127.0.0.1', port: 0 },
      logs: [{ format: 'native', otlp: true }],
      trustStores: { corp: { sources: [{ inline: root.certificatePem }] } },
      targets: {
        good: { url: `https://localhost:${good.port}`, tls: { trust: ['corp'] } },
        strange: { url: `https://localhost:${strange.port}`, tls: { trust: ['corp'] } },
      },
      proxies: { good: { basePath: '/good', target: 'good' }, strange: { basePath: '/strange', target: 'strange' } },
    })
    const ask = (path: string) =>
      fetch(`${gateway.origin}${path}`, { headers: { traceparent: `00-${traceId}-${caller}-01` } })
    const first = await ask('/good/1?token=s3cr3t')
    await first.text()
    await (await ask('/good/2')).text()
    const refused = await ask('/strange/1')
    await refused.text()
    assert.deepEqual([first.status, refused.status >= 500], [200, true])

    const spans = () => receiver.records('spans')
    const lines = () => receiver.records('logs').filter((record) => record['eventName'] === 'postern.access')
    await until('all three requests have come', () => serversOf(spans()).length === 3 && lines().length === 3)
    for (const span of spans()) assert.equal(span['traceId'], traceId)
    assert.ok(!JSON.stringify(spans()).includes('s3cr3t'))

    const [one, two, three] = serversOf(spans())
    for (const server of [one, two, three]) assert.equal(server?.['parentSpanId'], caller)
    assert.deepEqual(namesUnder(spans(), one), ['CLIENT GET', 'INTERNAL connect', 'INTERNAL tls handshake'])
    assert.deepEqual(namesUnder(spans(), two), ['CLIENT GET'])
    assert.deepEqual(namesUnder(spans(), three), ['INTERNAL connect', 'INTERNAL tls handshake'])

    // The backend's parent is the span of the request to it.
    const upstream = spans().find((span) => span['parentSpanId'] === one?.['spanId'] && kindOf(span) === 'CLIENT')
    assert.equal(good.seen[0]?.headers['traceparent'], `00-${traceId}-${String(upstream?.['spanId'])}-01`)

    const verdict = attribute(three, 'postern.verdict')
    const failed = spans().find(
      (span) => span['parentSpanId'] === three?.['spanId'] && span['name'] === 'tls handshake',
    )
    assert.equal(verdict, 'self-signed-leaf')
    assert.equal(attribute(failed, 'postern.verdict'), verdict)
    assert.equal(attribute(three, 'error.type'), verdict)
    const id = attribute(three, 'postern.request.id')
    const line = lines().find((record) => attribute(record, 'postern.request.id') === id)
    assert.equal(attribute(line, 'postern.verdict'), verdict)
    assert.equal(line?.['severityText'], 'ERROR')

    const requests = () => receiver.records('metrics').filter(({ name }) => name === 'http.server.request.duration')
    await until('metrics have come', () => JSON.stringify(requests().at(-1) ?? '').includes('self-signed-leaf'))
    assert.match(JSON.stringify(requests().at(-1)), /"key":"error.type","value":\{"stringValue":"self-signed-leaf"\}/)
  })

  it('that ends before an export was due has told what it counted', async () => {
    await using receiver = await startReceiver()
    const gateway = await startTestGateway({
      otlp: { endpoint: receiver.url, metrics: { interval: '1h' } },
      targets: { none: { url: 'http://127.0.0.1:1' } },
      proxies: { none: { basePath: '/none', target: 'none' } },
    })
    try {
      await (await fetch(`${gateway.origin}/none/1`)).text()
      assert.deepEqual(receiver.records('metrics'), [])
      // Without a management listener nobody can ask for counts, and none are kept.
      await assert.rejects(gateway.gateway.monitor.health(), { code: 'monitoring-unavailable' })
    } finally {
      await gateway[Symbol.asyncDispose]()
    }
    const requests = receiver.records('metrics').filter(({ name }) => name === 'http.server.request.duration')
    assert.match(JSON.stringify(requests), /"postern.proxy"/)
  })
})

function serversOf(spans: readonly Message[]): readonly Message[] {
  return spans
    .filter((span) => kindOf(span) === 'SERVER')
    .toSorted((one, other) => (String(one['startTimeUnixNano']) < String(other['startTimeUnixNano']) ? -1 : 1))
}

/** Without `dns`: whether a name is looked up is the machine's affair. */
function namesUnder(spans: readonly Message[], parent: Message | undefined): readonly string[] {
  return spans
    .filter((span) => span['parentSpanId'] === parent?.['spanId'] && span['name'] !== 'dns')
    .map((span) => `${kindOf(span)} ${String(span['name'])}`)
    .sort()
}

function kindOf({ kind }: Message): string {
  return ['', 'INTERNAL', 'SERVER', 'CLIENT'][Number(kind)] ?? String(kind).replace('SPAN_KIND_', '')
}

function attribute(message: Message | undefined, key: string): unknown {
  const list = (message?.['attributes'] ?? []) as readonly { readonly key: string; readonly value: Message }[]
  return Object.values(list.find((each) => each.key === key)?.value ?? {})[0]
}
