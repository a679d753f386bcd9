import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { get, parseAnswer } from '../scenarios/lab-gateway.ts'
import { startTestGateway, type TestConfig, type TestGateway } from '../support/gateway.ts'
import { readUntil } from '../support/raw-client.ts'

/** A backend over plain HTTP that says its name, the path and the Host it was asked for. */
interface NamedBackend extends AsyncDisposable {
  readonly url: string
  readonly host: string
  connections: number
  readonly held: (() => void)[]
}

async function backendNamed(name: string): Promise<NamedBackend> {
  const held: (() => void)[] = []
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const answer = (): void => void response.end(`${name} ${request.url} ${request.headers.host}`)
    if (request.url?.endsWith('/held') === true) held.push(answer)
    else answer()
  })
  server.keepAliveTimeout = 60_000
  server.on('connection', () => backend.connections++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const backend: NamedBackend = {
    url: `http://${host}`,
    host,
    connections: 0,
    held,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return backend
}

function oneProxy(url: string, more: object = {}): TestConfig {
  return { targets: { backend: { url, ...more } }, proxies: { api: { basePath: '/api', target: 'backend' } } }
}

const portOf = ({ gateway }: TestGateway, name = 'http'): number => gateway.ports[name] ?? 0

/** Bodies of requests over connections of their own, enough of them to reach every worker. */
async function askAll(port: number, path: string, count = 40): Promise<readonly string[]> {
  const answers = await Promise.all(Array.from({ length: count }, () => get(port, path)))
  return [...new Set(answers.map(({ status, body }) => (status === 200 ? body : String(status))))]
}

async function begin(port: number, path: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`GET ${path} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n`)
  await once(socket, 'connect')
  return socket
}

async function until(done: () => boolean): Promise<void> {
  const timeout = AbortSignal.timeout(10_000)
  while (!done()) {
    assert.equal(timeout.aborted, false, 'it did not come within 10 s')
    await sleep(5)
  }
}

/** `refused`: nobody listens. */
async function reach(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return 'accepted'
  } catch {
    return 'refused'
  } finally {
    socket.destroy()
  }
}

describe('a changed configuration', () => {
  it('is in force on every worker when reload() says so, and moves the traffic of a target', async () => {
    await using one = await backendNamed('one')
    await using two = await backendNamed('two')
    await using gateway = await startTestGateway(oneProxy(`${one.url}/v1`), { workers: 3 })
    assert.deepEqual(await askAll(portOf(gateway), '/api/x'), [`one /v1/x ${one.host}`])
    assert.equal(await gateway.reconfigure(oneProxy(`${two.url}/v2`)), true)
    assert.deepEqual(await askAll(portOf(gateway), '/api/x'), [`two /v2/x ${two.host}`])
    assert.equal(gateway.gateway.generation, 2)
    const lines = await gateway.logLines('postern.log', (line) => line.includes('/v2/x'))
    const workers = lines.flatMap((line) => /"type":"access".*"worker":(\d)/.exec(line)?.[1] ?? [])
    assert.deepEqual([...new Set(workers)].toSorted(), ['0', '1', '2'], 'the test reached every worker')
  })

  it('that is the same in other words is no new generation', async () => {
    await using one = await backendNamed('one')
    await using gateway = await startTestGateway(oneProxy(one.url))
    const { proxies, targets } = oneProxy(one.url)
    assert.equal(await gateway.reconfigure({ proxies, targets }), false)
    assert.equal(gateway.gateway.generation, 1)
  })

  it('keeps the connections of targets that it does not touch, and closes those of targets that it does', async () => {
    await using one = await backendNamed('one')
    await using two = await backendNamed('two')
    const config = (keepAlive: string): TestConfig => ({
      targets: { one: { url: one.url }, two: { url: two.url, timeouts: { keepAlive } } },
      proxies: { one: { basePath: '/one', target: 'one' }, two: { basePath: '/two', target: 'two' } },
    })
    await using gateway = await startTestGateway(config('30s'))
    const ask = async (): Promise<void> => {
      for (const path of ['/one/', '/two/']) assert.equal((await get(portOf(gateway), path)).status, 200)
    }
    await ask()
    assert.deepEqual([one.connections, two.connections], [1, 1])
    await gateway.reconfigure(config('31s'))
    await ask()
    assert.deepEqual([one.connections, two.connections], [1, 2])
    await gateway.reconfigure({ ...config('31s'), environment: 'other' })
    await ask()
    assert.deepEqual([one.connections, two.connections], [1, 2])
  })

  it('that removes a proxy lets its requests in flight end, and answers 404 from then on', async () => {
    await using one = await backendNamed('one')
    await using gateway = await startTestGateway(oneProxy(one.url))
    const busy = await begin(portOf(gateway), '/api/held')
    await until(() => one.held.length === 1)
    assert.equal(await gateway.reconfigure({ targets: {}, proxies: {} }), true)
    assert.equal((await get(portOf(gateway), '/api/x')).status, 404)
    for (const release of one.held) release()
    const answer = parseAnswer(await readUntil(busy, () => false))
    assert.deepEqual([answer.status, answer.body], [200, `one /held ${one.host}`])
  })

  it('sends a request that waits for a connection to where its target has moved, made anew for it', async () => {
    await using one = await backendNamed('one')
    await using two = await backendNamed('two')
    const limits = { limits: { connections: 1, pending: 10 } }
    await using gateway = await startTestGateway(oneProxy(`${one.url}/v1`, limits))
    const busy = await begin(portOf(gateway), '/api/held')
    await until(() => one.held.length === 1)
    const waiting = await Promise.all([1, 2].map(() => begin(portOf(gateway), '/api/x')))
    const answers = waiting.map((socket) => readUntil(socket, () => false))
    // They have no sign of their own to wait for: this one was accepted after them, by the same worker.
    assert.equal((await get(portOf(gateway), '/none')).status, 404)
    assert.equal(await gateway.reconfigure(oneProxy(`${two.url}/v2`, limits)), true)
    for (const answer of answers) assert.equal(parseAnswer(await answer).body, `two /v2/x ${two.host}`)
    for (const release of one.held) release()
    assert.equal(parseAnswer(await readUntil(busy, () => false)).status, 200)
    assert.equal(one.connections, 1)
  })

  it('that removes the proxy of a request that waits for a connection ends it as a missing route', async () => {
    await using one = await backendNamed('one')
    const limits = { limits: { connections: 1, pending: 10 } }
    await using gateway = await startTestGateway(oneProxy(one.url, limits))
    const busy = await begin(portOf(gateway), '/api/held')
    await until(() => one.held.length === 1)
    const waiting = await begin(portOf(gateway), '/api/x')
    assert.equal((await get(portOf(gateway), '/none')).status, 404)
    await gateway.reconfigure({ targets: {}, proxies: {} })
    assert.equal(parseAnswer(await readUntil(waiting, () => false)).status, 404)
    busy.destroy()
  })
})

