import type { Party } from '../core/errors.ts'
import { verdictCodes } from '../verdict/codes.ts'
import type { Finding, Remedy, Report, Verdict } from '../verdict/model.ts'
import { onOneLine } from '../verdict/shell.ts'
import { pageOf } from '../verdict/texts.ts'
import { chainLines } from './report-chain.ts'
import { evidenceLines } from './report-evidence.ts'
import { foldedCommand, wrapped } from './report-lines.ts'
import type { Probe } from './types.ts'

/** A report with what there is to say about how it came about. */
export interface ReportToRender extends Report {
  readonly probe?: Pick<Probe, 'address' | 'timings' | 'connections'> & {
    readonly handshake: Pick<NonNullable<Probe['handshake']>, 'version' | 'cipher' | 'alpn'> | null
  }
  readonly disagreement?: string
  /** The moment it was judged as of, where that is another than when it was seen: milliseconds since the epoch. */
  readonly asOf?: number | null
}

export interface RenderOptions {
  /** Escape sequences for bold and colours; only where somebody asked for them. */
  readonly colour?: boolean
}

/** Everything about one backend as text for a person who has to act: the outcome and whose side it is come first. */
export function renderReport(report: ReportToRender, name: string, options: RenderOptions = {}): string {
  const { verdict, findings, chain, remedy, probe, disagreement = '' } = report
  const paint = painter(options.colour === true)
  const others = findings.filter((finding) => !isTheVerdict(finding, verdict))
  const faults = others.filter(({ severity }) => severity === 'fault')
  const rest = others.filter(({ severity }) => severity !== 'fault')
  const { headline, summary } = outcome(report, name)
  const colour = verdict.code === 'trusted' ? 'good' : 'bad'
  const parts: readonly (readonly string[])[] = [
    [...wrapped(headline, '').map((line) => paint(colour, line)), ...wrapped(summary, '')],
    section('Chain', chainLines(report), paint),
    section('Evidence', evidenceLines(verdict), paint),
    section(
      'Also wrong',
      [...faults.flatMap((finding) => findingLines(finding, chain.path.length)), ...hiddenLines(verdict, faults)],
      paint,
    ),
    section('What to do', remedy.flatMap(remedyLines), paint),
    section(
      'Findings',
      rest.flatMap((finding) => findingLines(finding, chain.path.length)),
      paint,
    ),
    section('Connection', probe === undefined ? [] : connectionLines(probe), paint),
    section(
      'A fault of this program',
      disagreement === ''
        ? []
        : wrapped(`Judge and handshake disagree: ${disagreement}. Please report it with this text.`, '  '),
      paint,
    ),
    verdict.code === 'trusted' ? [] : [`See ${pageOf(verdict.code)}`],
  ]
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

const sides: Readonly<Record<Party, string>> = {
  gateway: "the gateway's side",
  backend: "the backend's side",
  network: 'a matter of the network',
  'client-identity': "the gateway's client certificate",
  client: "the client's side",
}

function outcome(
  { verdict, remedy, asOf = null }: ReportToRender,
  name: string,
): { headline: string; summary: string } {
  const { code, party, stage, summary, evidence } = verdict
  const who = onOneLine(name)
  // A handshake happens now.
  const judged = stage === 'chain' || stage === 'identity' || stage === 'verified'
  const when = asOf === null || !judged ? '' : ` as of ${new Date(asOf).toISOString()}`
  if (code === 'trusted') {
    return { headline: `${who}: trusted${evidence['exceptions'] === undefined ? '' : ' BY EXCEPTION'}${when}`, summary }
  }
  const side = isEither(party, remedy[0]) ? 'either side can mend it' : sides[party]
  return {
    headline: `${who}: NOT TRUSTED${when}: ${code}, ${side}`,
    summary: summary === '' ? verdictCodes[code].summary : sentence(summary),
  }
}

/** What is advised first is not for the one whom such a fault is usually for. */
function isEither(party: Party, first: Remedy | undefined): boolean {
  const both: readonly (Party | undefined)[] = ['gateway', 'backend']
  return first !== undefined && first.party !== party && both.includes(party) && both.includes(first.party)
}

function isTheVerdict({ code, at, severity }: Finding, verdict: Verdict): boolean {
  return severity === 'fault' && code === verdict.code && at === verdict.at
}

function findingLines({ code, at, severity, summary }: Finding, length: number): readonly string[] {
  const place = at === null || length === 0 ? '' : ` [${at}]`
  return wrapped(`${severity === 'fault' ? '' : `${severity}: `}${code}${place}: ${sentence(summary)}`, '    ', '  ')
}

/** What would come to light next, where no finding says it already. */
function hiddenLines({ hides }: Verdict, faults: readonly Finding[]): readonly string[] {
  if (hides.length === 0) return []
  const unsaid = hides.filter((code) => !faults.some((fault) => fault.code === code))
  const text =
    unsaid.length === 0
      ? `Hidden until the first fault is mended: ${hides.join(', then ')}.`
      : `Once this is mended, next: ${hides.join(', then ')}.`
  return wrapped(text, '  ')
}

/** One of a numbered list. */
export function remedyLines({ kind, action, commands, look, risk, message }: Remedy, index: number): readonly string[] {
  const number = `  ${index + 1}. `
  const indent = ' '.repeat(number.length)
  return [
    ...wrapped(`${kind === 'exception' ? 'Last resort. ' : ''}${action}`, indent, number),
    ...message
      .split('\n')
      .flatMap((line) => (message === '' ? [] : wrapped(line, `${indent}| `).map((each) => each.trimEnd()))),
    ...commands.flatMap((command) => foldedCommand(command, `${indent}  `)),
    ...(risk === '' ? [] : wrapped(`Risk: ${risk}`, indent)),
    ...(look.length === 0 ? [] : [`${indent}To see it:`]),
    ...look.flatMap((command) => foldedCommand(command, `${indent}  `)),
  ]
}

function connectionLines({
  address,
  timings,
  handshake,
  connections,
}: NonNullable<ReportToRender['probe']>): readonly string[] {
  const phases = [
    ['DNS', timings.dnsMs],
    ['connect', timings.connectMs],
    ['handshake', timings.handshakeMs],
  ] as const
  const times = phases.flatMap(([what, ms]) => (ms === null ? [] : [`${what} ${milliseconds(ms)}`]))
  const facts = [
    ...(address === '' ? [] : [`address ${address}`]),
    ...(handshake === null || handshake.version === '' ? [] : [handshake.version]),
    ...(handshake === null || handshake.cipher === '' ? [] : [handshake.cipher]),
    ...(handshake?.alpn == null ? [] : [`ALPN ${handshake.alpn}`]),
    ...times,
    `${connections} ${connections === 1 ? 'connection' : 'connections'}`,
  ]
  return wrapped(facts.join(', '), '  ')
}

function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}

type Paint = (style: 'good' | 'bad' | 'title', text: string) => string

function section(title: string, lines: readonly string[], paint: Paint): readonly string[] {
  return lines.length === 0 ? [] : [paint('title', title), ...lines]
}

function painter(colour: boolean): Paint {
  const codes = { good: '1;32', bad: '1;31', title: '1' }
  return (style, text) => (colour ? `\u001b[${codes[style]}m${text}\u001b[0m` : text)
}
