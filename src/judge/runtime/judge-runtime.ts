import { verdictCodes } from '../../verdict/codes.ts'
import type { Finding } from '../../verdict/model.ts'
import type { Certificate } from '../../x509/certificate.ts'
import type { CrlFault } from '../../x509/crl-check.ts'
import { sameName } from '../../x509/name.ts'
import { type FaultFinding, fault, weakness } from '../fault.ts'
import { identityFaults } from '../identity.ts'
import { missingIssuer } from '../missing-issuer.ts'
import { orderFaults } from '../precedence.ts'
import type { JudgeInput, Judgement, PathElement } from '../types.ts'
import { weaknesses } from '../weaknesses.ts'
import { handshakeFaults } from './handshake-faults.ts'
import { type RuntimeCertificate, runtimeCertificate } from './runtime-certificate.ts'
import { checkPath, type CheckRules, latentErrors, type RuntimeError } from './runtime-checks.ts'
import { faultsOf } from './runtime-faults.ts'
import { buildPath, createStore, hasChoices, type PathRules, type RuntimePath } from './runtime-path.ts'
import { listFaults, stapleFaults } from './runtime-revocation.ts'
import { affordEvidence, newSteps, type Steps } from './steps.ts'

/**
 * What this gateway's handshake does with the chain (I5): OpenSSL 3.5 `X509_verify_cert` as the pinned runtime calls it for a
 * TLS client with the context of `dial/tls-context.ts`, then our own check of the name. Where OpenSSL keeps the last error
 * only, every one is a fault here.
 *
 * That context asks for no policies, and looks at revocation where it has lists. `known` and `fetched` are evidence
 * for what is missing and never part of the path.
 */
export function judgeRuntime(input: JudgeInput): Judgement {
  const steps = newSteps()
  const hard = handshakeFaults(input)
  const leaf = leafOf(input)
  if (leaf === null) return conclude(input, hard, [], null, steps)
  const verified = verify(input, leaf, steps)
  const { path, errors } = verified
  const all = [...errors, ...latentErrors(path, rulesOf(input))]
  const told = faultsOf(all, path.chain, { level: input.securityLevel, now: nowOf(input) })
  const lists = listFaults(
    errors.flatMap(({ detail }) => (detail?.['list'] ?? []) as CrlFault | []),
    path,
  )
  const found = told.map((it) => rolledOver(input, path, it, steps) ?? it)
  const missing = path.trusted ? [] : [noAnchor(input, path, steps)]
  // I10 before I5: what OpenSSL would say in the end is not found out.
  if (steps.exhausted !== null) missing.push(tooComplex(leaf, steps.exhausted))
  const chainAndName = orderFaults([...missing, ...found, ...lists, ...nameFaults(input, leaf)])
  const ordered = [...chainAndName, ...stapleFaultsOf(input, path)]
  // One complaint about a leaf's key usage is enough.
  const repeated = (it: FaultFinding): boolean =>
    hard.some(({ code, at }) => code === it.code && at === it.at) && 'keyUsage' in it.evidence
  return conclude(
    input,
    hard,
    ordered.filter((it) => !repeated(it)),
    verified,
    steps,
  )
}

function stapleFaultsOf({ staple, served, time }: JudgeInput, path: RuntimePath): readonly FaultFinding[] {
  if (staple === undefined) return []
  const others = served.flatMap(({ der, certificate }) => runtimeCertificate(der, certificate) ?? [])
  return stapleFaults(staple, path, others, time)
}

function tooComplex({ facts }: RuntimeCertificate, what: 'comparisons' | 'signatures'): FaultFinding {
  const summary =
    what === 'comparisons'
      ? 'There are too many names and name constraints, or resources, to compare'
      : 'The signatures of the path take too long to verify'
  return fault('too-complex', { at: 0, certificate: facts }, summary, { limit: what })
}

/** What OpenSSL's verifier would tell its callback, in that order; for the test that holds the two together (I5). */
export function runtimeErrors(input: JudgeInput): readonly RuntimeError[] {
  const leaf = leafOf(input)
  return leaf === null ? [] : verify(input, leaf, newSteps()).errors
}

