import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { openState } from '../../src/state/open.ts'
import { randomKey } from '../../src/state/sealing.ts'
import type { AuditQuery } from '../../src/state/types.ts'
import { change, directory, entry, keystore, state } from './support.ts'

test('an entry is there with the change it tells of, and gone with it', async (t) => {
  const store = await state(t)
  await change(store, async (tx) => {
    await tx.put('keystore', 'o/e', 'a', { body: keystore() })
    await tx.audit(entry)
  })
  const tx = await store.begin()
  await tx.audit({ ...entry, operation: 'DELETE' })
  await tx.rollback()
  assert.deepEqual(await store.audits({}), [entry])
})

test('entries of refusals wait for the writer, and are all there', async (t) => {
  const store = await state(t)
  const tx = await store.begin()
  const refused = Array.from({ length: 50 }, (_, index) => store.audit({ ...entry, at: index, operation: 'LOGIN' }))
  await tx.audit(entry)
  await tx.commit()
  await Promise.all(refused)
  assert.equal((await store.audits({})).length, 51)
})

test('an entry is found also while a view of before it is open', async (t) => {
  const store = await state(t)
  await store.read(async () => {
    await store.audit(entry)
    assert.equal((await store.audits({})).length, 1)
  })
})

const rows = [
  { ...entry, at: 1, user: 'ann', organization: 'o' },
  { ...entry, at: 2, user: 'bob', organization: 'o' },
  { ...entry, at: 3, user: 'ann', organization: 'p' },
  { ...entry, at: 3, user: 'bob', organization: '' },
]

const queries: readonly (readonly [sentence: string, query: AuditQuery, at: readonly string[]])[] = [
  ['all, the newest first', {}, ['3 bob', '3 ann', '2 bob', '1 ann']],
  ['of an organization', { organization: 'o' }, ['2 bob', '1 ann']],
  ['of none', { organization: '' }, ['3 bob']],
  ['of a user', { user: 'ann' }, ['3 ann', '1 ann']],
  ['of a time, both ends included', { start: 2, end: 3 }, ['3 bob', '3 ann', '2 bob']],
  ['so many', { rows: 1 }, ['3 bob']],
  ['of a user in an organization at a time', { organization: 'o', user: 'bob', start: 1, end: 2 }, ['2 bob']],
  ['fewer than none are none', { rows: -1 }, []],
]

test('the trail is queried', async (t) => {
  const store = await state(t)
  for (const row of rows) await store.audit(row)
  for (const [sentence, query, found] of queries) {
    await t.test(sentence, async () => {
      assert.deepEqual(
        (await store.audits(query)).map((it) => `${it.at} ${it.user}`),
        found,
      )
    })
  }
})

test('what others wrote is kept to a length', async (t) => {
  const store = await state(t)
  await store.audit({ ...entry, uri: 'x'.repeat(100_000) })
  assert.equal((await store.audits({}))[0]?.uri.length, 2_051)
})

test('no statement changes, replaces or removes an entry, and one can be added', async (t) => {
  const path = directory(t)
  const store = await openState({ directory: path, key: randomKey() })
  await store.audit(entry)
  await store.close()
  const db = new DatabaseSync(`${path}/postern.db`)
  t.after(() => {
    db.close()
  })
  const add = 'INTO audit SELECT 1, at, user, peer, operation, method, uri, status, organization, detail FROM audit'
  const statements = [
    "UPDATE audit SET user = 'eve'",
    'DELETE FROM audit',
    `REPLACE ${add}`,
    `INSERT OR REPLACE ${add}`,
    "INSERT INTO audit SELECT * FROM audit WHERE true ON CONFLICT (id) DO UPDATE SET user = 'eve'",
  ]
  for (const statement of statements) {
    assert.throws(() => {
      db.exec(statement)
    }, /append-only/)
  }
  db.exec(`INSERT ${add.replace('SELECT 1', 'SELECT NULL')}`)
  assert.deepEqual({ ...db.prepare('SELECT count(*) AS n, max(user) AS user FROM audit').get() }, { n: 2, user: 'ann' })
})

