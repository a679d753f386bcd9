import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ScenarioName, serverNameOf } from '../../src/lab/scenarios.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTestGateway, type TestConfig } from '../support/gateway.ts'
import { readUntil } from '../support/raw-client.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { get, type LabGateway, parseAnswer, startLabGateway } from './lab-gateway.ts'

const skips = { none: [], name: ['name'], chain: ['chain'], both: ['chain', 'name'] } as const
type Skip = keyof typeof skips

/** Each row: what is wrong with a backend, and what becomes of a request under each choice of exceptions. */
const rows: readonly {
  readonly wrong: string
  readonly scenario: ScenarioName
  readonly serverName?: string
  readonly ends: Readonly<Record<Skip, string>>
}[] = [
  {
    wrong: 'nothing',
    scenario: 'ok',
    ends: { none: 'trusted', name: 'trusted', chain: 'trusted', both: 'trusted' },
  },
  {
    wrong: 'the name',
    scenario: 'name-mismatch',
    ends: { none: 'name-mismatch', name: 'trusted', chain: 'name-mismatch', both: 'trusted' },
  },
  {
    wrong: 'that the name stands in no subjectAltName',
    scenario: 'no-san',
    ends: {
      none: 'no-subject-alternative-name',
      name: 'trusted',
      chain: 'no-subject-alternative-name',
      both: 'trusted',
    },
  },
  {
    wrong: 'the root',
    scenario: 'missing-root',
    ends: { none: 'missing-root', name: 'missing-root', chain: 'trusted', both: 'trusted' },
  },
  {
    wrong: 'root and name',
    scenario: 'missing-root',
    serverName: 'somebody-else.lab.test',
    ends: { none: 'missing-root', name: 'missing-root', chain: 'name-mismatch', both: 'trusted' },
  },
  {
    wrong: 'that it is self-signed',
    scenario: 'self-signed',
    ends: { none: 'self-signed-leaf', name: 'self-signed-leaf', chain: 'trusted', both: 'trusted' },
  },
  {
    wrong: 'that it is self-signed, and the name',
    scenario: 'self-signed',
    serverName: 'somebody-else.lab.test',
    ends: { none: 'self-signed-leaf', name: 'self-signed-leaf', chain: 'name-mismatch', both: 'trusted' },
  },
  {
    wrong: 'the date',
    scenario: 'expired',
    ends: { none: 'expired', name: 'expired', chain: 'trusted', both: 'trusted' },
  },
  {
    wrong: 'date and name',
    scenario: 'expired',
    serverName: 'somebody-else.lab.test',
    ends: { none: 'expired', name: 'expired', chain: 'name-mismatch', both: 'trusted' },
  },
]
const versions = ['TLSv1.2', 'TLSv1.3'] as const

function exception(skip: string, until?: Date): Record<string, string> {
  return {
    skip,
    owner: 'payments team',
    reason: 'the new CA arrives in March',
    ...(until === undefined ? {} : { until: until.toISOString() }),
  }
}

describe('exceptions: skip-chain and skip-name are separate', () => {
  let setup: LabGateway
  const names = (index: number, skip: Skip, version: string): string =>
    `row${index}-${skip}-${version.replace('.', '')}`.toLowerCase()

  before(async () => {
    setup = await startLabGateway({
      lab: { scenarios: [...new Set(rows.map(({ scenario }) => scenario))] },
      change(config, lab) {
        const targets: Record<string, unknown> = {}
        const proxies: Record<string, unknown> = {}
        for (const [index, { scenario, serverName = serverNameOf(scenario) }] of rows.entries()) {
          for (const skip of Object.keys(skips) as Skip[]) {
            for (const version of versions) {
              const name = names(index, skip, version)
              const tls = {
                trust: ['lab'],
                serverName,
                minVersion: version,
                maxVersion: version,
                resumption: true,
                exceptions: skips[skip].map((each) => exception(each)),
              }
              targets[name] = { url: `https://127.0.0.1:${lab.backend(scenario).port}`, tls }
              proxies[name] = { basePath: `/${name}`, target: name }
            }
          }
        }
        return { ...config, targets, proxies }
      },
    })
  })
  after(() => setup[Symbol.asyncDispose]())

  for (const [index, { wrong, ends }] of rows.entries()) {
    for (const [skip, end] of Object.entries(ends) as [Skip, string][]) {
      const exceptions = skip === 'none' ? 'without exception' : `with ${skip} skipped`
      it(`${wrong} is wrong, ${exceptions}: ${end}`, async () => {
        for (const version of versions) {
          // Twice, as what was accepted or refused once must not decide for the next one.
          for (const attempt of [1, 2]) {
            const answer = await get(setup.port, `/${names(index, skip, version)}/`)
            const code = answer.status === 502 ? (JSON.parse(answer.body) as { code: string }).code : 'trusted'
            assert.equal(code, end, `${version}, attempt ${attempt}`)
            assert.equal(answer.status, end === 'trusted' ? 200 : 502)
          }
        }
      })
    }
  }
})

