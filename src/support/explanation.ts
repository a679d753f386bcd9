import { chainLines } from '../diagnosis/report-chain.ts'
import type { ReportJson } from '../diagnosis/report-json.ts'
import { wrapped } from '../diagnosis/report-lines.ts'
import { remedyLines } from '../diagnosis/report-text.ts'
import type { Remedy } from '../verdict/model.ts'
import { remediesForLog } from '../verdict/remedies.ts'
import { onOneLine } from '../verdict/shell.ts'
import { isVerdictCode, pageOf } from '../verdict/texts.ts'
import { causeLines, remediesOf, reportOf, rowsOf, serverLine, type SummaryFacts, titleOf } from './summary.ts'
import type { FoundRequest } from './types.ts'

/** What is known of one request without asking anybody. */
export type ExplainedFacts = Pick<SummaryFacts, 'question' | 'proxies' | 'servers' | 'place'> & {
  readonly request: FoundRequest
}

/** The report that explains it, without what weakens the gateway; null: there is none. */
export function explainingReport(facts: ExplainedFacts): ReportJson | null {
  const report = reportOf(facts)
  return report === null ? null : { ...report, remedy: remediesForLog(report.remedy) }
}

export const explainingRemedies = (facts: ExplainedFacts): readonly Remedy[] => remediesForLog(remediesOf(facts))

/** The first page of a support bundle, for a terminal. */
export function explanationText(facts: ExplainedFacts): string {
  const { request, servers } = facts
  const code = request.verdict || request.fault
  const report = explainingReport(facts)
  const cause = causeLines(facts, report, code).flatMap((line) => wrapped(plain(line), ''))
  const rows = rowsOf(facts)
  const width = Math.max(...rows.map(([name]) => name.length))
  const remedies = explainingRemedies(facts)
  const parts: readonly (readonly string[])[] = [
    [titleOf(facts, code)],
    cause,
    ['Where', ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${onOneLine(value, 1000)}`)],
    report === null || report.chain.path.length === 0 ? [] : ['Chain', ...chainLines(report)],
    servers.length === 0
      ? []
      : ['Servers, as they were seen last', ...servers.map((server) => `  ${plain(serverLine(server, request))}`)],
    remedies.length === 0 ? [] : ['What to do', ...remedies.flatMap(remedyLines)],
    isVerdictCode(code) ? [`See ${pageOf(code)}`] : [],
  ]
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

const plain = (line: string): string => line.replaceAll('**', '')
