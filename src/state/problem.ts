import { codeOf, messageOf, PosternError } from '../core/errors.ts'

/** SQLite's primary result codes, https://sqlite.org/rescode.html, and what they are to whoever runs the gateway. */
const problems: Readonly<Record<number, readonly [code: string, text: string]>> = {
  5: ['state-busy', 'is locked by another process'],
  8: ['state-unwritable', 'may not be written by this user, or its file system is read-only'],
  10: ['state-unwritable', 'could not be read or written: the disk reports an error'],
  11: ['state-damaged', 'is damaged; put a backup in its place with postern restore'],
  13: ['state-full', 'cannot grow: the disk is full. Nothing was changed'],
  14: ['state-unwritable', 'cannot be opened; look at the rights of the directory and the file'],
  18: ['state-too-large', 'does not take a value of this size'],
  26: ['state-damaged', 'is not a database; put a backup in its place with postern restore'],
}

/** What an error of SQLite or of the file system means; anything else is a bug, and thrown as it came. */
export function stateProblem(file: string, error: unknown): unknown {
  if (error instanceof PosternError) return error
  const [code, text] = problemOf(error) ?? []
  if (code === undefined) return error
  return new PosternError(code, `${file} ${text}`, { cause: error, evidence: { file, reason: messageOf(error) } })
}

/** Calls; what is thrown is a `state-*` error that names the file. */
export function withProblem<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw stateProblem(file, error)
  }
}

function problemOf(error: unknown): readonly [code: string, text: string] | undefined {
  const code = codeOf(error)
  if (code === 'ERR_SQLITE_ERROR' && typeof error === 'object' && error !== null && 'errcode' in error) {
    const number = Number(error.errcode) & 0xff
    return problems[number] ?? ['state-failed', `refused an operation: ${messageOf(error)}`]
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') return problems[13]
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return problems[8]
  if (code === 'ENOENT') return ['state-missing', 'is not there']
  if (code === 'ENOTDIR' || code === 'EEXIST') return ['state-unwritable', 'is not a directory']
  return code === 'EIO' ? problems[10] : undefined
}