const day = 86_400_000

test('entries that are older than they are kept go, whole days of them, and the trail says which', async (t) => {
  const store = await state(t)
  const now = 1_000 * day + 5_000
  const ages = [5 * day, 4 * day, 3 * day, 2 * day, day, 0]
  for (const age of ages) await store.audit({ ...entry, at: now - age })
  assert.equal(await store.pruneAudits({ keep: 3 * day, rows: 1_000 }, now), 2)
  const left = await store.audits({})
  assert.deepEqual(
    left.map(({ at, operation }) => [(now - at) / day, operation]),
    [
      [0, 'PRUNE'],
      [0, 'CREATE'],
      [1, 'CREATE'],
      [2, 'CREATE'],
      [3, 'CREATE'],
    ],
  )
  assert.deepEqual(left[0], {
    ...{ at: now, user: 'postern', from: '', operation: 'PRUNE', method: 'DELETE', status: 200, organization: '' },
    uri: `/api/audit?entries=2&until=${new Date(now - 4 * day).toISOString()}`,
  })
  assert.equal(await store.pruneAudits({ keep: 3 * day, rows: 1_000 }, now), 0, 'and nothing more')
  assert.equal((await store.audits({})).length, left.length, 'nor is there anything to say')
})

test('more entries than are kept go in slices, between which others write, and not a second time', async (t) => {
  const store = await state(t)
  await change(store, async (tx) => {
    for (let at = 0; at < 2_600; at++) await tx.audit({ ...entry, at: day + at })
  })
  let between = 0
  const over = new AbortController()
  const writing = (async () => {
    while (!over.signal.aborted) {
      await change(store, (tx) => tx.put('keystore', 'o/e', 'a', { body: keystore(between) }))
      between++
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  const gone = await store.pruneAudits({ keep: 365 * day, rows: 1_000 }, 2 * day).finally(() => over.abort())
  await writing
  assert.equal(gone, 1_613)
  assert.ok(between > 2, `${between} writes between`)
  const left = await store.audits({ rows: 10_000 })
  assert.ok(left.length <= 1_000 && left.length >= 985, `${left.length} are left`)
  assert.equal(left.at(-1)?.at, day + 1_613, 'the oldest went')
  assert.equal(await store.pruneAudits({ keep: 365 * day, rows: 1_000 }, 2 * day), 0)
})

test('below the mark and nowhere else an entry may be removed, and the mark only rises', async (t) => {
  const path = directory(t)
  const store = await openState({ directory: path, key: randomKey() })
  for (const at of [day, 2 * day, 10 * day, 11 * day]) await store.audit({ ...entry, at })
  await store.pruneAudits({ keep: 5 * day, rows: 1_000 }, 12 * day)
  await store.close()
  const db = new DatabaseSync(`${path}/postern.db`)
  t.after(() => {
    db.close()
  })
  for (const statement of [
    'DELETE FROM audit',
    'DELETE FROM audit WHERE id = 3',
    "UPDATE audit SET user = 'eve' WHERE id = 3",
    "UPDATE meta SET value = 1 WHERE name = 'audit-kept-from'",
    "UPDATE meta SET value = 'x' WHERE name = 'audit-kept-from'",
    "UPDATE meta SET name = 'other' WHERE name = 'audit-kept-from'",
    "UPDATE OR REPLACE meta SET name = 'audit-kept-from', value = 99 WHERE name = 'created-at'",
    "INSERT OR REPLACE INTO meta (name, value) VALUES ('audit-kept-from', 1)",
    "DELETE FROM meta WHERE name = 'audit-kept-from'",
  ]) {
    assert.throws(
      () => {
        db.exec(statement)
      },
      /append-only|only rises/,
      statement,
    )
  }
  assert.equal(db.prepare('SELECT count(*) AS n FROM audit').get()?.['n'], 3)
  db.exec("UPDATE meta SET value = 4 WHERE name = 'audit-kept-from'; DELETE FROM audit WHERE id < 4")
  assert.equal(db.prepare('SELECT count(*) AS n FROM audit').get()?.['n'], 2)
})
