import type { LogRotation, LogSinkPlan } from '../../src/proxy/plan.ts'
import type { LogSinksOptions } from '../../src/observe/log-writer.ts'

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { constants } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, rmdir, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'

import { sinkKey } from '../../src/observe/log-batcher.ts'
import { LogSinks } from '../../src/observe/log-writer.ts'
import { smallDisk } from './small-disk.ts'

/** A folder with `a.log` open in it. */
async function rig(t: TestContext, rotate: LogRotation | null, options: LogSinksOptions = {}, folder?: string) {
  const own = folder ?? (await mkdtemp(join(tmpdir(), 'postern-rotation-')))
  if (folder === undefined) t.after(() => rm(own, { recursive: true, force: true }))
  const path = join(own, 'a.log')
  const said: string[] = []
  const sinks = new LogSinks({ onError: (_sink, message) => said.push(message), ...options })
  t.after(() => sinks.close())
  const plan = (rotation: LogRotation | null): LogSinkPlan & { kind: 'file' } => ({
    kind: 'file',
    path,
    rotate: rotation,
  })
  const write = (text: string): void =>
    sinks.write({
      sink: sinkKey(plan(null)),
      bytes: new TextEncoder().encode(text),
      records: text.split('\n').length - 1,
    })
  const read = async (suffix = ''): Promise<string> => await readFile(path + suffix, 'utf8')
  const all = async (): Promise<string> => {
    const names = (await readdir(own)).filter((name) => name.startsWith('a.log'))
    const number = (name: string): number => Number(name.slice('a.log.'.length)) || 0
    const texts = names.sort((a, b) => number(b) - number(a)).map((name) => readFile(join(own, name), 'utf8'))
    return (await Promise.all(texts)).join('')
  }
  return {
    folder: own,
    path,
    said,
    sinks,
    plan,
    write,
    read,
    all,
    start: () => sinks.apply([plan(rotate)]),
  }
}

const numbered = (from: number, to: number): string => {
  let text = ''
  for (let i = from; i < to; i++) text += `line ${i}${'.'.repeat(i % 37)}\n`
  return text
}

describe('a file that is rotated by its size', () => {
  test('never grows beyond it, and the lines are whole and in order across the files', async (t) => {
    const { folder, start, write, sinks, all, said } = await rig(t, { bytes: 1000, keep: 100 })
    await start()
    // In batches of all sizes: below a file, above one, and several of them in one turn.
    for (let at = 0; at < 1000; at += 50) {
      write(numbered(at, at + 7))
      write(numbered(at + 7, at + 50))
      if (at % 3 === 0) await sinks.flush()
    }
    await sinks.flush()
    assert.equal(await all(), numbered(0, 1000))
    const names = await readdir(folder)
    assert.ok(names.length > 20, `${names.length} files`)
    for (const name of names) {
      const { size, mode } = await stat(join(folder, name))
      assert.ok(size <= 1000 && (name === 'a.log' || size > 900), `${name} has ${size} bytes`)
      assert.equal(mode & 0o007, 0)
      assert.match(await readFile(join(folder, name), 'utf8'), /^line [^]*\n$/)
    }
    assert.deepEqual([said, sinks.dropped], [[], 0])
  })

  test('the oldest goes, the others keep their order', async (t) => {
    const { folder, start, write, sinks, read } = await rig(t, { bytes: 8, keep: 2 })
    await start()
    for (const text of ['first..\n', 'second.\n', 'third..\n', 'fourth.\n']) write(text)
    await sinks.flush()
    assert.deepEqual((await readdir(folder)).sort(), ['a.log', 'a.log.1', 'a.log.2'])
    assert.deepEqual([await read(), await read('.1'), await read('.2')], ['fourth.\n', 'third..\n', 'second.\n'])
  })

  test('what is in it at the start counts', async (t) => {
    const { path, start, write, sinks, read } = await rig(t, { bytes: 20, keep: 1 })
    await writeFile(path, 'of the run before\n')
    await start()
    write('of this run\n')
    await sinks.flush()
    assert.deepEqual([await read('.1'), await read()], ['of the run before\n', 'of this run\n'])
  })

  test('a line that is longer than a file has one of its own', async (t) => {
    const { start, write, sinks, read } = await rig(t, { bytes: 10, keep: 3 })
    await start()
    const long = `${'x'.repeat(50)}\n`
    write(`short\n${long}after\n`)
    await sinks.flush()
    assert.deepEqual([await read('.2'), await read('.1'), await read()], ['short\n', long, 'after\n'])
  })

  test('no rotation: it grows', async (t) => {
    const { folder, start, write, sinks } = await rig(t, null)
    await start()
    write(numbered(0, 500))
    await sinks.flush()
    assert.deepEqual(await readdir(folder), ['a.log'])
  })

  test('a reload changes the rotation of the open file, in both directions, and loses nothing', async (t) => {
    const { folder, start, write, sinks, plan, all } = await rig(t, null)
    await start()
    write(numbered(0, 100))
    const change = sinks.apply([plan({ bytes: 500, keep: 50 })])
    write(numbered(100, 200))
    await change
    write(numbered(200, 300))
    await sinks.flush()
    const files = (await readdir(folder)).length
    assert.ok(files > 3)
    await sinks.apply([plan(null)])
    write(numbered(300, 400))
    await sinks.flush()
    assert.equal((await readdir(folder)).length, files)
    assert.equal(await all(), numbered(0, 400))
  })

  test('a change that is refused leaves the rotation as it was (I3)', async (t) => {
    const { folder, start, write, sinks, plan } = await rig(t, null)
    await start()
    const bad: LogSinkPlan = { kind: 'file', path: join(folder, 'no', 'such'), rotate: null }
    await assert.rejects(sinks.apply([plan({ bytes: 50, keep: 5 }), bad]), { code: 'log-sink-unusable' })
    write(numbered(0, 100))
    await sinks.flush()
    assert.deepEqual(await readdir(folder), ['a.log'])
  })

  test('a pipe is never renamed', async (t) => {
    const { folder, path, start, write, sinks } = await rig(t, { bytes: 10, keep: 2 })
    execFileSync('mkfifo', [path])
    const reader = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    await start()
    write(numbered(0, 10))
    await sinks.flush()
    const { buffer, bytesRead } = await reader.read(Buffer.alloc(1000))
    await reader.close()
    assert.equal(buffer.toString('utf8', 0, bytesRead), numbered(0, 10))
    assert.deepEqual(await readdir(folder), ['a.log'])
  })
})

