import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, it, type TestContext } from 'node:test'
import { Store } from '../../src/monitor/store.ts'
import { alike, requestSample, rollupMessage, untrusted } from './support.ts'

const minute = 60_000
const day = 86_400_000
const start = Date.UTC(2026, 4, 30, 21, 17)

describe('the file of the rollups', () => {
  it('holds the same over a restart, in the middle of a minute', (t) => {
    const opened = open(t)
    opened.store.add(rollupMessage(start, [alike(3)]))
    opened.store.close()
    const again = open(t, opened.file)
    again.store.add(rollupMessage(start + 1, [alike(4)]))
    assert.equal(requests(again.store), 7)
    again.store.close()
    assert.equal(requests(open(t, opened.file).store), 7)
    assert.deepEqual([...opened.warnings, ...again.warnings], [])
    assert.equal(statSync(opened.file).mode & 0o777, 0o600, 'nobody else reads what clients asked for')
  })

  it('is as large after a million requests of twenty cells as after a thousand', (t) => {
    const sizes = [1, 1_000].map((messages) => {
      const opened = open(t)
      for (let at = 0; at < messages; at++) {
        const rows = Array.from({ length: 20 }, (_, target) => ({
          ...alike(50, { target: `t${target}`, ...(target % 2 === 0 ? {} : untrusted) }),
          samples: Array.from({ length: 10 }, (_, n) =>
            requestSample({ id: `gw-${String(at * 10 + n).padStart(6, '0')}`, at: start + at }),
          ),
        }))
        opened.store.add(rollupMessage(start, rows))
      }
      opened.store.close()
      assert.equal(requests(open(t, opened.file).store), messages * 1_000)
      return statSync(opened.file).size
    })
    assert.equal(sizes[1], sizes[0])
  })

  const damages: readonly (readonly [string, (file: string) => void])[] = [
    ['is no database at all', (file) => writeFileSync(file, 'proxy,requests\norders,12\n'.repeat(500))],
    ['is cut off', (file) => writeFileSync(file, readFileSync(file).subarray(0, 9_000))],
    [
      'has pages of something else',
      (file) => {
        const bytes = readFileSync(file)
        writeFileSync(file, bytes.fill(0xa7, 4_096))
      },
    ],
    [
      'is the database of another program',
      (file) => {
        rmSync(file)
        const db = new DatabaseSync(file)
        db.exec('CREATE TABLE customer (name TEXT); PRAGMA user_version = 3')
        db.close()
      },
    ],
  ]
  for (const [what, damage] of damages) {
    it(`that ${what} is moved aside, and another one begins`, (t) => {
      const before = open(t)
      before.store.add(rollupMessage(start, [alike(3)]))
      before.store.close()
      damage(before.file)
      const bytes = readFileSync(before.file)

      const after = open(t, before.file)
      assert.deepEqual(after.warnings, ['monitoring-damaged'])
      after.store.add(rollupMessage(start, [alike(5)]))
      assert.equal(requests(after.store), 5)
      assert.equal(after.store.health().problem, '')
      after.store.close()
      assert.equal(requests(open(t, before.file).store), 5)
      const aside = readdirSync(join(before.file, '..')).filter((name) => name.includes('.damaged-'))
      assert.deepEqual(aside, ['observed.sqlite.damaged-2026-05-30T21-17-00-000Z'])
      assert.deepEqual(readFileSync(join(before.file, '..', aside[0] as string)), bytes, 'as it was found')
    })
  }

  it('that is changed by somebody else while it is in use is moved aside, and what was not written yet is kept', (t) => {
    const opened = open(t)
    opened.store.add(rollupMessage(start, [alike(3)]))
    opened.now += 2 * minute
    opened.store.tick()
    const other = new DatabaseSync(opened.file)
    other.exec('DROP TABLE hour')
    other.close()
    opened.store.add(rollupMessage(opened.now, [alike(5)]))
    opened.now += 2 * minute
    for (let at = 0; at < 4; at++) {
      opened.store.tick()
      opened.now += minute
    }
    assert.deepEqual(opened.warnings, ['monitoring-damaged'])
    assert.equal(requests(opened.store), 5)
    assert.equal(opened.store.health().problem, '')
    opened.store.close()
    assert.equal(requests(open(t, opened.file).store), 5)
  })

  it('of a later version is left as it is, and memory is used', (t) => {
    const before = open(t)
    before.store.add(rollupMessage(start, [alike(3)]))
    before.store.close()
    const db = new DatabaseSync(before.file)
    db.exec('PRAGMA user_version = 99')
    db.close()
    const bytes = readFileSync(before.file)

    const after = open(t, before.file)
    after.store.add(rollupMessage(start, [alike(5)]))
    after.now += 5 * minute
    after.store.tick()
    assert.deepEqual(after.warnings, ['monitoring-too-new'])
    assert.equal(requests(after.store), 5)
    assert.match(after.store.health().problem, /later version/)
    after.store.close()
    assert.deepEqual(readFileSync(before.file), bytes)
  })

  it('that cannot be opened is tried again each minute; until then everything waits in memory', (t) => {
    const directory = join(temporary(t), 'volume')
    const opened = open(t, join(directory, 'observed.sqlite'))
    opened.store.add(rollupMessage(start, [alike(3)]))
    assert.match(opened.store.health().problem, /no such file/)
    assert.equal(requests(opened.store), 3)
    for (let at = 0; at < 3; at++) {
      opened.now += minute + 1
      opened.store.tick()
    }
    assert.deepEqual(opened.warnings, ['monitoring-not-written'], 'said once')
    mkdirSync(directory)
    opened.now += 30_000
    opened.store.tick()
    assert.match(opened.store.health().problem, /no such file/, 'not every second')
    opened.now += 31_000
    opened.store.tick()
    assert.equal(opened.store.health().problem, '')
    assert.equal(opened.store.waiting, 0)
    assert.equal(requests(opened.store), 3)
    opened.store.close()
    assert.equal(requests(open(t, opened.file).store), 3)
  })

  it('on a full disk loses nothing that memory has room for, and counts what it has not', (t) => {
    const opened = open(t, undefined, 30)
    opened.store.add(rollupMessage(start, [alike(3)]))
    opened.now += 2 * minute
    opened.store.tick()
    assert.equal(opened.store.waiting, 0, 'it was written while there was room')
    limitFiles(statSync(`${opened.file}-wal`).size)
    try {
      for (let at = 0; at < 8; at++) {
        const rows = Array.from({ length: 10 }, (_, target) => alike(2, { target: `t${target}` }))
        opened.store.add(rollupMessage(opened.now, rows))
        opened.now += 2 * minute
        opened.store.tick()
      }
      const { problem, lostRequests } = opened.store.health()
      assert.match(problem, /full|disk I\/O/)
      assert.deepEqual(opened.warnings, ['monitoring-not-written'])
      assert.equal(lostRequests, 5 * 20, 'three minutes of ten rows have room')
      assert.equal(requests(opened.store), 3 + 3 * 20)
    } finally {
      limitFiles('unlimited')
    }
    opened.now += 2 * minute
    opened.store.tick()
    assert.equal(opened.store.health().problem, '')
    opened.store.close()
    assert.equal(requests(open(t, opened.file).store), 3 + 3 * 20)
  })
})

interface Opened {
  readonly store: Store
  readonly file: string
  readonly warnings: string[]
  now: number
}

function open(t: TestContext, file = join(temporary(t), 'observed.sqlite'), rows = 40_000): Opened {
  const warnings: string[] = []
  const plan = { file, minutesMs: day, hoursMs: 9 * day, daysMs: 99 * day, maxBytes: 1e8 }
  const opened = { store: null as unknown as Store, file, warnings, now: start }
  opened.store = new Store(plan, { warn: (code) => warnings.push(code), clock: () => opened.now, limits: { rows } })
  t.after(() => opened.store.close())
  return opened
}

function requests(store: Store): number {
  const { rows } = store.aggregate({ from: start - day, to: start + day, interval: null, by: [], where: [] })
  return rows.reduce((sum, row) => sum + row.requests, 0)
}

/** A file of this process may be so large; what is written beyond fails as on a full disk. */
function limitFiles(bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`])
}

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'postern-observed-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
