import { revocationWords, type RevocationWords } from '../../verdict/revocation.ts'
import { checkCrls, type CrlFault, isSignedBy } from '../../x509/crl-check.ts'
import type { Crl } from '../../x509/crl.ts'
import { checkRequiredStaple } from '../../x509/ocsp-staple.ts'
import { crlFacts, foremost, stapleFacts } from '../../x509/revocation-facts.ts'
import { type FaultFinding, fault } from '../fault.ts'
import type { RuntimeCertificate } from './runtime-certificate.ts'
import type { RuntimePath } from './runtime-path.ts'
import { affordList, type Steps } from './steps.ts'

/** `check_revocation`, by the lists of the context; without one OpenSSL is not asked. */
export function listErrors(
  chain: readonly RuntimeCertificate[],
  crls: readonly Crl[],
  now: number,
  steps: Steps,
): readonly CrlFault[] {
  if (crls.length === 0) return []
  // OpenSSL passes over proxy certificates; of what our strict reader cannot read, no list can be asked.
  const path = chain.map(({ facts, proxy }) => (proxy ? null : facts))
  return checkCrls(path, crls, now, (crl, signer) => {
    const by = chain.find(({ facts }) => facts === signer)
    return by !== undefined && affordList(steps, by, crl.tbs.length) && isSignedBy(crl, signer)
  })
}

/** One fault for each certificate. Above the last that has an issuer there is nobody who could have signed a list. */
export function listFaults(errors: readonly CrlFault[], { chain, trusted }: RuntimePath): FaultFinding[] {
  const top = chain.length - 1
  return [...Map.groupBy(errors, ({ at }) => at)].flatMap(([at, group]) => {
    const first = foremost(group)
    const facts = chain[at]?.facts ?? null
    if (first === null || facts === null || (at === top && !trusted)) return []
    return [asFault(revocationWords(crlFacts(first, facts)), at, chain)]
  })
}

/** The gateway's own gate where a staple is required: the last, once chain and name are verified. */
export function stapleFaults(
  staple: Buffer | null,
  { chain, trusted }: RuntimePath,
  others: readonly RuntimeCertificate[],
  time: number,
): FaultFinding[] {
  const [leaf, next] = chain
  if (!trusted || leaf === undefined || leaf.facts === null) return []
  const issuer = next ?? (leaf.selfSigned ? leaf : others.find((one) => one !== leaf && leaf.signedBy(one)))
  const check = checkRequiredStaple(staple, { leaf: leaf.facts, issuer: issuer?.facts ?? null, time })
  return check.state === 'good' ? [] : [asFault(revocationWords(stapleFacts(check, leaf.facts)), 0, chain)]
}

function asFault(
  { code, summary, evidence }: RevocationWords,
  at: number,
  chain: readonly RuntimeCertificate[],
): FaultFinding {
  return fault(code, { at, certificate: chain[at]?.facts ?? null }, summary, evidence)
}
