import { createHash } from 'node:crypto'
import type { Resolver } from '../dial/resolver.ts'
import type { TargetTrust } from '../dial/target-trust.ts'
import type { Fault } from '../faults/fault.ts'
import { judge } from '../judge/judge.ts'
import { refOf } from '../judge/certificate-ref.ts'
import type { JudgeInput, Judgement, KnownCertificate, Mode, Presented } from '../judge/types.ts'
import type { ServerPlan, TargetTlsPlan } from '../proxy/plan.ts'
import { type VerdictCode, verdictCodes } from '../verdict/codes.ts'
import type { Chain, Finding, Report, ServedElement, Verdict } from '../verdict/model.ts'
import { remediesFor } from '../verdict/remedies.ts'
import { revocationParty } from '../verdict/revocation.ts'
import type { MissingCertificate, RemedyContext } from '../verdict/remedy-context.ts'
import { type Certificate, parseCertificate } from '../x509/certificate.ts'
import { DerError } from '../x509/der.ts'
import { renderName } from '../x509/name.ts'
import type { CapturedHandshake } from '../wire/tls/captured-handshake.ts'
import type { FetchedIssuers, FetchIssuers } from './fetch-issuers.ts'
import { handshakeVerdict } from './handshake-verdict.ts'
import { issuerText } from './issuer-text.ts'
import { probe } from './probe.ts'
import { stapledFinding } from './stapled.ts'
import { revocationLists, securityLevelOf, type TrustMaterial } from './trust-material.ts'
import type { Probe } from './types.ts'

/** What is known of the gateway before the backend is asked. */
export type RemedyBase = Omit<RemedyContext, 'missing' | 'acceptableIssuers' | 'facts' | 'now' | 'asOf'>

export interface DiagnoseRequest {
  /** `https` only: its `tls` is set. */
  readonly server: ServerPlan
  /** Of the server's TLS plan, without sessions: a probe neither takes nor gives one (I2). */
  readonly trust: TargetTrust
  readonly material: TrustMaterial
  readonly resolver: Resolver
  readonly known: readonly KnownCertificate[]
  /** null: pointers of certificates to their issuers are not followed. */
  readonly fetchIssuers: FetchIssuers | null
  /** Further connections may be opened where the first one does not tell the cause. */
  readonly settle: boolean
  /** Modes to compare the outcome with. */
  readonly compare: readonly Exclude<Mode, 'runtime'>[]
  readonly context: RemedyBase
  /** Milliseconds since the epoch to judge at; null: now. A handshake always happens now. */
  readonly time?: number | null
  /** The bytes of the handshake are kept: `probe.transcript`. */
  readonly transcript?: boolean
  readonly signal?: AbortSignal
}

/** A report with what it was made from. */
export interface Diagnosis extends Report {
  readonly probe: Probe
  /** The served certificates that can be read, in that order. */
  readonly served: readonly Certificate[]
  readonly judgement: Judgement | null
  /**
   * What judge and handshake said where they do not agree; '' otherwise. It is a fault of this program (I5): the verdict is
   * then the handshake's.
   */
  readonly disagreement: string
  /** How long judging kept the thread; it does nothing else meanwhile. */
  readonly judgingMs: number
  /** The moment it was judged as of, where that is another than when it was seen: milliseconds since the epoch. */
  readonly asOf: number | null
}

/** Finds out what a backend does and why, whose side it is on, and what to change. Throws only when it is aborted. */
export async function diagnose(request: DiagnoseRequest): Promise<Diagnosis> {
  const { server, trust, resolver, settle, transcript = false, signal } = request
  return explain(
    request,
    await probe({ server, trust, resolver, settle, transcript, ...(signal === undefined ? {} : { signal }) }),
  )
}

async function explain(request: DiagnoseRequest, seen: Probe): Promise<Diagnosis> {
  const startedAt = performance.now()
  const presented = (seen.handshake?.served ?? []).map(present)
  const served = presented.flatMap(({ certificate }) => certificate ?? [])
  const asOf = request.time ?? null
  const now = asOf ?? Date.now()
  const input = judgeInput(request, presented, now, seen.handshake)
  const first = presented.length === 0 ? null : judge(input)
  const fetchingFrom = performance.now()
  const fetched = first === null ? [] : await fetchMissing(request, first, served)
  const fetchingMs = performance.now() - fetchingFrom
  const judgement =
    fetched.length === 0 ? first : judge({ ...input, fetched: fetched.flatMap((each) => each.certificates) })
  const { verdict, disagreement } = verdictFrom(request, seen, judgement)
  const findings = findingsOf(request, seen, judgement, verdict, input, now)
  const chain = chainOf(presented, judgement, verdict)
  const context: RemedyContext = {
    ...request.context,
    missing: missingFrom(verdict, served, fetched, request.known),
    acceptableIssuers: acceptableIssuers(seen),
    facts: { ...seen.facts, plainProtocol: seen.handshake?.plainProtocol ?? null },
    now: Date.now(),
    asOf,
  }
  const remedy = remediesFor({ verdict, findings, chain }, context)
  const judgingMs = performance.now() - startedAt - fetchingMs
  return { verdict, findings, chain, remedy, probe: seen, served, judgement, disagreement, judgingMs, asOf }
}

