import { close, constants, fstat, open, rename, stat, type Stats } from 'node:fs'
import { promisify } from 'node:util'

import { codeOf } from '../core/errors.ts'

/** A descriptor that log lines go to. */
export interface LogFile {
  readonly fd: number
  /** null: a descriptor that somebody else opened. */
  readonly path: string | null
  /** Bytes that were there before. */
  readonly size: number
  /** Pipes and devices have no size and are never renamed. */
  readonly regular: boolean
}

export async function openLog(path: string): Promise<LogFile> {
  // Not readable by everyone: access logs hold addresses and paths.
  // Non-blocking: a pipe that nobody reads would hold open(), and with it every later change, for good.
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants
  const fd = await openFd(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o640)
  try {
    const found = await statOfFd(fd)
    return { fd, path, size: found.size, regular: found.isFile() }
  } catch (error) {
    await closeFd(fd)
    throw error
  }
}

export async function sizeOf(fd: number): Promise<number> {
  return (await statOfFd(fd)).size
}

/**
 * Renames the file to `PATH.1`, what has that name to `PATH.2`, and so on up to `keep`, and opens a new one. What throws has
 * changed nothing that a later try would lose.
 */
export async function rotateLog(path: string, fd: number, keep: number): Promise<LogFile> {
  // Under its name there may be another file, or none, since somebody else has renamed it and has not said so yet.
  const ours = await isUnderName(path, fd)
  if (ours) await shift(path, keep)
  try {
    return await openLog(path)
  } catch (error) {
    // Best effort: lines go on to the file that is open, whatever its name.
    if (ours) await renameFile(`${path}.1`, path).catch(() => {})
    throw error
  }
}

/** Parts the bytes after the last line that fits into `room`; after the first line where that one fits into no file. */
export function partLines(
  chunks: readonly Uint8Array[],
  room: number,
  empty: boolean,
): readonly [now: readonly Uint8Array[], later: readonly Uint8Array[]] {
  let left = room
  for (const [index, chunk] of chunks.entries()) {
    if (chunk.byteLength <= left) {
      left -= chunk.byteLength
      continue
    }
    let cut = left <= 0 ? 0 : chunk.lastIndexOf(lineFeed, left - 1) + 1
    if (cut === 0 && index === 0 && empty) cut = chunk.indexOf(lineFeed) + 1 || chunk.byteLength
    if (cut === 0) return [chunks.slice(0, index), chunks.slice(index)]
    const rest = cut === chunk.byteLength ? [] : [chunk.subarray(cut)]
    return [
      [...chunks.slice(0, index), chunk.subarray(0, cut)],
      [...rest, ...chunks.slice(index + 1)],
    ]
  }
  return [chunks, []]
}

const lineFeed = 0x0a
const openFd = promisify(open)
const closeFd = promisify(close)
const statOfFd = promisify(fstat)
const statOfPath = promisify(stat)
const renameFile = promisify(rename)

async function isUnderName(path: string, fd: number): Promise<boolean> {
  const named = await existing(path)
  const open = await statOfFd(fd)
  return named !== null && named.ino === open.ino && named.dev === open.dev
}

/** From the last to the first, and only up to the first name that is free: a rotation that failed midway left that one. */
async function shift(path: string, keep: number): Promise<void> {
  let free = 1
  while (free < keep && (await existing(`${path}.${free}`)) !== null) free++
  for (let number = free; number > 1; number--) await renameFile(`${path}.${number - 1}`, `${path}.${number}`)
  await renameFile(path, `${path}.1`)
}

async function existing(path: string): Promise<Stats | null> {
  try {
    return await statOfPath(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}
