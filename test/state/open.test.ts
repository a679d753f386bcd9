import assert from 'node:assert/strict'
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { openDatabase } from '../../src/state/database.ts'
import { setKey } from '../../src/state/key-check.ts'
import { applicationId, migrate, stateVersion } from '../../src/state/migrations.ts'
import { openState } from '../../src/state/open.ts'
import { randomKey, sealerOf } from '../../src/state/sealing.ts'
import { defaultTimes, storeOf } from '../../src/state/store.ts'
import { change, directory, entry, file, keystore } from './support.ts'

const secret = 'the secret that must not be found 0123456789'

/** A closed state with 300 objects, two of them with a secret. */
async function made(t: TestContext) {
  const path = join(directory(t), 'state')
  const key = randomKey()
  const store = await openState({ directory: path, key, clock: () => 5 })
  await change(store, async (tx) => {
    for (let index = 0; index < 300; index++)
      await tx.put('api-file', 'o/apis/a/1', `${index}`, file('x'.repeat(1_000)))
    await tx.put('setting', '', 'a', { body: { value: 1 }, secret: Buffer.from(secret) })
    await tx.put('setting', '', 'b', { body: { value: 1 }, secret: Buffer.from('other') })
  })
  await store.close()
  return { path, key, database: join(path, 'postern.db') }
}

/** Changes a closed state as SQL can. */
function tamper(database: string, sql: string): void {
  const db = new DatabaseSync(database)
  db.exec(sql)
  db.close()
}

test('what was committed is there when it is opened again; all of it is for this user only', async (t) => {
  const { path, key } = await made(t)
  const store = await openState({ directory: path, key })
  const [open, closed] = [readdirSync(path), await store.read((view) => view.secret('setting', '', 'a'))]
  assert.equal(String(closed), secret)
  assert.equal(statSync(path).mode & 0o777, 0o700)
  assert.deepEqual(open.sort(), ['postern.db', 'postern.db-shm', 'postern.db-wal', 'postern.lock', 'postern.pid'])
  for (const name of open) assert.equal(statSync(join(path, name)).mode & 0o777, 0o600, name)
  await store.close()
  assert.deepEqual(readdirSync(path).sort(), ['postern.db', 'postern.lock'])
})

test('what was committed is on the disk, not in memory of the system only', async (t) => {
  const { database } = await made(t)
  const db = openDatabase(database)
  t.after(() => {
    db.close()
  })
  // https://sqlite.org/pragma.html#pragma_synchronous: 2 is FULL
  assert.equal(db.get('PRAGMA synchronous')?.['synchronous'], 2)
})

test('a second opener is told who has it, and gets it once it is closed', async (t) => {
  const { path, key } = await made(t)
  const store = await openState({ directory: path, key })
  await assert.rejects(openState({ directory: path, key }), {
    code: 'state-in-use',
    message: `the state in ${path} is in use by process ${process.pid}; one at a time may have it open`,
  })
  await change(store, (tx) => tx.put('setting', '', 'c', { body: { value: 1 } }))
  await store.close()
  await (await openState({ directory: path, key })).close()
})

test('another key is refused, nothing is changed, and neither key is in the error', async (t) => {
  const { path, key, database } = await made(t)
  const before = readFileSync(database)
  const wrong = randomKey()
  await assert.rejects(openState({ directory: path, key: wrong }), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'state-key-wrong')
    const text = `${error.message}${JSON.stringify(error)}`
    for (const it of [key, wrong]) {
      assert.ok(!text.includes(it.export().toString('hex')) && !text.includes(it.export().toString('base64')))
    }
    return true
  })
  assert.ok(readFileSync(database).equals(before))
  await (await openState({ directory: path, key })).close()
})

test('no secret is in the file as it was put', async (t) => {
  const { path, database } = await made(t)
  const bytes = readdirSync(path).map((name) => readFileSync(join(path, name)))
  assert.ok(!Buffer.concat(bytes).includes(secret))
  assert.ok(readFileSync(database).includes('x'.repeat(1_000)))
})

