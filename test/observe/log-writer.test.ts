import type { LogSinkPlan } from '../../src/proxy/plan.ts'
import type { LogBatch, LogMessage } from '../../src/observe/log-batcher.ts'
import type { LogSinksOptions } from '../../src/observe/log-writer.ts'

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  createReadStream,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'

import { LogBatcher, sinkKey } from '../../src/observe/log-batcher.ts'
import { createLogMemory, LogSegments } from '../../src/observe/log-segments.ts'
import { LogSink } from '../../src/observe/log-sink.ts'
import { LogSinks } from '../../src/observe/log-writer.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-log-'))
after(() => rmSync(folder, { recursive: true }))

const stdout: LogSinkPlan = { kind: 'stdout' }
const file = (name: string): LogSinkPlan & { kind: 'file' } => ({
  kind: 'file',
  path: join(folder, name),
  rotate: null,
})

function batch(sink: LogSinkPlan, text: string): LogBatch {
  return { sink: sinkKey(sink), bytes: new TextEncoder().encode(text), records: text.split('\n').length - 1 }
}

function batcher(over: Partial<ConstructorParameters<typeof LogBatcher>[0]> = {}, segmentBytes = 1024, count = 2) {
  const sent: LogMessage[] = []
  let dropped = 0
  const memory = createLogMemory(count, segmentBytes)
  const segments = new LogSegments(memory)
  const logs = new LogBatcher({
    sinks: [stdout, file('a.log')],
    segments,
    send: (one) => sent.push(one),
    onDrop: (records) => (dropped += records),
    delayMs: 60_000,
    ...over,
  })
  const textOf = (one: LogMessage | undefined) => {
    if (one === undefined) return ''
    return Buffer.from(memory[one.segment] ?? new ArrayBuffer(0), 0, one.length).toString()
  }
  return { logs, sent, segments, memory, textOf, dropped: () => dropped }
}

describe('the batcher of a worker', () => {
  test('gathers lines of a sink and sends them in one batch, in order', () => {
    const { logs, sent, textOf } = batcher({ chunkCharacters: 4096 }, 4096)
    for (let i = 0; i < 100; i++) logs.append(0, `line ${i}\n`)
    assert.equal(sent.length, 0)
    logs.flush()
    assert.equal(sent.length, 1)
    assert.equal(textOf(sent[0]), Array.from({ length: 100 }, (_, i) => `line ${i}\n`).join(''))
    assert.equal(sent[0]?.records, 100)
    assert.equal(sent[0]?.sink, 'stdout')
  })

  test('keeps sinks apart, sends no empty batch and takes no empty text', () => {
    const { logs, sent, textOf } = batcher()
    logs.append(1, 'file\n')
    logs.append(0, '')
    logs.flush()
    logs.flush()
    assert.deepEqual(
      sent.map((one) => [one.sink, textOf(one)]),
      [[sinkKey(file('a.log')), 'file\n']],
    )
  })

  test('sends by itself at the size, and after the delay', async () => {
    const { logs, sent, textOf } = batcher({ chunkCharacters: 10 }, 30)
    for (let i = 0; i < 3; i++) logs.append(0, '123456789\n')
    assert.equal(sent.length, 0)
    logs.append(0, 'abcdefghi\n')
    assert.equal(textOf(sent[0]), '123456789\n'.repeat(3))
    assert.equal(sent[0]?.records, 3)

    const { promise, resolve } = Promise.withResolvers<LogMessage>()
    const timed = batcher({ delayMs: 1, send: resolve })
    // Its timer keeps no process alive, so the test has to.
    const awake = setInterval(() => {}, 1000)
    timed.logs.append(0, 'soon\n')
    assert.equal(timed.textOf(await promise), 'soon\n')
    clearInterval(awake)
  })

  test('memory is bounded: without a free segment lines are dropped and counted, and releasing one opens it again', () => {
    const { logs, sent, segments, textOf, dropped } = batcher({ chunkCharacters: 10, waitingCharacters: 0 }, 30)
    for (let i = 0; i < 9; i++) logs.append(0, '123456789\n')
    assert.equal(sent.length, 2)
    assert.equal(dropped(), 3)
    segments.release(sent[0]?.segment ?? -1)
    logs.append(0, 'abcdefghi\n')
    logs.flush()
    assert.equal(textOf(sent[2]), 'abcdefghi\n')
    assert.equal(dropped(), 3)
  })

  test('a little may wait for a free segment, and leaves when there is one', () => {
    const { logs, sent, segments, textOf, dropped } = batcher({ chunkCharacters: 10, waitingCharacters: 30 }, 30)
    for (let i = 0; i < 8; i++) logs.append(0, '123456789\n')
    logs.flush()
    assert.deepEqual([sent.length, dropped()], [2, 0])
    segments.release(sent[0]?.segment ?? -1)
    logs.flush()
    assert.equal(textOf(sent[2]), '123456789\n'.repeat(2))
    for (let i = 0; i < 12; i++) logs.append(0, 'abcdefghi\n')
    logs.flush()
    assert.ok(dropped() > 0, 'more than may wait is dropped, and counted')
  })

  test('a batch that fits no segment is dropped whole and counted, never cut', () => {
    const { logs, sent, textOf, dropped } = batcher({ chunkCharacters: 1000 }, 64, 1)
    logs.append(0, 'é'.repeat(40))
    logs.flush()
    assert.deepEqual([sent.length, dropped()], [0, 1])
    logs.append(0, 'é'.repeat(32))
    logs.flush()
    assert.equal(textOf(sent[0]), 'é'.repeat(32))
  })

  test('a batch is UTF-8 in memory that another thread reads', async () => {
    const { port1, port2 } = new MessageChannel()
    const { logs, sent, memory } = batcher()
    logs.append(0, 'CN=Müller\n')
    logs.flush()
    port1.postMessage({ ...sent[0], memory })
    const [received] = (await once(port2, 'message')) as [LogMessage & { memory: SharedArrayBuffer[] }]
    const segment = received.memory[received.segment]
    assert.ok(segment instanceof SharedArrayBuffer)
    assert.equal(Buffer.from(segment, 0, received.length).toString(), 'CN=Müller\n')
    port1.close()
  })

  test('an unknown sink is a bug, and said', () => {
    assert.throws(() => batcher().logs.append(7, 'x\n'), { code: 'log-sink-unknown' })
  })
})