function leafOf({ served: [first] }: JudgeInput): RuntimeCertificate | null {
  return first === undefined ? null : runtimeCertificate(first.der, first.certificate)
}

interface Verified {
  readonly path: RuntimePath
  readonly errors: readonly RuntimeError[]
  /** Whether more than one path leads to an anchor. To be asked last: it is the least that signatures are verified for. */
  readonly choices: () => boolean
}

function verify(input: JudgeInput, leaf: RuntimeCertificate, steps: Steps): Verified {
  const rules = rulesOf(input)
  const served = input.served.flatMap(({ der, certificate }) => runtimeCertificate(der, certificate) ?? [])
  const stored = [...input.anchors, ...input.intermediates].flatMap((it) => runtimeCertificate(it.der, it) ?? [])
  const store = createStore(stored)
  const path = buildPath(leaf, served, store, rules, steps)
  return { path, errors: checkPath(path, rules, steps), choices: () => hasChoices(path, served, store, steps) }
}

function rulesOf(input: JudgeInput): CheckRules & PathRules {
  return {
    partialChain: input.partialChain,
    // X509_VERIFY_PARAM's default depth, and what OpenSSL adds to it.
    maxLength: (input.maxDepth ?? 100) + 1,
    now: nowOf(input),
    purpose: input.purpose,
    level: input.securityLevel,
    crls: input.crls ?? [],
  }
}

const nowOf = ({ time }: JudgeInput): number => Math.floor(time / 1000) * 1000

const nowhere = { at: null, certificate: null } as const

/** The gateway's own gate: a leaf that the strict reader does not read has no names that could be believed. */
function nameFaults(input: JudgeInput, { facts, malformed }: RuntimeCertificate): FaultFinding[] {
  if (input.names === null) return []
  if (malformed === null) return facts === null ? [] : identityFaults(facts, input.names)
  const { offset, reason } = malformed
  return [
    fault(
      'malformed-certificate',
      { at: 0, certificate: facts },
      `The leaf is malformed at byte ${offset}: ${reason}`,
      {
        namesOf: 'leaf',
        offset,
        reason,
      },
    ),
  ]
}

/**
 * A CA was rolled over under its old name: OpenSSL takes a certificate of the store for the issuer by that name alone and finds
 * that the signature is of another key. What is wrong is that the issuer is not there, unless key identifiers say that it is
 * this very key; null for any other fault.
 */
function rolledOver(
  input: JudgeInput,
  { chain, trustedFrom }: RuntimePath,
  { code, at }: FaultFinding,
  steps: Steps,
): FaultFinding | null {
  if (code !== 'bad-signature' || at === null || at + 1 < trustedFrom) return null
  const facts = chain.slice(0, at + 1).flatMap((certificate) => certificate.facts ?? [])
  const subject = facts[at]
  const namesake = chain[at + 1]?.facts ?? null
  if (subject === undefined || namesake === null || facts.length <= at) return null
  if (subject.authorityKeyId !== null && namesake.subjectKeyId !== null) return null
  const verifies = verifier(steps)
  // The issuer is there, and OpenSSL came across its namesake first.
  if (input.anchors.some((anchor) => sameName(anchor.subject, subject.issuer) && verifies(anchor, subject))) return null
  return withLimits(missingIssuer(input, facts, verifies), steps)
}

function noAnchor(input: JudgeInput, { chain }: RuntimePath, steps: Steps): FaultFinding {
  const top = chain.length - 1
  if (input.anchors.length + input.intermediates.length === 0) {
    return fault(
      'empty-trust-store',
      { at: top, certificate: chain[top]?.facts ?? null },
      'The trust store holds no anchor',
    )
  }
  const facts = chain.flatMap((certificate) => certificate.facts ?? [])
  const invalid = chain[top]?.invalid ?? []
  if (facts.length !== chain.length || invalid.length > 0) {
    return fault(
      'malformed-certificate',
      { at: top, certificate: chain[top]?.facts ?? null },
      'An extension of the certificate cannot be read, so that nobody can be its issuer',
      { extensions: invalid.map(dottedOid) },
    )
  }
  return withLimits(missingIssuer(input, facts, verifier(steps)), steps)
}

