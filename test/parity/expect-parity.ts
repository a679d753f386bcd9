import assert from 'node:assert/strict'
import type { KeyObject } from 'node:crypto'
import { Resolver } from '../../src/dial/resolver.ts'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import type { Fault } from '../../src/faults/fault.ts'
import { judgeRuntime, runtimeErrors } from '../../src/judge/runtime/judge-runtime.ts'
import type { OpensslError } from '../../src/judge/runtime/runtime-checks.ts'
import type { JudgeInput, Judgement, Presented } from '../../src/judge/types.ts'
import type { TargetTlsPlan } from '../../src/proxy/plan.ts'
import type { VerdictCode } from '../../src/verdict/codes.ts'
import { parseCertificate, toPem } from '../../src/x509/certificate.ts'
import { parseCrl } from '../../src/x509/crl.ts'
import { DerError } from '../../src/x509/der.ts'
import { closed, dialOnce, serverPlan, tlsPlan } from '../dial/dial-once.ts'
import { startRawTlsServer, type RawTlsServer } from './raw-tls-server.ts'

/** One backend, and the trust it is judged under. */
export interface ParityCase {
  readonly what: string
  /** Exactly as served, leaf first. */
  readonly served: readonly Buffer[]
  readonly leafKey: KeyObject
  readonly anchors: readonly Buffer[]
  readonly intermediates?: readonly Buffer[]
  readonly partialChain?: boolean
  /** Revocation lists that the context holds. */
  readonly crls?: readonly Buffer[]
  /** Default: one that every leaf of these tests has. */
  readonly names?: readonly string[]
  readonly ciphers?: string
  readonly securityLevel?: number
  readonly skipChain?: boolean
  readonly skipName?: boolean
  /** Default: TLS 1.2, which is what the rig speaks. */
  readonly protocol?: 'TLSv1.2' | 'TLSv1.3'
}

export const usualName = 'backend.test'

/** Servers and a resolver that many cases share. */
export class ParityRig implements AsyncDisposable {
  readonly #resolver = new Resolver()
  readonly #server: RawTlsServer

  private constructor(server: RawTlsServer) {
    this.#server = server
  }

  static async start(): Promise<ParityRig> {
    return new ParityRig(await startRawTlsServer())
  }

