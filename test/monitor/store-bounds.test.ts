import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it } from 'node:test'
import type { Dimension } from '../../src/monitor/query.ts'
import { Store, type StoreLimits, type StorePlan } from '../../src/monitor/store.ts'
import type { RequestSample } from '../../src/observe/rollup.ts'
import { emptyCell } from '../../src/monitor/cells.ts'
import { retentionStep } from '../../src/monitor/retention.ts'
import { Written } from '../../src/monitor/written.ts'
import { alike, requestSample, rollupKey, rollupMessage, untrusted } from './support.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const start = Date.UTC(2026, 4, 30, 21, 17)

describe('bounds of the store', () => {
  it('a minute with too many rows counts the rest in fewer words, and every request of every worker', () => {
    const opened = open({ limits: { minuteRows: 10 } })
    for (const worker of [1, 2, 3]) {
      const rows = Array.from({ length: 40 }, (_, at) =>
        alike(2, { target: `w${worker}-${at}`, ...(at % 4 === 0 ? untrusted : {}) }),
      )
      opened.store.add(rollupMessage(start, rows, worker))
    }
    assert.equal(requests(opened), 240)
    assert.deepEqual(grouped(opened, 'verdict'), { '': 180, 'missing-root': 60 })
    assert.ok(opened.store.health().rows <= 2 * 10 + 2, String(opened.store.health().rows))
    assert.equal(Object.keys(grouped(opened, 'target')).length, 10 + 1, 'ten targets, and those that are not named')
    assert.equal(opened.store.health().lostRequests, 0)
    assert.deepEqual(opened.warnings, ['monitoring-crowded'], 'said once')
  })

  it('a minute that has room names them all', () => {
    const opened = open()
    opened.store.add(
      rollupMessage(
        start,
        Array.from({ length: 40 }, (_, at) => alike(1, { target: `t${at}` })),
      ),
    )
    assert.equal(Object.keys(grouped(opened, 'target')).length, 40)
    assert.deepEqual(opened.warnings, [])
  })

  it('more keys than there may be are counted in hardly any words', () => {
    const opened = open({ limits: { keys: 5 } })
    for (let at = 0; at < 30; at++) {
      opened.store.add(rollupMessage(opened.now, [alike(1, { proxyKey: `p${at}`, proxy: `p${at}` })]))
      later(opened, 2 * minute)
    }
    assert.equal(requests(opened), 30)
    assert.equal(Object.keys(grouped(opened, 'proxy')).length, 5 + 1)
  })

  it('a minute of which a part is taken out is not asked for any more: its hour is', () => {
    const written = new Written(':memory:', 5_000)
    const rows = Array.from({ length: 1_500 }, (_, at) => rollupKey({ target: `t${at}` }))
    const cell = emptyCell()
    cell.requests = 1
    const at = Math.floor(start / minute)
    written.write(
      at,
      rows.map((key) => ({ key, cell, samples: [], written: false })),
      true,
    )
    assert.equal(written.kept.minute, 0)
    const retention = { minutesMs: hour, hoursMs: day, daysMs: day, maxBytes: 1e9 }
    assert.equal(retentionStep(written, retention, start + 2 * hour), true)
    assert.equal(written.oldestOf('minute'), at, 'there is more of it')
    assert.equal(written.kept.minute, at + 1)
    written.close()
  })

  it('keys that nothing has any more make room for others', (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'postern-observed-'))
    t.after(() => rmSync(directory, { recursive: true, force: true }))
    const file = join(directory, 'observed.sqlite')
    const opened = open({ limits: { keys: 5 }, plan: { file, minutesMs: hour, hoursMs: hour, daysMs: hour } })
    for (let at = 0; at < 5; at++) {
      opened.store.add(rollupMessage(opened.now, [alike(1, { proxyKey: `p${at}`, proxy: `p${at}` })]))
    }
    later(opened, 3 * day)
    later(opened, hour)
    opened.store.add(rollupMessage(opened.now, [alike(1, { proxyKey: 'new', proxy: 'new' })]))
    later(opened, 5 * minute)
    assert.deepEqual(grouped(opened, 'proxy'), { new: 1 })
    opened.store.close()
    const db = new DatabaseSync(file)
    assert.equal(db.prepare('SELECT count(*) AS n FROM key').get()?.['n'], 1)
    db.close()
  })

  it('with more bytes than there may be the finest of the oldest goes first, and days still have every request', () => {
    const maxBytes = 600_000
    const opened = open({ plan: { maxBytes } })
    for (let at = 0; at < 400; at++) {
      const rows = Array.from({ length: 40 }, (_, target) => ({
        ...alike(1, { target: `t${target}`, ...(target < 3 ? untrusted : {}) }),
        samples: target < 3 ? [requestSample({ id: `gw-${at}-${target}`, at: opened.now })] : [],
      }))
      opened.store.add(rollupMessage(opened.now, rows))
      later(opened, minute)
    }
    later(opened, minute, 50)
    const { bytes, oldest } = opened.store.health()
    assert.ok(bytes <= maxBytes, String(bytes))
    assert.ok(bytes > maxBytes / 2, `no more than is needed: ${bytes}`)
    assert.equal(requests(opened), 400 * 40)
    assert.equal(oldest, Date.UTC(2026, 4, 30))
    const minutes = { from: opened.now - hour, to: opened.now, interval: minute, by: [], where: [] } as const
    assert.equal(opened.store.aggregate(minutes).resolution, minute, 'of the last hour every minute is there')
    assert.ok(opened.store.find('gw-399-1') !== null)
    assert.equal(opened.store.find('gw-0-1'), null)
  })
})

