import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { startTestGateway } from '../support/gateway.ts'
import { ok, startBackend } from './backend.ts'
import { ask, get, statusOf } from './peer.ts'

/* A worker that dies takes its requests under way with it, and nothing else. */

const backend = await startBackend(async () => {
  await sleep(1)
  return ok('ok')
})
const gateway = await startTestGateway(
  { targets: { b: { url: `http://127.0.0.1:${backend.port}` } }, proxies: { b: { basePath: '/', target: 'b' } } },
  { workers: 2 },
)
const port = gateway.gateway.ports['http'] ?? 0
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

/** Whether one request got its response. */
function once(agent: Agent | false, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const outgoing = httpRequest({ host: '127.0.0.1', port, path, agent }, (response: IncomingMessage) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode === 200))
      response.on('error', () => resolve(false))
    })
    outgoing.on('error', () => resolve(false))
    outgoing.end()
  })
}

interface Load {
  stop(): Promise<{ readonly answered: number; readonly lost: readonly number[] }>
}

/** Clients that ask again and again over a kept connection each; `lost` counts per client. */
function startLoad(clients: number): Load {
  const running = { going: true }
  let answered = 0
  const lost = Array.from({ length: clients }, () => 0)
  const loops = lost.map(async (_, index) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (running.going) {
      if (await once(agent, '/load')) answered++
      else lost[index] = (lost[index] ?? 0) + 1
    }
    agent.destroy()
  })
  return {
    async stop() {
      running.going = false
      await Promise.all(loops)
      return { answered, lost }
    },
  }
}

/** Every sample of a counter, by its name and labels. */
function counters(): ReadonlyMap<string, number> {
  const text = gateway.gateway.metricsText()
  const names = new Set([...text.matchAll(/^# TYPE (\S+) (?:counter|histogram)$/gm)].map(([, name]) => name))
  return new Map(
    text
      .split('\n')
      .filter((line) => names.has(/^([a-z_]+?)(?:_bucket|_sum|_count)?(?:\{| )/.exec(line)?.[1] ?? ''))
      .map((line): [string, number] => [
        line.slice(0, line.lastIndexOf(' ')),
        Number(line.slice(line.lastIndexOf(' '))),
      ]),
  )
}

function requestsCounted(): number {
  return [...counters()].reduce(
    (sum, [name, value]) => (name.startsWith('postern_requests_total') ? sum + value : sum),
    0,
  )
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (holds()) return
    await sleep(25)
  }
  throw new Error(`it did not come to be: ${what}`)
}

describe('the death of a worker under load', () => {
  it('loses at most what was under way on it; the port answers throughout and no counter falls', async (test) => {
    const clients = 16
    const load = startLoad(clients)
    test.after(() => load.stop())
    await until('load on both workers', () => requestsCounted() > 200)
    let low = counters()
    const sample = (): void => {
      const now = counters()
      for (const [name, value] of low) {
        assert.ok((now.get(name) ?? -1) >= value, `${name} fell from ${value} to ${now.get(name)}`)
      }
      low = now
    }
    const dying = gateway.gateway.workers[0]
    assert.ok(dying !== undefined)
    const { worker } = dying
    const before = requestsCounted()
    await dying.terminate()
    sample()
    assert.ok(requestsCounted() >= before)
    // From here on nobody is listening for the dead: a new connection is always taken by the living, or by the replacement,
    // which listens before it has a generation to serve.
    const marker = `"worker":${worker},`
    for (let round = 0; ; round++) {
      const paths = Array.from({ length: 8 }, (_, index) => `/fresh/${round}/${index}`)
      assert.deepEqual(
        await Promise.all(paths.map((path) => once(false, path))),
        paths.map(() => true),
      )
      sample()
      const log = readFileSync(join(gateway.directory, 'postern.log'), 'utf8')
      if (log.split('\n').some((line) => line.includes('"/fresh/') && line.includes(marker))) break
      assert.ok(round < 2000, 'the replacement never served')
    }
    assert.equal(gateway.gateway.workers.length, 2)
    const { answered, lost } = await load.stop()
    assert.ok(answered > 200)
    // Each client has one request under way at a time, so it can have lost one.
    assert.ok(Math.max(...lost) <= 1, `lost by client: ${lost.join(' ')}`)
    const total = lost.reduce((sum, count) => sum + count, 0)
    assert.ok(total < clients, `${total} of ${clients}: the other worker lost some, too`)
    // What the dead one had open is open no more.
    await until('no client connection', () =>
      /^postern_client_connections(?:\{\})? 0$/m.test(gateway.gateway.metricsText()),
    )
    const died = gateway.events.filter((event) => event.type === 'worker-died')
    assert.deepEqual(
      died.map((event) => event.died),
      [worker],
    )
  })
  it('is survived when it is the last one, too: the port answers again', async () => {
    const handles = [...gateway.gateway.workers]
    await Promise.all(handles.map((handle) => handle.terminate()))
    await until('replacements', () => gateway.gateway.workers.length === 2)
    for (let attempt = 0; ; attempt++) {
      if (await once(false, '/again')) break
      assert.ok(attempt < 400)
      await sleep(25)
    }
    assert.equal(statusOf(await ask(port, get('/again'))), 200)
    // The replacement is as good as any: it takes up the next generation with the others.
    assert.equal(
      await gateway.reconfigure({
        targets: { b: { url: `http://127.0.0.1:${backend.port}` } },
        proxies: { b: { basePath: '/', target: 'b' }, c: { basePath: '/c', target: 'b' } },
      }),
      true,
    )
  })
})
