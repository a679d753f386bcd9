import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

export interface CliOptions {
  readonly cwd?: string
  /** On top of an environment that says nothing of trust. */
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
}

/** A run of the command as a process of its own. */
export function startCli(args: readonly string[], { cwd, env = {} }: CliOptions = {}) {
  const { SSL_CERT_FILE: _file, SSL_CERT_DIR: _directory, npm_lifecycle_event: _event, ...inherited } = process.env
  return spawn(process.execPath, [main, ...args], {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...inherited, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    // What hangs is to fail and not to stay.
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
}

/** Runs the command to its end. */
export async function runCli(
  args: readonly string[],
  options: CliOptions = {},
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const child = startCli(args, options)
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  child.stdin.on('error', () => {})
  child.stdin.end(options.stdin ?? '')
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, out, err }
}
