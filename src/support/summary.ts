import { chainLines } from '../diagnosis/report-chain.ts'
import type { ReportJson } from '../diagnosis/report-json.ts'
import { foldedCommand } from '../diagnosis/report-lines.ts'
import { type FaultPlace, faultRemedies } from '../faults/remedies.ts'
import type { CertificateRef, Remedy } from '../verdict/model.ts'
import { onOneLine } from '../verdict/shell.ts'
import { isVerdictCode, pageOf, verdictTexts } from '../verdict/texts.ts'
import type { FoundRequest, FoundServer, MissingPart, SupportQuestion, Versions } from './types.ts'

export interface SummaryFacts {
  readonly question: SupportQuestion
  readonly createdAt: number
  readonly versions: Versions
  readonly request: FoundRequest | null
  readonly proxies: readonly { readonly name: string; readonly revision: string; readonly basePath: string }[]
  readonly servers: readonly FoundServer[]
  /** Where the request's fault happened; null: there is no request. */
  readonly place: FaultPlace | null
  /** One line; null where there is no request to repeat. */
  readonly curl: string | null
  readonly missing: readonly MissingPart[]
  /** Where to look, beside the page of the verdict: a file of the archive, and what is in it. */
  readonly files: readonly { readonly name: string; readonly what: string }[]
}

