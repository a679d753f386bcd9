import { close, constants, fsync, open, writev } from 'node:fs'
import { promisify } from 'node:util'

import { codeOf, messageOf } from '../core/errors.ts'

export interface LogSinkHooks {
  readonly maxQueuedBytes: number
  readonly onError: (message: string) => void
  readonly onDrop: (records: number) => void
}

type WriteChunks = (fd: number, chunks: readonly Uint8Array[]) => Promise<{ bytesWritten: number }>

interface QueuedBatch {
  readonly bytes: Uint8Array
  readonly records: number
  readonly done: () => void
}

/** How many batches one system call takes, and how long to wait for a full non-blocking pipe. */
const batchesPerWrite = 16
const fullPipeRetryMs = 20

const newline = Buffer.from('\n')

/** One descriptor and its queue; one write at a time, so batches keep their order and stay whole. */
export class LogSink {
  #writeChunks: WriteChunks
  #fd: number
  #path: string | null
  #hooks: LogSinkHooks
  #queue: QueuedBatch[] = []
  #queuedBytes = 0
  #running: Promise<void> | null = null
  /** The write in progress; never rejects. */
  #writing: Promise<unknown> = Promise.resolve()
  #failing = false
  #closed = false
  /** A failed write left half a line behind; the next one starts on a line of its own. */
  #torn = false

  /** `writeChunks` is the system call; a test puts one in its place that fails midway, as a filling disk does. */
  constructor(fd: number, path: string | null, hooks: LogSinkHooks, writeChunks: WriteChunks = writevFd) {
    this.#writeChunks = writeChunks
    this.#fd = fd
    this.#path = path
    this.#hooks = hooks
  }

  write(batch: QueuedBatch): void {
    if (this.#closed || this.#queuedBytes + batch.bytes.byteLength > this.#hooks.maxQueuedBytes) {
      this.#giveUp([batch])
      return
    }
    this.#queue.push(batch)
    this.#queuedBytes += batch.bytes.byteLength
    this.#running ??= this.#run()
  }

  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running
  }

  async reopen(): Promise<void> {
    if (this.#path === null) return
    const path = this.#path
    // Not through the queue: a disk that is full must not keep the rotation that would empty it from happening.
    let fresh: number
    try {
      fresh = await openForAppend(path)
    } catch (error) {
      this.#hooks.onError(`cannot be opened again, writing on to the old file: ${messageOf(error)}`)
      return
    }
    // A write in progress must end on the descriptor it began with.
    const old = this.#fd
    const writing = this.#writing
    this.#fd = fresh
    this.#torn = false
    await writing
    await closeFd(old).catch((error: unknown) => this.#hooks.onError(messageOf(error)))
  }

  /** Waits for the queue at most `timeoutMs`, then gives it up. */
  async close(timeoutMs: number): Promise<void> {
    if (timeoutMs > 0) await settledWithin(this.idle(), timeoutMs)
    this.#closed = true
    const left = this.#queue.splice(0)
    for (const batch of left) this.#queuedBytes -= batch.bytes.byteLength
    this.#giveUp(left)
    // A write that hangs keeps its descriptor: closing it under a system call could hit whoever gets its number next.
    if (this.#running === null) await this.#release()
  }

  async #release(): Promise<void> {
    if (this.#path === null) return
    await fsyncFd(this.#fd).catch(() => {}) // A pipe or device as log file has nothing to sync.
    await closeFd(this.#fd).catch((error: unknown) => this.#hooks.onError(messageOf(error)))
  }

  async #run(): Promise<void> {
    // Yields first, so that batches of one turn share a system call.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const batches = this.#queue.splice(0, batchesPerWrite)
      try {
        const write = this.#writeAll(batches.map((batch) => batch.bytes))
        this.#writing = write.catch(() => {}) // Reported below; this one is only waited for.
        await write
        if (this.#failing) this.#hooks.onError('writing again')
        this.#failing = false
        for (const batch of batches) batch.done()
      } catch (error) {
        if (!this.#failing) this.#hooks.onError(`lines are being lost: ${messageOf(error)}`)
        this.#failing = true
        this.#giveUp(batches)
      }
      for (const batch of batches) this.#queuedBytes -= batch.bytes.byteLength
    }
    this.#running = null
    if (this.#closed) await this.#release()
  }

  async #writeAll(chunks: readonly Uint8Array[]): Promise<void> {
    const fd = this.#fd
    let rest: readonly Uint8Array[] = this.#torn ? [newline, ...chunks] : chunks
    let written = 0
    try {
      while (rest.length > 0) {
        const count = await this.#writeSome(fd, rest)
        written += count
        rest = without(rest, count)
      }
      this.#torn = false
    } catch (error) {
      if (written > 0 && fd === this.#fd) this.#torn = true
      throw error
    }
  }

  async #writeSome(fd: number, chunks: readonly Uint8Array[]): Promise<number> {
    for (;;) {
      try {
        const { bytesWritten } = await this.#writeChunks(fd, chunks)
        return bytesWritten
      } catch (error) {
        // A pipe that someone made non-blocking is full: not a failure, its reader is slow. The queue is the bound.
        if (codeOf(error) !== 'EAGAIN' || this.#closed) throw error
        await new Promise((resolve) => setTimeout(resolve, fullPipeRetryMs))
      }
    }
  }

  #giveUp(batches: readonly QueuedBatch[]): void {
    for (const batch of batches) {
      this.#hooks.onDrop(batch.records)
      batch.done()
    }
  }
}

const openFd = promisify(open)
const closeFd = promisify(close)
const fsyncFd = promisify(fsync)
const writevFd = promisify(writev)

export function openForAppend(path: string): Promise<number> {
  // Not readable by everyone: access logs hold addresses and paths.
  // Non-blocking: a pipe that nobody reads would hold open(), and with it every later change, for good.
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants
  return openFd(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o640)
}

/** The chunks without their first `count` bytes. */
function without(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skip = count
  let first = 0
  while (first < chunks.length && skip >= (chunks[first]?.byteLength ?? 0)) {
    skip -= chunks[first]?.byteLength ?? 0
    first++
  }
  const rest = chunks.slice(first)
  const head = rest[0]
  return head === undefined || skip === 0 ? rest : [head.subarray(skip), ...rest.slice(1)]
}

async function settledWithin(promise: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs)
  })
  await Promise.race([promise, timeout])
  clearTimeout(timer)
}
