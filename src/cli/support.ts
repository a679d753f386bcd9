import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import { readZip } from '../core/zip.ts'
import type { Manifest } from '../support/bundle.ts'
import { onOneLine } from '../verdict/shell.ts'
import type { CommandIo } from './command-io.ts'
import { expectWritable, fileProblem } from './file-problem.ts'
import { parseOptions } from './parse-options.ts'
import { bundleOfGateway } from './support-admin.ts'
import { bundleOfFile } from './support-local.ts'

const help = `usage: postern support --admin URL (--request ID | --proxy NAME | --target NAME) [--org ORG --env ENV]
       postern support -c FILE (--target NAME | --proxy NAME | --request ID)

Puts everything that is known of a failure into one zip, for whoever has to look at it: verdict, chain and trust store side by
side, remedies, the request with its trace and log lines, the curl command that repeats it, configuration, status, metrics,
versions. Keys, passwords, tokens and values of headers that carry credentials are left out; manifest.json says what was hidden
and what is missing, and why. summary.md is the page to begin with.

With --admin the running gateway makes it. With -c it is made here of what a configuration file leads to: probe, stores, log files.

  --request ID      message id of a request: of the response header, a log line, or a fault
  --proxy NAME      every target of an API proxy
  --target NAME     a target; with more than one of these all of them are meant
  --capture         with the handshakes of the probes as pcap files
  --no-logs         without lines of log files
  -o, --out FILE    where to write it; default postern-support-NAME-TIME.zip
  --admin URL       of the management API, http://127.0.0.1:8090
  --org, --env      default: those of the gateway's configuration
  --token-env NAME  the variable with an API token; default POSTERN_TOKEN, else POSTERN_USER and POSTERN_PASSWORD
  -c, --config FILE the configuration
  --json            what was written, as JSON: file, summary, manifest
Exit status: 0 it was written, 1 there is nothing to gather or the gateway refused, 2 wrong usage, or no answer.
`

/** What a bundle is asked for on the command line. */
export interface SupportOptions {
  readonly requestId: string | null
  readonly proxy: string | null
  readonly target: string | null
  readonly capture: boolean
  readonly logs: boolean
  readonly organization: string | null
  readonly environment: string | null
}

/** `postern support`: the must-gather list of the playbook in one archive (apigee-edge.md 6.1). */
export async function supportCommand(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  if (args.includes('--help') || args.includes('-h') || args[0] === 'help') {
    io.stdout(help)
    return 0
  }
  try {
    return await run(args, io, signal)
  } catch (thrown) {
    if (!(thrown instanceof PosternError)) throw thrown
    const code = codeOf(thrown)
    if (code === 'interrupted') throw thrown
    const lines = messageOf(thrown)
      .split('\n')
      .map((line) => onOneLine(line, 2000))
    io.stderr(`postern support: ${lines.join('\n')}\n${code === 'usage' ? 'See: postern support --help\n' : ''}`)
    return code === 'support-refused' || code === 'support-unwritten' ? 1 : 2
  }
}

async function run(args: readonly string[], io: CommandIo, signal: AbortSignal): Promise<number> {
  const { values } = parseOptions({
    args: [...args],
    options: {
      admin: { type: 'string' },
      config: { type: 'string', short: 'c' },
      org: { type: 'string' },
      env: { type: 'string' },
      'token-env': { type: 'string' },
      request: { type: 'string' },
      proxy: { type: 'string' },
      target: { type: 'string' },
      capture: { type: 'boolean', default: false },
      'no-logs': { type: 'boolean', default: false },
      out: { type: 'string', short: 'o' },
      json: { type: 'boolean', default: false },
    },
  })
  const options: SupportOptions = {
    requestId: values.request ?? null,
    proxy: values.proxy ?? null,
    target: values.target ?? null,
    capture: values.capture,
    logs: !values['no-logs'],
    organization: values.org ?? null,
    environment: values.env ?? null,
  }
  const about = [options.requestId, options.target, options.proxy].find((each) => each !== null)
  if (about === undefined) throw new PosternError('usage', 'one of --request, --proxy and --target is needed')
  if (values.admin !== undefined && values.config !== undefined)
    throw new PosternError('usage', '--admin asks a running gateway and -c reads a file: one of them')
  const file = values.out ?? defaultName(about)
  // Before anybody is asked for anything.
  if (existsSync(file)) throw new PosternError('usage', `--out ${file}: there is such a file already`)
  expectWritable('--out', file)
  const zip =
    values.admin === undefined
      ? await bundleOfFile(options, values.config ?? null, signal)
      : await bundleOfGateway(options, values.admin, values['token-env'], signal)
  await write(file, zip)
  const files = await readZip(zip, {
    bytes: 64 * 1024 * 1024,
    each: 64 * 1024 * 1024,
    total: 128 * 1024 * 1024,
    ratio: 2000,
  })
  const manifest = JSON.parse(files.get('manifest.json')?.toString('utf8') ?? '{}') as Manifest
  const summary = files.get('summary.md')?.toString('utf8') ?? ''
  io.stdout(
    values.json
      ? `${JSON.stringify({ file, bytes: zip.length, summary, manifest }, null, 2)}\n`
      : text(file, zip.length, summary, manifest),
  )
  return 0
}

function text(file: string, bytes: number, summary: string, { files, redacted, missing }: Manifest): string {
  // Its title, and the cause below it.
  const [title = '', cause = ''] = summary.split('\n\n', 2)
  const hidden = redacted.map(({ rule, times }) => `${rule} ${times}`).join(', ')
  const lines = [
    onOneLine(title.replace(/^# /, ''), 1000),
    ...cause.split('\n').flatMap((line) => (line === '' || line.startsWith('#') ? [] : [onOneLine(line, 2000)])),
    '',
    `Written to ${file}: ${files.length + 1} files, ${Math.max(1, Math.round(bytes / 1024))} KiB. Begin with summary.md.`,
    ...(hidden === '' ? [] : [`Hidden: ${hidden}.`]),
    ...missing.map(({ what, why }) => `Missing: ${onOneLine(what)}: ${onOneLine(why, 2000)}`),
  ]
  return `${lines.join('\n')}\n`
}

/** For its owner alone, and never over something else: what is in it is about somebody's traffic. */
async function write(file: string, bytes: Buffer): Promise<void> {
  try {
    await writeFile(file, bytes, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    throw new PosternError('support-unwritten', `${file}: ${fileProblem(error)}`, { cause: error })
  }
}

function defaultName(about: string): string {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
  return `postern-support-${about.replaceAll(/[^A-Za-z0-9._-]+/g, '-').slice(0, 80)}-${time}.zip`
}
