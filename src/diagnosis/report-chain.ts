import type { CertificateRef, Chain, ChainElement, Report } from '../verdict/model.ts'
import { onOneLine } from '../verdict/shell.ts'
import { width, wrapped } from './report-lines.ts'

/** The path from the leaf up, the broken place marked, and what was served where that is something else. */
export function chainLines({ chain, verdict }: Pick<Report, 'chain' | 'verdict'>): readonly string[] {
  const { path, brokenAt } = chain
  const rows: Row[] = path.map((element, depth) => ({
    text: element.subject,
    facts: factsOf(element),
    mark: depth === brokenAt && !isMissingAbove(chain, verdict.code) ? verdict.code : '',
    depth,
  }))
  if (isMissingAbove(chain, verdict.code)) {
    const child = path[brokenAt ?? path.length - 1]
    const keyId = child?.authorityKeyId == null ? '' : `, key id ${child.authorityKeyId}`
    const { knownAs } = verdict.evidence
    const found = typeof knownAs === 'string' ? `neither served nor stored; ${onOneLine(knownAs)}` : 'nowhere found'
    rows.push({
      text: child?.issuer ?? 'its issuer',
      facts: `${found}${keyId}`,
      mark: verdict.code,
      depth: rows.length,
    })
  }
  return [...rows.flatMap(rowLines), ...servedLines(chain)]
}

interface Row {
  readonly text: string
  readonly facts: string
  /** Code of what is wrong here; '' where nothing is. */
  readonly mark: string
  readonly depth: number
}

const missingCodes: ReadonlySet<string> = new Set(['missing-root', 'missing-intermediate', 'unknown-issuer'])

/** The fault is not in a certificate of the path but in the place above its last one. */
function isMissingAbove({ path, brokenAt }: Chain, code: string): boolean {
  const top = path[brokenAt ?? path.length - 1]
  return missingCodes.has(code) && top !== undefined && top.subject !== top.issuer && brokenAt === path.length - 1
}

function rowLines({ text, mark, depth, ...row }: Row): readonly string[] {
  const facts = onOneLine(row.facts)
  const indent = `  ${mark === '' ? ' ' : 'X'} ${'  '.repeat(Math.min(depth, 12))}${depth === 0 ? '' : '^ '}`
  const line = `${indent}${onOneLine(text, 200)}  (${facts})${mark === '' ? '' : `  <-- ${mark}`}`
  if (line.length <= width) return [line]
  const below = `${' '.repeat(indent.length)}  `
  return [
    ...wrapped(`${onOneLine(text, 200)}${mark === '' ? '' : `  <-- ${mark}`}`, below, indent),
    ...wrapped(`(${facts})`, below),
  ]
}

const origins: Readonly<Record<ChainElement['origin'], string>> = {
  served: 'served',
  anchor: 'anchor',
  stored: 'of the trust store',
  fetched: 'fetched, proves nothing',
}

function factsOf({ origin, notAfter }: ChainElement): string {
  return `${origins[origin]}, until ${onOneLine(notAfter).slice(0, 10)}`
}

/** Said only where it differs from the path: order, extras, what cannot be read. */
function servedLines({ served, path }: Chain): readonly string[] {
  const actual = served.map(({ sha256 }) => sha256)
  const expected = path.map(({ sha256 }) => sha256).filter((sha256) => actual.includes(sha256))
  if (expected.length === actual.length && expected.every((sha256, index) => sha256 === actual[index])) return []
  const shown = served.slice(0, maxServed).map((element) => `  [${element.index}] ${label(element)}`)
  const more = served.length > maxServed ? [`  and ${served.length - maxServed} more`] : []
  return ['  As served:', ...shown.flatMap((line) => wrapped(line.slice(2), '      ', '    ')), ...more]
}

const maxServed = 20

function label(element: Chain['served'][number]): string {
  if (element.malformed === null) return nameOf(element)
  return `unreadable at byte ${element.malformed.offset}: ${onOneLine(element.malformed.reason)}`
}

function nameOf({ subject }: CertificateRef): string {
  return onOneLine(subject, 200)
}
