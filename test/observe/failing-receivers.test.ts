import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import type { PosternEvent } from '../../src/observe/events.ts'
import { Store } from '../../src/monitor/store.ts'
import { startReceiver as startHook } from '../monitor/alert-receiver.ts'
import { alike, rollupMessage } from '../monitor/support.ts'
import { streamReceiver } from '../observer/syslog-receiver.ts'
import { type Receiver, type ReceiverOptions, startReceiver } from '../otlp/receiver.ts'
import { adminPassword, startManagedGateway } from '../support/managed-gateway.ts'
import { readExposition } from '../support/prometheus.ts'
import { openLoad } from './light-load.ts'
import { smallDisk } from './small-disk.ts'

test('whatever takes logs, telemetry, counts and alerts may fail: requests go on, the loss is counted and said', async (t) => {
  const disk = await smallDisk(t, 'size=512k')
  const directory = await mkdtemp(join(tmpdir(), 'postern-failing-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const monitoringFile = join(directory, 'monitoring.db')
  fillStore(monitoringFile)
  const backend = createServer((_request, response) => void response.end('ok')).listen(0, '127.0.0.1')
  await once(backend, 'listening')
  t.after(() => void backend.close())
  await using syslog = await streamReceiver()
  let otlpStalls = false
  const otlpAnswers: ReceiverOptions = { answer: () => (otlpStalls ? new Promise<never>(() => {}) : false) }
  let otlp: Receiver = await startReceiver(otlpAnswers)
  t.after(() => otlp[Symbol.asyncDispose]())
  await using refusing = await startHook(() => 410)
  const away = await closedPort()
  const observers = observersOf(t)

  const events: PosternEvent[] = []
  await using gateway = await startManagedGateway(
    {
      targets: { b: { url: `http://127.0.0.1:${(backend.address() as AddressInfo).port}` } },
      proxies: { p: { basePath: '/', target: 'b' } },
      logs: [
        { format: 'native', file: 'postern.log' },
        { format: 'native', file: disk === null ? 'small.log' : join(disk, 'small.log') },
        { format: 'native', syslog: { address: `tcp://127.0.0.1:${syslog.port}` } },
        { format: 'native', otlp: true },
      ],
      otlp: { endpoint: otlp.url, timeout: '1s', metrics: { interval: '1s' } },
      tracing: { sample: 1 },
    },
    { workers: 2, monitoringFile, onEvent: (event) => void events.push(event) },
  )
  const said = (code: string): readonly string[] =>
    events.flatMap((event) => (event.type === 'warning' && event.code === code ? [event.message] : []))
  const lost = (name: string, labels: Readonly<Record<string, string>>): number =>
    readExposition(gateway.gateway.metricsText())
      .filter(
        (each) =>
          each.name === name && Object.entries(labels).every(([key, value]) => each.labels[key]?.startsWith(value)),
      )
      .reduce((sum, { value }) => sum + value, 0)
  const lines = (sink: string): number => lost('postern_log_records_lost_total', { sink })
  const signal = (name: string): number => lost('postern_observability_lost_total', { signal: name })
  const port = (): number | null => gateway.gateway.managementPort
  const load = openLoad(gateway.port)
  t.after(() => load.end())
  /** All requests were answered in time, and new ones are. */
  const goesOn = async (): Promise<void> => {
    const before = load.answered
    await until('requests are answered', () => load.answered > before + 20)
    load.check()
  }
  for (const [name, { url }] of Object.entries({ refusing, away })) {
    const rule = {
      name,
      environment: 'test',
      conditions: [{ metric: 'count', threshold: 1, comparator: '>', durationSeconds: 60 }],
      notifications: [{ channel: 'webhook', destination: url }],
    }
    const { status, text } = await call(port(), 'POST', '/organizations/acme/alerts', rule)
    assert.ok(status < 300, text)
  }
  await goesOn()

  await t.test('nothing is lost while all of them work', async () => {
    await until('syslog has lines', () => syslog.messages.some((message) => message.includes('/light/')))
    await until('OTLP has all three', () =>
      ['spans', 'logs', 'metrics'].every((kind) => otlp.records(kind as 'logs').length > 0),
    )
    assert.deepEqual([lines(''), signal('')], [0, 0])
    assert.deepEqual(
      events.filter(({ type }) => type === 'warning'),
      [],
    )
  })

  await t.test('a log file on a full disk', { skip: disk === null }, async () => {
    const file = join(disk ?? '', 'small.log')
    const sink = 'file:small.log'
    await load.burst(150)
    await until('lines are lost', () => lines(sink) > 0)
    await goesOn()
    assert.equal(said('log-sink-failing').length, 1)
    assert.match(said('log-sink-failing')[0] ?? '', /small\.log: lines are being lost: ENOSPC/)
    await truncate(file)
    await until('lines are written again', async () => (await readFile(file, 'utf8')).includes('/light/'))
    await goesOn()
    assert.equal(said('log-sink-failing').length, 1)
    assert.match(said('log-sink-restored')[0] ?? '', /takes lines again; \d+ were lost meanwhile$/)
  })

  await t.test('an OTLP receiver that takes requests and never answers, and then is gone', async () => {
    otlpStalls = true
    const { port: same } = otlp
    await until('an export that waits', () => said('otlp-failing').length > 0)
    await load.burst(3_000)
    await until('log records, spans and metrics are lost', () => {
      return lines('outlet:otlp') > 0 && signal('spans') > 0 && signal('metrics') > 0
    })
    await goesOn()
    await otlp[Symbol.asyncDispose]()
    await goesOn()
    assert.equal(said('otlp-failing').length, 1, said('otlp-failing').join('\n'))
    otlpStalls = false
    otlp = await startReceiver({ ...otlpAnswers, port: same })
    await until('it is sent to again', () => otlp.records('logs').length > 0 && otlp.records('metrics').length > 0)
    await until('and that is said', () => said('otlp-restored').length > 0)
    await goesOn()
  })

  await t.test('a syslog server that stops reading', async () => {
    for (const socket of syslog.connections) socket.pause()
    const lostBefore = lines('outlet:syslog')
    for (let bursts = 0; said('syslog-failing').length === 0; bursts++) {
      assert.ok(bursts < 20, 'nothing is said of what is lost')
      await load.burst(500)
    }
    await until('that is counted', () => lines('outlet:syslog') > lostBefore)
    await goesOn()
    assert.equal(said('syslog-failing').length, 1)
    const before = syslog.messages.length
    for (const socket of syslog.connections) socket.resume()
    const number = load.answered
    await until('what comes now is taken', () => load.answered > number && syslog.messages.length > before + 1_000)
    const kept = lines('outlet:syslog')
    await goesOn()
    assert.equal(lines('outlet:syslog'), kept, 'nothing more is lost')
  })

  await t.test('receivers of alerts that are away, or will never take them', async () => {
    const health = async () => JSON.parse((await call(port(), 'GET', '/alerts/health')).text) as AlertsHealth
    await until('one alert is lost', () => signal('alerts') === 1)
    await until('the other is tried again', async () => (await health()).retried > 0)
    const { problem, failed } = await health()
    assert.equal(failed, 1)
    assert.match(problem, /: the receiver answered 410$/)
    assert.equal(said('alert-not-delivered').length, 1)
    assert.match(said('alert-not-delivered')[0] ?? '', /: the receiver answered 410$/)
    const { port: same } = away
    const taken: unknown[] = []
    const hook = createServer((request, response) => {
      taken.push(request.url)
      response.writeHead(204).end()
    }).listen(same, '127.0.0.1')
    t.after(() => void hook.close())
    await until('the other is delivered', async () => (await health()).delivered === 1)
    assert.deepEqual(taken, ['/hook'])
    assert.equal(signal('alerts'), 1)
    await goesOn()
  })

  await t.test('a monitoring database that is overwritten while it is in use', async () => {
    const requests = async (): Promise<number> => {
      const { rows } = await gateway.gateway.monitor.aggregate(everything)
      return rows.reduce((sum, row) => sum + row.requests, 0)
    }
    assert.ok((await requests()) > 60 * 3)
    // Pages are read again once somebody else has written.
    const other = new DatabaseSync(monitoringFile)
    other.exec('CREATE TABLE stray (x)')
    other.close()
    for (const file of [monitoringFile, `${monitoringFile}-wal`]) {
      await writeFile(file, Buffer.alloc((await stat(file)).size, 0xa7), { flag: 'r+' })
    }
    await requests()
    assert.equal(said('monitoring-damaged').length, 1)
    const aside = (await readdir(directory)).filter((name) => name.includes('.damaged-') && !/-(?:wal|shm)$/.test(name))
    assert.equal(aside.length, 1)
    const before = await requests()
    await goesOn()
    await until('what comes now is counted', async () => (await requests()) > before)
    assert.equal((await gateway.gateway.monitor.health()).problem, '')
  })

  await t.test('the thread that keeps and sends all of it dies', async () => {
    assert.equal(observers.length, 1)
    const before = signal('rollups')
    await observers[0]?.terminate()
    await goesOn()
    await until('another one has begun', () => observers.length === 2)
    assert.equal(said('observer-died').length, 1)
    assert.ok(signal('rollups') > before, 'what it held in memory is counted')
    const health = await gateway.gateway.monitor.health()
    assert.equal(health.problem, '')
    const sent = otlp.records('logs').length
    await until('it sends again', () => otlp.records('logs').length > sent)
    const { connections } = syslog
    await until('to all', () => connections.length === 2 && syslog.messages.length > 0)
    await goesOn()
  })
})

test('a gateway whose monitoring database is garbage at the start begins another one and says so', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-failing-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const monitoringFile = join(directory, 'monitoring.db')
  const garbage = Buffer.alloc(20_000, 0xa7)
  await writeFile(monitoringFile, garbage)
  const events: PosternEvent[] = []
  await using gateway = await startManagedGateway({}, { monitoringFile, onEvent: (event) => void events.push(event) })
  const answer = await fetch(`http://127.0.0.1:${gateway.port}/nowhere`)
  assert.equal(answer.status, 404)
  await answer.arrayBuffer()
  await until('it is counted', async () => {
    const { rows } = await gateway.gateway.monitor.aggregate(everything)
    return rows.some(({ requests }) => requests === 1)
  })
  const said = events.filter((event) => event.type === 'warning' && event.code === 'monitoring-damaged')
  assert.equal(said.length, 1)
  const [aside = ''] = (await readdir(directory)).filter((name) => name.includes('.damaged-'))
  assert.deepEqual(await readFile(join(directory, aside)), garbage, 'as it was found')
})

const everything = { from: 0, to: 9e12, interval: null, by: [], where: [] } as const

interface AlertsHealth {
  readonly retried: number
  readonly failed: number
  readonly delivered: number
  readonly problem: string
}

interface Called {
  readonly status: number
  readonly text: string
}

async function call(port: number | null, method: string, path: string, body?: object): Promise<Called> {
  const authorization = `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}`
  const response = await fetch(`http://127.0.0.1:${port}/api${path}`, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, text: await response.text() }
}

/** Counts of the last hour, as a process before this one has left them; alerts are evaluated by whole minutes. */
function fillStore(file: string): void {
  const day = 86_400_000
  const plan = { file, minutesMs: 2 * day, hoursMs: 30 * day, daysMs: 400 * day, maxBytes: 2 ** 28 }
  const store = new Store(plan, { warn: (code, message) => assert.fail(`${code} ${message}`) })
  for (let minute = 60; minute >= 0; minute--) store.add(rollupMessage(Date.now() - minute * 60_000, [alike(3)]))
  store.close()
}

/** Nobody listens there, until somebody does. */
async function closedPort(): Promise<{ readonly url: string; readonly port: number }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return { url: `http://127.0.0.1:${port}/hook`, port }
}

/** Threads of that name, as they begin. */
function observersOf(t: TestContext): readonly Worker[] {
  const found: Worker[] = []
  const onWorker = (worker: Worker): void => {
    if (worker.threadName === 'postern-observer') found.push(worker)
  }
  process.on('worker', onWorker)
  t.after(() => process.off('worker', onWorker))
  return found
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline; await sleep(20)) if (await holds()) return
  throw new Error(`not within fifteen seconds: ${what}`)
}
