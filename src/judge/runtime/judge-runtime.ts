import { verdictCodes } from '../../verdict/codes.ts'
import type { Finding } from '../../verdict/model.ts'
import type { Certificate } from '../../x509/certificate.ts'
import { type FaultFinding, fault, weakness } from '../fault.ts'
import { identityFaults } from '../identity.ts'
import { missingIssuer } from '../missing-issuer.ts'
import { orderFaults } from '../precedence.ts'
import type { JudgeInput, Judgement, PathElement } from '../types.ts'
import { weaknesses } from '../weaknesses.ts'
import { type RuntimeCertificate, runtimeCertificate } from './runtime-certificate.ts'
import { checkPath, type RuntimeError } from './runtime-checks.ts'
import { faultsOf } from './runtime-faults.ts'
import { buildPath, createStore, hasChoices, type RuntimePath } from './runtime-path.ts'
import { affordSignature, newSteps, type Steps } from './steps.ts'

/**
 * What this gateway's handshake does with the chain (I5): OpenSSL 3.5 `X509_verify_cert` as the pinned runtime calls it for a
 * TLS client with the context of `dial/tls-context.ts`, then our own check of the name. Where OpenSSL keeps the last error
 * only, every one is a fault here.
 *
 * That context has no revocation lists and asks for no policies, so neither is looked at. `known` and `fetched` are evidence
 * for what is missing and never part of the path.
 */
export function judgeRuntime(input: JudgeInput): Judgement {
  const steps = newSteps()
  const hard = handshakeFaults(input)
  const leaf = leafOf(input)
  if (leaf === null) return conclude(input, hard, [], null, steps)
  const verified = verify(input, leaf, steps)
  const { path, errors } = verified
  const found = faultsOf(errors, path.chain, { level: input.securityLevel, now: nowOf(input) })
  const missing = path.trusted ? [] : [noAnchor(input, path, steps)]
  // I10 before I5: what OpenSSL would say in the end is not found out.
  if (steps.exhausted)
    missing.push(
      fault(
        'too-complex',
        { at: 0, certificate: leaf.facts },
        'There are too many names and name constraints to compare',
      ),
    )
  const ordered = orderFaults([...missing, ...found, ...nameFaults(input, leaf)])
  // One complaint about a leaf's key usage is enough.
  const told = (it: FaultFinding): boolean =>
    hard.some(({ code, at }) => code === it.code && at === it.at) && 'keyUsage' in it.evidence
  return conclude(
    input,
    hard,
    ordered.filter((it) => !told(it)),
    verified,
    steps,
  )
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
  /** More than one path leads to an anchor. */
  readonly choices: boolean
}

function verify(input: JudgeInput, leaf: RuntimeCertificate, steps: Steps): Verified {
  const rules = {
    partialChain: input.partialChain,
    // X509_VERIFY_PARAM's default depth, and what OpenSSL adds to it.
    maxLength: (input.maxDepth ?? 100) + 1,
    now: nowOf(input),
    purpose: input.purpose,
    level: input.securityLevel,
  }
  const served = input.served.flatMap(({ der, certificate }) => runtimeCertificate(der, certificate) ?? [])
  const stored = [...input.anchors, ...input.intermediates].flatMap((it) => runtimeCertificate(it.der, it) ?? [])
  const store = createStore(stored)
  const path = buildPath(leaf, served, store, rules, steps)
  return { path, errors: checkPath(path, rules, steps), choices: hasChoices(path, served, store, steps) }
}

const nowOf = ({ time }: JudgeInput): number => Math.floor(time / 1000) * 1000

