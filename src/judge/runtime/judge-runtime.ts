import { identityFaults } from '../identity.ts'
import { type FaultFinding, fault, weakness } from '../fault.ts'
import { missingIssuer } from '../missing-issuer.ts'
import { orderFaults } from '../precedence.ts'
import type { JudgeInput, Judgement, PathElement, Presented } from '../types.ts'
import type { Certificate } from '../../x509/certificate.ts'
import type { Finding } from '../../verdict/model.ts'
import { type RuntimeCertificate, runtimeCertificate } from './runtime-certificate.ts'
import { checkPath, type RuntimeError } from './runtime-checks.ts'
import { faultsOf } from './runtime-faults.ts'
import { buildPath, createStore, type RuntimePath } from './runtime-path.ts'
import type { Steps } from './steps.ts'

/**
 * What this gateway's handshake does with the chain (I5): OpenSSL 3.5 `X509_verify_cert` as the pinned runtime calls it for a
 * TLS client with the context of `dial/tls-context.ts`, then our own check of the name. Where OpenSSL keeps the last error
 * only, every one is a fault here.
 */
export function judgeRuntime(input: JudgeInput): Judgement {
  const steps: Steps = { candidates: 0, signatures: 0 }
  const hard = handshakeFaults(input)
  const [first] = input.served
  const leaf = first === undefined ? null : runtimeCertificate(first.der, first.certificate)
  if (first === undefined || leaf === null) return judgementOf(input, hard, [], null, steps)
  const { path, errors } = verify(input, leaf, steps)
  const { securityLevel: level } = input
  const chain = [...(path.trusted ? [] : [noAnchor(input, path, steps)]), ...faultsOf(errors, path.chain, { level, now: nowOf(input) })]
  return judgementOf(input, [...hard, ...nameFaults(input, first)], chain, path, steps)
}

/** What OpenSSL's verifier would tell its callback, in that order; for the test that holds the two together (I5). */
export function runtimeErrors(input: JudgeInput): readonly RuntimeError[] {
  const [first] = input.served
  const leaf = first === undefined ? null : runtimeCertificate(first.der, first.certificate)
  return leaf === null ? [] : verify(input, leaf, { candidates: 0, signatures: 0 }).errors
}

function verify(input: JudgeInput, leaf: RuntimeCertificate, steps: Steps) {
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
  const path = buildPath(leaf, served, createStore(stored), rules, steps)
  return { path, errors: checkPath(path, rules, steps) }
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
      fault('malformed-certificate', { at: index === 0 ? 0 : null, certificate }, 'A served certificate cannot be read', {
        served: index,
        ...malformed,
      }),
    )
  }
  const bytes = served.reduce((sum, { der }) => sum + der.length + 3, 3)
  if (bytes > maxListBytes) {
    faults.push(fault('too-complex', nowhere, 'The certificates are more than the runtime takes', { bytes, limit: maxListBytes }))
  }
  const key = runtimeCertificate(leaf.der, leaf.certificate)
  if (key !== null && !usableKey(key)) {
    const place = { at: 0, certificate: key.facts }
    faults.push(
      key.key === null
        ? fault('malformed-certificate', place, 'The public key of the leaf cannot be read')
        : fault('no-shared-cipher', place, `TLS cannot be spoken with a ${key.key.curve ?? key.key.kind} key`, { ...key.key }),
    )
  }
  if (key !== null && oldProtocols.has(protocol ?? '') && !maySign(key)) {
    faults.push(
      fault('wrong-purpose', { at: 0, certificate: key.facts }, 'The key usage of the leaf does not allow it to sign, as its key must up to TLS 1.2', {
        keyUsage: [...(key.facts?.keyUsage ?? [])],
        needed: ['digitalSignature'],
        protocol,
        rule: 'OpenSSL: SSL_R_ECC_CERT_NOT_FOR_SIGNING',
      }),
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
function nameFaults(input: JudgeInput, leaf: Presented): FaultFinding[] {
  if (input.skip.name || input.names === null) return []
  if (leaf.certificate !== null) return identityFaults(leaf.certificate, input.names)
  const { offset, reason } = leaf.malformed
  return [
    fault('malformed-certificate', { at: 0, certificate: null }, `The leaf is malformed at byte ${offset}: ${reason}`, {
      served: 0,
      offset,
      reason,
    }),
  ]
}

function noAnchor(input: JudgeInput, { chain }: RuntimePath, steps: Steps): FaultFinding {
  const top = chain.length - 1
  if (input.anchors.length + input.intermediates.length === 0) {
    return fault('empty-trust-store', { at: top, certificate: chain[top]?.facts ?? null }, 'The trust store holds no anchor')
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
    if (one === null || other === null || steps.signatures >= maxSignatures) return false
    steps.signatures += 1
    return other.signedBy(one)
  }
  return missingIssuer(input, facts, verifies)
}

/** I10: what evidence may cost on top of the path itself. */
const maxSignatures = 256

function dottedOid(hex: string): string {
  const parts: number[] = []
  let arc = 0
  for (const byte of Buffer.from(hex, 'hex')) {
    arc = arc * 128 + (byte & 0x7f)
    if (byte >= 0x80) continue
    parts.push(...(parts.length === 0 ? [Math.min(2, Math.floor(arc / 40)), arc - 40 * Math.min(2, Math.floor(arc / 40))] : [arc]))
    arc = 0
  }
  return parts.join('.')
}

function judgementOf(
  input: JudgeInput,
  always: readonly FaultFinding[],
  chain: readonly FaultFinding[],
  path: RuntimePath | null,
  steps: Steps,
): Judgement {
  const faults = orderFaults([...always, ...(input.skip.chain ? [] : chain)])
  const skipped: Finding[] = input.skip.chain
    ? chain.map((it) => ({ ...it, severity: 'warning' }))
    : []
  if (skipped.length > 0) {
    skipped.push(weakness('verification-skipped', 'warning', nowhere, 'An exception of the target skips the chain', { check: 'chain' }))
  }
  const [first] = faults
  return {
    mode: 'runtime',
    code: first?.code ?? 'trusted',
    at: first?.at ?? null,
    path: path === null || input.served[0]?.certificate === null ? [] : elementsOf(path, input),
    complete: path?.trusted ?? false,
    findings: [...faults, ...skipped],
    work: { signatures: steps.signatures, candidates: steps.candidates },
  }
}

function elementsOf({ chain, trustedFrom }: RuntimePath, input: JudgeInput): PathElement[] {
  const elements: PathElement[] = []
  for (const [at, { facts, der }] of chain.entries()) {
    if (facts === null) break
    const anchor = input.anchors.some((it) => it.der.equals(der))
    elements.push({ certificate: facts, origin: at < trustedFrom ? 'served' : anchor ? 'anchor' : 'stored' })
  }
  return elements
}
