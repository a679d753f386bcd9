import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, PosternError } from '../core/errors.ts'
import { withProblem } from './problem.ts'

/** Where the database of a state is. */
export function databaseFile(directory: string): string {
  return join(directory, 'postern.db')
}

/** Makes the directory, for this user only, unless it is there. */
export function makeDirectory(directory: string): void {
  withProblem(directory, () => mkdirSync(directory, { recursive: true, mode: 0o700 }))
}

/** Makes an empty file that only this user reads; SQLite gives its companions the same rights. @returns whether it made it */
export function createPrivate(file: string): boolean {
  try {
    closeSync(openSync(file, 'wx', 0o600))
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    return withProblem(file, () => {
      throw error
    })
  }
}

/** A rename outlives a loss of power once this returned. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Throws `state-missing`. */
export function expectThere(file: string): void {
  if (!existsSync(file))
    throw new PosternError('state-missing', `${file}: there is no such file`, { evidence: { file } })
}
