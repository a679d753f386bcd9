import { refOf } from '../judge/certificate-ref.ts'
import type { AnchorUse, Change, Dependent, Outcome, ServerChange, WhatIf } from '../diagnosis/what-if.ts'
import type { CertificateRef } from '../verdict/model.ts'
import { onOneLine } from '../verdict/shell.ts'
import type { Certificate } from '../x509/certificate.ts'

export interface WhatIfReport extends WhatIf {
  readonly store: string
  readonly added: readonly Certificate[]
  readonly removed: readonly Certificate[]
  readonly notes: readonly string[]
  /** Where the chains are from; null: servers were asked. */
  readonly inventory: string | null
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
  const { store, added, removed, notes, servers, anchors, refused } = report
  const changes = [
    ...removed.map((certificate) => `  without ${nameOf(refOf(certificate))}`),
    ...added.map((certificate) => `  with ${nameOf(refOf(certificate))}`),
    ...notes.map((note) => `  note: ${onOneLine(note)}`),
  ]
  const lines = [
    `trust store ${store}${changes.length === 0 ? '' : ', changed:'}`,
    ...changes,
    '',
    ...(refused === '' ? verdictLines(servers, changes.length > 0) : refusedLines(refused)),
    '',
    'What hangs on which anchor:',
    ...anchors.flatMap(anchorLines),
  ]
  return `${lines.join('\n')}\n`
}

function refusedLines(refused: string): string[] {
  return [`Would be refused: ${onOneLine(refused, 600)}.`, 'A running gateway would keep what it has, and say so.']
}

function verdictLines(servers: readonly ServerChange[], changed: boolean): string[] {
  if (servers.length === 0) return ['No https target trusts this store.']
  const unknown = servers.filter(({ change }) => change === 'unknown')
  const lines = unknown.map((each) => `  ${label(each)}  not known: ${onOneLine(each.problem)}`)
  if (changed) lines.unshift(...changedLines(servers))
  else lines.unshift(...servers.filter(({ before }) => before !== null && before.code !== 'trusted').map(faultyLine))
  return lines.length === 0 ? [changed ? 'No verdict would change.' : 'All are trusted.'] : lines
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

function changeLine(each: ServerChange): string {
  const { change, before, after } = each
  const reason = after?.summary === '' || after === null ? '' : `: ${onOneLine(after.summary)}`
  if (change === 'moves') return `  ${label(each)}  ${anchorName(before)} -> ${anchorName(after)}`
  return `  ${label(each)}  ${before?.code} -> ${after?.code}${reason}`
}

function faultyLine(each: ServerChange): string {
  return `  ${label(each)}  ${each.before?.code}: ${onOneLine(each.before?.summary ?? '')}`
}

function anchorLines({ anchor, removed, added, hanging, safeToRemove }: AnchorUse): string[] {
  const state = removed ? ', to be removed' : added ? ', to be added' : ''
  const needed = hanging.filter(({ otherwise }) => otherwise === null)
  return [
    `  ${nameOf(anchor)}${state}, ends ${day(anchor.notAfter)}`,
    ...hanging.map((each) => `    ${dependentLine(each)}`),
    `    ${conclusion(hanging, needed, safeToRemove)}`,
  ]
}

function dependentLine({ target, server, code, until, otherwise }: Dependent): string {
  const rest = otherwise === null ? 'no other path' : `could hang on ${quoted(otherwise)} instead`
  return `${label({ target, server })} until ${until === null ? 'no end' : day(until)}; ${rest}${code === 'trusted' ? '' : `; ${code} now`}`
}

function conclusion(hanging: readonly Dependent[], needed: readonly Dependent[], safe: boolean): string {
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
  if (!safe) return 'nobody seen needs it; whether it is safe to remove is not known while servers are missing'
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