describe('listeners of a changed configuration', () => {
  it('move with their port, in both directions', async () => {
    await using one = await backendNamed('one')
    const [first, second] = [await freePort(), await freePort()]
    const at = (port: number): TestConfig => ({
      ...oneProxy(one.url),
      listeners: [{ name: 'http', address: '127.0.0.1', port }],
    })
    await using gateway = await startTestGateway(at(first), { workers: 2 })
    const old = connect(first, '127.0.0.1')
    await once(old, 'connect')
    // The kernel has taken it; a listener that closes before its worker has, resets it.
    old.on('error', () => {})
    const closed = new Promise((resolve) => old.resume().once('close', resolve))
    for (const [from, to] of [
      [first, second],
      [second, first],
    ] as const) {
      assert.equal(await gateway.reconfigure(at(to)), true)
      assert.equal(portOf(gateway), to)
      assert.deepEqual(await askAll(to, '/api/x'), [`one /x ${one.host}`])
      assert.equal(await reach(from), 'refused')
    }
    await closed
  })

  it('come and go by name; a port that the system chose stays with its listener', async () => {
    await using one = await backendNamed('one')
    const named = (...names: string[]): TestConfig => ({
      ...oneProxy(one.url),
      listeners: names.map((name) => ({ name, address: '127.0.0.1', port: 0 })),
    })
    await using gateway = await startTestGateway(named('http'), { workers: 2 })
    const port = portOf(gateway)
    await gateway.reconfigure(named('http', 'second'))
    assert.equal(portOf(gateway), port)
    const second = portOf(gateway, 'second')
    assert.deepEqual(await askAll(second, '/api/x'), [`one /x ${one.host}`])
    await gateway.reconfigure(named('http'))
    assert.equal(await reach(second), 'refused')
    assert.deepEqual(Object.keys(gateway.gateway.ports), ['http'])
    assert.deepEqual(await askAll(port, '/api/x'), [`one /x ${one.host}`])
  })

  it('of which one cannot be opened are refused whole: nothing is half open, nothing else changes', async () => {
    await using one = await backendNamed('one')
    await using two = await backendNamed('two')
    const taken = createTcpServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const takenPort = (taken.address() as AddressInfo).port
    const free = await freePort()
    const config = (url: string, ...ports: number[]): TestConfig => ({
      ...oneProxy(url),
      listeners: [
        { name: 'http', address: '127.0.0.1', port: 0 },
        ...ports.map((port, index) => ({ name: `more-${index}`, address: '127.0.0.1', port })),
      ],
    })
    await using gateway = await startTestGateway(config(one.url), { workers: 2 })
    assert.equal(await gateway.reconfigure(config(two.url, free, takenPort)), false)
    assert.equal(await reach(free), 'refused')
    assert.deepEqual(await askAll(portOf(gateway), '/api/x'), [`one /x ${one.host}`])
    assert.equal(gateway.gateway.generation, 1)
    const [refused] = gateway.events.filter((event) => event.type === 'generation-refused')
    assert.match(refused?.problems[0] ?? '', new RegExp(`listener "more-1" cannot listen on 127.0.0.1:${takenPort}`))

    taken.close()
    await once(taken, 'close')
    await gateway.gateway.reload()
    assert.equal(gateway.gateway.generation, 2)
    for (const port of [portOf(gateway), free, takenPort]) {
      assert.deepEqual(await askAll(port, '/api/x'), [`two /x ${two.host}`])
    }
  })
})

