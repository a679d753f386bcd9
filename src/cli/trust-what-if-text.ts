import { refOf } from '../judge/certificate-ref.ts'
import type { AnchorUse, Change, Dependent, Outcome, ServerChange, Undecided, WhatIf } from '../diagnosis/what-if.ts'
import type { CertificateRef } from '../verdict/model.ts'
import { onOneLine } from '../verdict/shell.ts'
import type { Certificate } from '../x509/certificate.ts'
import { agoText } from './ago-text.ts'

export interface WhatIfReport extends WhatIf {
  readonly store: string
  readonly added: readonly Certificate[]
  readonly removed: readonly Certificate[]
  readonly notes: readonly string[]
  /** Where the chains are from; null: servers were asked. */
  readonly inventory: string | null
  /** Milliseconds since the epoch. */
  readonly now: number
}

export function whatIfJson(report: WhatIfReport) {
  const { store, added, removed, notes, inventory, servers, anchors, refused } = report
  return {
    store,
    added: added.map(refOf),
    removed: removed.map(refOf),
    notes,
    source: inventory === null ? 'probe' : 'inventory',
    refused: refused === '' ? null : refused,
    breaks: servers.filter(({ change }) => change === 'breaks').length,
    unknown: servers.filter(({ change }) => change === 'unknown').length,
    servers,
    anchors,
  }
}

export function renderWhatIf(report: WhatIfReport): string {
  const { store, added, removed, notes, anchors, refused } = report
  const changes = [
    ...removed.map((certificate) => `  without ${nameOf(refOf(certificate))}`),
    ...added.map((certificate) => `  with ${nameOf(refOf(certificate))}`),
  ]
  const lines = [
    `trust store ${store}${changes.length === 0 ? '' : ', changed:'}`,
    ...changes,
    ...notes.map((note) => `  note: ${onOneLine(note)}`),
    '',
    ...(refused === '' ? verdictLines(report, changes.length > 0) : refusedLines(refused)),
    '',
    'What hangs on which anchor:',
    ...anchors.flatMap(anchorLines),
    ...seenLines(report),
  ]
  return `${lines.join('\n')}\n`
}

function refusedLines(refused: string): string[] {
  return [`Would be refused: ${onOneLine(refused, 600)}.`, 'A running gateway would keep what it has, and say so.']
}

function verdictLines({ servers, anchors }: WhatIfReport, changed: boolean): string[] {
  if (servers.length === 0) return ['No https target trusts this store.']
  const unknown = servers.filter(({ change }) => change === 'unknown')
  const lines = unknown.map((each) => `  ${label(each)}  not known: ${onOneLine(each.problem)}`)
  if (!changed) {
    lines.unshift(...servers.filter(({ before }) => before !== null && before.code !== 'trusted').map(faultyLine))
    return lines.length === 0 ? ['All are trusted.'] : lines
  }
  const later = laterLines(servers, anchors)
  const told = [...changedLines(servers), ...lines]
  if (told.length === 0) told.push(later.length === 0 ? 'No verdict would change.' : 'No verdict would change today.')
  return [...told, ...later]
}

const headings: Readonly<Partial<Record<Change, string>>> = {
  breaks: 'Would no longer be trusted:',
  mends: 'Would become trusted:',
  moves: 'Would stay trusted, by another anchor:',
  differs: 'Would be refused for another reason:',
}

function changedLines(servers: readonly ServerChange[]): string[] {
  const lines: string[] = []
  for (const [change, heading] of Object.entries(headings)) {
    const some = servers.filter((each) => each.change === change)
    if (some.length > 0) lines.push(heading, ...some.map(changeLine))
  }
  const same = servers.filter(({ change }) => change === 'none').length
  if (lines.length > 0 && same > 0)
    lines.push(`${same} ${same === 1 ? 'stays' : 'stay'} as ${same === 1 ? 'it is' : 'they are'}.`)
  return lines
}

