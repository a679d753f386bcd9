import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ManagedPlan, ManagedView } from '../../src/config/managed-view.ts'
import { createRoot } from '../../src/pki/make.ts'
import type { TargetPlan } from '../../src/proxy/plan.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { serverPlan } from '../support/server-plan.ts'

/** A view that adds one proxy on /stored to one plain backend, or does not run. */
function viewOf(port: number, more: Partial<ManagedPlan> = {}): ManagedView {
  const target: TargetPlan = {
    name: 'acme/test/stored/1/default',
    scheme: 'http',
    pathPrefix: '',
    authority: `127.0.0.1:${port}`,
    tls: null,
    servers: [serverPlan({ port, tls: null, target: 'acme/test/stored/1/default', limits: roomy })],
    balance: 'round-robin',
    health: null,
    ejection: null,
    retries: { attempts: 0, on: [], statuses: [], methods: [], budgetPercent: 0, budgetMinPerSecond: 0 },
    breaker: null,
  }
  return {
    trustStore: () => null,
    identity: () => null,
    certificates: () => [],
    compile: ({ listeners }) => ({
      listeners,
      targets: [target],
      proxies: [
        {
          key: 'acme/test/stored/1/default',
          name: 'stored',
          organization: 'acme',
          environment: 'test',
          listeners: null,
          hosts: [],
          basePath: '/stored',
          route: { kind: 'target', target: target.name },
          revision: '1',
          faults: 'apigee',
          faultDetail: 'standard',
          path: 'strip',
          host: 'target',
        },
      ],
      origins: new Map(),
      findings: [],
      drains: {},
      trustChanged: false,
      problems: [],
      ...more,
    }),
  }
}

const roomy = { connections: 100, streams: 100, pending: 100, responseHeaderBytes: 4096 }

const broken: Partial<ManagedPlan> = {
  problems: [{ code: 'step-not-supported', object: 'acme/test/apis/stored/2', message: 'policy X cannot be run' }],
}