/** What ends the handshake before anything is verified, exceptions or not. */
function handshakeFaults({ served, protocol }: JudgeInput): FaultFinding[] {
  const [leaf] = served
  if (leaf === undefined) {
    return [fault('handshake-closed', nowhere, 'The backend presented no certificate')]
  }
  const faults: FaultFinding[] = []
  for (const [index, { der, certificate, malformed }] of served.entries()) {
    if (runtimeCertificate(der, certificate) !== null) continue
    faults.push(
      fault(
        'malformed-certificate',
        { at: index === 0 ? 0 : null, certificate },
        'A served certificate cannot be read',
        {
          served: index,
          ...malformed,
        },
      ),
    )
  }
  const bytes = served.reduce((sum, { der }) => sum + der.length + 3, 3)
  if (bytes > maxListBytes) {
    faults.push(
      fault('too-complex', nowhere, 'The certificates are more than the runtime takes', { bytes, limit: maxListBytes }),
    )
  }
  const key = runtimeCertificate(leaf.der, leaf.certificate)
  if (key !== null && !usableKey(key)) {
    const place = { at: 0, certificate: key.facts }
    faults.push(
      key.key === null
        ? fault('malformed-certificate', place, 'The public key of the leaf cannot be read')
        : fault('no-shared-cipher', place, `TLS cannot be spoken with a ${key.key.curve ?? key.key.kind} key`, {
            ...key.key,
          }),
    )
  }
  if (key !== null && oldProtocols.has(protocol ?? '') && !maySign(key)) {
    faults.push(
      fault(
        'wrong-purpose',
        { at: 0, certificate: key.facts },
        'The key usage of the leaf does not allow it to sign, as its key must up to TLS 1.2',
        {
          keyUsage: [...(key.facts?.keyUsage ?? [])],
          needed: ['digitalSignature'],
          protocol,
          rule: 'OpenSSL: SSL_R_ECC_CERT_NOT_FOR_SIGNING',
        },
      ),
    )
  }
  return faults
}

const oldProtocols: ReadonlySet<string> = new Set(['TLSv1', 'TLSv1.1', 'TLSv1.2'])

/** `ssl_check_srvr_ecc_cert_and_alg`, which is about keys that can do nothing else. An invalid certificate allows nothing. */
function maySign({ key, keyUsage, invalid }: RuntimeCertificate): boolean {
  if (key === null || !ellipticKeys.has(key.kind)) return true
  return invalid.length === 0 && (keyUsage === null || (keyUsage & 0x80) !== 0)
}

const ellipticKeys: ReadonlySet<string> = new Set(['ec', 'ed25519', 'ed448'])

const nowhere = { at: null, certificate: null } as const

/** SSL_MAX_CERT_LIST_DEFAULT. */
const maxListBytes = 100 * 1024

/** Keys that this gateway's ClientHello offers a signature scheme for. */
function usableKey({ key }: RuntimeCertificate): boolean {
  if (key === null) return false
  return key.kind === 'ec' ? key.curve !== null && tlsCurves.has(key.curve) : tlsKeys.has(key.kind)
}

const tlsKeys: ReadonlySet<string> = new Set([
  'rsa',
  'rsa-pss',
  'ed25519',
  'ed448',
  'ml-dsa-44',
  'ml-dsa-65',
  'ml-dsa-87',
])
const tlsCurves: ReadonlySet<string> = new Set([
  'prime256v1',
  'secp384r1',
  'secp521r1',
  'brainpoolP256r1',
  'brainpoolP384r1',
  'brainpoolP512r1',
])

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
  const verifies = (issuer: Certificate, subject: Certificate): boolean => {
    const one = runtimeCertificate(issuer.der, issuer)
    const other = runtimeCertificate(subject.der, subject)
    return one !== null && other !== null && affordSignature(steps) && other.signedBy(one)
  }
  return missingIssuer(input, facts, verifies)
}

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
  { candidates, signatures }: Steps,
): Judgement {
  const { skip } = input
  const skipped = (it: FaultFinding): boolean => (aboutIdentity(it) ? skip.name : skip.chain)
  const faults = [...hard, ...ordered.filter((it) => !skipped(it))]
  const path = verified === null ? [] : elementsOf(verified.path, input)
  const complete = verified?.path.trusted ?? false
  const exception = { chain: skip.chain, name: skip.name }
  const [first] = faults
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
      ...weaknesses(input, path, complete, verified?.choices ?? false),
    ],
    work: { signatures, candidates },
  }
}

/** What is in doubt about an unreadable leaf are its names. */
const aboutIdentity = ({ code, evidence }: FaultFinding): boolean =>
  verdictCodes[code].stage === 'identity' || evidence['namesOf'] === 'leaf'

function elementsOf({ chain, trustedFrom }: RuntimePath, input: JudgeInput): PathElement[] {
  const anchors = new Set(input.anchors.map((it) => runtimeCertificate(it.der, it)))
  const elements: PathElement[] = []
  for (const [at, certificate] of chain.entries()) {
    if (certificate.facts === null) break
    const stored = anchors.has(certificate) ? 'anchor' : 'stored'
    elements.push({ certificate: certificate.facts, origin: at < trustedFrom ? 'served' : stored })
  }
  return elements
}
