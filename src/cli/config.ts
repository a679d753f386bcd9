import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { type ConfigProblem, formatProblem, parseConfig } from '../config/load.ts'
import { type Resolved, resolveConfig } from '../config/resolve.ts'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import type { Environment } from '../trust/source.ts'
import { adminUrl, authorizationFrom } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { type Edit, editConfig } from './config-edit.ts'
import { parseConfigPath } from './config-path.ts'
import { fileProblem } from './file-problem.ts'
import { changedLines } from './changed-lines.ts'
import { replaceFile, withFileBeside } from '../config/replace-file.ts'
import { managedHint } from './managed-hint.ts'
import { parseOptions } from './parse-options.ts'
import { validateByGateway } from './validate-admin.ts'

const usage = `usage: postern config set -c FILE PATH VALUE [PATH VALUE]... [--unset PATH]... [--dry-run] [--json]
                          [--admin URL [--token-env NAME]]

Changes single values of a configuration and leaves everything else as it is, comments included. VALUE is YAML. A PATH is
written as faults print it, targets.billing.tls.trust[0]; names with a dot in quotes, targets["a.b"].url; [+] behind a list
adds to it. The whole result is checked first, certificates included; what is not good is not written.
With --admin URL the running gateway checks it, with the managed stores that it has; credentials: POSTERN_TOKEN (or NAME), or
POSTERN_USER and POSTERN_PASSWORD.
Exit status: 0 written (or nothing to change), 1 refused, 2 wrong usage, or there is no such file.
`

/** `postern config set`: one value of the file, checked whole before it is written (I3). */
export async function configCommand(args: readonly string[], io: CommandIo): Promise<number> {
  const [name = '', ...rest] = args
  if (name === '' || name === '--help' || name === '-h' || name === 'help' || rest.includes('--help')) {
    io.stdout(usage)
    return name === '' ? 2 : 0
  }
  if (name !== 'set') {
    io.stderr(`postern config: there is no command "${name}"\n${usage}`)
    return 2
  }
  try {
    return await setCommand(rest, io)
  } catch (thrown) {
    const wrongUsage = codeOf(thrown) === 'usage'
    if (!wrongUsage && !(thrown instanceof PosternError)) throw thrown
    io.stderr(`postern config set: ${messageOf(thrown)}\n${wrongUsage ? usage : ''}`)
    return wrongUsage || codeOf(thrown) === 'config-unreadable' ? 2 : 1
  }
}

async function setCommand(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseOptions({
    args: [...args],
    options: {
      config: { type: 'string', short: 'c' },
      unset: { type: 'string', multiple: true },
      admin: { type: 'string' },
      'token-env': { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  })
  const file = values.config
  if (file === undefined) throw new PosternError('usage', '-c FILE is missing')
  if (positionals.length % 2 === 1)
    throw new PosternError('usage', `${positionals.at(-1) ?? ''} has no value beside it`)
  const edits: Edit[] = [
    ...positionals.flatMap((path, index): Edit[] => {
      return index % 2 === 1 ? [] : [{ path: parseConfigPath(path), value: valueOf(positionals[index + 1] ?? '') }]
    }),
    ...(values.unset ?? []).map((path): Edit => ({ path: parseConfigPath(path), unset: true })),
  ]
  if (edits.length === 0) throw new PosternError('usage', 'nothing to set')
  const { admin } = values
  const place =
    admin === undefined
      ? null
      : { admin: adminUrl(admin), authorization: authorizationFrom(process.env, values['token-env']) }
  const check: Check | undefined =
    place === null ? undefined : (_path, text) => validateByGateway(file, text, place, new AbortController().signal)
  const result = await applyEdits(file, edits, process.env, {
    write: !values['dry-run'],
    ...(check === undefined ? {} : { check }),
  })
  if (values.json) io.stdout(`${JSON.stringify({ file, ...result }, null, 2)}\n`)
  else if (!result.ok) {
    const hint = managedHint(result.problems, 'with --admin URL it checks the change.')
    const lines = [...result.problems.map(formatProblem), ...(hint === '' ? [] : [hint]), `${file}: not changed`]
    io.stdout(`${lines.join('\n')}\n`)
  } else {
    const done = result.changed.length === 0 ? 'says so already' : values['dry-run'] ? 'would be changed' : 'changed'
    io.stdout(`${[...result.changed, `${file}: ${done}`].join('\n')}\n`)
  }
  return result.ok ? 0 : 1
}

/** Whether a text is good in the place of the file. */
type Check = (
  path: string,
  text: string,
) => Promise<{ readonly ok: true } | { readonly ok: boolean; readonly problems: readonly ConfigProblem[] }>

type EditResult =
  | { readonly ok: true; readonly changed: readonly string[]; readonly problems: readonly [] }
  | { readonly ok: false; readonly changed: readonly []; readonly problems: readonly ConfigProblem[] }

/** Changes the file and checks what it says then, before anybody else sees it. Throws where it cannot be read or written. */
export async function applyEdits(
  file: string,
  edits: readonly Edit[],
  env: Environment,
  options: { readonly write: boolean; readonly check?: Check },
): Promise<EditResult> {
  const path = resolve(file)
  const before = readConfig(path)
  const text = before.toString('utf8')
  const parsed = parseConfig(text, file)
  // what is no YAML cannot be edited; what is merely wrong can, that may be the reason for the change
  if (!parsed.ok && parseDocument(text).errors.length > 0) return { ok: false, changed: [], problems: parsed.problems }
  const after = edits.reduce(editConfig, text)
  if (after === text) return { ok: true, changed: [], problems: [] }
  const { check = (place, content) => resolveText(place, content, env) } = options
  const checked = await check(path, after)
  if (!checked.ok)
    return { ok: false, changed: [], problems: checked.problems.map((problem) => ({ ...problem, file })) }
  if (options.write) await replaceFile(path, after, before)
  return { ok: true, changed: changedLines(text, after), problems: [] }
}

/** What `serve` would make of this text in the place of the file: relative paths start at its folder. */
export async function resolveText(path: string, text: string, env: Environment): Promise<Resolved> {
  return await withFileBeside(path, text, 0o600, (temporary) => resolveConfig(temporary, env))
}

export function readConfig(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new PosternError('config-unreadable', `${path}: ${fileProblem(error)}`, { cause: error })
  }
}

function valueOf(text: string): unknown {
  const doc = parseDocument(text, { uniqueKeys: true })
  const [fault] = doc.errors
  if (fault !== undefined)
    throw new PosternError(
      'usage',
      `the value ${JSON.stringify(text)} is not YAML: ${fault.message.split('\n')[0] ?? ''}`,
    )
  return doc.toJS({ maxAliasCount: 0 })
}
