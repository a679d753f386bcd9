import { PosternError } from '../core/errors.ts'
import type { StoredCrl } from '../trust/crl-store.ts'
import type { ComposedTrust } from '../trust/snapshot.ts'
import type { Severity } from '../trust/finding.ts'
import { commonNameOf, type Name, renderName } from '../x509/name.ts'

interface RevocationFinding {
  readonly code: 'crl-missing' | 'crl-of-nobody'
  readonly severity: Severity
  readonly message: string
}

/** How many are named; a store can hold hundreds. */
const maxNamed = 5

/**
 * What can be said of lists and anchors before anybody has connected. Every certificate of a path needs a list of its issuer,
 * the anchor too: one that is not self-signed has an issuer that no path comes to, so no list could be verified.
 */
export function checkRevocation(trust: ComposedTrust, lists: readonly StoredCrl[]): RevocationFinding[] {
  const partial = trust.anchors.find(({ selfSigned }) => !selfSigned)
  if (partial !== undefined) {
    const name = labelOf(partial.subject)
    throw new PosternError(
      'crl-without-root',
      `"${name}" is trusted as an anchor and is not self-signed; revocation by lists needs paths that end in a root`,
      { evidence: { anchor: name, sha256: partial.sha256 } },
    )
  }
  const findings: RevocationFinding[] = []
  const authors = new Set(lists.map(({ crl }) => crl.issuer.canonical))
  const without = trust.anchors.filter(({ subject }) => !authors.has(subject.canonical))
  if (without.length > 0) {
    const message = `no list of ${named(without.map(({ subject }) => subject))}: every path to ${without.length === 1 ? 'that root' : 'one of these roots'} is refused`
    findings.push({
      code: 'crl-missing',
      severity: without.length === trust.anchors.length ? 'error' : 'warning',
      message,
    })
  }
  const silent = trust.intermediates.filter(({ subject }) => !authors.has(subject.canonical))
  if (silent.length > 0) {
    const message = `no list of ${named(silent.map(({ subject }) => subject))}: every path through ${silent.length === 1 ? 'that CA' : 'one of these CAs'} is refused`
    findings.push({ code: 'crl-missing', severity: 'warning', message })
  }
  const held = new Set([...trust.anchors, ...trust.intermediates].map(({ subject }) => subject.canonical))
  for (const { crl, where } of lists) {
    if (held.has(crl.issuer.canonical)) continue
    const message = `${where}: the list of "${labelOf(crl.issuer)}" is of no CA in the trust stores of this target, and counts only where a backend serves that CA's certificate`
    findings.push({ code: 'crl-of-nobody', severity: 'info', message })
  }
  return findings
}

function named(names: readonly Name[]): string {
  const shown = names.slice(0, maxNamed).map((name) => `"${labelOf(name)}"`)
  return `${shown.join(', ')}${names.length > maxNamed ? ` and ${names.length - maxNamed} more` : ''}`
}

const labelOf = (name: Name): string => commonNameOf(name) ?? renderName(name, 'edge')
