import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Aggregate } from '../../src/monitor/query.ts'
import { startTestGateway, type TestConfig, type TestGateway } from '../support/gateway.ts'

describe('rollups of a gateway', () => {
  it('count every request of every worker under what became of it, over a reload and a restart', async (t) => {
    const backend = await serve(t)
    const directory = await mkdtemp(join(tmpdir(), 'postern-observed-'))
    t.after(() => rm(directory, { recursive: true, force: true }))
    const monitoringFile = join(directory, 'observed.sqlite')
    const config = configOf(backend)
    {
      await using gateway = await startTestGateway(config, { workers: 2, monitoringFile })
      await Promise.all(Array.from({ length: 12 }, () => get(gateway, '/orders/1')))
      await Promise.all(Array.from({ length: 3 }, () => get(gateway, '/orders/missing')))
      await Promise.all(Array.from({ length: 4 }, () => get(gateway, '/stock/1')))
      await get(gateway, '/nowhere')
      const expected = {
        'orders 200 200  ': 12,
        'orders 404 404  ': 3,
        'stock 502 0 connect-refused connection-refused': 4,
        ' 404 0 no-route ': 1,
      }
      assert.deepEqual(await counted(gateway, 20), expected)

      const [failed] = await gateway.gateway.monitor.samples({
        from: 0,
        to: 9e12,
        where: [{ dimension: 'verdict', values: ['connection-refused'] }],
      })
      assert.match(failed?.sample.request ?? '', /^GET \/stock\/1 HTTP\/1.1$/)
      assert.equal(failed?.key.faultCode, 'messaging.adaptors.http.flow.ServiceUnavailable')
      const [line] = await gateway.logLines('postern.log', (text) => text.includes(failed?.sample.id ?? '?'))
      assert.ok(line !== undefined, 'its id is the one of the log')

      // What was counted under the old generation goes out before the new one serves anybody.
      await get(gateway, '/orders/2')
      assert.ok(await gateway.reconfigure({ ...config, organization: 'other' }))
      await get(gateway, '/orders/2')
      assert.deepEqual(await counted(gateway, 22), { ...expected, 'orders 200 200  ': 14 })
    }
    await using again = await startTestGateway(config, { workers: 1, monitoringFile })
    assert.equal(sum(await rows(again)), 22)
    assert.equal((await again.gateway.monitor.health()).problem, '')
  })

  it('are not made where there is no management listener, as nobody could ask', async (t) => {
    const { management: _, ...config } = configOf(await serve(t))
    await using gateway = await startTestGateway(config)
    await get(gateway, '/orders/1')
    await assert.rejects(gateway.gateway.monitor.health(), { code: 'monitoring-unavailable' })
  })
})

function configOf(backend: number): TestConfig {
  return {
    management: { address: '127.0.0.1', port: 0 },
    targets: {
      orders: { url: `http://127.0.0.1:${backend}` },
      // Nobody listens on the port of the discard service.
      stock: { url: 'http://127.0.0.1:9' },
    },
    proxies: {
      orders: { basePath: '/orders', target: 'orders' },
      stock: { basePath: '/stock', target: 'stock' },
    },
  }
}

async function serve(t: TestContext): Promise<number> {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/missing' ? 404 : 200
    response.end('x')
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

async function get(gateway: TestGateway, path: string): Promise<void> {
  const response = await fetch(gateway.origin + path)
  await response.arrayBuffer()
}

/** Requests by what became of them, once so many are counted. */
async function counted(gateway: TestGateway, requests: number): Promise<Readonly<Record<string, number>>> {
  let found = await rows(gateway)
  for (let attempt = 0; attempt < 120 && sum(found) < requests; attempt++) {
    await sleep(25)
    found = await rows(gateway)
  }
  return Object.fromEntries(found.map(({ values, requests }) => [values.join(' '), requests]))
}

async function rows({ gateway }: TestGateway): Promise<readonly Aggregate[]> {
  const by = ['proxy', 'status', 'targetStatus', 'fault', 'verdict'] as const
  const answer = await gateway.monitor.aggregate({ from: 0, to: 9e12, interval: null, by, where: [] })
  return answer.rows
}

function sum(found: readonly Aggregate[]): number {
  return found.reduce((total, { requests }) => total + requests, 0)
}