/** One certificate as it was sent. */
export function present(der: Buffer): Presented {
  try {
    return { der, certificate: parseCertificate(der), malformed: null }
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    return { der, certificate: null, malformed: { offset: error.offset, reason: error.reason } }
  }
}

/** What the judge needs to say what a handshake with this target does. */
export function judgeInput(
  request: Pick<DiagnoseRequest, 'server' | 'material' | 'known'> & { readonly trust: Pick<TargetTrust, 'skips'> },
  served: readonly Presented[],
  time: number,
  seen: Pick<CapturedHandshake, 'version' | 'ocsp'> | null = null,
): JudgeInput {
  const tls = request.server.tls as TargetTlsPlan
  return {
    mode: 'runtime',
    served,
    anchors: request.material.anchors,
    intermediates: request.material.intermediates,
    fetched: [],
    known: request.known,
    partialChain: tls.partialChain,
    crls: revocationLists(tls),
    time,
    purpose: 'server',
    names: tls.verifyNames,
    maxDepth: null,
    policies: null,
    securityLevel: securityLevelOf(tls),
    skip: { chain: request.trust.skips('chain', time), name: request.trust.skips('name', time) },
    ...(seen === null || seen.version === '' ? {} : { protocol: seen.version }),
    // What was seen elsewhere than in a handshake may have been stapled or not.
    ...(tls.revocation.mode === 'staple-required' && seen !== null ? { staple: seen.ocsp } : {}),
  }
}

/**
 * The handshake decides whether the backend is trusted (I5); the judge says why not. What came before a certificate was
 * judged, or beside it, is the probe's to explain.
 */
function verdictFrom(
  { server }: DiagnoseRequest,
  { fault, handshake, ...rest }: Probe,
  judgement: Judgement | null,
): { verdict: Verdict; disagreement: string } {
  const judged = judgement === null ? null : verdictOf(judgement)
  if (fault === null) {
    const trusted = excepted(server, judgement) ?? (judged?.code === 'trusted' ? judged : trustedVerdict(judgement))
    const disagreement =
      judged === null || judged.code === 'trusted' ? '' : `the judge says ${judged.code}, the handshake was verified`
    return { verdict: trusted, disagreement }
  }
  const stage = fault.verdict === null ? 'handshake' : verdictCodes[fault.verdict].stage
  if (stage === 'chain' || stage === 'identity') {
    if (judged !== null && judged.code !== 'trusted') return { verdict: judged, disagreement: '' }
    const why = judged === null ? 'no certificate could be read from the handshake' : 'the judge says trusted'
    return { verdict: fromFault(fault), disagreement: `${why}, the handshake says ${fault.verdict}` }
  }
  if (stage !== 'handshake') return { verdict: fromFault(fault), disagreement: '' }
  // A certificate that the runtime cannot parse ends the handshake as nonsense on the wire would.
  if (judged?.code === 'malformed-certificate' && fault.evidence['alert'] === undefined && isOwnRefusal(fault)) {
    return { verdict: judged, disagreement: '' }
  }
  const settled = handshakeVerdict({ fault, handshake, ...rest }, server)
  return {
    verdict: {
      code: settled.code,
      party: settled.party,
      stage: verdictCodes[settled.code].stage,
      summary: settled.summary,
      at: null,
      certificate: null,
      evidence: settled.evidence,
      // The chain was never judged by the handshake, and would be next.
      hides: (judgement?.findings ?? []).flatMap(({ code, severity }) =>
        severity === 'fault' && isVerdictCode(code) ? [code] : [],
      ),
    },
    disagreement: '',
  }
}

/** The TLS library ended the handshake over something it had read. */
function isOwnRefusal({ evidence }: Fault): boolean {
  const { runtimeCode } = evidence
  return typeof runtimeCode === 'string' && /^ERR_(?:SSL|OSSL)_/.test(runtimeCode)
}

