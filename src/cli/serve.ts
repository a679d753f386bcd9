import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { checkAdminPassword } from '../admin/access/first-admin.ts'
import { type ManagedGateway, startManaged } from '../admin/start.ts'
import { Gateway } from '../control/gateway.ts'
import { messageOf } from '../core/errors.ts'
import { databaseFile } from '../state/files.ts'
import { readStateKey } from '../state/key.ts'
import { openState } from '../state/open.ts'
import type { CommandIo } from './command-io.ts'
import { commandName } from './command-name.ts'
import { parseOptions } from './parse-options.ts'

const usage = `usage: postern serve -c FILE [--workers N] [--state DIR [--state-key FILE]] [--org NAME] [--env NAME]...

Runs the gateway. The configuration and every file it names are watched: a change becomes a new generation whole or not
at all. SIGTERM finishes the requests under way and ends; SIGHUP reads everything again and reopens log files.

  -c, --config FILE   the configuration (YAML or JSON)
  --workers N         data-plane threads; default: one per core
  --state DIR         serve the management API; what it stores is kept in this directory
  --state-key FILE    key that private keys are encrypted with: 32 bytes, base64 or hex; default: POSTERN_STATE_KEY
  --org NAME          organization, instead of the configuration's
  --env NAME          environment, instead of the configuration's; may be given several times

Environment: POSTERN_STATE_KEY; POSTERN_ADMIN_PORT, the port of the management listener; POSTERN_ADMIN_PASSWORD, that of
the user "admin" at the first start (without it one is made and printed once).
`

/** `postern serve`: until a signal ends it. */
export async function serveCommand(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  const options = parse(args)
  if (typeof options === 'string') {
    if (options !== '') io.stderr(`postern serve: ${options}\n`)
    io.stderr(usage)
    return options === '' ? 0 : 2
  }
  const running = await start(options, io)
  const { gateway } = running
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
  await running.stop(undefined, gateway.drainDelayMs)
  return 0
}

async function start(options: ServeOptions, io: CommandIo): Promise<Pick<ManagedGateway, 'gateway' | 'stop'>> {
  const { state, stateKey, environments, ...rest } = options
  const { env } = process
  const adminPort = env['POSTERN_ADMIN_PORT']
  const common = {
    ...rest,
    env,
    posternCommand: commandName(env),
    ...(adminPort === undefined || adminPort === '' ? {} : { managementPort: Number(adminPort) }),
  }
  if (state === undefined) {
    const [environment] = environments
    const gateway = await Gateway.start({ ...common, ...(environment === undefined ? {} : { environment }) })
    return { gateway, stop: (timeoutMs, delayMs) => gateway.stop(timeoutMs, delayMs) }
  }
  const given = env['POSTERN_ADMIN_PASSWORD']
  const adminPassword = given === '' ? undefined : given
  // Before there is a state that the next start would find.
  if (adminPassword !== undefined && !existsSync(databaseFile(state))) checkAdminPassword(adminPassword)
  const store = await openState({ directory: state, key: readStateKey({ file: stateKey, env, state }) })
  const managed = await startManaged({
    ...common,
    store,
    // A file of its own: counts that fill the disk, or are damaged, must not concern what is trusted.
    monitoringFile: join(state, 'monitoring.db'),
    ...(environments.length === 0 ? {} : { environments }),
    ...(adminPassword === undefined ? {} : { adminPassword }),
  })
  const { firstAdmin, gateway } = managed
  if (gateway.managementPort === null) {
    io.stderr('postern serve: nobody can reach the management API: the configuration has no `management`\n')
  }
  if (firstAdmin === null && adminPassword !== undefined) {
    const instead = 'a password is changed with the management API or with postern state password'
    io.stderr(`postern serve: POSTERN_ADMIN_PASSWORD is ignored: the state has users already; ${instead}\n`)
  }
  if (firstAdmin !== null && firstAdmin.password !== null) {
    io.stdout(`first start: user "${firstAdmin.user}", password ${firstAdmin.password} (shown once; change it)\n`)
  }
  return managed
}

interface ServeOptions {
  readonly configFile: string
  readonly workers: number
  readonly organization?: string
  readonly environments: readonly string[]
  readonly state?: string
  readonly stateKey?: string
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
        'state-key': { type: 'string' },
        org: { type: 'string' },
        env: { type: 'string', multiple: true },
        help: { type: 'boolean', short: 'h' },
      },
    })
    if (values.help === true) return ''
    if (values.config === undefined) return 'it needs -c FILE'
    const workers = values.workers === undefined ? availableParallelism() : Number(values.workers)
    if (!Number.isInteger(workers) || workers < 1 || workers > 256)
      return `--workers takes a number from 1 to 256, not "${values.workers}"`
    if (values['state-key'] !== undefined && values.state === undefined) return '--state-key needs --state DIR'
    const adminPort = process.env['POSTERN_ADMIN_PORT'] ?? ''
    if (!/^$|^[0-9]{1,5}$/.test(adminPort) || Number(adminPort) > 65_535)
      return `POSTERN_ADMIN_PORT takes a port, not "${adminPort}"`
    return {
      configFile: values.config,
      workers,
      environments: values.env ?? [],
      ...(values.state === undefined ? {} : { state: values.state }),
      ...(values['state-key'] === undefined ? {} : { stateKey: values['state-key'] }),
      ...(values.org === undefined ? {} : { organization: values.org }),
    }
  } catch (error) {
    return messageOf(error)
  }
}
