import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { codeOf } from '../../src/core/errors.ts'
import { readStateKey } from '../../src/state/key.ts'
import { openState } from '../../src/state/open.ts'
import { change, directory, keystore } from './support.ts'

const program = fileURLToPath(new URL('child.ts', import.meta.url))

function keyFile(path: string, name: string): string {
  const file = join(path, name)
  writeFileSync(file, randomBytes(32).toString('base64'), { mode: 0o600 })
  return file
}

function start(t: TestContext, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 30_000 })
  t.after(() => child.kill('SIGKILL'))
  return child
}

/** Calls with each line; @returns all of them, and what stood on the other stream, once the process has ended. */
async function lines(
  child: ChildProcess,
  onLine: (line: string) => void = () => {},
): Promise<{ readonly out: readonly string[]; readonly err: string; readonly code: number | null }> {
  const out: string[] = []
  let rest = ''
  let err = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text))
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const parts = `${rest}${text}`.split('\n')
    rest = parts.pop() ?? ''
    for (const line of parts) {
      out.push(line)
      onLine(line)
    }
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { out, err, code }
}

test('200 acknowledged writes over many kills: each is there, and none in half', async (t) => {
  const path = directory(t)
  const key = keyFile(path, 'key')
  const state = join(path, 'state')
  const acknowledged: number[] = []
  let kills = 0
  for (let from = 0; acknowledged.length < 200; from += 1_000) {
    const child = start(t, ['write', state, key, `${from}`])
    // Any moment: while it opens, within a transaction, between commit and acknowledgement.
    const wanted = Math.floor(Math.random() * 9)
    const late = Math.random() * 4
    let timer: NodeJS.Timeout | null = null
    const { out, err } = await lines(child, (line) => {
      if (line === `${from + wanted}` || (wanted === 0 && line === 'open')) {
        timer ??= setTimeout(() => child.kill('SIGKILL'), late)
      }
    })
    assert.equal(err, '')
    acknowledged.push(...out.filter((line) => line !== 'open').map(Number))
    kills++
  }
  t.diagnostic(`${acknowledged.length} writes acknowledged, ${kills} kills`)

  const store = await openState({ directory: state, key: readStateKey({ file: key }) })
  t.after(() => store.close())
  await store.read(async (view) => {
    const names = new Set(await view.names('keystore', 'o/e'))
    for (const number of acknowledged)
      assert.ok(names.has(`k${number}`), `write ${number} was acknowledged and is lost`)
    assert.equal((await view.below('alias', 'o/e')).length, names.size)
    for (const name of names) {
      const number = name.slice(1)
      assert.equal(String(await view.blob('alias', `o/e/${name}`, 'a')), `certificate ${number}`)
      assert.equal(String(await view.secret('alias', `o/e/${name}`, 'a')), `the secret key number ${number}`)
    }
    assert.equal((await store.audits({ rows: 10_000 })).length, names.size)
    const versions = (await view.below('keystore', 'o')).map((it) => it.version)
    assert.equal(new Set(versions).size, versions.length)
  })
})

test('a rekey that is killed leaves one key or the other, and every secret', async (t) => {
  const path = directory(t)
  const state = join(path, 'state')
  let current = keyFile(path, 'key0')
  const count = 1_000
  const first = await openState({ directory: state, key: readStateKey({ file: current }) })
  await change(first, async (tx) => {
    for (let index = 0; index < count; index++) {
      await tx.put('setting', '', `s${index}`, { body: { value: index }, secret: Buffer.from(`secret ${index}`) })
    }
  })
  await first.close()
  const found = { old: 0, new: 0 }
  for (let round = 1; round <= 10; round++) {
    const next = keyFile(path, `key${round}`)
    const child = start(t, ['rekey', state, current, next])
    // The last one is left alone.
    const delay = round === 10 ? null : 5 + Math.random() * 50
    const { err } = await lines(child, (line) => {
      if (line === 'begins' && delay !== null) setTimeout(() => child.kill('SIGKILL'), delay)
    })
    assert.equal(err, '')
    const [withOld] = await Promise.allSettled([readable(state, current)])
    const [withNew] = await Promise.allSettled([readable(state, next)])
    const isOld = withOld?.status === 'fulfilled'
    const [opened, refused] = isOld ? [withOld, withNew] : [withNew, withOld]
    assert.equal(opened?.status === 'fulfilled' && opened.value, count)
    assert.equal(refused?.status === 'rejected' && codeOf(refused.reason), 'state-key-wrong')
    found[isOld ? 'old' : 'new']++
    if (!isOld) current = next
  }
  t.diagnostic(`${found.old} kept the old key, ${found.new} got the new one`)
  assert.equal(current, join(path, 'key10'))
})

async function readable(state: string, file: string): Promise<number> {
  const store = await openState({ directory: state, key: readStateKey({ file }) })
  try {
    return await store.read(async (view) => {
      const names = await view.names('setting', '')
      for (const name of names) {
        assert.equal(String(await view.secret('setting', '', name)), `secret ${name.slice(1)}`)
      }
      return names.length
    })
  } finally {
    await store.close()
  }
}

test('a second process is told the first; it gets the state once that was killed, and a backup even before', async (t) => {
  const path = directory(t)
  const key = keyFile(path, 'key')
  const state = join(path, 'state')
  const copy = join(path, 'copy.db')
  const holder = start(t, ['hold', state, key])
  const held = lines(holder)
  await new Promise<void>((resolve) => holder.stdout?.once('data', () => resolve()))
  const options = { directory: state, key: readStateKey({ file: key }) }
  await assert.rejects(openState(options), {
    code: 'state-in-use',
    evidence: { directory: state, pid: holder.pid },
  })
  const second = await lines(start(t, ['rekey', state, key, keyFile(path, 'next')]))
  assert.match(second.err, new RegExp(`is in use by process ${holder.pid}`))
  assert.equal(second.code, 1)
  const backup = await lines(start(t, ['backup', state, key, copy]))
  assert.equal(backup.err, '')
  assert.match(backup.out.join(), /Wrote .*copy.db: 0 objects/)
  holder.kill('SIGKILL')
  await held
  const store = await openState(options)
  await change(store, (tx) => tx.put('keystore', 'o/e', 'a', { body: keystore() }))
  await store.close()
  assert.ok(readFileSync(copy).length > 0)
  assert.ok(!readdirSync(state).includes('postern.pid'))
})
