import { accessSync, constants, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type ConfigProblem, parseConfig } from '../config/load.ts'
import type { ResolvedOk } from '../config/resolve.ts'
import { codeOf } from '../core/errors.ts'
import { fileProblem } from './file-problem.ts'

/**
 * Log files that this user could not open, as `serve` would find when it starts. A gateway that runs and has them open does not
 * refuse its configuration for it, so this is no check of every reload.
 */
export function logProblems(
  file: string,
  { config, text }: Pick<ResolvedOk, 'config' | 'text'>,
): readonly ConfigProblem[] {
  const parsed = parseConfig(text, file)
  if (!parsed.ok) return []
  return config.logs.flatMap((log, index) => {
    if (log.file === undefined) return []
    const path = resolve(dirname(resolve(file)), log.file)
    const message = unwritable(path)
    if (message === '') return []
    return [parsed.place({ path: ['logs', index, 'file'], message, instead: 'a file in a directory that is there' })]
  })
}

/** '' where it can be opened, or made. */
function unwritable(path: string): string {
  const directory = dirname(path)
  try {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory() === true) return `${path} is a directory`
    if (stat === undefined && statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true)
      return `there is no directory ${directory}`
    accessSync(stat === undefined ? directory : path, constants.W_OK)
    return ''
  } catch (error) {
    if (codeOf(error) === '') throw error
    return `${path}: ${fileProblem(error)}`
  }
}