/** The judge's word as a verdict: its first fault, and what that one hides. */
export function verdictOf(judgement: Judgement): Verdict {
  const faults = judgement.findings.filter(({ severity }) => severity === 'fault')
  const [first, ...others] = faults
  if (first === undefined || !isVerdictCode(first.code)) return trustedVerdict(judgement)
  return {
    code: first.code,
    party: partyOf(first.code, first, judgement),
    stage: verdictCodes[first.code].stage,
    summary: first.summary,
    at: first.at,
    certificate: first.certificate,
    evidence: first.evidence,
    hides: [...new Set(others.flatMap(({ code }) => (isVerdictCode(code) ? [code] : [])))].filter(
      (code) => code !== first.code,
    ),
  }
}

function partyOf(code: VerdictCode, { at, evidence }: Finding, { path }: Judgement): Verdict['party'] {
  if (code === 'revoked' || code === 'revocation-unknown') return revocationParty({ code, evidence })
  const { stage, party } = verdictCodes[code]
  const origin = at === null ? undefined : path[at]?.origin
  // What stands in a store is the gateway's to change, whatever is wrong with it.
  return stage === 'chain' && (origin === 'anchor' || origin === 'stored') ? 'gateway' : party
}

/**
 * `trusted` is also said of a backend that an exception lets pass (I1: visible in every output); then the verdict says so, and
 * what it would be otherwise. null: nothing was let pass.
 */
function excepted({ tls }: ServerPlan, judgement: Judgement | null): Verdict | null {
  const skipped = (judgement?.findings ?? []).find(({ code }) => code === 'verification-skipped')
  if (skipped === undefined || judgement === null || tls === null) return null
  const hidden = judgement.findings.filter(({ code, severity }) => severity === 'warning' && isVerdictCode(code))
  const [first] = hidden
  const inForce = tls.exceptions
    .filter(({ skip }) => skipped.evidence[skip] === true)
    .map(({ skip, owner, reason, until }) => ({
      skip,
      owner,
      reason,
      until: until === null ? null : new Date(until).toISOString(),
    }))
  const who = inForce
    .map(({ skip, owner, until }) => `${skip} not verified, owner ${owner}, until ${until ?? 'it is removed'}`)
    .join('; ')
  const otherwise = first === undefined ? 'nothing is wrong without it' : `without it: ${first.code}: ${first.summary}`
  return {
    ...trustedVerdict(null),
    summary: `Accepted under an exception (${who}); ${otherwise}.`,
    at: null,
    certificate: first?.certificate ?? null,
    evidence: { exceptions: inForce, without: hidden.map(({ code }) => code) },
  }
}

function trustedVerdict(judgement: Judgement | null): Verdict {
  const anchor = judgement?.complete === true ? judgement.path.at(-1) : undefined
  return {
    code: 'trusted',
    party: 'backend',
    stage: 'verified',
    summary:
      anchor === undefined
        ? verdictCodes.trusted.summary
        : `Chain and name were verified; the path ends in "${renderName(anchor.certificate.subject, 'edge')}".`,
    at: null,
    certificate: null,
    evidence: {},
    hides: [],
  }
}

function fromFault(fault: NonNullable<Probe['fault']>): Verdict {
  const code = fault.verdict ?? 'peer-alert'
  const { stage } = verdictCodes[code]
  const { evidence, party, summary } = fault
  return { code, party, stage, summary, at: null, certificate: null, evidence, hides: [] }
}

function findingsOf(
  request: DiagnoseRequest,
  seen: Probe,
  judgement: Judgement | null,
  verdict: Verdict,
  input: JudgeInput,
  now: number,
): readonly Finding[] {
  if (judgement === null) return []
  const trusted = verdict.code === 'trusted'
  const findings = trusted ? judgement.findings.filter(({ severity }) => severity !== 'fault') : [...judgement.findings]
  const { mode: revocation } = (request.server.tls as TargetTlsPlan).revocation
  const stapled = stapledFinding(seen.handshake?.ocsp ?? null, judgement, now, revocation)
  if (stapled !== null) findings.push(stapled)
  const asked = trusted ? certificateAsked(request.server, seen) : null
  if (asked !== null) findings.push(asked)
  if (trusted) for (const mode of request.compare) findings.push(...refusedElsewhere(input, mode))
  return findings
}

/**
 * The backend asked for a client certificate, was shown none and went on: NGINX then answers each request with HTTP 400, and
 * the fault looks like one of the request (tls-on-node section 8).
 */
