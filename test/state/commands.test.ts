import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { backupCommand } from '../../src/cli/state-backup.ts'
import { restoreCommand } from '../../src/cli/state-restore.ts'
import { stateCommand } from '../../src/cli/state.ts'
import { readStateKey } from '../../src/state/key.ts'
import { openState } from '../../src/state/open.ts'
import type { StateStore } from '../../src/state/types.ts'
import { change, directory, entry, keystore } from './support.ts'

const secret = '-----BEGIN PRIVATE KEY----- of the alias'

type Command = typeof backupCommand

async function run(command: Command, ...args: readonly string[]) {
  let out = ''
  let err = ''
  const code = await command(args, { stdout: (text) => (out += text), stderr: (text) => (err += text) })
  assert.ok(!`${out}${err}`.includes(secret))
  return { code, out, err }
}

/** A closed state with a key store of one alias, and keys in files. */
async function made(t: TestContext) {
  const path = directory(t)
  const paths = {
    path,
    state: join(path, 'state'),
    other: join(path, 'other'),
    copy: join(path, 'copy.db'),
    key: join(path, 'key'),
    newKey: join(path, 'new-key'),
  }
  for (const file of [paths.key, paths.newKey]) {
    writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 })
  }
  const store = await openState({ directory: paths.state, key: readStateKey({ file: paths.key }), clock: () => 0 })
  await fill(store)
  await store.close()
  return paths
}

async function fill(store: StateStore): Promise<void> {
  await change(store, async (tx) => {
    await tx.put('keystore', 'o/e', 'k', { body: keystore() })
    await tx.put('alias', 'o/e/k', 'a\u001b[2J', {
      body: { ...keystore(), certName: 'a-cert', keyName: 'a-key', fingerprints: [] },
      blob: Buffer.from('certificate'),
      secret: Buffer.from(secret),
    })
    await tx.audit(entry)
  })
}

async function secretIn(state: string, key: string): Promise<string> {
  const store = await openState({ directory: state, key: readStateKey({ file: key }) })
  try {
    return String(await store.read((view) => view.secret('alias', 'o/e/k', 'a\u001b[2J')))
  } finally {
    await store.close()
  }
}