describe('a bad configuration', () => {
  it('is refused with file, line and path; the last good one keeps serving; each is reported once', async () => {
    await using one = await backendNamed('one')
    await using gateway = await startTestGateway(oneProxy(one.url), { workers: 2 })
    const bad: readonly [string, RegExp][] = [
      ['listeners: [', /^\S+postern\.yaml:\d+:\d+ /],
      ['listeners: []\n', /postern\.yaml:1:12 {2}listeners /],
      ['listeners:\n  - { name: http, prot: 80 }\n', /postern\.yaml:2:\d+ {2}listeners\[0\]\.prot /],
      [
        'listeners:\n  - { name: http, port: 0 }\nproxies:\n  api: { basePath: /, target: nobody }\n',
        /postern\.yaml:4:\d+ {2}proxies\.api\.target /,
      ],
    ]
    for (const [index, [text, problem]] of bad.entries()) {
      await replaceFile(gateway.configFile, text)
      for (let attempt = 1; attempt <= 2; attempt++) assert.equal(await gateway.gateway.reload(), false)
      const refused = gateway.events.filter((event) => event.type === 'generation-refused')
      assert.equal(refused.length, index + 1)
      assert.match(refused.at(-1)?.problems.join('\n') ?? '', problem)
      assert.equal(refused.at(-1)?.source, gateway.configFile)
      assert.match(String(gateway.gateway.status()['lastRefused']), problem)
      assert.deepEqual(await askAll(portOf(gateway), '/api/x', 10), [`one /x ${one.host}`])
    }
    assert.equal(gateway.gateway.generation, 1)
    assert.match(gateway.gateway.metricsText(), /^postern_generations_refused_total 4$/m)
    assert.equal(await gateway.reconfigure({ ...oneProxy(one.url), environment: 'mended' }), true)
    assert.equal(gateway.gateway.status()['lastRefused'], undefined)
  })

  it('takes no log away from the one that keeps serving, however often it is refused', async () => {
    await using one = await backendNamed('one')
    const taken = createTcpServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    await using gateway = await startTestGateway(oneProxy(one.url))
    for (const attempt of [1, 2, 3]) {
      const refused = await gateway.reconfigure({
        ...oneProxy(one.url),
        listeners: [
          { name: 'http', address: '127.0.0.1', port: 0 },
          { name: 'taken', address: '127.0.0.1', port: (taken.address() as AddressInfo).port },
        ],
        logs: [{ format: 'native', file: `other-${attempt}.log` }],
      })
      assert.equal(refused, false)
      await get(portOf(gateway), `/api/attempt-${attempt}`)
    }
    taken.close()
    for (const attempt of [1, 2, 3]) {
      await gateway.logLines('postern.log', (line) => line.includes(`/api/attempt-${attempt}`))
    }
    const lost = gateway.gateway.metricsText().match(/^postern_log_records_lost_total\{.*\} \d+$/gm) ?? []
    assert.ok(lost.length > 0 && lost.every((line) => line.endsWith(' 0')), lost.join('\n'))
  })
})

it('a worker that dies while a generation is built does not refuse it; its successor starts with it', async () => {
  await using one = await backendNamed('one')
  await using two = await backendNamed('two')
  for (const index of [0, 1]) {
    await using gateway = await startTestGateway(oneProxy(one.url), { workers: 2 })
    await replaceFile(gateway.configFile, JSON.stringify({ ...complete, ...oneProxy(two.url) }))
    const victim = gateway.gateway.workers[index]
    const reload = gateway.gateway.reload()
    await Promise.all([reload, victim?.terminate()])
    assert.equal(gateway.gateway.generation, 2)
    assert.deepEqual(
      gateway.events.filter((event) => event.type === 'generation-refused'),
      [],
    )
    await gateway.gateway.reload()
    await until(() => gateway.gateway.workers.length === 2)
    assert.deepEqual(await askAll(portOf(gateway), '/api/x'), [`two /x ${two.host}`])
  }
})

it('a changed management listener is not ignored in silence', async () => {
  await using one = await backendNamed('one')
  const config = (port: number): TestConfig => ({ ...oneProxy(one.url), management: { port } })
  await using gateway = await startTestGateway(config(0))
  await gateway.reconfigure(config(await freePort()))
  await gateway.gateway.reload()
  const warned = gateway.events.filter((event) => event.type === 'warning' && event.code === 'management-unchanged')
  assert.equal(warned.length, 1)
})

/** What the test support adds to a configuration. */
const complete = {
  listeners: [{ name: 'http', address: '127.0.0.1', port: 0 }],
  logs: [{ format: 'native', file: 'postern.log' }],
}

/** In one step: the watch may look at any moment, and half a file is a bad one. */
async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.next`, text)
  await rename(`${path}.next`, path)
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