/** One page for a person: what failed, whose side it is, what to do. Markdown. */
export function summaryText(facts: SummaryFacts): string {
  const { question, request, servers, curl } = facts
  const told = reportOf(facts)
  const code = request === null ? (told?.verdict.code ?? '') : request.verdict || request.fault
  const parts: readonly (readonly string[])[] = [
    [`# ${titleOf(facts, code)}`],
    causeLines(facts, told, code),
    tableOf(facts),
    told === null || told.chain.path.length === 0 ? [] : ['## Chain', '', ...code_(chainLines(told))],
    remedyLines(remediesOf(facts)),
    servers.length === 0
      ? []
      : ['## Servers, as found now', '', ...servers.map((server) => `- ${serverLine(server, request)}`)],
    curl === null ? [] : ['## To see it again', '', ...code_(foldedCommand(curl, '')), ...hint(facts)],
    lookLines(facts, code),
    facts.missing.length === 0
      ? []
      : [
          '## Not in this bundle',
          '',
          ...facts.missing.map(({ what, why }) => `- ${onOneLine(what)}: ${onOneLine(why, 2000)}`),
        ],
    [
      `Made ${new Date(facts.createdAt).toISOString()} by Postern ${facts.versions.postern} for ${question.organization}/${question.environment}. What was hidden stands in manifest.json.`,
    ],
  ]
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

/** Of the report that explains it; else of the fault, with the settings that were involved. */
export function remediesOf({
  request,
  servers,
  place,
}: Pick<SummaryFacts, 'request' | 'servers' | 'place'>): readonly Remedy[] {
  const told = reportOf({ request, servers })
  if (told !== null && told.remedy.length > 0) return told.remedy
  return request === null || place === null ? [] : faultRemedies(request.fault, place)
}

/** The one that explains the request, or the first that is not good; null: nothing was found out. */
export function reportOf({ request, servers }: Pick<SummaryFacts, 'request' | 'servers'>): ReportJson | null {
  const reports = servers.flatMap(({ probed, before }) =>
    [probed, before?.report ?? null].filter((each) => each !== null),
  )
  const explains = request === null ? undefined : reports.find(({ verdict }) => verdict.code === request.verdict)
  if (request !== null) return explains ?? null
  return reports.find(({ verdict }) => verdict.code !== 'trusted') ?? reports[0] ?? null
}

export function titleOf({ request, question }: Pick<SummaryFacts, 'request' | 'question'>, code: string): string {
  const about =
    request !== null
      ? `Request ${onOneLine(request.id)}`
      : question.target !== null
        ? `Target ${onOneLine(question.target)}`
        : question.proxy !== null
          ? `Proxy ${onOneLine(question.proxy)}`
          : `Request ${onOneLine(question.requestId ?? '')}`
  return code === '' ? `${about}: no fault is known` : `${about}: ${code}`
}

export function causeLines(
  { request, servers }: Pick<SummaryFacts, 'request' | 'servers'>,
  told: ReportJson | null,
  code: string,
): readonly string[] {
  const summary = request === null ? (told?.verdict.summary ?? '') : request.summary
  const party = request === null ? (told?.verdict.party ?? '') : request.party
  const now = servers.flatMap(({ probed }) => probed ?? [])
  const changed = request === null || request.verdict === '' ? [] : now.filter(({ verdict }) => verdict.code !== code)
  return [
    ...(summary === '' ? [] : [onOneLine(summary, 4000)]),
    ...(isVerdictCode(code) && code !== 'trusted' ? ['', verdictTexts[code].meaning] : []),
    ...(party === '' || code === 'trusted' ? [] : ['', `Whose side: **${party}**.`]),
    ...guiltyLines(told?.verdict.certificate ?? null),
    ...changed.map(({ verdict, endpoint, at }) => {
      return `\nWhen it was asked again at ${at}, ${onOneLine(endpoint.server)} was: **${verdict.code}**. ${onOneLine(verdict.summary, 2000)}`
    }),
  ]
}

function guiltyLines(certificate: CertificateRef | null): readonly string[] {
  if (certificate === null) return []
  const { subject, issuer, serial, sha256, notBefore, notAfter } = certificate
  return [
    '',
    'Guilty certificate:',
    '',
    `- subject: ${onOneLine(subject)}`,
    `- issuer: ${onOneLine(issuer)}`,
    `- serial: ${serial}`,
    `- SHA-256: ${sha256}`,
    `- valid: ${notBefore} to ${notAfter}`,
  ]
}

function tableOf(facts: SummaryFacts): readonly string[] {
  return ['## Where', '', '| | |', '|---|---|', ...rowsOf(facts).map(([name, value]) => `| ${name} | ${cell(value)} |`)]
}

type Row = readonly [name: string, value: string]

export function rowsOf({
  question,
  request,
  proxies,
  servers,
}: Pick<SummaryFacts, 'question' | 'request' | 'proxies' | 'servers'>): readonly Row[] {
  const targets = [...new Set(servers.map(({ target }) => target))]
  return [
    ['organization', question.organization],
    ['environment', question.environment],
    ...proxies.map(
      ({ name, revision, basePath }) => ['proxy', `${name}, revision ${revision}, base path ${basePath}`] as const,
    ),
    ...(targets.length === 0 ? [] : [['target', targets.join(', ')] as const]),
    ...servers.map(
      ({ server, host, port }) =>
        ['server', server === `${host}:${port}` ? server : `${server} (${host}:${port})`] as const,
    ),
    ...(request === null ? [] : requestRows(request)),
  ]
}

function requestRows(request: FoundRequest): readonly Row[] {
  const { id, at, status, targetStatus, faultCode, faultSource, totalMs, backend, snapshot, traceId, from } = request
  const { verdict } = request
  const passed = verdict === '' && backend !== '' ? ", which the request's connection had passed" : ''
  return [
    ['request', request.request],
    ['message id', id],
    ['time', at],
    ['took', `${Math.round(totalMs)} ms`],
    [
      'status',
      `${status === 0 ? 'none was sent' : status}${targetStatus === 0 ? '' : `, ${targetStatus} of the backend`}`,
    ],
    ...(faultCode === ''
      ? []
      : [['fault code', `${faultCode}${faultSource === '' ? '' : `, source ${faultSource}`}`] as const]),
    ...(backend === '' ? [] : [['connection to', backend] as const]),
    ...(snapshot === '' ? [] : [['trust snapshot', `${snapshot}${passed}`] as const]),
    ...(traceId === '' ? [] : [['trace', traceId] as const]),
    ['known from', from],
  ]
}

const cell = (text: string): string => onOneLine(text, 1000).replaceAll('|', String.raw`\|`)

/** Markdown. */
function remedyLines(remedies: readonly Remedy[]): readonly string[] {
  if (remedies.length === 0) return []
  return [
    '## What to do',
    '',
    ...remedies.flatMap(({ kind, action, commands, message, risk }, index) => [
      `${index + 1}. ${kind === 'exception' ? 'Last resort. ' : ''}${onOneLine(action, 2000)}`,
      ...(commands.length === 0
        ? []
        : [
            '',
            ...code_(
              commands.flatMap((command) => foldedCommand(command, '')),
              '   ',
            ),
            '',
          ]),
      ...(message === ''
        ? []
        : [
            '',
            ...code_(
              message.split('\n').map((line) => onOneLine(line, 2000)),
              '   ',
            ),
            '',
          ]),
      ...(risk === '' ? [] : [`   Risk: ${onOneLine(risk, 2000)}`]),
    ]),
  ]
}

/** A good handshake now does not speak against a fault that came before it or after it: the line says which. */
export function serverLine({ target, server, tls, probed, before }: FoundServer, request: FoundRequest | null): string {
  const name = `${onOneLine(target)}, ${onOneLine(server)}: `
  if (!tls) return `${name}plain HTTP: there is no certificate to check`
  if (probed !== null) return `${name}**${probed.verdict.code}** at ${probed.at}${note(probed, request)}`
  if (before === null) return `${name}not asked; there is no report of it`
  const at = new Date(before.at).toISOString()
  return `${name}not asked; ${before.report.verdict.code} at ${at}${note(before.report, request)}`
}

function note({ verdict }: ReportJson, request: FoundRequest | null): string {
  if (verdict.code !== 'trusted' || request === null || request.fault === '') return ''
  if (request.verdict !== '') return `; TLS was checked, and is good now, which it was not for the request`
  const checked = '; TLS was checked: certificate and name are good'
  return beforeTls.has(request.fault)
    ? `${checked}. The request failed without a connection of its own`
    : `${checked}. The fault came after that`
}

/** Faults of requests that were sent over no connection. */
const beforeTls: ReadonlySet<string> = new Set([
  ...['dns-failed', 'connect-refused', 'connect-timeout', 'connect-reset', 'overloaded', 'no-server', 'circuit-open'],
  ...['route-failed', 'store-unknown', 'step-not-supported', 'not-ready'],
])

function hint({ request }: SummaryFacts): readonly string[] {
  return request === null ? [] : ['', 'Credentials are variables in it: see curl.sh.']
}

function lookLines({ files }: SummaryFacts, code: string): readonly string[] {
  return [
    '## Where to look next',
    '',
    ...(isVerdictCode(code) ? [`- ${pageOf(code)} of the documentation`] : []),
    ...files.map(({ name, what }) => `- ${name}: ${onOneLine(what.split('. ', 1)[0] ?? '').replace(/[.]$/, '')}`),
  ]
}

const code_ = (lines: readonly string[], indent = ''): readonly string[] =>
  ['```', ...lines, '```'].map((line) => `${indent}${line}`.trimEnd())