async function opened(plans: readonly LogSinkPlan[], options: LogSinksOptions = {}) {
  const errors: string[] = []
  const sinks = new LogSinks({ onError: (sink, message) => errors.push(`${sink}: ${message}`), ...options })
  await sinks.apply(plans)
  return { sinks, errors }
}

describe('files', () => {
  test('batches arrive whole and in order, and each is acknowledged once', async () => {
    const plan = file('order.log')
    const { sinks } = await opened([plan, plan])
    let done = 0
    for (let i = 0; i < 200; i++) sinks.write(batch(plan, `${i}\n`), () => done++)
    await sinks.flush()
    assert.equal(readFileSync(plan.path, 'utf8'), Array.from({ length: 200 }, (_, i) => `${i}\n`).join(''))
    assert.equal(done, 200)
    await sinks.close()
  })

  test('are appended to, and not readable by everyone', async () => {
    const plan = file('append.log')
    for (const text of ['one\n', 'two\n']) {
      const { sinks } = await opened([plan])
      sinks.write(batch(plan, text))
      await sinks.close()
    }
    assert.equal(readFileSync(plan.path, 'utf8'), 'one\ntwo\n')
    assert.equal(statSync(plan.path).mode & 0o007, 0)
  })

  test('after a rotation, reopen() writes to the new file and loses nothing', async () => {
    const plan = file('rotate.log')
    const { sinks } = await opened([plan])
    sinks.write(batch(plan, 'before\n'))
    await sinks.flush()
    renameSync(plan.path, `${plan.path}.1`)
    sinks.write(batch(plan, 'meanwhile\n'))
    await sinks.reopen()
    sinks.write(batch(plan, 'after\n'))
    await sinks.close()
    const both = readFileSync(`${plan.path}.1`, 'utf8') + readFileSync(plan.path, 'utf8')
    assert.equal(both, 'before\nmeanwhile\nafter\n')
    assert.ok(readFileSync(plan.path, 'utf8').endsWith('after\n'))
  })

  test('reopen() that fails keeps the old file and says so', async () => {
    const inner = join(folder, 'gone')
    execFileSync('mkdir', [inner])
    const plan: LogSinkPlan = { kind: 'file', path: join(inner, 'x.log'), rotate: null }
    const { sinks, errors } = await opened([plan])
    const kept = openSync(plan.path, 'r')
    rmSync(inner, { recursive: true })
    await sinks.reopen()
    assert.match(errors.join(), /cannot be opened again/)
    sinks.write(batch(plan, 'still here\n'))
    await sinks.close()
    assert.equal(readFileSync(kept, 'utf8'), 'still here\n')
    closeSync(kept)
  })

  test('a file that cannot be opened refuses the whole change and keeps what is open (I3)', async () => {
    const good = file('good.log')
    const { sinks } = await opened([good])
    await assert.rejects(
      sinks.apply([file('other.log'), { kind: 'file', path: join(folder, 'no', 'such'), rotate: null }]),
      {
        code: 'log-sink-unusable',
        message: /no\/such.*ENOENT/,
      },
    )
    sinks.write(batch(good, 'kept\n'))
    sinks.write(batch(file('other.log'), 'never opened for good\n'))
    await sinks.close()
    assert.equal(readFileSync(good.path, 'utf8'), 'kept\n')
    assert.equal(readFileSync(file('other.log').path, 'utf8'), '')
    assert.equal(sinks.dropped, 1)
  })

  test('a sink that the configuration drops takes the lines of requests still in flight, until the next change', async () => {
    const [old, next] = [file('old.log'), file('next.log')]
    const { sinks } = await opened([old])
    await sinks.apply([next])
    sinks.write(batch(old, 'late\n'))
    await sinks.apply([next])
    assert.equal(readFileSync(old.path, 'utf8'), 'late\n')
    sinks.write(batch(old, 'too late\n'))
    sinks.write(batch(next, 'new\n'))
    await sinks.close()
    assert.equal(readFileSync(next.path, 'utf8'), 'new\n')
    assert.equal(sinks.dropped, 1)
  })
})

