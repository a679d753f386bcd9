import type { CertificateRef, Verdict } from '../verdict/model.ts'
import { onOneLine } from '../verdict/shell.ts'
import { wrapped } from './report-lines.ts'

/** What decided, one fact a line. */
export function evidenceLines({ evidence, certificate, code }: Verdict): readonly string[] {
  const { because, ...rest } = evidence
  const facts = Object.entries(rest).filter(
    ([key, value]) =>
      !unsaid.has(key) &&
      value !== null &&
      value !== '' &&
      !isEmpty(value) &&
      (key !== 'issuer' || value !== certificate?.issuer),
  )
  return [
    ...(typeof because === 'string' ? wrapped(because, '  ') : []),
    ...(certificate === null || code === 'trusted' ? [] : certificateLines(certificate)),
    ...facts.slice(0, maxFacts).flatMap(([key, value]) => wrapped(`${words(key)}: ${shown(value)}`, '    ', '  ')),
  ]
}

/** I10: evidence is of our own making; a peer's alert or text may be anything, and is bounded where it is put there. */
const maxFacts = 24

/** Said elsewhere in the report. */
const unsaid: ReadonlySet<string> = new Set([
  'missingSubject',
  'host',
  'port',
  'address',
  'localAddress',
  'connectionAgeMs',
])

function certificateLines({ subject, issuer, serial, sha256, notBefore, notAfter }: CertificateRef): readonly string[] {
  return [
    ...wrapped(`certificate: ${onOneLine(subject)}`, '    ', '  '),
    ...wrapped(`issued by: ${onOneLine(issuer)}`, '    ', '  '),
    ...wrapped(`serial ${serial}, valid ${notBefore} to ${notAfter}`, '    ', '  '),
    ...wrapped(`SHA-256 ${sha256}`, '    ', '  '),
  ]
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}

/** `authorityKeyId` is `authority key id`. */
function words(key: string): string {
  return key.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
}

function shown(value: unknown): string {
  if (typeof value === 'string') return onOneLine(value, 600)
  if (Array.isArray(value)) {
    const some = value.slice(0, 12).map(shown)
    return [...some, ...(value.length > some.length ? [`and ${value.length - some.length} more`] : [])].join(', ')
  }
  if (typeof value === 'object' && value !== null) {
    const { subject, sha256 } = value as { subject?: unknown; sha256?: unknown }
    if (typeof subject === 'string' && typeof sha256 === 'string') return `${onOneLine(subject)} (SHA-256 ${sha256})`
    return onOneLine(JSON.stringify(value), 600)
  }
  return onOneLine(String(value))
}
