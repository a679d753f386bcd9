import { configContext, knownCertificates } from '../diagnosis/config-context.ts'
import type { Diagnosis } from '../diagnosis/diagnose.ts'
import { openDiagnoser } from '../diagnosis/diagnoser.ts'
import { renderReport } from '../diagnosis/report-text.ts'
import { onOneLine } from '../verdict/shell.ts'
import { commandName } from './command-name.ts'
import { type CheckedServer, reportJson } from '../diagnosis/report-json.ts'
import type { LoadedConfig } from './tls-config.ts'
import { forEach } from './tls-each.ts'

export interface Preflight {
  /** Reports of all servers, in the order of the configuration: as `tls check --json` gives them. */
  readonly reports: readonly ReturnType<typeof reportJson>[]
  readonly text: string
  readonly ok: boolean
}

/** Servers that are asked at a time. */
const concurrency = 16

/** Connects to every server of every target as traffic would, and judges what it shows (I4). */
export async function preflight(
  { file, resolved, fetchIssuers }: Omit<LoadedConfig, 'targets'> & { readonly fetchIssuers: boolean },
  signal: AbortSignal,
): Promise<Preflight> {
  const { plan, input } = resolved
  const secured = plan.targets.filter(({ tls }) => tls !== null)
  const asked = secured.flatMap((target) => target.servers.map((server) => ({ target, server })))
  const outcomes: Outcome[] = []
  const where = { configFile: file, posternCommand: commandName(process.env) }
  const diagnoser = openDiagnoser({
    known: knownCertificates(input.stores),
    fetchIssuers,
    mode: 'runtime',
    time: null,
    signal,
  })
  let left = 0
  try {
    const check = async ([index, { target, server }]: readonly [number, (typeof asked)[number]]): Promise<void> => {
      const at = Date.now()
      const seen = await diagnoser.diagnose(server, configContext(resolved, target, server, where))
      const checked = { entry: target.name, target: target.name, server }
      outcomes[index] = { checked, seen, report: reportJson(checked, seen, { mode: 'runtime', time: null, at }) }
    }
    left = await forEach(asked.entries(), concurrency, check, signal)
  } catch (error) {
    if (!signal.aborted) throw error
    left = asked.length
  } finally {
    diagnoser.close()
  }
  const done = outcomes.flatMap((each) => each)
  const bad = done.filter(({ report }) => report.verdict.code !== 'trusted')
  const lines = plan.targets.map(({ name, tls }) =>
    tls === null
      ? `  target ${name}: plain HTTP, not probed`
      : `  target ${name}: ${targetLine(done.filter(({ checked }) => checked.target === name))}`,
  )
  const reports = bad.map(
    ({ checked, seen }) => `\n${renderReport(seen, `${checked.target} (${checked.server.name})`)}`,
  )
  return {
    reports: done.map(({ report }) => report),
    text: `probe: ${done.length - bad.length} of ${asked.length} ${asked.length === 1 ? 'server' : 'servers'} trusted\n${lines.join('\n')}\n${reports.join('')}`,
    ok: bad.length === 0 && left === 0,
  }
}

interface Outcome {
  readonly checked: CheckedServer
  readonly seen: Diagnosis
  readonly report: ReturnType<typeof reportJson>
}

function targetLine(outcomes: readonly Outcome[]): string {
  if (outcomes.length === 0) return 'not probed'
  const bad = outcomes.filter(({ report }) => report.verdict.code !== 'trusted')
  if (bad.length === 0) return outcomes.length === 1 ? 'trusted' : `trusted, all ${outcomes.length} servers`
  return bad
    .map(({ checked, report }) => `${checked.server.name} ${report.verdict.code}: ${onOneLine(report.verdict.summary)}`)
    .join('; ')
}
