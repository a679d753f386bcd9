import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RecordedTransaction } from '../../src/observe/recording.ts'
import { type ObserverHandle, openObserver } from '../../src/observer/handle.ts'
import type { ObserverPlan } from '../../src/observer/protocol.ts'
import { alike, requestSample, rollupMessage, untrusted } from '../monitor/support.ts'

const all = { kind: 'aggregate', query: { from: 0, to: 9e12, interval: null, by: [], where: [] } } as const

describe('the observer thread', () => {
  it('answers a question with what was told it before', async (t) => {
    const { observer } = opened(t)
    observer.configure(plan(null))
    const now = Date.now()
    observer.rollup(rollupMessage(now, [alike(3), alike(2, untrusted)]))
    observer.rollup(rollupMessage(now, [alike(4)], 2))
    const answer = await observer.ask({ kind: 'aggregate', query: { ...all.query, by: ['verdict'] } })
    assert.deepEqual(
      answer.rows.map(({ values, requests, faults }) => ({ values, requests, faults })),
      [
        { values: [''], requests: 7, faults: 0 },
        { values: ['missing-root'], requests: 2, faults: 2 },
      ],
    )
  })

  it('keeps what it was told over its end', async (t) => {
    const directory = await temporary(t)
    const file = join(directory, 'observed.sqlite')
    const first = opened(t)
    first.observer.configure(plan(file))
    const row = { ...alike(3, untrusted), samples: [requestSample({ id: 'gw-7', at: Date.now() })] }
    first.observer.rollup(rollupMessage(Date.now(), [row]))
    await first.observer.close(5_000)
    assert.deepEqual(first.warnings, [])

    const second = opened(t)
    second.observer.configure(plan(file))
    assert.equal((await second.observer.ask(all)).rows[0]?.requests, 3)
    const found = await second.observer.ask({ kind: 'find', id: 'gw-7' })
    assert.equal(found?.key.verdict, 'missing-root')
    assert.equal(await second.observer.ask({ kind: 'find', id: 'gw-8' }), null)
    await second.observer.close(5_000)
    assert.deepEqual(await readdir(directory), ['observed.sqlite'])
  })

  it('that dies is begun again with the same plan; what it had written is there, what it held is counted as lost', async (t) => {
    const file = join(await temporary(t), 'observed.sqlite')
    const { observer, warnings } = opened(t)
    observer.configure(plan(file))
    observer.rollup(rollupMessage(Date.now() - 300_000, [alike(3)]))
    await until(async () => (await readWritten(file)) > 0, 'the minute that is over is written')
    observer.rollup(rollupMessage(Date.now(), [alike(5)]))
    await observer.ask({ kind: 'health' })
    const open = observer.ask(all)
    const ended = observer.terminate()
    await assert.rejects(open, { code: 'monitoring-unavailable' })
    await ended
    await assert.rejects(observer.ask(all), { code: 'monitoring-unavailable' }, 'while there is none')
    // Counted by the workers meanwhile.
    observer.rollup(rollupMessage(Date.now(), [alike(7)]))
    await until(
      () =>
        observer.ask({ kind: 'health' }).then(
          () => true,
          () => false,
        ),
      'it answers again',
    )
    assert.equal((await observer.ask(all)).rows[0]?.requests, 3 + 7)
    assert.equal(observer.losses().rollupRequests, 5)
    assert.deepEqual(warnings, ['observer-died'])
    await observer.close(5_000)
    assert.equal(observer.losses().rollupRequests, 5, 'what it held at the end is written')
  })

  it('that does not keep up is given no more than it may hold; the rest is counted', async (t) => {
    const file = join(await temporary(t), 'observed.sqlite')
    const { observer, warnings } = opened(t)
    observer.configure(plan(file))
    await observer.ask({ kind: 'health' })
    // Whoever holds the file: the thread waits for a second when it writes.
    const holder = new DatabaseSync(file)
    holder.exec('BEGIN IMMEDIATE')
    observer.rollup(rollupMessage(Date.now() - 300_000, [alike(1)]))
    await sleep(1_200)
    let done = 0
    for (let at = 0; at < 300; at++) observer.rollup(rollupMessage(Date.now(), [alike(1)]))
    const line = new Uint8Array(256 * 1024)
    for (let at = 0; at < 40; at++) observer.log('nowhere', line, 3, () => done++)
    assert.equal(done, 40, 'nobody waits for it')
    const text = JSON.stringify(Array.from({ length: 1_000 }, () => transaction))
    for (let at = 0; at < 5; at++) observer.spans({ text, transactions: 1_000 })
    holder.exec('COMMIT')
    holder.close()

    const { rollupRequests, logRecords, spans } = observer.losses()
    assert.ok(rollupRequests >= 300 - 240 && rollupRequests < 80, String(rollupRequests))
    assert.ok((logRecords['nowhere'] ?? 0) >= 8 * 3, JSON.stringify(logRecords))
    assert.equal(spans, 1_000)
    assert.deepEqual(
      warnings.filter((code) => code.startsWith('observer-')),
      ['observer-behind-rollups', 'observer-behind-log-lines', 'observer-behind-spans'],
    )
    assert.equal((await observer.ask(all)).rows[0]?.requests, 301 - rollupRequests)
  })

  it('without monitoring says so to who asks', async (t) => {
    const { observer } = opened(t)
    observer.configure({ ...plan(null), monitoring: null })
    observer.rollup(rollupMessage(Date.now(), [alike(1)]))
    await assert.rejects(observer.ask(all), { code: 'monitoring-off' })
    observer.configure(plan(null))
    observer.rollup(rollupMessage(Date.now(), [alike(2)]))
    assert.equal((await observer.ask(all)).rows[0]?.requests, 2)
    await assert.rejects(observer.ask({ ...all, query: { ...all.query, interval: 7 } }), { code: 'monitoring-query' })
  })

  it('answers nobody once it is closed, and closing it twice is no harm', async (t) => {
    const { observer, warnings } = opened(t)
    observer.configure(plan(null))
    await observer.close(1_000)
    await observer.close(1_000)
    await assert.rejects(observer.ask(all), { code: 'monitoring-unavailable' })
    observer.rollup(rollupMessage(Date.now(), [alike(2)]))
    observer.log('x', new Uint8Array(3), 1, () => {})
    assert.deepEqual([observer.losses().rollupRequests, observer.losses().logRecords], [2, { x: 1 }])
    assert.deepEqual(warnings, [])
  })
})

const transaction = { sessions: [], steps: [] } as unknown as RecordedTransaction

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await holds()) return
    await sleep(25)
  }
  assert.fail(`not in time: ${what}`)
}

async function readWritten(file: string): Promise<number> {
  try {
    const db = new DatabaseSync(file, { readOnly: true })
    try {
      return Number(db.prepare('SELECT count(*) AS n FROM minute').get()?.['n'])
    } finally {
      db.close()
    }
  } catch {
    return 0
  }
}

function plan(file: string | null): ObserverPlan {
  const day = 86_400_000
  return {
    resource: { organization: 'acme', environment: 'test', region: '', hostName: 'h', version: '0', instance: 'i' },
    monitoring: { file, minutesMs: day, hoursMs: 30 * day, daysMs: 400 * day, maxBytes: 64 * 1024 * 1024 },
    otlp: null,
    outlets: [],
  }
}

function opened(t: TestContext): { readonly observer: ObserverHandle; readonly warnings: string[] } {
  const warnings: string[] = []
  const observer = openObserver({ warn: (code) => warnings.push(code) })
  t.after(() => observer.close(1_000))
  return { observer, warnings }
}

async function temporary(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-observed-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}