describe('what goes wrong with a sink goes no further', () => {
  test('a full disk: lines are lost and counted, the error is said once, and acknowledged all the same', async () => {
    const full: LogSinkPlan = { kind: 'file', path: '/dev/full', rotate: null }
    const { sinks, errors } = await opened([full])
    let done = 0
    for (let i = 0; i < 3; i++) {
      sinks.write(batch(full, 'a\nb\n'), () => done++)
      await sinks.flush()
    }
    assert.equal(sinks.dropped, 6)
    assert.deepEqual(sinks.droppedBySink, { 'file:/dev/full': 6 })
    assert.equal(done, 3)
    assert.equal(errors.length, 1)
    assert.match(errors[0] ?? '', /ENOSPC/)
    await sinks.close()
  })

  test('a reader of stdout that has gone', async () => {
    const { writer, reader } = pipe('gone-reader', 0)
    closeSync(reader)
    const { sinks, errors } = await opened([stdout], { stdoutFd: writer })
    sinks.write(batch(stdout, 'x\n'))
    await sinks.flush()
    assert.match(errors[0] ?? '', /EPIPE/)
    assert.equal(sinks.dropped, 1)
    await sinks.close()
    closeSync(writer)
  })

  test('a slow reader of a non-blocking pipe gets everything in the end', async () => {
    const { writer, reader } = pipe('slow-reader', constants.O_NONBLOCK)
    const { sinks } = await opened([stdout], { stdoutFd: writer })
    const text = `${'x'.repeat(1023)}\n`.repeat(512)
    sinks.write(batch(stdout, text))
    sinks.write(batch(stdout, 'end\n'))
    // More than a pipe holds: the writer has to wait for the reader that only starts now.
    const flushed = sinks.flush().then(() => closeSync(writer))
    assert.equal(await readAll(reader), `${text}end\n`)
    await flushed
    assert.equal(sinks.dropped, 0)
  })

  test('a reader that stalls: the queue is bounded, the rest dropped and counted, close() does not wait for ever', async () => {
    const { writer, reader } = pipe('stalled', constants.O_NONBLOCK)
    const { sinks } = await opened([stdout], { stdoutFd: writer, maxQueuedBytes: 256 * 1024, closeTimeoutMs: 30 })
    const chunk = `${'x'.repeat(1023)}\n`.repeat(64)
    let done = 0
    for (let i = 0; i < 20; i++) sinks.write(batch(stdout, chunk), () => done++)
    assert.equal(sinks.dropped, 16 * 64)
    assert.equal(done, 16)
    await sinks.close()
    await waitUntil(() => done === 20)
    closeSync(writer)
    const got = await readAll(reader)
    assert.ok(got.length < 4 * chunk.length)
  })

  test('half a line that a failure left behind does not swallow the next one', async () => {
    let text = ''
    let room = 9
    let dropped = 0
    const sink = new LogSink(
      { fd: -1, path: null, size: 0, regular: false },
      {
        maxQueuedBytes: 1000,
        rotateRetryMs: 0,
        onError: () => {},
        onRestored: () => {},
        onDrop: (records) => (dropped += records),
      },
      async (_fd, chunks) => {
        const part = Buffer.concat(chunks).subarray(0, room)
        if (part.length === 0) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
        room -= part.length
        text += part.toString()
        return { bytesWritten: part.length }
      },
    )
    for (const line of ['whole\n', 'torn line\n', 'next\n', 'last\n']) {
      sink.write({ bytes: Buffer.from(line), records: 1, done: () => {} })
      await sink.idle()
      if (line.startsWith('torn')) room = 100
    }
    assert.equal(text, 'whole\ntor\nnext\nlast\n')
    assert.equal(dropped, 1)
  })
})

/** Both ends of a FIFO with real kernel behaviour; `flags` for the writing end. */
function pipe(name: string, flags: number): { writer: number; reader: number } {
  const path = join(folder, name)
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(path, constants.O_WRONLY | flags)
  return { writer, reader }
}

async function readAll(fd: number): Promise<string> {
  let text = ''
  for (;;) {
    try {
      for await (const chunk of createReadStream('', { fd, autoClose: false, encoding: 'utf8' })) text += String(chunk)
      closeSync(fd)
      return text
    } catch (error) {
      // The reading end is non-blocking, as opening a FIFO would wait for its other end: empty is not the end.
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
      await delay(1)
    }
  }
}

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(1)
}
