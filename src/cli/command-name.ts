import { realpathSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Environment } from '../trust/source.ts'
import { shellWord } from '../verdict/shell.ts'

const bin = fileURLToPath(new URL('../../bin/postern', import.meta.url))

/**
 * How the command that people are told to run begins, so that it can be run from anywhere: `postern` where their shell finds
 * this program by that name, its path otherwise. Fit for a shell; not to be quoted again.
 */
export function commandName(env: Environment): string {
  const path = env['PATH'] ?? ''
  if (found?.path !== path) found = { path, name: nameFor(path) }
  return found.name
}

/** Asked for every server of a long list. */
let found: { readonly path: string; readonly name: string } | null = null

function nameFor(path: string): string {
  const first = path
    .split(delimiter)
    // what npm puts before the PATH of whatever it runs is not on that of whoever reads this
    .filter((folder) => folder !== '' && !folder.endsWith(join('node_modules', '.bin')))
    .map((folder) => realPath(join(folder, 'postern')))
    .find((file) => file !== null)
  return first === bin ? 'postern' : shellWord(bin)
}

function realPath(path: string): string | null {
  try {
    return realpathSync(path)
  } catch {
    // not there, or not to be looked at: either way no shell would run it
    return null
  }
}
