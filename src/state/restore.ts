import type { KeyObject } from 'node:crypto'
import { existsSync, linkSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PosternError } from '../core/errors.ts'
import { removeCopiedAt } from './copied-at.ts'
import { copyDatabase } from './copy.ts'
import { openDatabase } from './database.ts'
import { databaseFile, expectThere, makeDirectory, syncDirectory } from './files.ts'
import { contentsOf, expectUsable } from './inspect.ts'
import { lockState } from './lock.ts'
import { stateProblem } from './problem.ts'
import { sealerOf } from './sealing.ts'
import { leaveGap } from './versions.ts'

export interface Restored {
  /** Where the state that was there is now; null: there was none. */
  readonly replaced: string | null
  /** When the copy was made, milliseconds since the epoch. */
  readonly copiedAt: number
}

/**
 * Puts a copy in the place of a state, whole or not at all. The copy is checked first: that it is undamaged, not of a later
 * version, and encrypted with this key. What was there is kept as `postern.db.before-restore`, the next as `.1`, `.2`, ...
 * Throws `state-not-empty` unless it may be replaced, `state-in-use` while a gateway or a backup has it open.
 */
export async function restoreState(
  from: string,
  directory: string,
  key: KeyObject,
  replace: boolean,
): Promise<Restored> {
  expectThere(from)
  const file = databaseFile(directory)
  if (existsSync(file) && statSync(file).ino === statSync(from).ino && statSync(file).dev === statSync(from).dev) {
    throw new PosternError('state-in-use', `${from} is the state itself`)
  }
  expectUsable(from, sealerOf(key))
  const { copied } = contentsOf(from)
  makeDirectory(directory)
  const lock = lockState(directory)
  const temporary = join(directory, '.postern.db.restored')
  try {
    const isThere = existsSync(file)
    if (isThere && !replace) {
      throw new PosternError('state-not-empty', `there is a state in ${directory} already; --force replaces it`)
    }
    await copyDatabase(from, temporary, true)
    prepare(temporary)
    const replaced = freeName(`${file}.before-restore`)
    if (isThere) {
      endLog(file, replaced)
      linkSync(file, replaced)
    }
    renameSync(temporary, file)
    syncDirectory(dirname(file))
    return { replaced: isThere ? replaced : null, copiedAt: copied.at }
  } catch (error) {
    throw stateProblem(file, error)
  } finally {
    rmSync(temporary, { force: true })
    lock.release()
  }
}

/** Neither it nor a log of it is there: no state that was replaced is lost by the next restore. */
function freeName(first: string): string {
  const isFree = (name: string): boolean => !existsSync(name) && !existsSync(`${name}-wal`)
  if (isFree(first)) return first
  for (let number = 1; ; number++) if (isFree(`${first}.${number}`)) return `${first}.${number}`
}

function prepare(file: string): void {
  const db = openDatabase(file)
  try {
    removeCopiedAt(db)
    leaveGap(db)
  } finally {
    db.close()
  }
}

/** The log of the old database must not be taken for one of the new: it goes into the old one, or with it where that is broken. */
function endLog(file: string, replaced: string): void {
  const log = `${file}-wal`
  try {
    const db = openDatabase(file)
    try {
      db.get('PRAGMA wal_checkpoint(TRUNCATE)')
    } finally {
      db.close()
    }
  } catch (error) {
    const problem = stateProblem(file, error)
    if (!(problem instanceof PosternError) || problem.code !== 'state-damaged') throw problem
    if (existsSync(log)) renameSync(log, `${replaced}-wal`)
  }
  if (existsSync(log) && statSync(log).size > 0) {
    throw new PosternError(
      'state-in-use',
      `${file} is read by another process, a backup perhaps; try again when it has ended`,
    )
  }
  rmSync(log, { force: true })
  rmSync(`${file}-shm`, { force: true })
}