const broken: readonly (readonly [sentence: string, code: string, make: (database: string) => void])[] = [
  ['cut to nothing', 'state-damaged', (database) => truncateSync(database, 0)],
  ['cut in the middle of its first page', 'state-damaged', (database) => truncateSync(database, 2_000)],
  ['cut in half', 'state-damaged', (database) => truncateSync(database, statSync(database).size / 2)],
  ['of another program', 'state-damaged', (database) => tamper(database, 'PRAGMA application_id = 7')],
  ['text', 'state-damaged', (database) => writeFileSync(database, 'no database '.repeat(1_000))],
  [
    'overwritten in part',
    'state-damaged',
    (database) => {
      const bytes = readFileSync(database)
      bytes.fill(0xff, 8_192, 40_960)
      writeFileSync(database, bytes)
    },
  ],
  ['of a later version', 'state-too-new', (database) => tamper(database, `PRAGMA user_version = ${stateVersion + 1}`)],
  [
    'without the check of its key',
    'state-secret-damaged',
    (database) => tamper(database, "DELETE FROM meta WHERE name = 'key-check'"),
  ],
]

for (const [sentence, code, make] of broken) {
  test(`a database that is ${sentence} is refused and left as it is`, async (t) => {
    const { path, key, database } = await made(t)
    make(database)
    const before = readFileSync(database)
    await assert.rejects(openState({ directory: path, key }), { code })
    assert.ok(readFileSync(database).equals(before))
  })
}

const moved: readonly (readonly [sentence: string, change: (database: string) => void])[] = [
  [
    'of another object',
    (database) => {
      tamper(database, 'UPDATE secret SET sealed = (SELECT s.sealed FROM secret s WHERE s.object <> secret.object)')
    },
  ],
  [
    'of an object that was renamed',
    (database) => {
      tamper(database, "UPDATE object SET name = name || 'x' WHERE kind = 'setting'")
    },
  ],
  ['cut short', (database) => reseal(database, (bytes) => bytes.subarray(0, 20))],
  [
    'with one other byte',
    (database) => reseal(database, (bytes) => bytes.map((byte, index) => (index === 30 ? byte ^ 1 : byte))),
  ],
]

function reseal(database: string, by: (bytes: Uint8Array) => Uint8Array): void {
  const db = new DatabaseSync(database)
  for (const { object = null, sealed } of db.prepare('SELECT object, sealed FROM secret').all()) {
    db.prepare('UPDATE secret SET sealed = ? WHERE object = ?').run(by(sealed as Uint8Array), object)
  }
  db.close()
}

for (const [sentence, damage] of moved) {
  test(`a secret ${sentence} is refused, and says of which object`, async (t) => {
    const { path, key, database } = await made(t)
    damage(database)
    const store = await openState({ directory: path, key })
    t.after(() => store.close())
    const [name = ''] = await store.read((view) => view.names('setting', ''))
    await assert.rejects(
      store.read((view) => view.secret('setting', '', name)),
      { code: 'state-secret-damaged', message: new RegExp(`the secret of setting ${name} `) },
    )
  })
}

/** As version 1 of the program left it: no audit trail. */
function version1(path: string): { readonly key: ReturnType<typeof randomKey>; readonly database: string } {
  const key = randomKey()
  const database = join(path, 'postern.db')
  const db = openDatabase(database)
  migrate(db, 1)
  setKey(db, sealerOf(key))
  db.run("INSERT INTO object (kind, scope, name, version, body) VALUES ('setting', '', 'old', 1, '{\"value\":7}')")
  db.close()
  return { key, database }
}

test('an older database is brought up, with what was in it, and a copy of it is kept', async (t) => {
  const path = directory(t)
  const { key, database } = version1(path)
  tamper(database, 'PRAGMA journal_mode = WAL')
  assert.ok(!tables(database).includes('audit'))
  const store = await openState({ directory: path, key })
  await store.audit(entry)
  assert.deepEqual(await store.audits({}), [entry])
  assert.deepEqual((await store.read((view) => view.get('setting', '', 'old')))?.body, { value: 7 })
  await store.close()
  assert.ok(tables(database).includes('audit'))
  const copy = `${database}.before-${stateVersion}`
  assert.ok(!tables(copy).includes('audit'))
  assert.equal(statSync(copy).mode & 0o777, 0o600)
  await (await openState({ directory: path, key })).close()
})

