import { type FileHandle, open, stat } from 'node:fs/promises'
import { codeOf } from '../core/errors.ts'

/** What is looked for in a log file. */
export interface LogSearch {
  /** A record is of interest only where it holds one of these. */
  readonly needles: readonly string[]
  /** Decides about a record that holds one; lines that belong to it are part of it. */
  readonly wanted: (record: string) => boolean
  readonly signal?: AbortSignal
}

/** I10; shared by all files of a bundle, and counted down. */
export interface LogBudget {
  read: number
  kept: number
}

export const logBudget = (): LogBudget => ({ read: 64 * 1024 * 1024, kept: 1024 * 1024 })

export interface LogExcerpt {
  /** In the order of the file. */
  readonly text: string
  readonly records: number
  /** Files that were read, from the newest on. */
  readonly files: readonly string[]
  /** Why there may be more; '' where all was read. */
  readonly stopped: string
}

const chunkBytes = 256 * 1024
/** A line that is longer is looked at as several. */
const maxLine = 1024 * 1024
/** Records that are kept to find out whether they are the wanted ones are small; a stack trace has a few dozen lines. */
const maxContinuations = 200

/** The newest records of a log file and of what it was rotated to, read backwards and bounded. */
export async function logExcerpt(path: string, search: LogSearch, budget: LogBudget): Promise<LogExcerpt> {
  const found: string[] = []
  const files: string[] = []
  let stopped = ''
  for (const file of await generations(path)) {
    files.push(file)
    stopped = await searchFile(file, search, budget, found)
    if (stopped !== '') break
  }
  return { text: found.reverse().join(''), records: found.length, files, stopped }
}

/** PATH, PATH.1, PATH.2, ... as far as there are any. */
async function generations(path: string): Promise<readonly string[]> {
  const files: string[] = []
  for (let number = 0; number <= 100; number++) {
    const file = number === 0 ? path : `${path}.${number}`
    if (await isFile(file)) files.push(file)
    else if (number > 0) break
  }
  return files
}

async function isFile(path: string): Promise<boolean> {
  try {
    // A pipe would keep whoever opens it.
    return (await stat(path)).isFile()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

/** @returns why it ended early; '' */
async function searchFile(file: string, search: LogSearch, budget: LogBudget, found: string[]): Promise<string> {
  const handle = await open(file, 'r')
  try {
    return await searchBackwards(handle, search, budget, found)
  } finally {
    await handle.close()
  }
}

async function searchBackwards(
  handle: FileHandle,
  { needles, wanted, signal }: LogSearch,
  budget: LogBudget,
  found: string[],
): Promise<string> {
  let position = (await handle.stat()).size
  /** The part of a line that begins in what is not read yet. */
  let rest = Buffer.alloc(0)
  /** Lines that belong to one further up; the last line first. */
  let below: string[] = []
  const take = (line: string): string => {
    if (isContinuation(line)) {
      if (below.length < maxContinuations) below.push(line)
      return ''
    }
    const record = [line, ...below.reverse()].join('')
    below = []
    if (!needles.some((needle) => record.includes(needle)) || !wanted(record)) return ''
    const bytes = Buffer.byteLength(record)
    if (bytes > budget.kept) return 'as much as is kept was found'
    budget.kept -= bytes
    found.push(record)
    return ''
  }
  while (position > 0) {
    if (signal?.aborted === true) return 'the time was up'
    const length = Math.min(chunkBytes, position)
    if (length > budget.read) return 'as much as is read was read'
    budget.read -= length
    position -= length
    const chunk = Buffer.alloc(length)
    const { bytesRead } = await handle.read(chunk, 0, length, position)
    const bytes = Buffer.concat([chunk.subarray(0, bytesRead), rest])
    const first = position === 0 || bytes.length > maxLine ? 0 : bytes.indexOf(lineFeed) + 1
    if (first === 0 && position > 0 && bytes.length <= maxLine) {
      rest = bytes
      continue
    }
    const whole = bytes.subarray(first)
    rest = Buffer.from(bytes.subarray(0, first))
    // Most of a log is about others: whole chunks are passed over without a look at their lines.
    const isOthers = below.length === 0 && !isContinuation(whole.toString('latin1', 0, 80))
    if (isOthers && !needles.some((needle) => whole.includes(needle))) continue
    for (const line of linesFromTheEnd(whole)) {
      const stopped = take(line)
      if (stopped !== '') return stopped
    }
  }
  return ''
}

const lineFeed = 0x0a

function* linesFromTheEnd(bytes: Buffer): Generator<string> {
  let end = bytes.length
  while (end > 0) {
    const start = end < 2 ? 0 : bytes.lastIndexOf(lineFeed, end - 2) + 1
    yield bytes.toString('utf8', start, end)
    end = start
  }
}

/** Java's stack traces, as the message processor's log has them. */
const isContinuation = (line: string): boolean => /^(?:\s|Caused by: |java[a-z.]*\.[\w.]+Exception)/.test(line)
