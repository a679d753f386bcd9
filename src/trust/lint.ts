import type { Certificate } from '../x509/certificate.ts'
import { type Finding, finding, placeOf } from './finding.ts'
import type { SourceEntry } from './source.ts'
import { validity } from './validity.ts'

export interface LintedEntry extends SourceEntry {
  readonly role: 'anchor' | 'intermediate' | 'left-out'
}

/** Everything worth saying about certificates that are in force. */
export function lintEntries(entries: readonly LintedEntry[], now: number): Finding[] {
  const active = entries.filter(({ role }) => role !== 'left-out')
  return [
    ...active.flatMap((entry) => lintEntry(entry, now)),
    ...sameNames(active.filter(({ role }) => role === 'anchor')),
  ]
}

function lintEntry(entry: LintedEntry, now: number): Finding[] {
  return [...validity(entry, now), ...(entry.role === 'anchor' ? authority(entry) : []), ...strength(entry)]
}

function authority(entry: LintedEntry): Finding[] {
  const { basicConstraints, subjectAltNames, selfSigned } = entry.certificate
  const named = subjectAltNames.some(({ kind }) => kind === 'dns' || kind === 'ip')
  const findings: Finding[] = []
  if (basicConstraints?.ca !== true && (basicConstraints !== null || named)) {
    // Under partialChain a leaf as an anchor is a pin, and meant.
    const text = 'is not a CA certificate: it anchors only a server that presents this very certificate'
    findings.push(finding('leaf-as-anchor', selfSigned ? 'warning' : 'info', entry, text))
  }
  if (basicConstraints === null) {
    findings.push(
      finding(
        'no-basic-constraints',
        'warning',
        entry,
        'has no basicConstraints, so strict verifiers do not take it for a CA',
      ),
    )
  }
  return findings
}

function strength(entry: LintedEntry): Finding[] {
  const { publicKey, signatureAlgorithm, selfSigned } = entry.certificate
  const findings: Finding[] = []
  const least = leastBits[publicKey.algorithm]
  if (least !== undefined && publicKey.bits !== null && publicKey.bits < least) {
    const key = `${publicKey.algorithm.toUpperCase()} key of ${publicKey.bits} bits`
    findings.push(finding('weak-key', 'error', entry, `has an ${key}, which TLS refuses below ${least}`))
  }
  // The signature of a root is not what it is trusted for.
  if (!selfSigned && signatureAlgorithm.hash !== null && weakHashes.has(signatureAlgorithm.hash)) {
    findings.push(
      finding('weak-signature', 'error', entry, `is signed with ${signatureAlgorithm.name}, which TLS refuses`),
    )
  }
  return findings
}

// The runtime's security level 2: 112 bits.
const leastBits: Readonly<Record<string, number>> = { rsa: 2048, 'rsa-pss': 2048, dsa: 2048, ec: 224 }
const weakHashes: ReadonlySet<string> = new Set(['md2', 'md5', 'sha1'])

/** A rollover that kept the name. Right as such, yet certificates without an authority key id then depend on order. */
function sameNames(anchors: readonly LintedEntry[]): Finding[] {
  const first = new Map<string, LintedEntry>()
  const findings: Finding[] = []
  for (const entry of anchors) {
    const name = entry.certificate.subject.canonical
    const earlier = first.get(name)
    if (earlier === undefined) first.set(name, entry)
    else if (!sameKey(earlier.certificate, entry.certificate)) {
      const text = `has the name of ${placeOf(earlier.provenance)}, but another key; certificates without an authority key identifier are tried with the newer one first`
      findings.push(finding('same-name-different-key', 'info', entry, text))
    }
  }
  return findings
}

const sameKey = (one: Certificate, other: Certificate): boolean => one.publicKey.spki.equals(other.publicKey.spki)