test('a migration that fails leaves the version before it, which opens once what stood in its way is gone', async (t) => {
  const path = directory(t)
  const { key, database } = version1(path)
  tamper(database, 'CREATE TABLE audit (x)')
  await assert.rejects(openState({ directory: path, key }), { code: 'state-failed' })
  assert.equal(pragma(database, 'user_version'), 1)
  tamper(database, 'DROP TABLE audit')
  await (await openState({ directory: path, key })).close()
  assert.equal(pragma(database, 'user_version'), stateVersion)
  assert.equal(pragma(database, 'application_id'), applicationId)
})

function tables(database: string): readonly unknown[] {
  const db = new DatabaseSync(database, { readOnly: true })
  try {
    return db
      .prepare('SELECT name FROM sqlite_schema')
      .all()
      .map((row) => row['name'])
  } finally {
    db.close()
  }
}

function pragma(database: string, name: string): unknown {
  const db = new DatabaseSync(database, { readOnly: true })
  try {
    return db.prepare(`PRAGMA ${name}`).get()?.[name]
  } finally {
    db.close()
  }
}

test('a full disk refuses the change that does not fit, and takes one that does', async (t) => {
  const { path, key, database } = await made(t)
  const db = openDatabase(database)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA max_page_count = 1')
  const store = storeOf({ db, sealer: sealerOf(key), times: defaultTimes, release: () => {} })
  const tx = await store.begin()
  await tx.put('setting', '', 'a', { body: { value: 2 } })
  await assert.rejects(tx.put('api-file', 's', 'large', file('x'.repeat(1_000_000))), {
    code: 'state-full',
    message: /the disk is full/,
  })
  await assert.rejects(tx.commit(), { code: 'state-full' })
  assert.deepEqual((await store.read((view) => view.get('setting', '', 'a')))?.body, { value: 1 })
  await change(store, (next) => next.put('setting', '', 'a', { body: { value: 3 } }))
  await store.close()
  const again = await openState({ directory: path, key })
  assert.deepEqual((await again.read((view) => view.get('setting', '', 'a')))?.body, { value: 3 })
  assert.equal((await again.read((view) => view.names('api-file', 'o/apis/a/1'))).length, 300)
  await again.close()
})

test('a backup while others read and write is of one moment, complete, and replaces nothing', async (t) => {
  const { path, key } = await made(t)
  const store = await openState({ directory: path, key })
  t.after(() => store.close())
  const to = join(path, '..', 'copy.db')
  const ended = new AbortController()
  let writes = 0
  const writer = (async () => {
    while (!ended.signal.aborted) {
      // Both or none.
      await change(store, async (tx) => {
        await tx.put('keystore', 'o/e', 'a', { body: keystore(writes) })
        await tx.put('keystore', 'o/e', 'b', { body: keystore(writes) })
      })
      writes++
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  await store.backup(to)
  ended.abort()
  await writer
  assert.ok(writes > 0)
  assert.equal(statSync(to).mode & 0o777, 0o600)
  assert.ok(!readFileSync(to).includes(secret))
  await assert.rejects(store.backup(to), { code: 'file-exists' })
  const restored = join(path, '..', 'restored')
  await (await openState({ directory: restored, key })).close()
  copyFileSync(to, join(restored, 'postern.db'))
  const copy = await openState({ directory: restored, key })
  t.after(() => copy.close())
  const bodies = await copy.read((view) => view.list('keystore', 'o/e'))
  assert.deepEqual(bodies[0]?.body, bodies[1]?.body)
  assert.equal(String(await copy.read((view) => view.secret('setting', '', 'a'))), secret)
  assert.ok(!existsSync(`${to}-wal`))
})
