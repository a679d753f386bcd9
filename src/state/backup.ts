import { realpathSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { PosternError } from '../core/errors.ts'
import { copyDatabase } from './copy.ts'
import { openDatabase } from './database.ts'
import { databaseFile, expectThere } from './files.ts'
import { versionOf } from './migrations.ts'
import { withProblem } from './problem.ts'

/** A copy of a state that another process may have open. Throws `file-exists` unless it may be replaced. */
export async function backupState(directory: string, to: string, replace: boolean): Promise<void> {
  const file = databaseFile(directory)
  expectThere(file)
  const target = withProblem(dirname(to), () => realpathSync(dirname(resolve(to))))
  if (target === realpathSync(directory) && /^postern\.(db(-wal|-shm)?|lock|pid)$/.test(basename(to))) {
    throw new PosternError('usage', `${to} is a file of the state itself`)
  }
  const db = openDatabase(file, { readOnly: true })
  try {
    versionOf(db)
  } finally {
    db.close()
  }
  await copyDatabase(file, to, replace)
}
