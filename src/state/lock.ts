import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { codeOf, PosternError } from '../core/errors.ts'
import { createPrivate } from './files.ts'
import { stateProblem, withProblem } from './problem.ts'

/**
 * One process at a time has a state open to write. The lock is SQLite's own on a file that holds nothing: the system gives
 * it up with the process, however that ends. Beside it stands, for people, who has it.
 *
 * POSIX locks go when any descriptor of the file is closed: nothing here may open `postern.lock` or `postern.db` except
 * through SQLite while the state is open.
 */
export function lockState(directory: string): { release(): void } {
  const file = join(directory, 'postern.lock')
  const note = join(directory, 'postern.pid')
  createPrivate(file)
  const lock = withProblem(file, () => new DatabaseSync(file, { timeout: 0 }))
  try {
    // Nothing is written, so no journal need lie beside it.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    const problem = stateProblem(file, error)
    throw codeOf(problem) === 'state-busy' ? inUse(directory, note, error) : problem
  }
  withProblem(note, () => {
    // Made anew: a link that lies there is not written through.
    rmSync(note, { force: true })
    writeFileSync(note, `${process.pid}\n`, { mode: 0o600, flag: 'wx' })
  })
  return {
    release() {
      rmSync(note, { force: true })
      lock.close()
    },
  }
}

function inUse(directory: string, note: string, cause: unknown): PosternError {
  const pid = pidIn(note)
  return new PosternError(
    'state-in-use',
    `the state in ${directory} is in use by ${pid === null ? 'another process' : `process ${pid}`}; one at a time may have it open`,
    { cause, evidence: { directory, pid } },
  )
}

function pidIn(note: string): number | null {
  try {
    const pid = Number(readFileSync(note, 'utf8'))
    return Number.isInteger(pid) && pid > 0 ? pid : null
  } catch {
    // Whoever has the lock may not have written it yet, or just have removed it.
    return null
  }
}