/** Whom a removal would hit that is refused, or excepted, today. */
function laterLines(servers: readonly ServerChange[], anchors: readonly AnchorUse[]): string[] {
  const breaking = new Set(servers.filter(({ change }) => change === 'breaks').map(label))
  const removed = anchors.filter((each) => each.removed)
  const once = removed.flatMap(({ anchor, hanging }) =>
    hanging
      .filter((each) => each.otherwise === null && !breaking.has(label(each)))
      .map((each) => `  ${label(each)}  ${each.code} now; its path ends in ${quoted(anchor)}, and there is no other`),
  )
  const open = new Map(removed.flatMap(({ undecided }) => undecided.map((each) => [label(each), each] as const)))
  return [
    ...(once.length === 0 ? [] : ['Would break once they are mended, or an exception ends:', ...once]),
    ...[...open.values()].map(undecidedLine),
  ]
}

function undecidedLine(each: Undecided): string {
  const chain = each.issuer === '' ? 'cannot be read' : `was issued by "${onOneLine(each.issuer, 200)}"`
  return `cannot tell: ${label(each)} is refused today (${each.code}); its chain ${chain}, and what that hangs on is not known`
}

/** How old the word of an inventory is; a probe was just now. */
function seenLines({ inventory, servers, now }: WhatIfReport): string[] {
  const seen = servers.filter((each) => each.seen !== '')
  if (inventory === null || seen.length === 0) return []
  return [
    '',
    'Chains were last seen:',
    ...seen.map((each) => `  ${label(each)}  ${agoText(now - Date.parse(each.seen))} ago`),
  ]
}

function changeLine(each: ServerChange): string {
  const { change, before, after } = each
  const reason = after?.summary === '' || after === null ? '' : `: ${onOneLine(after.summary)}`
  if (change === 'moves') return `  ${label(each)}  ${anchorName(before)} -> ${anchorName(after)}`
  return `  ${label(each)}  ${before?.code} -> ${after?.code}${reason}`
}

function faultyLine(each: ServerChange): string {
  return `  ${label(each)}  ${each.before?.code}: ${onOneLine(each.before?.summary ?? '')}`
}

function anchorLines(use: AnchorUse): string[] {
  const { anchor, removed, added, hanging, undecided } = use
  const state = removed ? ', to be removed' : added ? ', to be added' : ''
  const needed = hanging.filter(({ otherwise }) => otherwise === null)
  return [
    `  ${nameOf(anchor)}${state}, ends ${day(anchor.notAfter)}`,
    ...hanging.map((each) => `    ${dependentLine(each)}`),
    ...undecided.map((each) => `    ${undecidedLine(each)}`),
    `    ${conclusion(use, needed)}`,
  ]
}

function dependentLine({ target, server, code, until, otherwise }: Dependent): string {
  const rest = otherwise === null ? 'no other path' : `could hang on ${quoted(otherwise)} instead`
  return `${label({ target, server })} until ${until === null ? 'no end' : day(until)}; ${rest}${code === 'trusted' ? '' : `; ${code} now`}`
}

function conclusion({ added, hanging, undecided, safeToRemove }: AnchorUse, needed: readonly Dependent[]): string {
  if (needed.length > 0) {
    const last =
      needed
        .map(({ until }) => until ?? '')
        .sort()
        .at(-1) ?? ''
    const targets = [...new Set(needed.map(({ target }) => target))]
    const names = targets.slice(0, 5).join(', ') + (targets.length > 5 ? ` and ${targets.length - 5} more` : '')
    return `not safe to remove before ${names} ${targets.length === 1 ? 'has' : 'have'} a certificate of another CA; the last of these paths ends ${day(last)}`
  }
  if (added) return hanging.length === 0 ? 'nobody hangs on it yet' : 'each has another path'
  if (undecided.length > 0) {
    return 'nobody is known to need it; whether it is safe to remove is not known before these are mended'
  }
  if (!safeToRemove) return 'nobody seen needs it; whether it is safe to remove is not known while servers are missing'
  return hanging.length === 0 ? 'nobody hangs on it: safe to remove' : 'safe to remove: each has another path'
}

function label({ target, server }: { readonly target: string; readonly server: string }): string {
  return `${target} (${server})`
}

function anchorName(outcome: Outcome | null): string {
  return outcome?.anchor == null ? 'no anchor' : quoted(outcome.anchor)
}

const quoted = ({ subject }: CertificateRef): string => `"${onOneLine(subject, 200)}"`

const nameOf = (certificate: CertificateRef): string =>
  `${quoted(certificate)} (SHA-256 ${certificate.sha256.slice(0, 16)}...)`

const day = (iso: string): string => iso.slice(0, 10)
