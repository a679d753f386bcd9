import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openAlerts } from '../../src/monitor/alerts/engine.ts'
import { Store } from '../../src/monitor/store.ts'
import { openObserver } from '../../src/observer/handle.ts'
import { startReceiver } from '../monitor/alert-receiver.ts'
import { memoryMonitor } from '../monitor/memory-monitor.ts'
import { requestSample, rollupKey, rollupRow } from '../monitor/support.ts'

/* What watches is killed, and its clock is set: what was counted is there, and nobody waits for what is gone. */

const source = (path: string): string => pathToFileURL(join(import.meta.dirname, '../..', path)).href
const plan = (file: string | null) => ({
  file,
  minutesMs: 2 * 86_400_000,
  hoursMs: 30 * 86_400_000,
  daysMs: 400 * 86_400_000,
  maxBytes: 1e9,
})

function messageAt(from: number, requests: number, status = 200) {
  const one = { key: rollupKey({ status }), totalMs: 3, targetMs: 2, requestBytes: 10, responseBytes: 20 }
  const samples = [requestSample({ id: `r-${from}`, at: from })]
  const rows = [
    rollupRow(
      Array.from({ length: requests }, () => one),
      samples,
    ),
  ]
  return { worker: 1, from, rows, crowded: 0, connections: [], lag: { p50: 0, p99: 0, max: 0 } }
}

const whole = (from: number, to: number, interval: number | null) => ({ from, to, interval, by: [], where: [] })
const requestsOf = (store: Store, from: number, to: number, interval: number | null): number =>
  store.aggregate(whole(from, to, interval)).rows.reduce((sum, { requests }) => sum + requests, 0)

describe('A process that is killed while it counts', () => {
  it('leaves a file that opens, with as many in every level as it said it had written', {
    timeout: 60_000,
  }, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'postern-observe-crash-'))
    const file = join(directory, 'monitoring.db')
    const script = join(directory, 'count.ts')
    const start = Math.floor(Date.now() / 86_400_000) * 86_400_000
    await writeFile(
      script,
      `import { Store } from ${JSON.stringify(source('src/monitor/store.ts'))}
      import { rollupKey, rollupRow } from ${JSON.stringify(source('test/monitor/support.ts'))}
      let now = Number(process.argv[2])
      const store = new Store(${JSON.stringify(plan(file))}, { warn: (code) => console.log('warned ' + code), clock: () => now })
      const one = { totalMs: 3, targetMs: 2, requestBytes: 10, responseBytes: 20 }
      for (;; now += 60_000) {
        const rows = Array.from({ length: 20 }, (_, at) => rollupRow([{ ...one, key: rollupKey({ status: 200 + at }) }]))
        store.add({ worker: 1, from: now, rows, crowded: 0, connections: [], lag: { p50: 0, p99: 0, max: 0 } })
        store.tick()
        console.log(now)
        await new Promise((resolve) => setImmediate(resolve))
      }`,
    )
    try {
      let at = start
      for (const [round, ms] of [30, 130, 70].entries()) {
        const child = spawn(process.execPath, [script, String(at)], { stdio: ['ignore', 'pipe', 'inherit'] })
        let text = ''
        child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
        await once(child.stdout, 'data')
        await sleep(ms)
        child.kill('SIGKILL')
        await once(child, 'close')
        assert.doesNotMatch(text, /warned/, `round ${round}`)
        const said = Number(text.split('\n').at(-2))
        const store = new Store(plan(file), { warn: (code, why) => assert.fail(`${code} ${why}`), clock: () => said })
        const to = start + 40 * 86_400_000
        const minutes = requestsOf(store, start, to, 60_000 * 60)
        // The minute that ran, and the one before it in its time of grace, may be gone: no more.
        assert.ok(minutes >= ((said - at) / 60_000 - 2) * 20, `${minutes} of ${(said - at) / 60_000} minutes`)
        assert.equal(minutes % 20, 0)
        assert.equal(requestsOf(store, start, to, 86_400_000), minutes)
        assert.equal(requestsOf(store, start, to, null), minutes)
        store.close()
        at = said + 60_000
      }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})

