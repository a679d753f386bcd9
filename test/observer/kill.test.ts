import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { packedRequests } from '../../src/monitor/cells.ts'
import { Store } from '../../src/monitor/store.ts'
import { planOf } from './kill-plan.ts'

const program = fileURLToPath(new URL('kill-child.ts', import.meta.url))
/** Older than this, nothing may be lost: what a gateway is killed with. A worker keeps a second of it. */
const olderMs = 5_500

interface Told {
  readonly at: number
  readonly told: number
  readonly id: string
}

it('kill -9 loses no count and no failed request older than some seconds, and nothing is counted twice', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-observer-kill-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'observed.sqlite')
  let before = 0
  for (const [life, ms] of [
    ['a', 4_700],
    ['b', 7_300],
  ] as const) {
    const child = spawn(process.execPath, [program, file, life], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (each: string) => (text += each))
    await once(child.stdout, 'data')
    await sleep(ms)
    const killedAt = Date.now()
    child.kill('SIGKILL')
    await once(child, 'close')
    const told = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Told)
    const store = new Store(planOf(file).monitoring!, { warn: (code, message) => assert.fail(`${code} ${message}`) })
    const day = 86_400_000
    const from = Math.floor(killedAt / day) * day - day
    const all = { from, to: from + 3 * day, by: [], where: [] }
    const [byMinute, byDay] = [60_000, null].map((interval) =>
      store
        .aggregate({
          ...all,
          ...(interval === null ? {} : { from: killedAt - 600_000, to: killedAt + 600_000 }),
          interval,
        })
        .rows.reduce((sum, { requests }) => sum + requests, 0),
    )
    assert.equal(byMinute, byDay, 'minutes and days tell the same')
    assert.deepEqual(levelsOf(file), [byDay, byDay, byDay], 'as hours do')
    const kept = (byDay ?? 0) - before
    const old = told.filter(({ at }) => at < killedAt - olderMs).at(-1)
    t.diagnostic(`of ${told.at(-1)?.told} requests ${kept} were kept`)
    assert.ok(kept >= (old?.told ?? 0), `${kept} are fewer than ${old?.told} of ${olderMs} ms before`)
    assert.ok(kept > 0, 'the minute that ran is there')
    assert.ok(kept <= (told.at(-1)?.told ?? 0), 'none is there twice')
    assert.equal(kept % 4, 0, 'what was counted at once is there at once')
    const newest = told.filter((each) => each.told <= kept).slice(-10)
    for (const { id } of newest) assert.notEqual(store.find(id), null, `${id} has its sample`)
    const samples = store.samples({ from: 0, to: 9e12, where: [], limit: 1_000 }).map(({ sample }) => sample.id)
    assert.equal(new Set(samples).size, samples.length, 'no sample is there twice')
    store.close()
    before += kept
  }
})

function levelsOf(file: string): readonly number[] {
  const db = new DatabaseSync(file, { readOnly: true })
  try {
    return ['minute', 'hour', 'day'].map((level) =>
      db
        .prepare(`SELECT value FROM ${level}`)
        .all()
        .reduce((sum, { value }) => sum + packedRequests(value as Uint8Array), 0),
    )
  } finally {
    db.close()
  }
}
