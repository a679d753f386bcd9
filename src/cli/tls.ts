import type { CommandIo } from './command-io.ts'
import { checkCommand } from './tls-check.ts'
import { tlsHelp } from './tls-help.ts'

/** `postern tls`: what backends show, and what it means. */
export async function tlsCommand(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  const [name = '', ...rest] = args
  if (name === 'check') return checkCommand(rest, io, signal)
  if (name === '' || name === 'help' || name === '--help' || name === '-h') {
    io.stdout(tlsHelp)
    return name === '' ? 2 : 0
  }
  io.stderr(`postern tls: no such command: ${name}\n${tlsHelp}`)
  return 2
}
