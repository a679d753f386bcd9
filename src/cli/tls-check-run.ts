import { writeFile } from 'node:fs/promises'
import { messageOf, PosternError } from '../core/errors.ts'
import type { Diagnosis } from '../diagnosis/diagnose.ts'
import { type Diagnoser, openDiagnoser } from '../diagnosis/diagnoser.ts'
import { renderReport } from '../diagnosis/report-text.ts'
import { onOneLine } from '../verdict/shell.ts'
import type { CommandIo } from './command-io.ts'
import { type CheckedServer, reportJson, resultKey } from './tls-check-json.ts'
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
  const progress = isList && !options.quiet ? showProgress(servers.length, terminal(io)) : noProgress
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
    if (earlier !== undefined) {
      resumed += 1
      account(server, earlier, () => earlier.summary)
      return
    }
    const seen = await observe(diagnoser, planned, server, signal)
    if (seen === null) {
      interrupted += 1
      return
    }
    const report = reportJson(server, seen.diagnosis, { ...options, at: seen.at })
    results?.add(JSON.stringify(report))
    const text = (colour = false): string => renderReport(seen.diagnosis, nameOf(server), { colour })
    const show = (): void => {
      progress.clear()
      if (options.json) io.stdout(`${JSON.stringify(report, null, isList || servers.length > 1 ? 0 : 2)}\n`)
      else if (!isList) io.stdout(`${number > 0 ? '\n' : ''}${text(wantsColour())}`)
      else if (report.verdict.code !== 'trusted') io.stdout(faultLine(server, seen.diagnosis))
      // A fault of this program, which a line or a field would hide.
      if (report.disagreement !== undefined) {
        io.stderr(`postern tls check: ${nameOf(server)}: judge and handshake disagree: ${report.disagreement}\n`)
      }
    }
    if (isList) show()
    else ordered(number, show)
    account(server, outcomeOf(report, seen.seconds), text)
  }

  try {
    const left = await forEach(servers.entries(), concurrency, check, signal)
    progress.end()
    const summary = counter.summary(resumed, left + interrupted)
    if (options.junit !== null) await writeJunit(options.junit, cases)
    if (isList || servers.length > 1)
      io.stdout(options.json ? `${JSON.stringify({ summary })}\n` : summaryText(summary, isList))
    if (summary.left > 0) io.stderr(interruptedText(summary, out))
    return summary.faults === 0 && summary.left === 0 ? 0 : 1
  } finally {
    diagnoser.close()
    results?.close()
  }
}

/** null: interrupted. */
async function observe(
  diagnoser: Diagnoser,
  planned: PlannedServer,
  { server }: CheckedServer,
  signal: AbortSignal,
): Promise<{ diagnosis: Diagnosis; at: number; seconds: number } | null> {
  const at = Date.now()
  const startedAt = performance.now()
  try {
    const diagnosis = await diagnoser.diagnose(server, planned.context(server))
    return { diagnosis, at, seconds: (performance.now() - startedAt) / 1000 }
  } catch (error) {
    if (signal.aborted) return null
    throw error
  }
}

/** What a person calls it: `billing (10.0.0.7:8443)`, or the endpoint as it was written. */
function nameOf({ entry, target, server }: CheckedServer): string {
  return target === null ? entry : `${target} (${server.name})`
}

function faultLine(server: CheckedServer, { verdict }: Diagnosis): string {
  return `${nameOf(server)}  ${verdict.code}  ${onOneLine(verdict.summary)}\n`
}

function summaryText(summary: CheckSummary, isList: boolean): string {
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
    throw new PosternError('junit-unwritable', `--junit ${path}: ${messageOf(error)}`)
  }
}

function wantsColour(): boolean {
  return process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === ''
}

function terminal(io: CommandIo) {
  return { isTTY: process.stderr.isTTY, columns: process.stderr.columns ?? 80, write: io.stderr }
}
