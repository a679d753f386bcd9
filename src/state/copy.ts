import { randomBytes } from 'node:crypto'
import { existsSync, linkSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { backup } from 'node:sqlite'
import { type Clock, systemClock } from '../core/clock.ts'
import { PosternError } from '../core/errors.ts'
import { setCopiedAt } from './copied-at.ts'
import { expectSound, openDatabase } from './database.ts'
import { createPrivate, syncDirectory } from './files.ts'
import { stateProblem } from './problem.ts'

/**
 * A complete copy in one file, of one moment, while others read and write (https://sqlite.org/backup.html). It is there whole or
 * not at all, and says when it was made. Throws `file-exists` where there is one already, unless it may be replaced.
 */
export async function copyDatabase(from: string, to: string, replace = false, clock = systemClock): Promise<void> {
  if (!replace && existsSync(to)) throw exists(to)
  const temporary = join(dirname(to), `.${basename(to)}.${randomBytes(6).toString('hex')}`)
  try {
    createPrivate(temporary)
    await copyInto(from, temporary, clock)
    if (replace) renameSync(temporary, to)
    else linkSync(temporary, to)
    syncDirectory(dirname(to))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    throw code === 'EEXIST' ? exists(to) : stateProblem(to, error)
  } finally {
    for (const file of [temporary, `${temporary}-journal`]) rmSync(file, { force: true })
  }
}

async function copyInto(from: string, temporary: string, clock: Clock): Promise<void> {
  let at: number
  const source = openDatabase(from, { readOnly: true })
  try {
    // Held while it is copied: a change beside it would make the copy begin anew, again and again.
    source.exec('BEGIN')
    source.get('SELECT count(*) FROM sqlite_schema')
    at = clock()
    await backup(source.connection, temporary, { rate: 1024 })
  } finally {
    source.close()
  }
  // The copy of a database with a log wants one too; as one file it can be read where nothing can be written.
  const copy = openDatabase(temporary)
  try {
    copy.exec('PRAGMA journal_mode = DELETE')
    setCopiedAt(copy, at)
    expectSound(copy)
  } finally {
    copy.close()
  }
}

function exists(to: string): PosternError {
  return new PosternError('file-exists', `${to} is there already`)
}