test('a copy is made and listed: kinds and names, no secret, nothing that moves a terminal', async (t) => {
  const { state, copy } = await made(t)
  const made1 = await run(backupCommand, '--state', state, '--to', copy)
  assert.deepEqual([made1.code, made1.err], [0, ''])
  assert.match(made1.out, /2 objects, 1 audit entries; to be restored with the key [0-9a-f]{16}\n$/)
  assert.equal(statSync(copy).mode & 0o777, 0o600)
  assert.ok(!readFileSync(copy).includes(secret))
  const listed = await run(backupCommand, '--list', copy)
  assert.match(
    listed.out,
    /^copy made 20\d\d-[^,]*Z\nstate of version \d+, first started 1970-01-01T00:00:00.000Z\nneeds the key with id [0-9a-f]{16}; postern state key .*\n1 audit entries\nalias: 1\n {2}o\/e\/k\/a\\u\{1b\}\[2J {2}\(with a secret\)\nkeystore: 1\n {2}o\/e\/k\n$/,
  )
  const data = JSON.parse((await run(backupCommand, '--list', copy, '--json')).out) as Record<string, unknown>
  assert.deepEqual(data['kinds'], [
    { kind: 'alias', objects: [{ scope: 'o/e/k', name: 'a\u001b[2J', hasSecret: true }] },
    { kind: 'keystore', objects: [{ scope: 'o/e', name: 'k', hasSecret: false }] },
  ])
})

test('a copy replaces a file only if it is told to, and never one of the state', async (t) => {
  const { state, copy } = await made(t)
  writeFileSync(copy, 'mine')
  const refused = await run(backupCommand, '--state', state, '--to', copy)
  assert.deepEqual([refused.code, readFileSync(copy, 'utf8')], [2, 'mine'])
  assert.match(refused.err, /copy.db is there already/)
  assert.equal((await run(backupCommand, '--state', state, '--to', copy, '--force')).code, 0)
  assert.equal((await run(backupCommand, '--list', copy)).code, 0)
  for (const name of ['postern.db', 'postern.db-wal', 'postern.lock']) {
    const itself = await run(backupCommand, '--state', state, '--to', join(state, name), '--force')
    assert.deepEqual([itself.code, itself.err.includes('a file of the state itself')], [2, true])
  }
  assert.deepEqual(
    readdirSync(state).filter((name) => name.startsWith('.')),
    [],
  )
})

for (const [sentence, damage] of [
  ['cut', (database: string) => truncateSync(database, 16_384)],
  [
    'overwritten in part',
    (database: string) => writeFileSync(database, readFileSync(database).fill(0xff, 8_192, 20_000)),
  ],
] as const) {
  test(`a copy of a state that is ${sentence} is not made`, async (t) => {
    const { state, copy } = await made(t)
    damage(join(state, 'postern.db'))
    const { code, err } = await run(backupCommand, '--state', state, '--to', copy)
    assert.deepEqual([code, existsSync(copy)], [1, false])
    assert.match(err, /damaged/)
  })
}

test('a copy is restored to a new place, with its secrets and its audit trail', async (t) => {
  const { state, other, copy, key } = await made(t)
  await run(backupCommand, '--state', state, '--to', copy)
  const restored = await run(restoreCommand, '--from', copy, '--state', other, '--state-key', key)
  assert.deepEqual([restored.code, restored.err], [0, ''])
  assert.equal(statSync(join(other, 'postern.db')).mode & 0o777, 0o600)
  assert.equal(await secretIn(other, key), secret)
  const store = await openState({ directory: other, key: readStateKey({ file: key }) })
  t.after(() => store.close())
  assert.deepEqual(await store.audits({}), [entry])
})

test('what is there is replaced only if that is said, and kept; versions given out before do not come again', async (t) => {
  const { state, copy, key } = await made(t)
  await run(backupCommand, '--state', state, '--to', copy)
  const options = { directory: state, key: readStateKey({ file: key }) }
  const store = await openState(options)
  await change(store, (tx) => tx.put('keystore', 'o/e', 'later', { body: keystore() }))
  const given = (await store.read((view) => view.get('keystore', 'o/e', 'later')))?.version ?? 0
  const inUse = await run(restoreCommand, '--from', copy, '--state', state, '--state-key', key, '--force')
  assert.deepEqual([inUse.code, inUse.err.includes(`in use by process ${process.pid}`)], [1, true])
  await store.close()
  const refused = await run(restoreCommand, '--from', copy, '--state', state, '--state-key', key)
  assert.deepEqual([refused.code, refused.err.includes('--force')], [2, true])
  const forced = await run(restoreCommand, '--from', copy, '--state', state, '--state-key', key, '--force', '--json')
  const replaced = join(state, 'postern.db.before-restore')
  const { copiedAt, ...done } = JSON.parse(forced.out) as Record<string, unknown>
  assert.deepEqual([done, typeof copiedAt], [{ from: copy, state, replaced }, 'number'])
  const again = await openState(options)
  t.after(() => again.close())
  assert.deepEqual(await again.read((view) => view.names('keystore', 'o/e')), ['k'])
  await change(again, (tx) => tx.put('keystore', 'o/e', 'new', { body: keystore() }))
  assert.ok(((await again.read((view) => view.get('keystore', 'o/e', 'new')))?.version ?? 0) > given)
  assert.equal(keystoresIn(replaced), 2)
})

test('a state that is damaged is replaced by its copy, what its log held included', async (t) => {
  const { state, copy, key } = await made(t)
  await run(backupCommand, '--state', state, '--to', copy)
  const database = join(state, 'postern.db')
  writeFileSync(database, Buffer.alloc(20_000, 1))
  writeFileSync(`${database}-wal`, 'a log of other times')
  const restored = await run(restoreCommand, '--from', copy, '--state', state, '--state-key', key, '--force')
  assert.deepEqual([restored.code, restored.err], [0, ''])
  assert.equal(await secretIn(state, key), secret)
})

test('the log that a killed gateway left goes with the state it belongs to', async (t) => {
  const { path, state, other, copy, key } = await made(t)
  await run(backupCommand, '--state', state, '--to', copy)
  const store = await openState({ directory: state, key: readStateKey({ file: key }) })
  await change(store, (tx) => tx.put('keystore', 'o/e', 'later', { body: keystore() }))
  // By another process: closing a file here would give up SQLite's locks on it.
  execFileSync('cp', ['-r', state, other], { cwd: path })
  await store.close()
  assert.ok(statSync(join(other, 'postern.db-wal')).size > 0)
  const restored = await run(restoreCommand, '--from', copy, '--state', other, '--state-key', key, '--force')
  assert.deepEqual([restored.code, restored.err], [0, ''])
  assert.equal(keystoresIn(join(other, 'postern.db.before-restore')), 2)
  assert.equal(keystoresIn(join(other, 'postern.db')), 1)
  assert.ok(!existsSync(join(other, 'postern.db-wal')))
  const unfinished = await run(
    restoreCommand,
    '--from',
    join(other, 'postern.db'),
    '--state',
    state,
    '--state-key',
    key,
  )
  assert.equal(unfinished.code, 2)
})

function keystoresIn(database: string): unknown {
  const db = new DatabaseSync(database, { readOnly: true })
  try {
    return db.prepare("SELECT count(*) AS n FROM object WHERE kind = 'keystore'").get()?.['n']
  } finally {
    db.close()
  }
}

test('each state that a restore replaced is kept', async (t) => {
  const { state, copy, key } = await made(t)
  await run(backupCommand, '--state', state, '--to', copy)
  const restore = () => run(restoreCommand, '--from', copy, '--state', state, '--state-key', key, '--force')
  const replaced = join(state, 'postern.db.before-restore')
  await restore()
  const first = readFileSync(replaced)
  writeFileSync(join(state, 'postern.db'), Buffer.alloc(20_000, 1))
  const second = await restore()
  assert.ok(second.out.includes(`what was there is ${replaced}.1\n`), second.out)
  assert.ok((await restore()).out.includes(`${replaced}.2\n`))
  assert.ok(readFileSync(replaced).equals(first))
  assert.equal(readFileSync(`${replaced}.1`)[0], 1)
})

test('a restore says whose passwords and revocations hold; a copy says when it was made, a state does not', async (t) => {
  const { state, other, copy, key } = await made(t)
  const begin = Date.now()
  await run(backupCommand, '--state', state, '--to', copy)
  const listed = async (file: string) => JSON.parse((await run(backupCommand, '--list', file, '--json')).out).copied
  const copied = await listed(copy)
  assert.ok(copied.from === 'copy' && copied.at >= begin && copied.at <= Date.now())
  utimesSync(copy, 1, 1)
  assert.deepEqual(await listed(copy), copied, 'whoever copies the file changes nothing of that')
  const { out } = await run(restoreCommand, '--from', copy, '--state', other, '--state-key', key)
  assert.match(out, /passwords, tokens and revocations are those of the copy, made 20.*Z/)
  const database = join(other, 'postern.db')
  utimesSync(database, 1, 1)
  assert.deepEqual(await listed(database), { at: 1_000, from: 'file' })
  assert.match(
    (await run(backupCommand, '--list', database)).out,
    /^copy made 1970-01-01T00:00:01.000Z, by the time of/,
  )
})

test('without the key of a state nobody is told to make one: its id is named, and that of a key file is printed', async (t) => {
  const { path, state, copy, key, newKey } = await made(t)
  await run(backupCommand, '--state', state, '--to', copy)
  const id = (await run(stateCommand, 'key', '--state-key', key)).out.trim()
  assert.match(id, /^[0-9a-f]{16}$/)
  assert.deepEqual(JSON.parse((await run(stateCommand, 'key', '--state-key', key, '--json')).out), { keyId: id })
  assert.notEqual((await run(stateCommand, 'key', '--state-key', newKey)).out.trim(), id)
  assert.ok((await run(backupCommand, '--list', copy)).out.includes(`the key with id ${id};`))
  const none = join(path, 'none')
  for (const [command, ...args] of [
    [stateCommand, 'password', '--state', state, '--user', 'admin'],
    [stateCommand, 'rekey', '--state', state, '--new-key', newKey],
    [restoreCommand, '--from', copy, '--state', state],
  ] as const) {
    for (const given of [[], ['--state-key', none]]) {
      const { code, err } = await run(command, ...args, ...given)
      assert.equal(code, 2)
      assert.ok(err.includes(`the key with id ${id}, and a new one will not open it`), err)
      assert.ok(!err.includes('openssl'))
    }
  }
  writeFileSync(join(state, 'postern.db'), 'broken')
  const { err } = await run(stateCommand, 'password', '--state', state, '--user', 'admin')
  assert.match(err, /was made with a key, and a new one will not open it/)
})

test('the files of a state that runs are no copy of it', async (t) => {
  const { state, other, key } = await made(t)
  const store = await openState({ directory: state, key: readStateKey({ file: key }) })
  t.after(() => store.close())
  await change(store, (tx) => tx.put('keystore', 'o/e', 'later', { body: keystore() }))
  const from = join(state, 'postern.db')
  const { code, err } = await run(restoreCommand, '--from', from, '--state', other, '--state-key', key)
  assert.deepEqual([code, existsSync(other)], [1, false])
  assert.match(err, /make one with postern backup/)
})

test('a secret that was deleted or replaced is not in the file, not even encrypted', async (t) => {
  const { state, key } = await made(t)
  const database = join(state, 'postern.db')
  const sealed = sealedIn(database)
  assert.ok(readFileSync(database).includes(sealed))
  const store = await openState({ directory: state, key: readStateKey({ file: key }) })
  await change(store, (tx) => tx.deleteBelow('alias', 'o'))
  await store.close()
  assert.ok(!readFileSync(database).includes(sealed))
})

const wrongCopies: readonly (readonly [sentence: string, says: RegExp, damage: (copy: string) => void])[] = [
  ['cut in half', /is damaged/, (copy) => truncateSync(copy, Math.floor(statSync(copy).size / 2))],
  ['text', /is not a database/, (copy) => writeFileSync(copy, 'hello '.repeat(1_000))],
  ['of a later version', /written by a later version/, (copy) => sql(copy, 'PRAGMA user_version = 99')],
  [
    'with a secret of another object',
    /the secret of alias o\/e\/k\/b cannot be decrypted/,
    (copy) => sql(copy, "UPDATE object SET name = 'b' WHERE kind = 'alias'"),
  ],
  [
    'with parts of what is not there',
    /is damaged/,
    (copy) => sql(copy, 'PRAGMA foreign_keys = OFF; DELETE FROM object'),
  ],
]

function sql(file: string, statement: string): void {
  const db = new DatabaseSync(file)
  db.exec(statement)
  db.close()
}

for (const [sentence, says, damage] of wrongCopies) {
  test(`a copy that is ${sentence} is not restored`, async (t) => {
    const { state, copy, key } = await made(t)
    await run(backupCommand, '--state', state, '--to', copy)
    damage(copy)
    const before = readFileSync(join(state, 'postern.db'))
    const { code, err } = await run(restoreCommand, '--from', copy, '--state', state, '--state-key', key, '--force')
    assert.equal(code, 1)
    assert.match(err, says)
    assert.ok(readFileSync(join(state, 'postern.db')).equals(before))
  })
}

test('another key restores nothing', async (t) => {
  const { state, other, copy, newKey } = await made(t)
  await run(backupCommand, '--state', state, '--to', copy)
  const { code, err } = await run(restoreCommand, '--from', copy, '--state', other, '--state-key', newKey)
  assert.deepEqual([code, err.includes('encrypted with another key'), existsSync(other)], [1, true, false])
})

test('after a rekey the new key reads every secret, the old one none, and nothing of the old is in the file', async (t) => {
  const { state, key, newKey } = await made(t)
  const sealed = sealedIn(join(state, 'postern.db'))
  const done = await run(stateCommand, 'rekey', '--state', state, '--state-key', key, '--new-key', newKey, '--json')
  assert.deepEqual([done.code, done.err], [0, ''])
  assert.equal((JSON.parse(done.out) as { secrets: number }).secrets, 1)
  assert.equal(await secretIn(state, newKey), secret)
  await assert.rejects(secretIn(state, key), { code: 'state-key-wrong' })
  const bytes = Buffer.concat(readdirSync(state).map((name) => readFileSync(join(state, name))))
  assert.ok(!bytes.includes(sealed))
  assert.ok(bytes.includes(sealedIn(join(state, 'postern.db'))))
})

test('a rekey of a secret that is damaged changes nothing', async (t) => {
  const { state, key, newKey } = await made(t)
  const database = join(state, 'postern.db')
  sql(database, "UPDATE object SET name = 'b' WHERE kind = 'alias'")
  const before = sealedIn(database)
  const { code, err } = await run(stateCommand, 'rekey', '--state', state, '--state-key', key, '--new-key', newKey)
  assert.deepEqual([code, err.includes('the secret of alias o/e/k/b')], [1, true])
  assert.deepEqual(sealedIn(database), before)
  await (await openState({ directory: state, key: readStateKey({ file: key }) })).close()
})

function sealedIn(database: string): Buffer {
  const db = new DatabaseSync(database, { readOnly: true })
  try {
    return Buffer.from(db.prepare('SELECT sealed FROM secret').get()?.['sealed'] as Uint8Array)
  } finally {
    db.close()
  }
}

test('wrong usage is said, and help is given', async (t) => {
  const { state, other, copy, key } = await made(t)
  const calls: readonly (readonly [Command, readonly string[], number, RegExp])[] = [
    [backupCommand, [], 2, /^usage: postern backup/],
    [backupCommand, ['--help'], 0, /^usage: postern backup/],
    [backupCommand, ['--state', state], 2, /--to is missing/],
    [backupCommand, ['--state', state, '--too', copy], 2, /did you mean --to\?/],
    [backupCommand, ['--state', other, '--to', copy], 2, /other\/postern.db: there is no such file/],
    [backupCommand, ['--state', state, '--to', join(other, 'none', 'copy')], 2, /is not there/],
    [backupCommand, ['--list', copy, '--state', state], 2, /--list reads a copy/],
    [backupCommand, ['--list', copy], 2, /there is no such file/],
    [restoreCommand, ['--from', copy, '--state', other, '--state-key', key], 2, /there is no such file/],
    [
      restoreCommand,
      ['--from', join(state, 'postern.db'), '--state', state, '--state-key', key],
      1,
      /the state itself/,
    ],
    [stateCommand, ['rekye'], 2, /no command "rekye"/],
    [stateCommand, ['rekey', '--state', other, '--state-key', key, '--new-key', key], 2, /the new key is the one/],
    [stateCommand, ['rekey', '--state', state, '--state-key', copy, '--new-key', key], 2, /no such key file/],
  ]
  for (const [command, args, code, says] of calls) {
    const result = await run(command, ...args)
    assert.match(`${result.out}${result.err}`, says)
    assert.equal(result.code, code, args.join(' '))
  }
})
