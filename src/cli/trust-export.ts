import type { CommandIo } from './command-io.ts'
import { choiceOptions, choose, readChoice } from './trust-choice.ts'
import { parseOptions } from './parse-options.ts'

/** `postern trust export`: one certificate as PEM, and nothing else, on standard output. */
export async function trustExport(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  const { values } = parseOptions({ args: [...args], options: choiceOptions })
  const certificate = await choose(readChoice(values), process.env, signal)
  io.stdout(certificate.pem)
  return 0
}
