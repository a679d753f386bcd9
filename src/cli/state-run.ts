import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { readStateKey } from '../state/key.ts'
import type { CommandIo } from './command-io.ts'

/** Runs a command about the state; says what went wrong in one sentence, and gives the exit status. */
export async function runStateCommand(
  name: string,
  help: string,
  args: readonly string[],
  io: CommandIo,
  work: () => Promise<void>,
): Promise<number> {
  if (args.length === 0 || args[0] === 'help' || args.includes('--help') || args.includes('-h')) {
    io.stdout(help)
    return args.length === 0 ? 2 : 0
  }
  try {
    await work()
    return 0
  } catch (thrown) {
    const code = codeOf(thrown)
    if (!(thrown instanceof PosternError)) throw thrown
    io.stderr(`postern ${name}: ${messageOf(thrown)}\n${code === 'usage' ? `See: postern ${name} --help\n` : ''}`)
    return wrongUsage.has(code) ? 2 : 1
  }
}

/** Nothing that was looked at is at fault. */
const wrongUsage: ReadonlySet<string> = new Set([
  'usage',
  'file-exists',
  'state-missing',
  'state-not-empty',
  'state-key-missing',
  'state-key-same',
])

export const keyOption = { 'state-key': { type: 'string' } } as const

/** Of `--state-key`, or of the environment. @param state what it is for: a directory, or a copy */
export function stateKey(file: string | undefined, state?: string): ReturnType<typeof readStateKey> {
  return readStateKey({ file, env: process.env, state })
}

export function required(value: string | undefined, option: string): string {
  if (value === undefined || value === '') throw new PosternError('usage', `${option} is missing`)
  return value
}
