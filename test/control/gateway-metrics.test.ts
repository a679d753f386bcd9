import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { CertificateMetrics } from '../../src/control/certificate-metrics.ts'
import { EventLoopLag } from '../../src/control/event-loop-lag.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { readExposition } from '../support/prometheus.ts'
import { serverPlan } from '../support/server-plan.ts'
import { startTlsBackend } from '../support/tls-backend.ts'

function valueOf(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  const wanted = Object.entries(labels)
  return readExposition(text).find(
    (sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
  )?.value
}

const day = 86_400_000
/** Certificates end at whole seconds. */
const inDays = (days: number): Date => new Date(Math.floor(Date.now() / 1000) * 1000 + days * day)

describe('ends of certificates', () => {
  test('of backends as they showed them, of our own, and of what is trusted', async () => {
    const [anchorEnds, leafEnds, nextLeafEnds] = [inDays(900), inDays(30), inDays(60)]
    const [clientEnds, frontEnds] = [inDays(40), inDays(50)]
    const root = await createRoot({ commonName: 'Ends CA', notAfter: anchorEnds })
    const leaf = (notAfter: Date) => createLeaf(root, { names: ['backend.test'], notAfter })
    await using backend = await startTlsBackend({ identity: await leaf(leafEnds) })
    const client = await leaf(clientEnds)
    const front = await leaf(frontEnds)
    const config = (serverName: string) => ({
      listeners: [
        { name: 'http', address: '127.0.0.1', port: 0 },
        {
          name: 'https',
          address: '127.0.0.1',
          port: 0,
          tls: { certificates: [{ certificate: './front.pem', key: './front.key' }] },
        },
      ],
      trustStores: { corp: { sources: [{ file: './ca.pem' }] } },
      targets: {
        b: {
          url: backend.url,
          tls: { trust: ['corp'], serverName, clientCertificate: { certificate: './client.pem', key: './client.key' } },
        },
      },
      proxies: { b: { basePath: '/', target: 'b' } },
    })
    await using gateway = await startTestGateway(config('backend.test'), {
      files: {
        'ca.pem': root.certificatePem,
        'front.pem': front.chainPem,
        'front.key': front.keyPem,
        'client.pem': client.chainPem,
        'client.key': client.keyPem,
      },
    })
    const seconds = (name: string, labels: Readonly<Record<string, string>>): number | undefined =>
      valueOf(gateway.gateway.metricsText(), `postern_${name}_not_after_timestamp_seconds`, labels)
    const of = (date: Date): number => date.getTime() / 1000

    assert.equal(seconds('upstream_certificate', { target: 'b' }), undefined, 'nothing was shown yet')
    assert.equal(seconds('trust_anchor', { store: 'corp' }), of(anchorEnds))
    assert.equal(seconds('upstream_client_certificate', { target: 'b' }), of(clientEnds))
    assert.equal(seconds('listener_certificate', { listener: 'https', name: 'backend.test' }), of(frontEnds))

    await (await fetch(gateway.origin)).arrayBuffer()
    await until(() => seconds('upstream_certificate', { target: 'b' }) === of(leafEnds), 'the leaf that was served')
    backend.serve(await leaf(nextLeafEnds))
    // Another snapshot: the connection of the old one is not used again.
    assert.equal(
      await gateway.reconfigure({ ...config('backend.test'), targets: retargeted(config('backend.test')) }),
      true,
    )
    await (await fetch(gateway.origin)).arrayBuffer()
    await until(() => seconds('upstream_certificate', { target: 'b' }) === of(nextLeafEnds), 'the leaf served next')
    assert.equal(await gateway.reconfigure({ trustStores: {}, targets: {}, proxies: {} }), true)
    assert.doesNotMatch(gateway.gateway.metricsText(), /not_after|anchors_expired/, 'what is gone is not told of')
  })

  test('roots that ended long ago hide no end that is near, and are counted', () => {
    const now = Date.UTC(2026, 5, 1)
    const day = 86_400_000
    const ends = (anchors: readonly number[]) =>
      new CertificateMetrics()
        .families(
          {
            plan: { listeners: [], targets: [] } as never,
            stores: new Map([['corp', { anchors: anchors.map((days) => ({ notAfter: now + days * day })) } as never]]),
            crlStores: new Map(),
            origins: new Map(),
            management: null,
            leaves: [],
          },
          now,
        )
        .flatMap(({ name, samples }) =>
          samples.map(({ value }) => (name.endsWith('expired') ? value : (value - now / 1000) / 86_400)),
        )
    assert.deepEqual(ends([-400, 90, 700]), [90, 1])
    assert.deepEqual(ends([-400, -3, 700]), [-3, 2], 'what ended just now is told')
    assert.deepEqual(ends([-400]), [1], 'nothing is left that could end')
    assert.deepEqual(ends([90]), [90, 0])
  })

  test('of stores of the management API go by the name that targets have for them', async () => {
    const end = inDays(5)
    const early = await createRoot({ commonName: 'A', notAfter: end })
    const late = await createRoot({ commonName: 'B' })
    const anchors = [late.certificatePem, early.certificatePem]
    const server = serverPlan({ port: 1, target: 't', name: 's', tls: { anchors, intermediates: [] } as never })
    const origin = {
      organization: 'acme',
      environment: 'test',
      api: 'a',
      revision: '1',
      endpoint: 'default',
      servers: new Map([
        ['s', { targetServer: null, trustStore: { written: 'ref://trust', store: 'acme/test/one' }, keyStore: null }],
      ]),
    }
    const families = new CertificateMetrics().families({
      plan: { listeners: [], targets: [{ name: 't', tls: server.tls, servers: [server] }] } as never,
      stores: new Map(),
      crlStores: new Map(),
      origins: new Map([['t', origin]]),
      management: null,
      leaves: [{ target: 't', server: 's', leaf: Buffer.from('no certificate') }],
    })
    assert.deepEqual(
      families.flatMap(({ samples }) => samples),
      [
        { labels: { store: 'ref://acme/test/trust' }, value: end.getTime() / 1000 },
        { labels: { store: 'ref://acme/test/trust' }, value: 0 },
      ],
    )
  })
})

test('changes and refusals of stores are counted by store, and that the files do not run', async () => {
  const [one, two] = [await createRoot({ commonName: 'One' }), await createRoot({ commonName: 'Two' })]
  const files = { 'a.pem': one.certificatePem, 'b.pem': one.certificatePem }
  const config = { trustStores: { a: { sources: [{ file: './a.pem' }] }, 'b.1': { sources: [{ file: './b.pem' }] } } }
  await using gateway = await startTestGateway(
    { ...config, targets: { t: { url: 'https://127.0.0.1:1', tls: { trust: ['a', 'b.1'] } } } },
    { files },
  )
  const counted = (name: string, store: string) =>
    valueOf(gateway.gateway.metricsText(), `postern_${name}_total`, { store })
  const isRead = (store: string) => valueOf(gateway.gateway.metricsText(), 'postern_trust_store_up_to_date', { store })
  const upToDate = () => valueOf(gateway.gateway.metricsText(), 'postern_config_up_to_date')
  for (const store of ['a', 'b.1']) {
    assert.equal(counted('trust_store_changes', store), 0)
    assert.equal(counted('trust_store_reload_failures', store), 0)
  }
  assert.equal(upToDate(), 1)

  await replace(gateway, 'b.pem', 'no certificate')
  await gateway.gateway.reload()
  await gateway.gateway.reload()
  assert.equal(counted('trust_store_reload_failures', 'b.1'), 1, 'the same fault once')
  assert.equal(counted('trust_store_reload_failures', 'a'), 0)
  assert.equal(upToDate(), 0)
  assert.deepEqual([isRead('a'), isRead('b.1')], [1, 0])

  await replace(gateway, 'b.pem', one.certificatePem + two.certificatePem)
  await gateway.gateway.reload()
  assert.equal(upToDate(), 1)
  assert.deepEqual([isRead('a'), isRead('b.1')], [1, 1], 'it is over once the store was read')
  assert.equal(counted('trust_store_changes', 'b.1'), 1)
  assert.equal(counted('trust_store_changes', 'a'), 0)
})

test('a worker that dies is counted', async () => {
  await using gateway = await startTestGateway({})
  const died = () => valueOf(gateway.gateway.metricsText(), 'postern_workers_died_total')
  assert.equal(died(), 0)
  await gateway.gateway.workers[0]?.terminate()
  await until(() => died() === 1, 'the count')
})

test('every family names the labels that its samples have, and counters end in _total', async () => {
  await using gateway = await startTestGateway({})
  const families = gateway.gateway.metricFamilies()
  assert.ok(families.length > 30)
  assert.equal(new Set(families.map(({ name }) => name)).size, families.length)
  for (const { name, type, labels = [], samples } of families) {
    assert.equal(type === 'counter', name.endsWith('_total'), name)
    for (const sample of samples) {
      for (const label of Object.keys(sample.labels))
        assert.ok(label === 'le' || labels.includes(label), `${name} ${label}`)
    }
  }
})

test('a blocked event loop shows, and for no longer than two windows', async () => {
  const lag = new EventLoopLag(100)
  try {
    await sleep(50)
    const end = performance.now() + 60
    while (performance.now() < end);
    await until(() => lag.read().max > 30, 'the lag')
    await until(() => lag.read().max < 30, 'an end of it')
  } finally {
    lag.close()
  }
})

function retargeted({ targets }: { readonly targets: { readonly b: { readonly tls: object } } }): object {
  return { b: { ...targets.b, tls: { ...targets.b.tls, minVersion: 'TLSv1.3' } } }
}

async function replace(gateway: TestGateway, name: string, content: string): Promise<void> {
  const path = join(gateway.directory, name)
  await writeFile(`${path}.next`, content)
  await rename(`${path}.next`, path)
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (holds()) return
    await sleep(10)
  }
  assert.fail(`${what} did not come`)
}