describe('somebody else rotates it too', () => {
  test('rename and reopen() while lines are written and files are rotated by size: nothing is lost, lines stay whole', async (t) => {
    const { folder, path, start, write, sinks } = await rig(t, { bytes: 2000, keep: 100 })
    await start()
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 5; i++) write(numbered((round * 5 + i) * 20, (round * 5 + i + 1) * 20))
      await rename(path, join(folder, `moved-${round}`))
      await Promise.all([sinks.reopen(), sinks.reopen()])
    }
    await sinks.flush()
    const names = await readdir(folder)
    const lines = (await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))).join('').split('\n')
    assert.deepEqual(lines.sort(), numbered(0, 2000).split('\n').sort())
  })

  test('a file that was put in its place is not taken for ours', async (t) => {
    const { path, start, write, sinks, read } = await rig(t, { bytes: 20, keep: 5 })
    await start()
    write('before the move\n')
    await sinks.flush()
    // What logrotate does with `create`, before it sends the signal.
    await rename(path, `${path}.1`)
    await writeFile(path, '')
    write('after the move\n')
    await sinks.flush()
    assert.deepEqual([await read('.1'), await read()], ['before the move\n', 'after the move\n'])
    await assert.rejects(read('.2'), { code: 'ENOENT' })
  })

  test('a file that was cut starts from there', async (t) => {
    const { folder, path, start, write, sinks, read } = await rig(t, { bytes: 20, keep: 5 })
    await start()
    write('copied and cut\n')
    await sinks.flush()
    await truncate(path)
    write('after the cut\n')
    await sinks.flush()
    assert.deepEqual([await readdir(folder), await read()], [['a.log'], 'after the cut\n'])
  })
})

describe('a file that cannot be rotated', () => {
  test('is written on, says so once, and is rotated when it can be', async (t) => {
    const { path, start, write, sinks, said, read } = await rig(t, { bytes: 20, keep: 1 }, { rotateRetryMs: 30 })
    await mkdir(`${path}.1`)
    await start()
    for (let i = 0; i < 5; i++) {
      write(numbered(i * 10, i * 10 + 10))
      await sinks.flush()
      await delay(10)
    }
    assert.equal(await read(), numbered(0, 50))
    assert.equal(said.length, 1)
    assert.match(said[0] ?? '', /cannot be rotated, writing on to it: EISDIR/)
    await rmdir(`${path}.1`)
    await delay(40)
    write('again\n')
    await sinks.flush()
    assert.deepEqual([await read('.1'), await read()], [numbered(0, 50), 'again\n'])
    assert.deepEqual([said.length, said[1], sinks.dropped], [2, 'rotated again', 0])
  })

  test('where no new file can be made, the old one keeps its name, and older ones are not lost', async (t) => {
    // The root, the log and one more file.
    const folder = await smallDisk(t, 'size=1m,nr_inodes=3')
    if (folder === null) return
    const { path, start, write, sinks, said, read } = await rig(t, { bytes: 20, keep: 5 }, { rotateRetryMs: 0 }, folder)
    await writeFile(`${path}.1`, 'older\n')
    await start()
    for (let i = 0; i < 4; i++) {
      write(`number ${i} is here\n`)
      await sinks.flush()
    }
    assert.equal(await read(), 'number 0 is here\nnumber 1 is here\nnumber 2 is here\nnumber 3 is here\n')
    assert.equal(await read('.2'), 'older\n')
    assert.equal(said.length, 1)
    assert.match(said[0] ?? '', /ENOSPC/)
    await rm(`${path}.2`)
    write('again\n')
    await sinks.flush()
    assert.deepEqual([await read(), said[1], sinks.dropped], ['again\n', 'rotated again', 0])
  })
})
