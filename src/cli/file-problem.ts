import { accessSync, constants, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'

/** What a failed file operation means to whoever wrote the path. */
export function fileProblem(error: unknown): string {
  const sentence = sentences[codeOf(error)]
  // Node repeats code, call and path behind the reason.
  return sentence ?? messageOf(error).replace(/, \w+( '.*')?$/s, '')
}

const sentences: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this user may not read or write it',
  EPERM: 'this user may not read or write it',
  EISDIR: 'it is a directory',
  ENOTDIR: 'what stands before the last / is not a directory',
  EROFS: 'the file system is read-only',
  ELOOP: 'it is a loop of symbolic links',
}

/** Throws `usage` where a result could not be written to the path in the end; found before the work and not after it. */
export function expectWritable(option: string, path: string): void {
  const refuse = (why: string): PosternError => new PosternError('usage', `${option} ${path}: ${why}`)
  if (path === '-') throw refuse('results go to a file (./- for one of this name)')
  const directory = dirname(resolve(path))
  try {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory() === true) throw refuse('it is a directory')
    if (stat === undefined && statSync(directory, { throwIfNoEntry: false }) === undefined) {
      throw refuse(`there is no directory ${directory}`)
    }
    accessSync(stat === undefined ? directory : path, constants.W_OK)
  } catch (error) {
    throw codeOf(error) === 'usage' ? error : refuse(fileProblem(error))
  }
}