  async handshake(it: ParityCase): Promise<Handshake> {
    this.#server.present(it.served, it.leafKey)
    return dialParity(it, this.#server.port, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }, this.#resolver)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#resolver.close()
    await this.#server[Symbol.asyncDispose]()
  }
}

/** What the gateway's own dialer came to; null: it handed out the connection. */
export type Handshake = Fault | null

export async function dialParity(
  it: ParityCase,
  port: number,
  versions: Pick<TargetTlsPlan, 'minVersion' | 'maxVersion'>,
  resolver: Resolver,
): Promise<Handshake> {
  const names = it.names ?? [usualName]
  const exception = (skip: 'chain' | 'name') => ({ skip, owner: 'tests', reason: 'parity', until: null })
  const change: Partial<TargetTlsPlan> = {
    anchors: it.anchors.map((der) => toPem(der)),
    intermediates: (it.intermediates ?? []).map((der) => toPem(der)),
    partialChain: it.partialChain ?? false,
    revocation: it.crls === undefined ? { mode: 'off' } : { mode: 'crl', crls: it.crls.map(listPem) },
    serverName: null,
    verifyNames: names,
    ciphers: it.ciphers ?? null,
    skipChain: it.skipChain ?? false,
    skipName: it.skipName ?? false,
    exceptions: [...(it.skipChain ? [exception('chain')] : []), ...(it.skipName ? [exception('name')] : [])],
    ...versions,
  }
  const plan = tlsPlan('', '', change)
  const { dialed, fault } = await dialOnce(serverPlan({ port, scheme: 'https', tls: plan }), {
    resolver,
    trust: new TargetTrust(plan),
    size: 1024,
  })
  if (dialed !== null) await closed(dialed.socket)
  return fault
}

export function judgeInput(it: ParityCase): JudgeInput {
  return {
    mode: 'runtime',
    served: it.served.map(presented),
    anchors: it.anchors.map((der) => parseCertificate(der)),
    intermediates: (it.intermediates ?? []).map((der) => parseCertificate(der)),
    fetched: [],
    known: [],
    partialChain: it.partialChain ?? false,
    crls: it.crls?.map((der) => parseCrl(der)) ?? null,
    time: Date.now(),
    purpose: 'server',
    names: it.names ?? [usualName],
    maxDepth: null,
    policies: null,
    securityLevel: it.securityLevel ?? 2,
    protocol: it.protocol ?? 'TLSv1.2',
    skip: { chain: it.skipChain ?? false, name: it.skipName ?? false },
  }
}

function listPem(der: Buffer): string {
  return `-----BEGIN X509 CRL-----\n${der.toString('base64')}\n-----END X509 CRL-----\n`
}

export function presented(der: Buffer): Presented {
  try {
    return { der, certificate: parseCertificate(der), malformed: null }
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    return { der, certificate: null, malformed: { offset: error.offset, reason: error.reason } }
  }
}

/** Judge and handshake agree about the case, in the outcome and in the cause (I5). @returns the judgement */
export async function expectParity(it: ParityCase, rig: ParityRig): Promise<Judgement> {
  return compare(it, await rig.handshake(it))
}

export function compare(it: ParityCase, handshake: Handshake): Judgement {
  const input = judgeInput(it)
  const judgement = judgeRuntime(input)
  const faults = judgement.findings.filter(({ severity }) => severity === 'fault').map(({ code }) => code)
  const said = `${it.what}: judge ${faults.join(', ') || judgement.code}; handshake ${telling(handshake)}`
  assert.equal(judgement.code === 'trusted', handshake === null, said)
  assert.equal(judgement.code === 'trusted', faults.length === 0, said)
  if (handshake === null) return judgement
  const expected = explanations(handshake)
  assert.ok(
    expected === null || faults.some((code) => (expected as readonly string[]).includes(code)),
    `${said}; expected one of ${expected?.join(', ')}`,
  )
  // The chain comes first: a name is looked at when nothing else is wrong.
  if (isChainFault(handshake)) {
    const last = runtimeErrors(input).at(-1)?.error
    assert.deepEqual(last === undefined ? 'nothing' : runtimeTellsOf(last), tellsOf(handshake), `${said}; last error`)
  }
  return judgement
}

const telling = (fault: Handshake): string =>
  fault === null ? 'accepted' : `${fault.verdict} (${codeOf(fault)} ${String(fault.evidence['runtimeText'])})`

const isChainFault = (fault: Fault): boolean => codeOf(fault) in byCode

const codeOf = ({ evidence: { runtimeCode } }: Fault): string => (typeof runtimeCode === 'string' ? runtimeCode : '')

function tellsOf(fault: Fault): string {
  const code = codeOf(fault)
  return code === 'UNSPECIFIED' ? String(fault.evidence['runtimeText']) : code
}

/** What the runtime makes of an error of OpenSSL: its own code, or where it has none OpenSSL's text. */
function runtimeTellsOf(error: OpensslError): string {
  return texts[error] ?? error
}

const texts: Partial<Readonly<Record<OpensslError, string>>> = {
  EE_KEY_TOO_SMALL: 'EE certificate key too weak',
  CA_KEY_TOO_SMALL: 'CA certificate key too weak',
  CA_MD_TOO_WEAK: 'CA signature digest algorithm too weak',
  UNHANDLED_CRITICAL_EXTENSION: 'unhandled critical extension',
  PROXY_CERTIFICATES_NOT_ALLOWED: 'proxy certificates not allowed, please set the appropriate flag',
  INVALID_NON_CA: 'invalid non-CA certificate (has CA markings)',
  EC_KEY_EXPLICIT_PARAMS: 'certificate public key has explicit ECC parameters',
  KEYUSAGE_NO_CERTSIGN: 'key usage does not include certificate signing',
  KEYUSAGE_NO_DIGITAL_SIGNATURE: 'key usage does not include digital signature',
  PERMITTED_VIOLATION: 'permitted subtree violation',
  EXCLUDED_VIOLATION: 'excluded subtree violation',
  SUBTREE_MINMAX: 'name constraints minimum and maximum not supported',
  UNSUPPORTED_CONSTRAINT_TYPE: 'unsupported name constraint type',
  UNSUPPORTED_NAME_SYNTAX: 'unsupported or invalid name syntax',
  UNSPECIFIED: 'unspecified certificate verification error',
  INVALID_EXTENSION: 'invalid or inconsistent certificate extension',
  KEYUSAGE_NO_CRL_SIGN: 'key usage does not include CRL signing',
  DIFFERENT_CRL_SCOPE: 'different CRL scope',
  PROXY_SUBJECT_NAME_VIOLATION: 'proxy subject name violation',
  UNNESTED_RESOURCE: "RFC 3779 resource not subset of parent's resources",
  CERT_CHAIN_TOO_LONG: 'CERT_CHAIN_TOO_LONG',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'DEPTH_ZERO_SELF_SIGNED_CERT',
}

const noAnchor = [
  'missing-root',
  'missing-intermediate',
  'unknown-issuer',
  'self-signed-leaf',
  'empty-trust-store',
  'malformed-certificate',
] as const satisfies readonly VerdictCode[]

/** Codes of ours of which one must be among the faults when the runtime ends with this one. */
const byCode: Readonly<Record<string, readonly VerdictCode[]>> = {
  UNABLE_TO_GET_ISSUER_CERT: noAnchor,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: noAnchor,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: noAnchor,
  // OpenSSL goes by the names alone; a leaf with the name of its issuer may well have one.
  DEPTH_ZERO_SELF_SIGNED_CERT: noAnchor,
  SELF_SIGNED_CERT_IN_CHAIN: noAnchor,
  CERT_NOT_YET_VALID: ['not-yet-valid'],
  CERT_HAS_EXPIRED: ['expired'],
  ERROR_IN_CERT_NOT_BEFORE_FIELD: ['malformed-certificate'],
  ERROR_IN_CERT_NOT_AFTER_FIELD: ['malformed-certificate'],
  INVALID_CA: ['issuer-not-ca', 'issuer-key-usage'],
  PATH_LENGTH_EXCEEDED: ['path-length-exceeded'],
  INVALID_PURPOSE: ['wrong-purpose', 'issuer-not-ca', 'issuer-key-usage'],
  CERT_CHAIN_TOO_LONG: ['depth-exceeded'],
  // The last three: by the wrong one of two issuers with one name.
  CERT_SIGNATURE_FAILURE: ['bad-signature', 'missing-root', 'missing-intermediate', 'unknown-issuer'],
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: ['bad-signature'],
  UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY: ['malformed-certificate', 'bad-signature'],
  // A list is missing for whoever stands above an anchor that is missing too.
  UNABLE_TO_GET_CRL: ['revocation-unknown', 'revoked', ...noAnchor],
  CRL_NOT_YET_VALID: ['revocation-unknown', ...noAnchor],
  CRL_HAS_EXPIRED: ['revocation-unknown', ...noAnchor],
  CRL_SIGNATURE_FAILURE: ['revocation-unknown', ...noAnchor],
  // Where the list is forged, it says nothing.
  CERT_REVOKED: ['revoked', 'revocation-unknown', ...noAnchor],
  UNSPECIFIED: [],
}

const byText: readonly (readonly [RegExp, readonly VerdictCode[]])[] = [
  [/key too weak/, ['weak-key']],
  [/digest algorithm too weak/, ['weak-signature']],
  [/unhandled critical extension/, ['unknown-critical-extension']],
  [/inconsistent certificate extension/, ['malformed-certificate']],
  [/CRL/i, ['revocation-unknown', ...noAnchor]],
  [/RFC 3779/, ['policy-violation']],
  [/proxy|non-CA/, ['wrong-purpose']],
  [/explicit ECC/, ['malformed-certificate']],
  [/certificate signing/, ['issuer-key-usage']],
  [/digital signature/, ['issuer-key-usage']],
  [/subtree|minimum and maximum|name constraint|name syntax/, ['name-constraint-violation']],
  [/unspecified certificate verification error/, ['malformed-certificate', 'too-complex']],
]

/** null: the handshake ended before or after the chain, and what our own gate said is our own code. */
function explanations(fault: Fault): readonly VerdictCode[] | null {
  const code = codeOf(fault)
  if (code === 'UNSPECIFIED') {
    const text = String(fault.evidence['runtimeText'])
    return byText.find(([pattern]) => pattern.test(text))?.[1] ?? []
  }
  if (code in byCode) return byCode[code] as readonly VerdictCode[]
  if (fault.verdict === 'name-mismatch' || fault.verdict === 'no-subject-alternative-name') return [fault.verdict]
  if (code === 'ERR_SSL_ECC_CERT_NOT_FOR_SIGNING') return ['wrong-purpose']
  if (fault.verdict === 'malformed-certificate') return ['malformed-certificate']
  return null
}
