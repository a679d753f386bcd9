import { writeFile } from 'node:fs/promises'
import { PosternError } from '../core/errors.ts'
import type { Diagnosis } from '../diagnosis/diagnose.ts'
import { type Diagnoser, openDiagnoser } from '../diagnosis/diagnoser.ts'
import { renderReport } from '../diagnosis/report-text.ts'
import { onOneLine } from '../verdict/shell.ts'
import type { CommandIo } from './command-io.ts'
import { fileProblem } from './file-problem.ts'
import { type CheckedServer, reportJson } from '../diagnosis/report-json.ts'
import { resultKey } from './tls-check-json.ts'
import type { CheckOptions } from './tls-check-options.ts'
import type { CheckPlan, PlannedServer } from './tls-check-plan.ts'
import { forEach, inOrder } from './tls-each.ts'
import { type JunitCase, junitXml } from './tls-junit.ts'
import { type CheckOutcome, outcomeOf, storedOutcome } from './tls-outcome.ts'
import { noProgress, showProgress } from './tls-progress.ts'
import { openResults } from './tls-results.ts'
import { type CheckSummary, countSummary, renderSummary } from './tls-summary.ts'

/** Checks all servers of a plan. @returns the exit status */
export async function runCheck(
  options: CheckOptions,
  { servers, known }: CheckPlan,
  io: CommandIo,
  signal: AbortSignal,
): Promise<number> {
  const { out, resume, concurrency, from } = options
  const held = new Map<string, CheckOutcome>()
  const results =
    out === null
      ? null
      : openResults(out, resume, (line) => {
          const { key, outcome } = storedOutcome(line, out)
          held.set(key, outcome)
        })
  const diagnoser = openDiagnoser({ ...options, known, signal })
  const isList = from !== null
  const isSingle = !isList && servers.length === 1
  const progress =
    isList && !options.quiet ? showProgress({ total: servers.length, atATime: concurrency }, terminal(io)) : noProgress
  const counter = countSummary()
  const cases: JunitCase[] = []
  // A list may be long and its first server slow; arguments are few.
  const ordered = inOrder((show: () => void) => show())
  const asOf = options.time === null ? null : new Date(options.time).toISOString()
  let resumed = 0
  let interrupted = 0

  const account = (server: CheckedServer, outcome: CheckOutcome, text: () => string): void => {
    counter.add(nameOf(server), outcome)
    if (options.junit !== null) cases.push(caseOf(server, outcome, text))
    progress.step(outcome.code === 'trusted')
  }
  const check = async ([number, planned]: readonly [number, PlannedServer]): Promise<void> => {
    const server = planned.plan()
    const { snapshotId = '' } = server.server.tls ?? {}
    const earlier = held.get(resultKey(server.entry, server.server.name, snapshotId, options.mode, asOf))
    const seen = earlier === undefined ? await observe(diagnoser, planned, server, options, signal) : null
    if (seen !== null) results?.add(JSON.stringify(seen.report))
    const show = (): void => {
      const text = seen === null ? '' : shown(seen, options, number, isSingle)
      if (text === '') return
      progress.clear()
      io.stdout(text)
    }
    if (isList) show()
    else ordered(number, show)
    if (earlier !== undefined) {
      resumed += 1
      account(server, earlier, () => earlier.summary)
    } else if (seen === null) interrupted += 1
    else {
      // A fault of this program, which a line or a field would hide.
      const { disagreement } = seen.diagnosis
      if (disagreement !== '')
        io.stderr(`postern tls check: ${nameOf(server)}: judge and handshake disagree: ${disagreement}\n`)
      account(server, outcomeOf(seen.report, seen.seconds), () => renderReport(seen.diagnosis, nameOf(server)))
    }
  }

  try {
    const left = await forEach(servers.entries(), concurrency, check, signal)
    progress.end()
    const summary = counter.summary(resumed, left + interrupted)
    if (options.junit !== null) await writeJunit(options.junit, cases)
    if (!isSingle) io.stdout(options.json ? `${JSON.stringify({ summary })}\n` : summaryText(summary, isList))
    if (summary.left > 0) io.stderr(interruptedText(summary, out))
    return summary.faults === 0 && summary.left === 0 ? 0 : 1
  } finally {
    diagnoser.close()
    results?.close()
  }
}

interface Seen {
  readonly server: CheckedServer
  readonly diagnosis: Diagnosis
  readonly report: ReturnType<typeof reportJson>
  readonly seconds: number
}

/** null: interrupted. */
async function observe(
  diagnoser: Diagnoser,
  planned: PlannedServer,
  server: CheckedServer,
  options: CheckOptions,
  signal: AbortSignal,
): Promise<Seen | null> {
  const at = Date.now()
  const startedAt = performance.now()
  try {
    const diagnosis = await diagnoser.diagnose(server.server, planned.context(server.server))
    const seconds = (performance.now() - startedAt) / 1000
    return { server, diagnosis, report: reportJson(server, diagnosis, { ...options, at }), seconds }
  } catch (error) {
    if (signal.aborted) return null
    throw error
  }
}

/** What goes to standard output of one server: its report, and of a list a line where it is not trusted. */
function shown(
  { server, diagnosis, report }: Seen,
  { json, from }: CheckOptions,
  number: number,
  isSingle: boolean,
): string {
  const name = nameOf(server)
  if (json) return `${JSON.stringify(report, null, isSingle ? 2 : 0)}\n`
  if (from === null) return `${number > 0 ? '\n' : ''}${renderReport(diagnosis, name, { colour: wantsColour() })}`
  const { code, party, summary } = report.verdict
  return code === 'trusted' ? '' : `${name}  ${code} (${party})  ${onOneLine(summary)}\n`
}

/** What a person calls it: `billing (10.0.0.7:8443)`, or the endpoint as it was written, by whoever wrote the list. */
function nameOf({ entry, target, server }: CheckedServer): string {
  return onOneLine(target === null ? entry : `${target} (${server.name})`)
}

export function summaryText(summary: CheckSummary, isList: boolean): string {
  return `${isList && summary.faults === 0 ? '' : '\n'}${renderSummary(summary)}`
}

function interruptedText({ left }: CheckSummary, out: string | null): string {
  const hint = out === null ? '' : '; --resume goes on with the rest'
  return `postern tls check: interrupted, ${left} not checked${hint}\n`
}

function caseOf(server: CheckedServer, { code, summary, seconds }: CheckOutcome, text: () => string): JunitCase {
  const failure = code === 'trusted' ? null : { code, summary, text: text() }
  return { name: nameOf(server), group: server.target ?? 'endpoint', seconds, failure }
}

async function writeJunit(path: string, cases: readonly JunitCase[]): Promise<void> {
  try {
    await writeFile(path, junitXml(cases))
  } catch (error) {
    throw new PosternError('junit-unwritable', `--junit ${path}: ${fileProblem(error)}`)
  }
}

export function wantsColour(): boolean {
  return process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === ''
}

function terminal(io: CommandIo) {
  return { isTTY: process.stderr.isTTY, columns: process.stderr.columns || 80, write: io.stderr }
}
