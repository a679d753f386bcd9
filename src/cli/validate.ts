import { type AdminPlace, adminUrl, authorizationFrom } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import { messageOf, PosternError } from '../core/errors.ts'
import { parseTargetUrl } from '../config/addresses.ts'
import { endpointText } from '../config/endpoints.ts'
import { type ConfigProblem, formatProblem } from '../config/load.ts'
import { type Resolved, type ResolvedFinding, type ResolvedOk, resolveConfig } from '../config/resolve.ts'
import type { ServerPlan, TargetPlan } from '../proxy/plan.ts'
import { managedHint } from './managed-hint.ts'
import { parseOptions } from './parse-options.ts'
import { logProblems } from './validate-logs.ts'

const usage = `usage: postern validate FILE [--probe [--no-aia]] [--json]
       postern validate FILE --admin URL [--json]

Checks a configuration and every certificate it names, and prints each fault with file, line and what to write instead.

  --probe   then connect to every server of every target as traffic would, and report what it shows
  --no-aia  do not fetch missing issuers from where certificates point to (evidence only, never trusted)
  --admin URL
            let the running gateway check it, in the place of its own file, with the managed stores that it has
  --token-env NAME
            the variable with an API token; default POSTERN_TOKEN, else POSTERN_USER and POSTERN_PASSWORD
  --json    the same as data; reports of --probe are those of tls check --json

Exit status: 0 the file is good (and with --probe every server is trusted), 1 there are faults, 2 wrong usage, or no answer.
`

