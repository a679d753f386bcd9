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
  const add = 'INTO audit SELECT 1, at, user, peer, operation, method, uri, status, organization FROM audit'
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
