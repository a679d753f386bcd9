import { availableParallelism } from 'node:os'
import { Gateway } from '../control/gateway.ts'
import { messageOf } from '../core/errors.ts'
import type { CommandIo } from './command-io.ts'
import { commandName } from './command-name.ts'
import { parseOptions } from './parse-options.ts'

const usage = `usage: postern serve -c FILE [--workers N] [--state DIR] [--org NAME] [--env NAME]

Runs the gateway. The configuration and every file it names are watched: a change becomes a new generation whole or not
at all. SIGTERM finishes the requests under way and ends; SIGHUP reads everything again and reopens log files.

  -c, --config FILE   the configuration (YAML or JSON)
  --workers N         data-plane threads; default: one per core
  --state DIR         where state is kept (nothing is, yet)
  --org NAME          organization, instead of the configuration's
  --env NAME          environment, instead of the configuration's
`

/** `postern serve`: until a signal ends it. */
export async function serveCommand(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  const options = parse(args)
  if (typeof options === 'string') {
    if (options !== '') io.stderr(`postern serve: ${options}\n`)
    io.stderr(usage)
    return options === '' ? 0 : 2
  }
  const gateway = await Gateway.start({ ...options, env: process.env, posternCommand: commandName(process.env) })
  const reload = (): void => {
    void gateway.reopenLogs()
    void gateway.reload()
  }
  process.on('SIGHUP', reload)
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  process.off('SIGHUP', reload)
  await gateway.stop(undefined, gateway.drainDelayMs)
  return 0
}

interface ServeOptions {
  readonly configFile: string
  readonly workers: number
  readonly organization?: string
  readonly environment?: string
}

/** The options, or what is wrong with them; '' when help was asked for. */
function parse(args: readonly string[]): ServeOptions | string {
  try {
    const { values } = parseOptions({
      args: [...args],
      options: {
        config: { type: 'string', short: 'c' },
        workers: { type: 'string' },
        state: { type: 'string' },
        org: { type: 'string' },
        env: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    if (values.help === true) return ''
    if (values.config === undefined) return 'it needs -c FILE'
    const workers = values.workers === undefined ? availableParallelism() : Number(values.workers)
    if (!Number.isInteger(workers) || workers < 1 || workers > 256)
      return `--workers takes a number from 1 to 256, not "${values.workers}"`
    return {
      configFile: values.config,
      workers,
      ...(values.org === undefined ? {} : { organization: values.org }),
      ...(values.env === undefined ? {} : { environment: values.env }),
    }
  } catch (error) {
    return messageOf(error)
  }
}
