import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { startRawServer } from './h2-backend.ts'

/* A target with several servers, as its clients see it. */

interface Plain extends AsyncDisposable {
  readonly address: string
  readonly server: Server
  requests: number
}

async function plain(
  name: string,
  answer?: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Plain> {
  const server = createServer((incoming, response) => {
    backend.requests++
    incoming.resume()
    response.setHeader('x-server', name)
    if (answer === undefined) response.end(name)
    else answer(incoming, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const backend: Plain = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    server,
    requests: 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
  return backend
}

/** An address of loopback where nobody listens. */
async function refusing(): Promise<string> {
  const gone = await plain('gone')
  await gone[Symbol.asyncDispose]()
  return gone.address
}

const gateways: TestGateway[] = []
const a = await plain('a')
const b = await plain('b')
const c = await plain('c')
const dead = await refusing()
after(async () => {
  for (const gateway of gateways) await gateway[Symbol.asyncDispose]()
  for (const server of [a, b, c]) await server[Symbol.asyncDispose]()
})

async function gatewayFor(target: Readonly<Record<string, unknown>>, files = {}): Promise<TestGateway> {
  const gateway = await startTestGateway(
    { targets: { t: { url: 'http://backend.test', ...target } }, proxies: { t: { basePath: '/', target: 't' } } },
    { files },
  )
  gateways.push(gateway)
  return gateway
}

async function ask(
  gateway: TestGateway,
  method = 'GET',
): Promise<{ readonly status: number; readonly server: string }> {
  const { statusCode, headers, body } = await request(gateway.origin, { method: method as 'GET' })
  await body.dump()
  return { status: statusCode, server: String(headers['x-server'] ?? '') }
}

async function served(gateway: TestGateway, count: number): Promise<Readonly<Record<string, number>>> {
  const by: Record<string, number> = {}
  for (let i = 0; i < count; i++) {
    const { server, status } = await ask(gateway)
    const key = server === '' ? String(status) : server
    by[key] = (by[key] ?? 0) + 1
  }
  return by
}

const servers = [{ address: a.address }, { address: b.address }, { address: c.address }]

describe('requests go', () => {
  it('to the servers in turn', async () => {
    assert.deepEqual(await served(await gatewayFor({ servers }), 9), { a: 3, b: 3, c: 3 })
  })

  it('as often as the weights say', async () => {
    const weighted = [
      { address: a.address, weight: 3 },
      { address: b.address, weight: 1 },
    ]
    assert.deepEqual(await served(await gatewayFor({ servers: weighted }), 8), { a: 6, b: 2 })
  })

  it('to the fallback server only while no other can be had', async () => {
    const gateway = await gatewayFor({
      servers: [{ address: dead }, { address: b.address, fallback: true }],
      retries: { attempts: 1 },
      ejection: { consecutiveFailures: 1, base: '1m', maxPercent: 100 },
    })
    assert.deepEqual(await served(gateway, 4), { b: 4 })
  })

  it('with the Host of the url, whichever server it is', async () => {
    await using echo = await plain('echo', (incoming, response) => response.end(String(incoming.headers.host)))
    const gateway = await gatewayFor({ servers: [{ address: echo.address }] })
    assert.equal(await (await request(gateway.origin)).body.text(), 'backend.test')
  })
})

describe('a request whose server fails', () => {
  it('is tried on another one, if nothing of it was sent, whatever its method', async () => {
    const gateway = await gatewayFor({ servers: [{ address: dead }, { address: a.address }], retries: { attempts: 1 } })
    for (const method of ['GET', 'POST', 'GET', 'POST']) assert.equal((await ask(gateway, method)).status, 200)
  })

  it('fails where the target says nothing of retries', async () => {
    const gateway = await gatewayFor({ servers: [{ address: dead }, { address: a.address }] })
    assert.deepEqual(await served(gateway, 4), { a: 2, '502': 2 })
  })

  it('is tried again after a reset, if its method allows it', async () => {
    await using breaks = await plain('breaks', (incoming) => incoming.socket.destroy())
    const gateway = await gatewayFor({
      servers: [{ address: breaks.address }, { address: a.address }],
      retries: { attempts: 1, on: ['reset'], budget: { percent: 100, minPerSecond: 100 } },
    })
    for (let i = 0; i < 4; i++) assert.equal((await ask(gateway)).status, 200)
    const statuses: number[] = []
    for (let i = 0; i < 4; i++) statuses.push((await ask(gateway, 'POST')).status)
    assert.deepEqual(
      statuses.sort((x, y) => x - y),
      [200, 200, 502, 502],
    )
  })

  it('is tried again on a status that the plan names, and not on another', async () => {
    for (const status of [503, 500]) {
      await using busy = await plain('busy', (_incoming, response) => {
        response.statusCode = status
        response.end('busy')
      })
      const gateway = await gatewayFor({
        servers: [{ address: busy.address }, { address: a.address }],
        retries: { attempts: 1, statuses: [503], budget: { percent: 100, minPerSecond: 100 } },
      })
      const by = await served(gateway, 4)
      assert.deepEqual(by, status === 503 ? { a: 4 } : { a: 2, busy: 2 })
      assert.equal(busy.requests, status === 503 ? 4 : 2)
    }
  })

  it('gets the answer that is there where there is nowhere else to try', async () => {
    await using broken = await plain('broken', (_incoming, response) => {
      response.statusCode = 500
      response.end('why it broke')
    })
    const gateway = await gatewayFor({
      servers: [{ address: broken.address }],
      retries: { attempts: 1, statuses: [500], budget: { percent: 100, minPerSecond: 100 } },
      breaker: { failurePercent: 1, minimumRequests: 1 },
    })
    const { statusCode, body } = await request(gateway.origin)
    assert.equal(statusCode, 500)
    assert.equal(await body.text(), 'why it broke')
  })

  it('whose stream is refused goes to another one, and the refusals count against the server', async () => {
    await using refusing = await startRawServer({}, (connection) => {
      void (async () => {
        for (let nth = 1; ; nth++) connection.reset((await connection.request(nth)).id, 7)
      })().catch(() => {})
    })
    await using other = await startRawServer({}, (connection) => {
      void (async () => {
        for (let nth = 1; ; nth++) connection.headers((await connection.request(nth)).id, [':status', '200'], true)
      })().catch(() => {})
    })
    const gateway = await gatewayFor({
      h2c: true,
      servers: [{ address: `127.0.0.1:${refusing.port}` }, { address: `127.0.0.1:${other.port}` }],
      ejection: { consecutiveFailures: 2, maxPercent: 50 },
    })
    for (let i = 0; i < 8; i++) assert.equal((await ask(gateway, 'POST')).status, 200)
    await gateway.logLines('postern.log', (line) => line.includes('"server-ejected"'))
    const refused = refusing.connections.flatMap(({ frames }) => frames).filter(({ type }) => type === 'headers').length
    assert.equal(refused, 2)
  })

  it('is not tried again beyond the budget', async () => {
    const gateway = await gatewayFor({
      servers: [{ address: dead }, { address: dead.replace('127.0.0.1', '127.0.0.2') }],
      retries: { attempts: 1, budget: { percent: 0, minPerSecond: 1 } },
    })
    for (let i = 0; i < 20; i++) assert.equal((await ask(gateway)).status, 502)
    const lines = await gateway.logLines('postern.log', (line) => line.includes('"request-failed"'))
    // One for each try; ten seconds of one a second.
    const tries = lines.filter((line) => line.includes('"request-failed"')).length
    assert.ok(tries <= 20 + 11, `${tries} tries`)
  })
})

describe('a server that fails', () => {
  it('is ejected after failures in a row, and comes back', async () => {
    let broken = true
    await using flaky = await plain('flaky', (incoming, response) => {
      if (broken) incoming.socket.destroy()
      else response.end()
    })
    const gateway = await gatewayFor({
      servers: [{ address: flaky.address }, { address: a.address }],
      ejection: { consecutiveFailures: 2, base: '500ms', max: '500ms', maxPercent: 50 },
    })
    assert.deepEqual(await served(gateway, 4), { '502': 2, a: 2 })
    const before = flaky.requests
    assert.deepEqual(await served(gateway, 4), { a: 4 })
    assert.equal(flaky.requests, before)
    await gateway.logLines('postern.log', (line) => line.includes('"server-ejected"'))
    broken = false
    for (;;) {
      const by = await served(gateway, 2)
      if (by['flaky'] !== undefined) break
      await sleep(50)
    }
  })

  it('opens the breaker, which lets one try through later', async () => {
    let broken = true
    await using flaky = await plain('flaky', (incoming, response) => {
      if (broken) incoming.socket.destroy()
      else response.end()
    })
    const gateway = await gatewayFor({
      servers: [{ address: flaky.address }],
      breaker: { failurePercent: 50, minimumRequests: 4, window: '10s', open: '300ms' },
    })
    assert.deepEqual(await served(gateway, 4), { '502': 4 })
    const before = flaky.requests
    assert.deepEqual(await served(gateway, 5), { '503': 5 })
    assert.equal(flaky.requests, before)
    broken = false
    for (;;) {
      const { status } = await ask(gateway)
      if (status === 200) break
      assert.equal(status, 503)
      await sleep(50)
    }
  })
})

describe('a health check', () => {
  it('takes a server out before a request has to find out, and back in', async () => {
    let healthy = false
    await using sick = await plain('sick', (incoming, response) => {
      response.statusCode = incoming.url === '/healthz' && !healthy ? 500 : 200
      response.end()
    })
    const gateway = await gatewayFor({
      servers: [{ address: sick.address }, { address: a.address }],
      health: { http: { path: '/healthz' }, interval: '100ms', timeout: '1s', healthyAfter: 1, unhealthyAfter: 1 },
    })
    await gateway.logLines(
      'postern.log',
      (line) => line.includes('"server-health"') && line.includes('"healthy":false'),
    )
    assert.deepEqual(await served(gateway, 4), { a: 4 })
    healthy = true
    await gateway.logLines('postern.log', (line) => line.includes('"server-health"') && line.includes('"healthy":true'))
    assert.deepEqual(await served(gateway, 4), { a: 2, sick: 2 })
  })

  it('verifies as traffic does: a server that cannot be trusted gets no request, and the event says why (I4)', async () => {
    const root = await createRoot({ commonName: 'Checked CA' })
    const other = await createRoot({ commonName: 'Unknown CA' })
    await using good = await startTlsBackend({ identity: await createLeaf(root, { names: ['backend.test'] }) })
    await using bad = await startTlsBackend({ identity: await createLeaf(other, { names: ['backend.test'] }) })
    const gateway = await startTestGateway(
      {
        trustStores: { test: { sources: [{ file: './ca.pem' }] } },
        targets: {
          t: {
            url: 'https://backend.test',
            servers: [{ address: `127.0.0.1:${bad.port}` }, { address: `127.0.0.1:${good.port}` }],
            tls: { trust: ['test'] },
            health: { tcp: true, interval: '100ms', unhealthyAfter: 1 },
          },
        },
        proxies: { t: { basePath: '/', target: 't' } },
      },
      { files: { 'ca.pem': root.certificatePem } },
    )
    gateways.push(gateway)
    const lines = await gateway.logLines('postern.log', (line) => line.includes('"server-health"'))
    const event = lines.find((line) => line.includes('"server-health"')) ?? ''
    assert.match(event, /"verdict":"(missing-root|unknown-issuer|missing-intermediate)"/)
    assert.match(event, new RegExp(`127.0.0.1:${bad.port}`))
    for (let i = 0; i < 4; i++) assert.equal((await ask(gateway)).status, 200)
    assert.equal(good.seen.length, 4)
    assert.equal(bad.seen.length, 0)
  })

  it('that no server passes leaves none: the request is refused, and the log says what each one lacks', async () => {
    const gateway = await gatewayFor({
      servers: [{ address: dead }],
      health: { tcp: true, interval: '100ms', unhealthyAfter: 1 },
    })
    await gateway.logLines('postern.log', (line) => line.includes('"server-health"'))
    assert.equal((await ask(gateway)).status, 503)
    const lines = await gateway.logLines('postern.log', (line) => line.includes('"no-server"'))
    assert.match(lines.find((line) => line.includes('"no-server"')) ?? '', /connection-refused/)
  })
})
