import { codeOf, messageOf } from '../core/errors.ts'
import { onOneLine } from '../verdict/shell.ts'
import { authorizationFrom } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { expectWritable } from './file-problem.ts'
import { checkByGateway } from './tls-check-admin.ts'
import { readCheckOptions } from './tls-check-options.ts'
import { planCheck } from './tls-check-plan.ts'
import { runCheck } from './tls-check-run.ts'
import { loadConfig } from './tls-config.ts'
import { needsConfig, usage } from './tls-endpoint.ts'
import { checkHelp } from './tls-help.ts'
import { type ListEntry, readLine, readList } from './tls-list.ts'

/** `postern tls check`: diagnoses endpoints, as traffic of this gateway would find them. */
export async function checkCommand(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  try {
    const options = readCheckOptions(args)
    if (options === null) {
      io.stdout(checkHelp)
      return 0
    }
    if (options.admin !== null) {
      const place = {
        admin: options.admin,
        authorization: authorizationFrom(process.env, options.tokenEnv ?? undefined),
      }
      return await checkByGateway(options, place, io, signal)
    }
    if (options.junit !== null) expectWritable('--junit', options.junit)
    if (options.out !== null) expectWritable('--out', options.out)
    const listed = options.from === null ? [] : await readList(options.from, process.stdin)
    const entries = [...options.endpoints.map(argumentEntry), ...listed]
    const needed =
      options.trust.stores.length > 0 ||
      entries.some(({ stores, endpoint }) => stores.length > 0 || needsConfig(endpoint))
    const config = await loadConfig(options.config, needed, process.env)
    return await runCheck(options, planCheck(options, entries, config, process.env), io, signal)
  } catch (error) {
    if (!answers.has(codeOf(error))) throw error
    // It may quote a list, or the results of an earlier run, that somebody else has written.
    const lines = messageOf(error)
      .split('\n')
      .map((line) => onOneLine(line, 1000))
    const help = codeOf(error) === 'usage' ? 'See: postern tls check --help\n' : ''
    io.stderr(`postern tls check: ${lines.join('\n')}\n${help}`)
    return 2
  }
}

/** What leaves no report. */
const answers: ReadonlySet<string> = new Set([
  'usage',
  'check-refused',
  'not-allowed',
  'not-authenticated',
  'admin-unreachable',
])

/** An argument is one word: what a list separates by blanks it cannot hold. */
function argumentEntry(text: string): ListEntry {
  const read = readLine(text, 0)
  if (read === null || typeof read === 'string' || read.endpoint !== text) throw usage(`"${text}" is not an endpoint`)
  return read
}