async function backend(name: string): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((_, response) => response.end(name)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

async function ask({ origin }: TestGateway, path = '/stored'): Promise<string> {
  const answer = await fetch(origin + path)
  const body = await answer.text()
  return answer.status === 200 ? body : String(answer.status)
}

interface Applied {
  readonly order: string[]
  readonly result: Promise<string>
}

function apply(
  { gateway }: TestGateway,
  view: ManagedView | null,
  persist: () => Promise<void> = async () => {},
): Applied {
  const order: string[] = []
  const result = gateway.applyManaged(async () => ({
    view,
    result: 'done',
    persist: async () => {
      order.push(`persist at generation ${gateway.generation}`)
      await persist()
    },
    abandon: async () => void order.push('abandon'),
  }))
  return { order, result }
}

describe('stored objects beside the file', () => {
  it('run from the start, on every worker, and change with one call', async () => {
    await using one = await backend('one')
    await using two = await backend('two')
    await using gateway = await startTestGateway({ proxies: {} }, { workers: 2, managed: () => viewOf(one.port) })
    assert.equal(await ask(gateway), 'one')
    const { order, result } = apply(gateway, viewOf(two.port))
    assert.equal(await result, 'done')
    assert.deepEqual(order, ['persist at generation 1'], 'kept before it is in force')
    assert.equal(gateway.gateway.generation, 2)
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(gateway)))
    assert.deepEqual([...new Set(answers)], ['two'])
  })

  it('that cannot run, or cannot be kept, change nothing', async () => {
    await using one = await backend('one')
    await using two = await backend('two')
    await using gateway = await startTestGateway({ proxies: {} }, { managed: () => viewOf(one.port) })
    const refused = apply(gateway, viewOf(two.port, broken))
    await assert.rejects(refused.result, { code: 'change-refused', message: /acme\/test\/apis\/stored\/2: policy X/ })
    assert.deepEqual(refused.order, ['abandon'])
    const lost = apply(gateway, viewOf(two.port), () => Promise.reject(new Error('disk full')))
    await assert.rejects(lost.result, /disk full/)
    assert.deepEqual(lost.order, ['persist at generation 1', 'abandon'])
    const unbuildable = apply(gateway, viewOf(two.port, { targets: [] }))
    await assert.rejects(unbuildable.result, /which is not in the plan/)
    assert.deepEqual(unbuildable.order, ['abandon'])
    assert.equal(gateway.gateway.generation, 1)
    assert.equal(await ask(gateway), 'one')
  })

  it('that no request depends on are kept without a new generation', async () => {
    await using one = await backend('one')
    await using gateway = await startTestGateway({ proxies: {} }, { managed: () => viewOf(one.port) })
    for (const view of [null, viewOf(one.port)]) {
      const { order, result } = apply(gateway, view)
      await result
      assert.deepEqual(order, ['persist at generation 1'])
    }
    assert.equal(gateway.gateway.generation, 1)
  })

  it('stay when the file changes, and the file stays refused when they change', async () => {
    await using one = await backend('one')
    await using two = await backend('two')
    await using gateway = await startTestGateway({ proxies: {} }, { managed: () => viewOf(one.port) })
    assert.equal(await gateway.reconfigure({ proxies: {}, region: 'north' }), true)
    assert.equal(await ask(gateway), 'one')
    assert.equal(await gateway.reconfigure({ proxies: { bad: {} } }), false)
    assert.notEqual(gateway.gateway.lastRefusal, '')
    await apply(gateway, viewOf(two.port)).result
    assert.equal(await ask(gateway), 'two')
    assert.notEqual(gateway.gateway.lastRefusal, '', 'the file is as bad as before')
    assert.match(gateway.gateway.configText, /north/, 'the last good text')
  })

  it('and an exception that ends leave a refused file refused', async () => {
    await using one = await backend('one')
    const { certificatePem: inline } = await createRoot({ commonName: 'Root' })
    const until = new Date(Date.now() + 2000).toISOString()
    const exceptions = [{ skip: 'chain', owner: 'platform', reason: 'a test', until }]
    const config = {
      trustStores: { corp: { sources: [{ inline }] } },
      targets: { t: { url: 'https://backend.test', tls: { trust: ['corp'], exceptions } } },
      proxies: { p: { basePath: '/p', target: 't' } },
    }
    await using gateway = await startTestGateway(config, { managed: () => viewOf(one.port) })
    assert.equal(await gateway.reconfigure({ proxies: { bad: {} } }), false)
    const { lastRefusal } = gateway.gateway
    while (gateway.gateway.generation === 1) await sleep(50)
    assert.equal(gateway.gateway.lastRefusal, lastRefusal)
    assert.notEqual(lastRefusal, '')
  })

  it('that no worker has built are not kept', async () => {
    await using one = await backend('one')
    await using two = await backend('two')
    await using gateway = await startTestGateway({ proxies: {} }, { managed: () => viewOf(one.port) })
    const { order, result } = apply(gateway, viewOf(two.port))
    for (const worker of gateway.gateway.workers) void worker.terminate()
    await assert.rejects(result, { code: 'worker-gone' })
    assert.deepEqual(order, ['abandon'])
    // The worker that takes the place of the one that ended.
    for (let left = 100; (await ask(gateway).catch(() => '')) !== 'one'; left--) {
      assert.ok(left > 0, 'nobody serves')
      await sleep(50)
    }
  })

  it('that the file names are read again when they change', async () => {
    await using one = await backend('one')
    const { certificatePem: pem } = await createRoot({ commonName: 'Partners Root' })
    const view = (problem: string): ManagedView => ({
      ...viewOf(one.port),
      trustStore: (name) =>
        problem === '' && name === 'partners' ? { store: 'acme/test/partners', generation: 1, pem } : null,
    })
    const config = {
      trustStores: { partners: { sources: [{ managed: 'partners' }] } },
      targets: { t: { url: 'https://backend.test', tls: { trust: ['partners'] } } },
      proxies: { p: { basePath: '/p', target: 't' } },
    }
    await assert.rejects(startTestGateway(config), /managed stores need `serve --state DIR`/)
    await assert.rejects(
      startTestGateway(config, { managed: () => view('gone') }),
      /there is no managed store "partners"/,
    )
    await using gateway = await startTestGateway(config, { managed: () => view('') })
    assert.equal(await gateway.reconfigure({ ...config, proxies: { bad: {} } }), false)
    const again = apply(gateway, view(''))
    assert.equal(await again.result, 'done', 'that the file is bad now keeps nobody from changing what is trusted')
    const gone = apply(gateway, view('gone'))
    await assert.rejects(gone.result, { code: 'change-refused', message: /there is no managed store "partners"/ })
    assert.deepEqual(gone.order, ['abandon'])
  })
})