/** `postern validate FILE`: reads what `serve` would read, and opens no connection unless `--probe` is given. */
export async function validateCommand(
  args: readonly string[],
  io: CommandIo,
  signal: AbortSignal = new AbortController().signal,
): Promise<number> {
  let file: string | undefined
  let json = false
  let probe = false
  let fetchIssuers = true
  let place: AdminPlace | null = null
  try {
    const { values, positionals } = parseOptions({
      args: [...args],
      options: {
        json: { type: 'boolean' },
        probe: { type: 'boolean' },
        'no-aia': { type: 'boolean' },
        admin: { type: 'string' },
        'token-env': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
      allowPositionals: true,
    })
    if (values.help === true) {
      io.stdout(usage)
      return 0
    }
    if (positionals.length > 1) throw new TypeError('validate takes one file')
    file = positionals[0]
    json = values.json === true
    probe = values.probe === true
    fetchIssuers = values['no-aia'] !== true
    if (values.admin !== undefined) {
      if (probe) throw new TypeError('--probe does not go with --admin; tls check TARGET --admin URL asks for a target')
      place = {
        admin: adminUrl(values.admin),
        authorization: authorizationFrom(process.env, values['token-env']),
      }
    } else if (values['token-env'] !== undefined) throw new TypeError('--token-env goes with --admin URL')
  } catch (error) {
    io.stderr(`postern validate: ${messageOf(error)}\n${usage}`)
    return 2
  }
  if (file === undefined) {
    io.stderr(usage)
    return 2
  }
  if (place !== null) return validateThere(file, place, json, io, signal)
  const found = await resolveConfig(file, process.env)
  const unopened = found.ok ? logProblems(file, found) : []
  const resolved: Resolved = unopened.length === 0 ? found : { ...found, ok: false, problems: unopened }
  // Shown before the servers are asked: they may take their time.
  if (!json)
    io.stdout(resolved.ok ? renderGood(file, resolved) : renderRefused(file, resolved.problems, resolved.warnings))
  const asked =
    probe && resolved.ok
      ? await (await import('./validate-probe.ts')).preflight({ file, resolved, fetchIssuers }, signal)
      : null
  if (json) {
    const { ok, warnings } = resolved
    const report = ok
      ? { ok, problems: [], warnings, findings: resolved.findings, summary: summaryOf(resolved) }
      : { ok, problems: resolved.problems, warnings, findings: [] }
    io.stdout(`${JSON.stringify(asked === null ? report : { ...report, probes: asked.reports }, null, 2)}\n`)
  } else if (asked !== null) io.stdout(asked.text)
  if (!resolved.ok && !json)
    io.stdout(sentenceOf(managedHint(resolved.problems, `postern validate ${file} --admin URL asks it.`)))
  return resolved.ok && asked?.ok !== false ? 0 : 1
}

function sentenceOf(text: string): string {
  return text === '' ? '' : `${text}\n`
}

async function validateThere(
  file: string,
  place: AdminPlace,
  json: boolean,
  io: CommandIo,
  signal: AbortSignal,
): Promise<number> {
  try {
    const { configText, validateByGateway } = await import('./validate-admin.ts')
    const { ok, problems, warnings } = await validateByGateway(file, await configText(file), place, signal)
    if (json) io.stdout(`${JSON.stringify({ ok, problems, warnings, findings: [] }, null, 2)}\n`)
    else if (!ok) io.stdout(renderRefused(file, problems, warnings))
    else io.stdout(`${[`${file}: good for the gateway at ${place.admin}`, ...renderNotes(warnings, [])].join('\n')}\n`)
    return ok ? 0 : 1
  } catch (error) {
    if (!(error instanceof PosternError) || error.code === 'interrupted') throw error
    io.stderr(`postern validate: ${error.message}\n`)
    return 2
  }
}

interface Summary {
  readonly listeners: readonly {
    readonly name: string
    readonly address: string
    readonly port: number
    readonly tls: boolean
  }[]
  readonly proxies: number
  readonly targets: readonly {
    readonly name: string
    readonly url: string
    readonly verified: string
    readonly snapshot: string | null
    readonly balance: string
    readonly servers: readonly ServerSummary[]
    readonly exceptions: readonly { skip: string; owner: string; reason: string; until: string | null }[]
  }[]
}

interface ServerSummary {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly weight: number
  readonly fallback: boolean
  /** Whom its certificate must name, where that is not what the target says. */
  readonly verifyNames: readonly string[] | null
  /** `host:port` of the proxy in between. */
  readonly egress: string | null
}

function summaryOf({ plan, config }: ResolvedOk): Summary {
  return {
    listeners: plan.listeners.map(({ name, address, port, tls }) => ({ name, address, port, tls: tls !== null })),
    proxies: plan.proxies.length,
    targets: plan.targets.map((target) => ({
      name: target.name,
      url: config.targets[target.name]?.url ?? '',
      verified: verification(target, config.targets[target.name]?.tls?.trust ?? []),
      snapshot: target.tls?.snapshotId ?? null,
      balance: target.balance,
      servers: target.servers.map((server) => serverSummary(server, target.tls)),
      exceptions: (target.tls?.exceptions ?? []).map(({ skip, owner, reason, until }) => {
        return { skip, owner, reason, until: until === null ? null : new Date(until).toISOString() }
      }),
    })),
  }
}

/** Field by field: the plan of `egress` holds a password. (I7) */
function serverSummary(
  { name, host, port, tls, weight, fallback, egress }: ServerPlan,
  target: TargetPlan['tls'],
): ServerSummary {
  const verifyNames = tls === null || tls === target ? null : tls.verifyNames
  return { name, host, port, weight, fallback, verifyNames, egress: egress === null ? null : endpointText(egress) }
}

/** One clause that says whom the gateway will believe to be this target. */
function verification({ tls }: TargetPlan, stores: readonly string[]): string {
  if (tls === null) return 'plain HTTP, not verified'
  const count = tls.anchors.length
  const ends = tls.partialChain ? ', a path may end in any of them' : ''
  const chain = tls.skipChain
    ? 'chain NOT verified'
    : `chain to ${stores.join(', ')} (${count} ${count === 1 ? 'anchor' : 'anchors'}${ends})`
  const name = tls.skipName ? 'name NOT verified' : `name ${tls.verifyNames.join(' or ')}`
  const identity = tls.clientCertificate === null ? '' : '; shows a client certificate'
  return `${chain}; ${name}${identity}`
}

function renderGood(file: string, resolved: ResolvedOk): string {
  const { listeners, proxies, targets } = summaryOf(resolved)
  const lines = [`${file}: good`]
  for (const { name, address, port, tls } of listeners) {
    lines.push(
      `  listener ${name}: ${tls ? 'https' : 'http'} on ${address.includes(':') ? `[${address}]` : address}:${port}`,
    )
  }
  lines.push(
    `  ${proxies} ${proxies === 1 ? 'proxy' : 'proxies'}, ${targets.length} ${targets.length === 1 ? 'target' : 'targets'}`,
  )
  for (const { name, url, verified, exceptions, servers } of targets) {
    lines.push(`  target ${name}: ${url}; ${verified}`, ...renderServers(url, servers))
    for (const { skip, owner, reason, until } of exceptions) {
      lines.push(
        `    exception in force: ${skip} not verified, owner ${owner}: ${reason}; ${until === null ? 'no end date' : `until ${until}`}`,
      )
    }
  }
  return `${[...lines, ...renderNotes(resolved.warnings, resolved.findings)].join('\n')}\n`
}

/** Nothing for the one server that is what the URL says. */
function renderServers(url: string, servers: readonly ServerSummary[]): string[] {
  const [only] = servers
  const address = parseTargetUrl(url)
  const plain = only?.egress === null && only.host === address?.host && only.port === address.port
  if (servers.length === 1 && plain && only.verifyNames === null) return []
  return servers.map(({ name, host, port, weight, fallback, verifyNames, egress }) => {
    const at = endpointText({ host, port })
    const facts = [
      ...(name === at ? [] : [at]),
      ...(weight === 1 ? [] : [`weight ${weight}`]),
      ...(fallback ? ['fallback'] : []),
      ...(verifyNames === null ? [] : [`name ${verifyNames.join(' or ')}`]),
      ...(egress === null ? [] : [`through ${egress}`]),
    ]
    return `    server ${name}${facts.length === 0 ? '' : `: ${facts.join(', ')}`}`
  })
}

function renderRefused(file: string, problems: readonly ConfigProblem[], warnings: readonly ConfigProblem[]): string {
  const count = `${file}: ${problems.length} ${problems.length === 1 ? 'fault' : 'faults'}`
  return `${[...problems.map(formatProblem), ...renderNotes(warnings, []), count].join('\n')}\n`
}

function renderNotes(warnings: readonly ConfigProblem[], findings: readonly ResolvedFinding[]): string[] {
  return [
    ...warnings.map((warning) => `warning: ${formatProblem(warning)}`),
    ...findings.map(
      ({ path, severity, code, message }) =>
        `${severity === 'error' ? 'warning' : severity}: ${path}  ${code}: ${message}`,
    ),
  ]
}
