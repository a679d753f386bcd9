import type { LogRotation } from '../proxy/plan.ts'

import { close, fsync, writev } from 'node:fs'
import { promisify } from 'node:util'

import { codeOf, messageOf } from '../core/errors.ts'
import { type LogFile, openLog, partLines, rotateLog, sizeOf } from './log-file.ts'

export interface LogSinkHooks {
  readonly maxQueuedBytes: number
  /** How long a file that could not be rotated is written on before the next try. */
  readonly rotateRetryMs: number
  readonly onError: (message: string) => void
  /** It writes again; `lost`: records since it did not. */
  readonly onRestored: (lost: number) => void
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
  /** null: never. Another one may be set at any time. */
  rotation: LogRotation | null = null
  #writeChunks: WriteChunks
  #file: LogFile
  /** Bytes in the file, as far as they are ours or were there before. */
  #size: number
  #hooks: LogSinkHooks
  #queue: QueuedBatch[] = []
  #queuedBytes = 0
  #running: Promise<void> | null = null
  /** The system call in progress; never rejects. */
  #writing: Promise<unknown> = Promise.resolve()
  /** One opens a file at a time, be it for a signal or for its size; never rejects. */
  #opening: Promise<void> = Promise.resolve()
  #failing = false
  /** Records, since it began to fail. */
  #lost = 0
  /** Since the last try to rotate failed, on `performance`; null: it did not. */
  #rotationFailedAt: number | null = null
  #closed = false
  /** A failed write left half a line behind; the next one starts on a line of its own. */
  #torn = false

  /** `writeChunks` is the system call; a test puts one in its place that fails midway, as a filling disk does. */
  constructor(file: LogFile, hooks: LogSinkHooks, writeChunks: WriteChunks = writevFd) {
    this.#writeChunks = writeChunks
    this.#file = file
    this.#size = file.size
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
    const { path } = this.#file
    if (path === null) return
    // Not through the queue: a disk that is full must not keep the rotation that would empty it from happening.
    await this.#swap(async () => {
      let fresh: LogFile
      try {
        fresh = await openLog(path)
      } catch (error) {
        this.#hooks.onError(`cannot be opened again, writing on to the old file: ${messageOf(error)}`)
        return
      }
      await this.#adopt(fresh)
    })
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
    const { fd, path } = this.#file
    if (path === null) return
    await fsyncFd(fd).catch(() => {}) // A pipe or device as log file has nothing to sync.
    await closeFd(fd).catch((error: unknown) => this.#hooks.onError(messageOf(error)))
  }

  async #run(): Promise<void> {
    // Yields first, so that batches of one turn share a system call.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const batches = this.#queue.splice(0, batchesPerWrite)
      const progress = { bytes: 0 }
      try {
        await this.#writeAll(
          batches.map((batch) => batch.bytes),
          progress,
        )
        if (this.#failing) this.#hooks.onRestored(this.#lost)
        this.#failing = false
      } catch (error) {
        if (!this.#failing) {
          this.#lost = 0
          this.#hooks.onError(`lines are being lost: ${messageOf(error)}`)
        }
        this.#failing = true
        this.#drop(recordsAfter(batches, progress.bytes))
      }
      for (const batch of batches) {
        this.#queuedBytes -= batch.bytes.byteLength
        batch.done()
      }
    }
    this.#running = null
    if (this.#closed) await this.#release()
  }

  /** `progress` counts what is written, for whoever has to know when this throws. */
  async #writeAll(chunks: readonly Uint8Array[], progress: { bytes: number }): Promise<void> {
    let rest = chunks
    while (rest.length > 0) {
      const [now, later] = partLines(rest, this.#room(), this.#size === 0)
      if (now.length === 0 && (await this.#rotate())) continue
      const part = now.length === 0 ? rest : now
      await this.#writePart(part, progress)
      rest = now.length === 0 ? [] : later
    }
  }

  /** What the file may take before it is rotated. */
  #room(): number {
    if (this.rotation === null || !this.#file.regular) return Infinity
    const failed = this.#rotationFailedAt
    if (failed !== null && performance.now() - failed < this.#hooks.rotateRetryMs) return Infinity
    return this.rotation.bytes - this.#size
  }

  /** @returns whether the file is another one, or shorter */
  async #rotate(): Promise<boolean> {
    const before = this.#size
    await this.#swap(async () => {
      const { path, fd } = this.#file
      if (this.rotation === null || path === null) return
      try {
        const size = await sizeOf(fd)
        if (size < this.#size) {
          // Somebody has cut it.
          this.#size = size
          return
        }
        await this.#adopt(await rotateLog(path, fd, this.rotation.keep))
        if (this.#rotationFailedAt !== null) this.#hooks.onError('rotated again')
        this.#rotationFailedAt = null
      } catch (error) {
        if (this.#rotationFailedAt === null) {
          this.#hooks.onError(`cannot be rotated, writing on to it: ${messageOf(error)}`)
        }
        this.#rotationFailedAt = performance.now()
      }
    })
    return this.#size < before
  }

  #swap(open: () => Promise<void>): Promise<void> {
    this.#opening = this.#opening.then(open)
    return this.#opening
  }

  async #adopt(fresh: LogFile): Promise<void> {
    // A write in progress must end on the descriptor it began with.
    const { fd } = this.#file
    const writing = this.#writing
    this.#file = fresh
    this.#size = fresh.size
    this.#torn = false
    await writing
    await closeFd(fd).catch((error: unknown) => this.#hooks.onError(messageOf(error)))
  }

  async #writePart(chunks: readonly Uint8Array[], progress: { bytes: number }): Promise<void> {
    const write = this.#writeWhole(this.#file.fd, chunks, progress)
    this.#writing = write.catch(() => {}) // Whoever awaits this reports it; that one is only waited for.
    await write
  }

  async #writeWhole(fd: number, chunks: readonly Uint8Array[], progress: { bytes: number }): Promise<void> {
    let rest: readonly Uint8Array[] = this.#torn ? [newline, ...chunks] : chunks
    let extra = this.#torn ? 1 : 0
    let written = 0
    try {
      while (rest.length > 0) {
        const count = await this.#writeSome(fd, rest)
        written += count
        progress.bytes += Math.max(0, count - extra)
        extra = Math.max(0, extra - count)
        rest = without(rest, count)
        if (fd === this.#file.fd) this.#size += count
      }
      if (fd === this.#file.fd) this.#torn = false
    } catch (error) {
      if (written > 0 && fd === this.#file.fd) this.#torn = true
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
      this.#drop(batch.records)
      batch.done()
    }
  }

  #drop(records: number): void {
    this.#lost += records
    this.#hooks.onDrop(records)
  }
}

const closeFd = promisify(close)
const fsyncFd = promisify(fsync)
const writevFd = promisify(writev)

/** How many of the records are not whole within the first `written` bytes. */
function recordsAfter(batches: readonly QueuedBatch[], written: number): number {
  let lost = 0
  let before = 0
  for (const { bytes, records } of batches) {
    const here = Math.max(0, written - before)
    before += bytes.byteLength
    if (here === 0) lost += records
    else if (here < bytes.byteLength) lost += Math.min(records, linesOf(bytes.subarray(here)))
  }
  return lost
}

function linesOf(bytes: Uint8Array): number {
  let lines = 0
  for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) lines++
  return lines
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