describe('A clock that is set', () => {
  it('by hours to and fro loses no count, over a restart too', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'postern-observe-clock-'))
    const file = join(directory, 'monitoring.db')
    const hour = 3_600_000
    const start = Math.floor(Date.UTC(2026, 5, 1, 12) / hour) * hour
    let now = start
    let counted = 0
    const open = (): Store =>
      new Store(plan(file), { warn: (code, why) => assert.fail(`${code} ${why}`), clock: () => now })
    let store = open()
    for (const jump of [0, 5, -5, -3, 20, -1, 0.01, -19]) {
      now += jump * hour
      for (let minute = 0; minute < 4; minute++, now += 60_000) {
        store.add(messageAt(now, 7))
        counted += 7
        store.tick()
      }
      if (jump === 20) {
        store.close()
        store = open()
      }
    }
    store.close()
    store = open()
    for (const interval of [null, hour, 24 * hour]) {
      assert.equal(requestsOf(store, start - 48 * hour, start + 48 * hour, interval), counted)
    }
    assert.equal(store.lost, 0)
    store.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('back by hours holds no alert back', async () => {
    await using hook = await startReceiver()
    const requests: { at: number }[] = []
    let now = Date.UTC(2026, 6, 1, 12, 0, 5)
    const bean = {
      name: 'many',
      environment: 'test',
      throttleIntervalSeconds: 60,
      conditions: [{ metric: 'count', threshold: 1, dimensions: { env: 'test' } }],
      notifications: [{ channel: 'webhook', destination: hook.url }],
    }
    const alerts = openAlerts({
      monitor: memoryMonitor(requests),
      rules: async () => [{ id: 'a', organization: 'acme', bean }],
      certificates: () => [],
      collection: async () => null,
      region: () => '',
      clock: () => now,
      everyMs: 0,
    })
    for (const set of [0, -6 * 3_600_000]) {
      now += set
      for (let at = 0; at < 3; at++) requests.push({ at: now - 60_000 })
      await alerts.evaluate()
      now += 120_000
      await alerts.evaluate()
    }
    assert.deepEqual(
      alerts.history('acme', 0, now * 2, null).map(({ notice }) => notice),
      ['sent', 'sent'],
    )
    await alerts.close()
  })
})

describe('The thread of monitoring', () => {
  it('that dies answers nobody late: every question is refused at once, and the next ones are answered', {
    timeout: 30_000,
  }, async () => {
    const warnings: string[] = []
    const observer = openObserver({ warn: (code) => warnings.push(code) })
    const resource = {
      organization: 'acme',
      environment: 'test',
      region: '',
      hostName: 'h',
      version: '1',
      instance: 'i',
    }
    observer.configure({ monitoring: plan(null), otlp: null, outlets: [], resource })
    const now = Date.now()
    observer.rollup(messageAt(now, 5))
    assert.equal(
      (await observer.ask({ kind: 'aggregate', query: whole(now - 3_600_000, now + 3_600_000, null) })).rows.length,
      1,
    )
    const asked = Array.from({ length: 20 }, () =>
      observer.ask({ kind: 'aggregate', query: whole(now - 3_600_000, now + 3_600_000, 60_000) }).then(
        () => 'answered',
        (error: { code?: string }) => error.code ?? '',
      ),
    )
    await observer.terminate()
    for (const outcome of await Promise.all(asked)) assert.match(outcome, /^(answered|monitoring-unavailable)$/)
    await assert.rejects(observer.ask({ kind: 'health' }), { code: 'monitoring-unavailable' })
    assert.equal(observer.losses().rollupRequests, 5)
    assert.ok(warnings.includes('observer-died'))
    for (;;) {
      const health = await observer.ask({ kind: 'health' }).catch(() => null)
      if (health !== null) break
      await sleep(50)
    }
    await observer.close(1000)
  })
})
