import type { Certificate } from '../x509/certificate.ts'
import type { JudgeInput, PathElement } from './types.ts'

/** A certificate that paths can be built with. `ca` tells logical CAs apart: name and key (RFC 4158 section 2.4.2). */
export interface Candidate extends PathElement {
  readonly ca: string
  readonly key: string
}

/** Everything that may stand above the leaf, found by name. */
export interface Pool {
  readonly leaf: Candidate
  named(canonicalName: string): readonly Candidate[]
}

/** `isRoot` decides about anchors where only self-signed ones count. */
export function createPool(
  leaf: Certificate,
  input: Pick<JudgeInput, 'served' | 'anchors' | 'intermediates' | 'fetched' | 'partialChain'>,
  isRoot: (anchor: Certificate) => boolean,
): Pool {
  const seen = new Map<string, Candidate>()
  const byName = new Map<string, Candidate[]>()
  const add = (certificate: Certificate, origin: Candidate['origin']): void => {
    if (seen.has(certificate.sha256)) return
    const candidate = candidateOf(certificate, origin)
    seen.set(certificate.sha256, candidate)
    const list = byName.get(certificate.subject.canonical)
    if (list === undefined) byName.set(certificate.subject.canonical, [candidate])
    else list.push(candidate)
  }
  // The first mention counts: what anchors a path is an anchor, however else it came here.
  const helpers: Certificate[] = []
  for (const anchor of input.anchors) {
    if (input.partialChain || isRoot(anchor)) add(anchor, 'anchor')
    else helpers.push(anchor)
  }
  for (const { certificate } of input.served.slice(1)) if (certificate !== null) add(certificate, 'served')
  for (const certificate of [...helpers, ...input.intermediates]) add(certificate, 'stored')
  for (const certificate of input.fetched) add(certificate, 'fetched')
  const known = seen.get(leaf.sha256)
  return {
    leaf: known?.origin === 'anchor' ? known : candidateOf(leaf, 'served'),
    named: (name) => byName.get(name) ?? [],
  }
}

function candidateOf(certificate: Certificate, origin: Candidate['origin']): Candidate {
  const key = certificate.publicKey.spki.toString('latin1')
  return { certificate, origin, key, ca: `${certificate.subject.canonical}\n${key}` }
}
