import { stringify } from 'yaml'
import type { BundleProblem } from '../compat/apigee/bundle-types.ts'
import { checkRunnable } from '../compat/apigee/bundle-runnable.ts'
import { convertBundle, newNativeConfig } from '../compat/apigee/native-config.ts'
import type { ImportFinding, NativeConfig } from '../compat/apigee/native-types.ts'
import { messageOf, PosternError } from '../core/errors.ts'
import { onOneLine } from '../verdict/shell.ts'
import type { CommandIo } from './command-io.ts'
import { readBundles } from './import-apigee-files.ts'
import { parseOptions } from './parse-options.ts'
import { createFile } from '../config/replace-file.ts'

const usage = `usage: postern import apigee DIR|ZIP [--out FILE [--without-policies]] [--json]

Turns API proxy bundles into a configuration, and says what it cannot say: policies, conditions, what an environment holds.
DIR holds apiproxy, or folders that do; a zip likewise.

  --out FILE  write the configuration there, which must not exist; without it: to standard output
  --without-policies
              write it also where proxies lose policies; what is lost stands in the file as comments
  --json      configuration and findings as data

Exit status: 0 everything was taken over, 1 something was not, or is to be filled in, or no file was written, 2 wrong usage.
`

/** `postern import apigee`: what a bundle says, as native configuration and findings; nothing is left out silently. */
export async function importCommand(args: readonly string[], io: CommandIo): Promise<number> {
  let options: Options | null
  try {
    options = readArguments(args)
  } catch (error) {
    io.stderr(`postern import: ${messageOf(error)}\n${usage}`)
    return 2
  }
  if (options === null) {
    io.stdout(usage)
    return 0
  }
  const { source, out, withoutPolicies, json } = options
  const config = newNativeConfig()
  const findings: ImportFinding[] = []
  for (const { bundle, above } of await readBundles(source)) {
    findings.push(...checkRunnable(bundle).map((problem) => asFinding(problem, above)))
    if (bundle.kind === 'apiproxy') findings.push(...convertBundle(config, bundle, above))
    else findings.push(sharedFlowFinding(bundle.name, above))
  }
  const text = stringify(config, { lineWidth: 120 })
  // A proxy without its policies runs, and lets through what they would have refused.
  const bare = out === undefined || withoutPolicies ? [] : findings.filter(({ code }) => policyLosses.has(code))
  if (out !== undefined && bare.length === 0) await createFile(out, `${commentsOf(findings)}${text}`)
  const lost = findings.some(({ severity }) => severity === 'error')
  if (json) io.stdout(`${JSON.stringify({ ok: !lost, config, findings }, null, 2)}\n`)
  else {
    if (out === undefined) io.stdout(text)
    io.stderr(render(config, findings, bare.length === 0 ? out : undefined))
  }
  if (out !== undefined && bare.length > 0) io.stderr(refusal(out, bare))
  return lost ? 1 : 0
}

interface Options {
  readonly source: string
  readonly out: string | undefined
  readonly withoutPolicies: boolean
  readonly json: boolean
}

/** Codes of what a bundle does by policies, and the configuration does not. */
const policyLosses: ReadonlySet<string> = new Set(['step-not-supported', 'policy-missing', 'shared-flow-not-taken'])

function refusal(out: string, bare: readonly ImportFinding[]): string {
  const count = `${bare.length} ${bare.length === 1 ? 'finding says' : 'findings say'} that policies would be left out`
  return `postern import: ${out} is not written: ${count}; --without-policies writes it without them\n`
}

/** What whoever opens the file later must know; the file alone says nothing of what it lacks. */
function commentsOf(findings: readonly ImportFinding[]): string {
  const told = findings.filter(({ severity }) => severity !== 'info')
  if (told.length === 0) return ''
  const lines = told.map(
    ({ severity, place, code, message }) => `# ${severity}: ${onOneLine(`${place}  ${code}: ${message}`, 1000)}`,
  )
  return `${['# Taken from Apigee bundles, without what is named here:', ...lines].join('\n')}\n\n`
}

function readArguments(args: readonly string[]): Options | null {
  const { values, positionals } = parseOptions({
    args: [...args],
    options: {
      out: { type: 'string' },
      'without-policies': { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
    allowPositionals: true,
  })
  if (values.help === true) return null
  const [from, source, ...rest] = positionals
  if (from !== 'apigee') throw new PosternError('usage', 'import says from what: import apigee DIR|ZIP')
  if (source === undefined || rest.length > 0) throw new PosternError('usage', 'import apigee takes one folder or zip')
  return { source, out: values.out, withoutPolicies: values['without-policies'] === true, json: values.json === true }
}

function asFinding({ code, severity, file, line, message }: BundleProblem, above: string): ImportFinding {
  return { code, severity, place: `${above}${file}:${line}`, message }
}

function sharedFlowFinding(name: string, above: string): ImportFinding {
  const message = `the shared flow ${name} is not taken over: it is made of policies alone`
  return { code: 'shared-flow-not-taken', severity: 'error', place: `${above}sharedflowbundle`, message }
}

function render(config: NativeConfig, findings: readonly ImportFinding[], out: string | undefined): string {
  const lines = findings.map(({ place, severity, code, message }) => `${severity}: ${place}  ${code}: ${message}`)
  const count = (what: object, one: string, many: string): string => {
    const { length } = Object.keys(what)
    return `${length} ${length === 1 ? one : many}`
  }
  const made = [
    count(config.proxies, 'proxy', 'proxies'),
    count(config.targets, 'target', 'targets'),
    count(config.trustStores, 'trust store', 'trust stores'),
    count(findings, 'finding', 'findings'),
  ].join(', ')
  return `${[...lines, out === undefined ? made : `${out}: ${made}`].join('\n')}\n`
}