describe('samples', () => {
  const failed = (at: number, change: Partial<RequestSample> = {}): RequestSample =>
    requestSample({ id: `f-${at}`, at, ...change })

  it('of what failed the newest are kept, of what went well one of a minute, three of an hour', () => {
    const opened = open()
    const begin = Date.UTC(2026, 4, 30, 22)
    opened.now = begin
    for (let at = 0; at < 30; at++) {
      const times = [0, 1, 2, 3].map((n) => opened.now + n * 1_000)
      opened.store.add(
        rollupMessage(opened.now, [
          { ...alike(4, untrusted), samples: times.map((time) => failed(time)) },
          { ...alike(4), samples: times.map((time) => failed(time, { id: `w-${time}` })) },
        ]),
      )
      later(opened, minute)
    }
    later(opened, minute)
    const query = { from: begin, to: opened.now, limit: 1_000 } as const
    const bad = opened.store.samples({ ...query, where: [{ dimension: 'verdict', values: ['missing-root'] }] })
    assert.deepEqual(
      bad.map(({ sample }) => sample.at),
      Array.from({ length: 20 }, (_, at) => begin + (29 - Math.floor(at / 4)) * minute + (3 - (at % 4)) * 1_000),
      'newest first',
    )
    const well = opened.store.samples({ ...query, where: [{ dimension: 'status', values: ['200'] }] })
    assert.deepEqual(
      well.map(({ sample }) => sample.at),
      [29, 28, 27].map((at) => begin + at * minute + 3_000),
    )
    assert.deepEqual(bad[0]?.key.verdict, 'missing-root')
  })

  it('are found by the id of the request, written or not, and by nothing else', () => {
    const opened = open()
    opened.store.add(
      rollupMessage(start, [{ ...alike(1, untrusted), samples: [failed(1, { id: 'gw-1', at: start })] }]),
    )
    assert.equal(opened.store.find('gw-1')?.key.target, 'stock')
    later(opened, 5 * minute)
    assert.equal(opened.store.waiting, 0)
    assert.equal(opened.store.find('gw-1')?.key.target, 'stock')
    assert.equal(opened.store.find('gw-'), null)
  })

  it('belong to the time in which their request was counted', () => {
    const opened = open()
    const slow = failed(1, { at: start - 5_000, totalMs: 6_000 })
    opened.store.add(rollupMessage(start + 1_000, [{ ...alike(1, untrusted), samples: [slow] }]))
    for (const written of [false, true]) {
      if (written) later(opened, 5 * minute)
      assert.equal(opened.store.samples({ from: start, to: start + minute, where: [] }).length, 1)
      assert.equal(opened.store.samples({ from: start - minute, to: start, where: [] }).length, 0)
    }
  })

  it('are no more than were asked for, of many keys as of few', () => {
    const opened = open()
    const rows = Array.from({ length: 300 }, (_, at) => ({
      ...alike(1, { ...untrusted, target: `t${at}` }),
      samples: [failed(1, { id: `gw-${at}`, at: start + at })],
    }))
    opened.store.add(rollupMessage(start, rows))
    later(opened, 5 * minute)
    const ids = (values: readonly string[] | null): readonly string[] =>
      opened.store
        .samples({
          from: start,
          to: start + minute,
          limit: 2,
          where: values === null ? [] : [{ dimension: 'target', values }],
        })
        .map(({ sample }) => sample.id)
    assert.deepEqual(ids(null), ['gw-299', 'gw-298'])
    assert.deepEqual(ids(['t7', 't9', 't8']), ['gw-9', 'gw-8'])
    assert.deepEqual(ids([]), [])
  })
})

interface Opened {
  readonly store: Store
  readonly warnings: readonly string[]
  now: number
}

function open(options: { readonly plan?: Partial<StorePlan>; readonly limits?: Partial<StoreLimits> } = {}): Opened {
  const plan = { file: null, minutesMs: day, hoursMs: 9 * day, daysMs: 99 * day, maxBytes: 1e8, ...options.plan }
  const opened = { store: null as unknown as Store, now: start, warnings: [] as string[] }
  opened.store = new Store(plan, {
    warn: (code) => opened.warnings.push(code),
    clock: () => opened.now,
    limits: { ...options.limits },
  })
  return opened
}

/** Lets time pass, and the store do what there is to be done. */
function later(opened: Opened, ms: number, ticks = 4): void {
  opened.now += ms
  for (let at = 0; at < ticks; at++) opened.store.tick()
}

function requests(opened: Opened): number {
  return Object.values(grouped(opened, 'organization')).reduce((sum, count) => sum + count, 0)
}

function grouped({ store }: Opened, by: Dimension): Readonly<Record<string, number>> {
  const { rows } = store.aggregate({ from: start - day, to: start + 99 * day, interval: null, by: [by], where: [] })
  return Object.fromEntries(rows.map((row) => [row.values[0], row.requests]))
}