function verifier(steps: Steps): (issuer: Certificate, subject: Certificate) => boolean {
  const outcomes = new Map<string, boolean>()
  return (issuer, subject) => {
    const one = runtimeCertificate(issuer.der, issuer)
    const other = runtimeCertificate(subject.der, subject)
    if (one === null || other === null) return false
    // Certificates of one key are asked once.
    const pair = `${other.id} ${issuer.publicKey.spki.toString('latin1')}`
    const known = outcomes.get(pair)
    if (known !== undefined) return known
    if (!affordEvidence(steps, one)) return false
    const good = other.signedBy(one)
    outcomes.set(pair, good)
    return good
  }
}

/** Says of evidence that it is not all there could be. */
const withLimits = (found: FaultFinding, { untried }: Steps): FaultFinding =>
  untried === 0 ? found : { ...found, evidence: { ...found.evidence, signaturesNotTried: untried } }

function dottedOid(hex: string): string {
  const parts: number[] = []
  let arc = 0
  for (const byte of Buffer.from(hex, 'hex')) {
    arc = arc * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    parts.push(
      ...(parts.length === 0
        ? [Math.min(2, Math.floor(arc / 40)), arc - 40 * Math.min(2, Math.floor(arc / 40))]
        : [arc]),
    )
    arc = 0
  }
  return parts.join('.')
}

/** `hard` ends the handshake whatever is excepted, and comes first for it comes before the rest. */
function conclude(
  input: JudgeInput,
  hard: readonly FaultFinding[],
  ordered: readonly FaultFinding[],
  verified: Verified | null,
  steps: Steps,
): Judgement {
  const { skip } = input
  const skipped = (it: FaultFinding): boolean => (aboutIdentity(it) ? skip.name : skip.chain)
  const faults = [...hard, ...ordered.filter((it) => !skipped(it))]
  const path = verified === null ? [] : elementsOf(verified.path, input)
  const complete = verified?.path.trusted ?? false
  const exception = { chain: skip.chain, name: skip.name }
  const [first] = faults
  const choices = verified?.choices() ?? false
  return {
    mode: 'runtime',
    code: first?.code ?? 'trusted',
    at: first?.at ?? null,
    path,
    complete,
    findings: [
      ...faults,
      ...ordered.filter(skipped).map((it): Finding => ({ ...it, severity: 'warning' })),
      ...(skip.chain || skip.name
        ? [
            weakness(
              'verification-skipped',
              'warning',
              nowhere,
              'An exception of the target skips a verification',
              exception,
            ),
          ]
        : []),
      ...weaknesses(input, path, complete, choices),
    ],
    work: { signatures: steps.signatures, candidates: steps.candidates },
  }
}

/** What is in doubt about an unreadable leaf are its names. */
const aboutIdentity = ({ code, evidence }: FaultFinding): boolean =>
  verdictCodes[code].stage === 'identity' || evidence['namesOf'] === 'leaf'

function elementsOf({ chain, trustedFrom }: RuntimePath, input: JudgeInput): PathElement[] {
  const anchors = new Set(input.anchors.map((it) => runtimeCertificate(it.der, it)))
  const served = new Set(input.served.map(({ certificate }) => certificate?.sha256))
  const elements: PathElement[] = []
  for (const [at, certificate] of chain.entries()) {
    const { facts } = certificate
    if (facts === null) break
    // OpenSSL takes what the store has too from there; the backend serves it all the same.
    const isServed = at < trustedFrom || (!anchors.has(certificate) && served.has(facts.sha256))
    elements.push({ certificate: facts, origin: isServed ? 'served' : anchors.has(certificate) ? 'anchor' : 'stored' })
  }
  return elements
}
