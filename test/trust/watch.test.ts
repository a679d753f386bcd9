import assert from 'node:assert/strict'
import { once, EventEmitter } from 'node:events'
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { type PathWatch, watchPaths } from '../../src/trust/watch.ts'

interface Observed {
  readonly watch: PathWatch
  /** Resolves with the next change; call it before the change is made. */
  readonly next: () => Promise<unknown>
  readonly count: () => number
}

/** The poll is far away unless it is what is tested, so that a passing test proves the events. */
function observe(
  t: TestContext,
  paths: readonly string[],
  options: { pollMs?: number; events?: boolean } = {},
): Observed {
  const emitter = new EventEmitter()
  let changes = 0
  const watch = watchPaths({
    paths,
    pollMs: options.pollMs ?? 3_600_000,
    ...(options.events === undefined ? {} : { events: options.events }),
    onChange: () => {
      changes += 1
      emitter.emit('change')
    },
  })
  t.after(() => watch.close())
  return { watch, next: () => once(emitter, 'change', { signal: deadline(t) }), count: () => changes }
}

// Nothing in a watch keeps the process alive; this does, for the length of a test.
function deadline(t: TestContext): AbortSignal {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new Error('no change was noticed within 10 s')), 10_000)
  t.after(() => clearTimeout(timer))
  return controller.signal
}

function scratch(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'postern-watch-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** What kubelet does: a new directory beside the old, then one rename of the link. */
function publish(volume: string, version: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(join(volume, version))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(volume, version, name), content)
  symlinkSync(version, join(volume, '..data_tmp'))
  renameSync(join(volume, '..data_tmp'), join(volume, '..data'))
}

interface Change {
  readonly name: string
  readonly prepare: (dir: string) => string
  readonly act: (dir: string) => void
}
const changes: readonly Change[] = [
  {
    name: 'a swap of ..data, the file being watched',
    prepare: (dir) => {
      publish(dir, '..1', { 'ca.crt': 'one' })
      symlinkSync('..data/ca.crt', join(dir, 'ca.crt'))
      return join(dir, 'ca.crt')
    },
    act: (dir) => publish(dir, '..2', { 'ca.crt': 'two' }),
  },
  {
    name: 'a swap of ..data, the directory being watched',
    prepare: (dir) => {
      publish(dir, '..1', { 'ca.crt': 'one' })
      symlinkSync('..data/ca.crt', join(dir, 'ca.crt'))
      return dir
    },
    act: (dir) => publish(dir, '..2', { 'ca.crt': 'two' }),
  },
  {
    name: 'an edit in place',
    prepare: (dir) => existing(join(dir, 'ca.crt')),
    act: (dir) => writeFileSync(join(dir, 'ca.crt'), 'two'),
  },
  {
    name: "an editor's write and rename",
    prepare: (dir) => existing(join(dir, 'ca.crt')),
    act: (dir) => {
      writeFileSync(join(dir, '.ca.crt.swp'), 'two')
      renameSync(join(dir, '.ca.crt.swp'), join(dir, 'ca.crt'))
    },
  },
  {
    name: 'a deletion and a new file',
    prepare: (dir) => existing(join(dir, 'ca.crt')),
    act: (dir) => {
      rmSync(join(dir, 'ca.crt'))
      writeFileSync(join(dir, 'ca.crt'), 'two')
    },
  },
  {
    name: 'an edit behind a link that leads elsewhere',
    prepare: (dir) => {
      mkdirSync(join(dir, 'real'))
      mkdirSync(join(dir, 'links'))
      existing(join(dir, 'real', 'ca.crt'))
      symlinkSync('../real/ca.crt', join(dir, 'links', 'ca.crt'))
      return join(dir, 'links', 'ca.crt')
    },
    act: (dir) => appendFileSync(join(dir, 'real', 'ca.crt'), 'two'),
  },
  {
    name: 'one more file in a directory',
    prepare: (dir) => {
      mkdirSync(join(dir, 'cas'))
      return join(dir, 'cas')
    },
    act: (dir) => writeFileSync(join(dir, 'cas', 'new.crt'), 'two'),
  },
  {
    name: 'a file that appears together with its directories',
    prepare: (dir) => join(dir, 'a', 'b', 'ca.crt'),
    act: (dir) => {
      mkdirSync(join(dir, 'a', 'b'), { recursive: true })
      writeFileSync(join(dir, 'a', 'b', 'ca.crt'), 'one')
    },
  },
  {
    name: 'a directory that disappears',
    prepare: (dir) => {
      mkdirSync(join(dir, 'cas'))
      existing(join(dir, 'cas', 'ca.crt'))
      return join(dir, 'cas')
    },
    act: (dir) => rmSync(join(dir, 'cas'), { recursive: true }),
  },
]

for (const { name, prepare, act } of changes) {
  for (const [how, options] of Object.entries({ events: {}, polling: { events: false, pollMs: 20 } })) {
    test(`${name} is noticed by ${how}`, async (t) => {
      const dir = scratch(t)
      const { next } = observe(t, [prepare(dir)], options)
      const change = next()
      act(dir)
      await change
    })
  }
}

test('a directory that is removed and made again is watched again', async (t) => {
  const dir = scratch(t)
  const cas = join(dir, 'cas')
  mkdirSync(cas)
  const { next } = observe(t, [cas])
  const gone = next()
  rmSync(cas, { recursive: true })
  await gone
  const back = next()
  mkdirSync(cas)
  await back
  const edited = next()
  writeFileSync(join(cas, 'ca.crt'), 'one')
  await edited
})

test('a burst of changes is one call', async (t) => {
  const dir = scratch(t)
  const path = existing(join(dir, 'ca.crt'))
  const { next, count } = observe(t, [path])
  const change = next()
  for (let edit = 0; edit < 20; edit += 1) writeFileSync(path, `edit ${edit}`)
  await change
  assert.equal(count(), 1)
})

test('a neighbour of a watched file is nobody’s business', async (t) => {
  const dir = scratch(t)
  const path = existing(join(dir, 'ca.crt'))
  const neighbour = existing(join(dir, 'access.log'))
  const watched = observe(t, [path])
  const witness = observe(t, [neighbour])
  const seen = witness.next()
  appendFileSync(neighbour, 'a line')
  await seen
  assert.equal(watched.count(), 0)
  const change = watched.next()
  writeFileSync(path, 'two')
  await change
})

test('paths can be exchanged while watching, and a closed watch is silent', async (t) => {
  const dir = scratch(t)
  const [one, two] = [existing(join(dir, 'one')), existing(join(dir, 'two'))]
  const { watch, next, count } = observe(t, [one])
  watch.setPaths([two])
  const change = next()
  writeFileSync(two, 'edited')
  await change
  watch.close()
  watch.setPaths([one])
  const witness = observe(t, [one])
  const seen = witness.next()
  writeFileSync(one, 'edited')
  await seen
  assert.equal(count(), 1)
})

test('an abort signal ends the watch', async (t) => {
  const dir = scratch(t)
  const path = existing(join(dir, 'ca.crt'))
  const controller = new AbortController()
  let calls = 0
  watchPaths({ paths: [path], pollMs: 10, signal: controller.signal, onChange: () => (calls += 1) })
  watchPaths({ paths: [path], pollMs: 10, signal: AbortSignal.abort(), onChange: () => (calls += 1) })
  controller.abort()
  const witness = observe(t, [path])
  const seen = witness.next()
  writeFileSync(path, 'edited')
  await seen
  assert.equal(calls, 0)
})

function existing(path: string): string {
  writeFileSync(path, 'one')
  return path
}