describe('exceptions: every one in force is visible', () => {
  const until = new Date(Date.now() + 86_400_000)

  it('in /status, in the metrics, and as an event in every log; an ended one is in none of them', async () => {
    const past = new Date(Date.now() - 1000)
    await using setup = await startLabGateway({
      lab: { scenarios: ['name-mismatch'] },
      logs: ['native', 'apim-text', 'apim-json', 'edge-system'].map((format) => ({ format, file: `${format}.log` })),
      change(config, lab) {
        const { port } = lab.backend('name-mismatch')
        const target = (...exceptions: unknown[]): unknown => ({
          url: `https://127.0.0.1:${port}`,
          tls: { trust: ['lab'], exceptions },
        })
        return {
          ...config,
          management: { port: 0 },
          targets: {
            excepted: target(exception('name', until), exception('chain')),
            ended: target(exception('name', past)),
          },
          proxies: { excepted: { basePath: '/x', target: 'excepted' }, ended: { basePath: '/y', target: 'ended' } },
        }
      },
    })
    const { gateway } = setup.gateway
    const management = gateway.managementPort ?? 0
    const status = (await (await fetch(`http://127.0.0.1:${management}/status`)).json()) as {
      targets: { name: string; exceptions: unknown[] }[]
    }
    assert.deepEqual(
      status.targets.map(({ name, exceptions }) => [name, exceptions]),
      [
        [
          'excepted',
          [
            { ...exception('name'), until: until.getTime() },
            { ...exception('chain'), until: null },
          ],
        ],
        ['ended', []],
      ],
    )
    const metrics = await (await fetch(`http://127.0.0.1:${management}/metrics`)).text()
    assert.match(metrics, /^postern_upstream_tls_exceptions\{target="excepted",skip="name"\} 1$/m)
    assert.match(metrics, /^postern_upstream_tls_exceptions\{target="excepted",skip="chain"\} 1$/m)
    assert.doesNotMatch(metrics, /postern_upstream_tls_exceptions\{target="ended"/)

    const events = setup.gateway.events.filter((event) => event.type === 'exception-in-force')
    assert.deepEqual(
      events.map(({ target, skip, owner, reason, until: end }) => ({ target, skip, owner, reason, end })),
      ['name', 'chain'].map((skip) => ({
        target: 'excepted',
        skip,
        owner: 'payments team',
        reason: 'the new CA arrives in March',
        end: skip === 'name' ? until.getTime() : null,
      })),
    )
    for (const format of ['native', 'apim-text', 'apim-json', 'edge-system']) {
      const lines = await setup.gateway.logLines(`${format}.log`, (line) => /exception-?in-?force/i.test(line))
      const told = lines.filter((line) => /exception-?in-?force/i.test(line))
      assert.equal(told.length, 2, format)
      for (const line of told) assert.match(line, /excepted.*payments team/, format)
      assert.ok(told[0]?.includes(until.toISOString()), format)
    }
    assert.equal((await get(setup.port, '/x/')).status, 200)
    assert.equal((await get(setup.port, '/y/')).status, 502)
  })
})

for (const onTrustChange of ['drain', 'cut'] as const) {
  it(`an exception ends by itself, connections opened under it with it (onTrustChange: ${onTrustChange})`, async () => {
    const root = await createRoot({ commonName: 'Right Root' })
    const wrongRoot = await createRoot({ commonName: 'Wrong Root' })
    const leaf = await createLeaf(wrongRoot, { names: ['127.0.0.1'] })
    const held: (() => void)[] = []
    await using backend = await startTlsBackend({
      identity: leaf,
      answer(request, response) {
        if (request.url === '/held') held.push(() => response.end('held'))
        else response.end('ok')
      },
    })
    const until = new Date(Date.now() + 1500)
    const config: TestConfig = {
      trustStores: { corp: { sources: [{ file: './root.pem' }] } },
      targets: {
        backend: {
          url: backend.url,
          tls: { trust: ['corp'], resumption: true, onTrustChange, exceptions: [exception('chain', until)] },
        },
      },
      proxies: { backend: { basePath: '/', target: 'backend' } },
    }
    await using gateway = await startTestGateway(config, { files: { 'root.pem': root.certificatePem } })
    const port = gateway.gateway.ports['http'] ?? 0
    const answers = await Promise.all([get(port, '/a'), get(port, '/b'), get(port, '/c')])
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200],
    )
    const slow = connect(port, '127.0.0.1')
    slow.write('GET /held HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    while (held.length === 0) await sleep(5)
    assert.ok(Date.now() < until.getTime(), 'the machine was too slow for this test')

    while (Date.now() < until.getTime()) await sleep(Math.max(1, until.getTime() - Date.now()))
    const before = backend.seen.length
    const refused = await Promise.all([get(port, '/d'), get(port, '/e')])
    for (const { status, body } of refused) {
      assert.equal(status, 502)
      // The root was not served, and the leaf does not say where its issuer is.
      assert.equal((JSON.parse(body) as { code: string }).code, 'unknown-issuer')
    }
    assert.equal(backend.seen.length, before, 'nothing was forwarded after the end, resumed or not')

    while (gateway.gateway.generation === 1) await sleep(5)
    assert.deepEqual((gateway.gateway.status()['targets'] as { exceptions: unknown[] }[])[0]?.exceptions, [])
    assert.doesNotMatch(gateway.gateway.metricsText(), /^postern_upstream_tls_exceptions\{/m)
    if (onTrustChange === 'drain') {
      for (const release of held) release()
      assert.match(await readUntil(slow, () => false), /200 OK[^]*held$/)
    } else {
      const { status, body } = parseAnswer(await readUntil(slow, () => false))
      assert.deepEqual([status, (JSON.parse(body) as { code: string }).code], [502, 'connect-reset'])
    }
    while (backend.open > 0) await sleep(5)
    const isRetirement = (line: string): boolean => line.includes('"type":"pool-retired"')
    const retired = (await gateway.logLines('postern.log', isRetirement)).filter(isRetirement)
    assert.equal(retired.length, 1)
    assert.match(retired[0] ?? '', new RegExp(`"busy":1,"mode":"${onTrustChange}"`))
  })
}

it('an exception whose end has passed is never in force, from the first generation on', async () => {
  const root = await createRoot({ commonName: 'Right Root' })
  const leaf = await createLeaf(await createRoot({ commonName: 'Wrong Root' }), { names: ['127.0.0.1'] })
  await using backend = await startTlsBackend({ identity: leaf })
  const past = new Date(Date.now() - 1)
  const tls = { trust: ['corp'], exceptions: [exception('chain', past), exception('name', past)] }
  await using gateway = await startTestGateway(
    {
      trustStores: { corp: { sources: [{ file: './root.pem' }] } },
      targets: { backend: { url: backend.url, tls } },
      proxies: { backend: { basePath: '/', target: 'backend' } },
    },
    { files: { 'root.pem': root.certificatePem } },
  )
  assert.equal((await get(gateway.gateway.ports['http'] ?? 0, '/')).status, 502)
  assert.equal(backend.seen.length, 0)
  const warned = gateway.events.filter((event) => event.type === 'warning')
  assert.ok(warned.some(({ message }) => message.includes('the exception ended')))
})

it('an end that comes while the configuration is bad still counts', async () => {
  const root = await createRoot({ commonName: 'Right Root' })
  const leaf = await createLeaf(await createRoot({ commonName: 'Wrong Root' }), { names: ['127.0.0.1'] })
  await using backend = await startTlsBackend({ identity: leaf })
  const until = new Date(Date.now() + 1000)
  const config = {
    trustStores: { corp: { sources: [{ file: './root.pem' }] } },
    targets: { backend: { url: backend.url, tls: { trust: ['corp'], exceptions: [exception('chain', until)] } } },
    proxies: { backend: { basePath: '/', target: 'backend' } },
  }
  await using gateway = await startTestGateway(config, { files: { 'root.pem': root.certificatePem } })
  const port = gateway.gateway.ports['http'] ?? 0
  assert.equal(await gateway.reconfigure({ ...config, proxies: { backend: { basePath: 'no slash' } } }), false)
  assert.equal((await get(port, '/')).status, 200)
  while (Date.now() < until.getTime()) await sleep(Math.max(1, until.getTime() - Date.now()))
  assert.equal((await get(port, '/')).status, 502)
  assert.equal(backend.seen.length, 1)
})
