import { z } from 'zod'
import type { ReportJson } from '../diagnosis/report-json.ts'
import { renderReport } from '../diagnosis/report-text.ts'
import { onOneLine } from '../verdict/shell.ts'
import { isVerdictCode } from '../verdict/texts.ts'
import { PosternError } from '../core/errors.ts'
import { type AdminPlace, callAdmin } from './admin-client.ts'
import type { CommandIo } from './command-io.ts'
import type { CheckOptions } from './tls-check-options.ts'
import { summaryText, wantsColour } from './tls-check-run.ts'
import { outcomeOf } from './tls-outcome.ts'
import { countSummary } from './tls-summary.ts'

/** Asks a running gateway about targets of its own, and prints its reports as those of this program. @returns the exit status */
export async function checkByGateway(
  { endpoints, fetchIssuers, json }: CheckOptions,
  place: AdminPlace,
  io: CommandIo,
  signal: AbortSignal,
): Promise<number> {
  const counter = countSummary()
  const shown = (report: ReportJson, name: string, isFirst: boolean, isSingle: boolean): string => {
    if (json) return `${JSON.stringify(report, null, isSingle ? 2 : 0)}\n`
    const asOf = report.asOf === null ? null : Date.parse(report.asOf)
    return `${isFirst ? '' : '\n'}${renderReport({ ...report, asOf }, name, { colour: wantsColour() })}`
  }
  let count = 0
  for (const target of endpoints) {
    const reports = await reportsOf(target, fetchIssuers, place, signal)
    for (const report of reports) {
      const name = onOneLine(`${report.endpoint.target ?? target} (${report.endpoint.server})`)
      io.stdout(shown(report, name, count === 0, endpoints.length === 1 && reports.length === 1))
      counter.add(name, outcomeOf(report, 0))
      count += 1
    }
  }
  const summary = counter.summary(0, 0)
  if (count !== 1) io.stdout(json ? `${JSON.stringify({ summary })}\n` : summaryText(summary, false))
  return summary.faults === 0 ? 0 : 1
}

/** POST /api/target/check, of all servers of the target. */
async function reportsOf(
  target: string,
  fetchIssuers: boolean,
  place: AdminPlace,
  signal: AbortSignal,
): Promise<readonly ReportJson[]> {
  const query = new URLSearchParams({ name: target, ...(fetchIssuers ? { fetchIssuers: 'true' } : {}) })
  const path = `/api/target/check?${query.toString()}`
  const answer = await callAdmin(place, { method: 'POST', path, refused: 'check-refused' }, signal)
  if (!Checked.safeParse(answer).success) {
    throw new PosternError('admin-unreachable', `${place.admin} answered with what is no report of this version`)
  }
  // As it came: for --json nothing of it changes its place.
  return (answer as { readonly reports: readonly ReportJson[] }).reports
}

const Certificate = z.looseObject({ subject: z.string(), sha256: z.string(), notAfter: z.string() })

/** What is read of a report here, and by those who render it. */
const Report = z.looseObject({
  verdict: z.looseObject({
    code: z.string().refine(isVerdictCode),
    party: z.enum(['gateway', 'backend', 'network', 'client-identity', 'client']),
    summary: z.string(),
    evidence: z.looseObject({}),
    hides: z.array(z.string()),
  }),
  findings: z.array(z.looseObject({ code: z.string(), summary: z.string() })),
  chain: z.looseObject({ served: z.array(z.looseObject({})), path: z.array(Certificate) }),
  remedy: z.array(
    z.looseObject({
      action: z.string(),
      commands: z.array(z.string()),
      look: z.array(z.string()),
      risk: z.string(),
      message: z.string(),
    }),
  ),
  endpoint: z.looseObject({ target: z.string().nullable(), server: z.string() }),
  asOf: z.iso.datetime().nullable(),
  probe: z.looseObject({
    address: z.string(),
    connections: z.number(),
    timings: z.looseObject({}),
    handshake: z.looseObject({ version: z.string(), cipher: z.string() }).nullable(),
  }),
})
const Checked = z.looseObject({ reports: z.array(Report).min(1) })
