import { readFileSync } from 'node:fs'
import { messageOf, PosternError } from '../core/errors.ts'
import type { CommandIo } from './command-io.ts'
import { interruptedBy, untilSignal } from './until-signal.ts'

interface Command {
  readonly summary: string
  readonly run: (args: readonly string[], io: CommandIo, signal: AbortSignal) => Promise<number>
}

/** Loaded when called: `validate` in a pipeline need not read the gateway. */
const commands: Readonly<Record<string, Command>> = {
  serve: {
    summary: 'run the gateway: serve -c FILE [--workers N] [--state DIR]',
    run: async (args, io, signal) => (await import('./serve.ts')).serveCommand(args, io, signal),
  },
  quickstart: {
    summary: 'run the gateway with the lab behind it, to try it out',
    run: async (args, io, signal) => (await import('./quickstart.ts')).quickstartCommand(args, io, signal),
  },
  validate: {
    summary: 'check a configuration: validate FILE [--probe] [--json]',
    run: async (args, io, signal) => (await import('./validate.ts')).validateCommand(args, io, signal),
  },
  tls: {
    summary: 'find out why a backend is not trusted: tls check TARGET|HOST:PORT|URL',
    run: async (args, io, signal) => (await import('./tls.ts')).tlsCommand(args, io, signal),
  },
  trust: {
    summary: 'change what is trusted, or see what a change would do: trust add, trust what-if',
    run: async (args, io, signal) => (await import('./trust.ts')).trustCommand(args, io, signal),
  },
  config: {
    summary: 'change single values of a configuration: config set -c FILE PATH VALUE',
    run: async (args, io) => (await import('./config.ts')).configCommand(args, io),
  },
  rollover: {
    summary: 'move trust to another store, step by step: rollover begin --admin URL ...',
    run: async (args, io, signal) => (await import('./rollover.ts')).rolloverCommand(args, io, signal),
  },
  why: {
    summary: 'why a request failed, from the id in its answer: why ID --admin URL',
    run: async (args, io, signal) => (await import('./why.ts')).whyCommand(args, io, signal),
  },
  trace: {
    summary: 'record requests of a proxy and show each step: trace --admin URL PROXY',
    run: async (args, io, signal) => (await import('./trace.ts')).traceCommand(args, io, signal),
  },
  support: {
    summary: 'put all that is known of a failure into one zip: support --admin URL --request ID',
    run: async (args, io, signal) => (await import('./support.ts')).supportCommand(args, io, signal),
  },
  import: {
    summary: 'turn Apigee bundles into a configuration: import apigee DIR|ZIP [--out FILE]',
    run: async (args, io) => (await import('./import-apigee.ts')).importCommand(args, io),
  },
  backup: {
    summary: 'copy the state, also while a gateway serves: backup --state DIR --to FILE',
    run: async (args, io) => (await import('./state-backup.ts')).backupCommand(args, io),
  },
  restore: {
    summary: 'put a copy in the place of a state: restore --from FILE --state DIR',
    run: async (args, io) => (await import('./state-restore.ts')).restoreCommand(args, io),
  },
  state: {
    summary: 'encrypt the state with another key, or reset a password: state rekey, state password',
    run: async (args, io) => (await import('./state.ts')).stateCommand(args, io),
  },
  pki: {
    summary: 'make a private CA, certificates and bundles',
    run: async (args, io) => (await import('./pki.ts')).pkiCommand(args, io),
  },
  lab: {
    summary: 'run backends with one fault each on loopback',
    run: async (args, io, signal) => (await import('./lab.ts')).labCommand(args, io, signal),
  },
}

const servers: ReadonlySet<string> = new Set(['serve', 'quickstart'])

const io: CommandIo = {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
}

// A reader such as `head` that has seen enough. A gateway goes on: its traffic does not depend on who reads its output.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  // As the shell reports SIGPIPE.
  if (!servers.has(process.argv[2] ?? '')) process.exit(141)
})
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const [name = '--help', ...rest] = args
  if (name === '--help' || name === '-h' || name === 'help') {
    io.stdout(help())
    return args.length === 0 ? 2 : 0
  }
  if (name === '--version' || name === '-v' || name === 'version') {
    io.stdout(version())
    return 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    io.stderr(`postern: there is no command "${name}"\n\n${help()}`)
    return 2
  }
  const signal = untilSignal(process)
  try {
    const code = await command.run(rest, io, signal)
    // What is meant to run until a signal ends with 0; what was interrupted did not do what it was asked for.
    return code === 1 && signal.aborted ? interruptedBy(signal.reason) : code
  } catch (error) {
    if (signal.aborted && error instanceof Error && error.name === 'AbortError') return interruptedBy(signal.reason)
    if (!(error instanceof PosternError)) throw error
    io.stderr(`postern ${name}: ${messageOf(error)}\n`)
    return error.code === 'interrupted' ? interruptedBy(signal.reason) : 1
  }
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const { name, version: number } = JSON.parse(text) as { readonly name: string; readonly version: string }
  return `${name} ${number}\n`
}

function help(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}\n`)
  return `usage: postern COMMAND [options]\n\n${lines.join('')}\nEach command takes --help; --version says which one this is.\nExit status: 0 good, 1 a fault was found, 2 wrong usage, 130 interrupted.\n`
}