function certificateAsked({ tls }: ServerPlan, { handshake }: Probe): Finding | null {
  const asked = handshake?.certificateRequest ?? null
  if (asked === null || tls === null || tls.clientCertificate !== null) return null
  const issuers = asked.issuers.slice(0, 20).map(issuerText)
  return {
    code: 'client-certificate-requested',
    severity: 'warning',
    at: null,
    certificate: null,
    summary: `The backend asks for a client certificate${issuers.length === 0 ? '' : ` issued by ${issuers.join(' or ')}`}, this gateway has none to show, and the handshake went on without; some servers then refuse every request with HTTP 400.`,
    evidence: { acceptableIssuers: issuers },
  }
}

/** What another reading of the rules says of a chain that this gateway accepts. */
function refusedElsewhere(input: JudgeInput, mode: Exclude<Mode, 'runtime'>): readonly Finding[] {
  const other = judge({ ...input, mode, skip: { chain: false, name: false } })
  const [fault] = other.findings.filter(({ severity }) => severity === 'fault')
  if (fault === undefined) return []
  return [
    {
      code: 'refused-elsewhere',
      severity: 'warning',
      at: fault.at,
      certificate: fault.certificate,
      summary: `${mode === 'strict' ? 'A verifier that holds issuers to their duties' : 'A verifier that follows RFC 5280'} refuses this chain: ${fault.code}: ${fault.summary}`,
      evidence: { mode, code: fault.code, ...fault.evidence },
    },
  ]
}

function chainOf(presented: readonly Presented[], judgement: Judgement | null, verdict: Verdict): Chain {
  return {
    served: presented.map(servedElement),
    path: (judgement?.path ?? []).map(({ certificate, origin }) => ({ ...refOf(certificate), origin })),
    brokenAt: verdict.at,
  }
}

function servedElement(each: Presented, index: number): ServedElement {
  if (each.certificate !== null) return { index, malformed: null, ...refOf(each.certificate) }
  return { index, sha256: sha256Of(each.der), malformed: each.malformed }
}

/** Follows the pointers from certificate to issuer as far as something is missing, a few steps at most. */
async function fetchMissing(
  { fetchIssuers }: DiagnoseRequest,
  judgement: Judgement,
  served: readonly Certificate[],
): Promise<readonly FetchedIssuers[]> {
  if (fetchIssuers === null || judgement.complete) return []
  const fetched: FetchedIssuers[] = []
  let top = judgement.path.at(-1)?.certificate ?? served[0]
  for (let step = 0; step < maxFetches && top !== undefined && !top.selfIssued; step++) {
    const [url] = top.aiaUrls.caIssuers
    if (url === undefined) break
    const answer = await fetchIssuers(url)
    if (answer.certificates.length === 0) break
    fetched.push(answer)
    const { issuer } = top
    top = answer.certificates.find((each) => each.subject.canonical === issuer.canonical)
  }
  return fetched
}

const maxFetches = 4

/** The certificate that would complete the path, and who has it. */
function missingFrom(
  { evidence }: Verdict,
  served: readonly Certificate[],
  fetched: readonly FetchedIssuers[],
  known: readonly KnownCertificate[],
): MissingCertificate | null {
  const sha256 = missingSha256(evidence['missing'])
  if (sha256 === null) return null
  const at = served.find((each) => each.sha256 === sha256)
  if (at !== undefined) return { ref: refOf(at), from: 'served', where: 'served by the backend', file: null, url: null }
  for (const { url, certificates } of fetched) {
    const found = certificates.find((each) => each.sha256 === sha256)
    if (found !== undefined) return { ref: refOf(found), from: 'fetched', where: url, file: null, url }
  }
  const elsewhere = known.find(({ certificate }) => certificate.sha256 === sha256)
  if (elsewhere === undefined) return null
  const { certificate, where, file, stored } = elsewhere
  const held = stored === undefined ? {} : { stored }
  return { ref: refOf(certificate), from: 'known', where, file: file ?? null, url: null, ...held }
}

function missingSha256(missing: unknown): string | null {
  if (typeof missing !== 'object' || missing === null || !('sha256' in missing)) return null
  return typeof missing.sha256 === 'string' ? missing.sha256 : null
}

function acceptableIssuers({ handshake }: Probe): readonly string[] | null {
  return handshake?.certificateRequest?.issuers.map(issuerText) ?? null
}

const sha256Of = (der: Buffer): string => createHash('sha256').update(der).digest('hex').toUpperCase()

const isVerdictCode = (code: Finding['code']): code is VerdictCode => Object.hasOwn(verdictCodes, code)
