import type { Finding } from '../verdict/model.ts'
import { verdictCodes } from '../verdict/codes.ts'
import type { Certificate } from '../x509/certificate.ts'
import { labelOf } from './certificate-ref.ts'
import { certificateFaults, issuerFaults } from './certificate-rules.ts'
import { dutyFaults, issuerFieldRule } from './duties.ts'
import { type FaultFinding, fault, weakness } from './fault.ts'
import { identityFaults } from './identity.ts'
import { createLinks, type IssuersOf } from './links.ts'
import { missingIssuer } from './missing-issuer.ts'
import { nameConstraintFaults } from './name-constraints.ts'
import { authorityFaults, depthFaults, isProxy, pathLengthFaults, proxyFaults, signatureFaults } from './path-rules.ts'
import { anyPolicyInput, checkPolicies } from './policies.ts'
import { type Candidate, createPool, type Pool } from './pool.ts'
import { orderFaults } from './precedence.ts'
import { createRevocation, type Revocation } from './revocation.ts'
import { type Rules, type SearchResult, search } from './search.ts'
import type { JudgeInput, Judgement, PathElement } from './types.ts'
import { weaknesses } from './weaknesses.ts'
import { createWork, limits, type Work } from './work.ts'

/** Path validation by RFC 5280 section 6 and identity by RFC 9525; in `strict` mode also the duties of issuers. */
export function judgeStandard(input: JudgeInput): Judgement {
  const first = input.served[0]
  if (first === undefined || first.certificate === null) return judgeUnreadable(input)
  const leaf = first.certificate
  const work = createWork()
  const pool = createPool(leaf, input, isRoot)
  const issuersOf = createLinks(pool, work)
  const duties = new WeakSet<FaultFinding>()
  const rules = createRules(input, pool, issuersOf, work, duties)
  const found = search(pool, issuersOf, rules, work)
  const { path, faults, complete } = explain(input, found, rules, work)

  const identity = identityFaults(leaf, input.names)
  // What the standard asks for comes before what the web asks for beyond it.
  const breaches = faults.filter((it) => duties.has(it)).toSorted((one, other) => webRank(one) - webRank(other))
  const ordered = [...orderFaults([...faults.filter((it) => !duties.has(it)), ...identity]), ...breaches]
  return conclude(input, path, complete, ordered, found.choices > 1, work)
}

const webRank = ({ evidence }: FaultFinding): number => (String(evidence['rule']).startsWith('BR') ? 1 : 0)

/** An anchor that the store holds as a root. A kind of key that is not known here cannot be held against it. */
const isRoot = (anchor: Certificate): boolean =>
  anchor.selfSignedForm || (anchor.selfIssued && /^\d/.test(anchor.publicKey.algorithm))

function createRules(
  input: JudgeInput,
  pool: Pool,
  issuersOf: IssuersOf,
  work: Work,
  duties: WeakSet<FaultFinding>,
): Rules {
  const strict = input.mode === 'strict'
  const proxies = input.proxyCertificates === true
  const one = (candidate: Candidate, at: number): FaultFinding[] => {
    const { certificate } = candidate
    const role = { leaf: at === 0, anchor: candidate.origin === 'anchor' }
    const faults = certificateFaults(certificate, at, role, input).filter(
      // RFC 3820: what would be an unknown critical extension is the mark of a proxy certificate.
      (it) => !(proxies && it.code === 'unknown-critical-extension' && isProxy(candidate)),
    )
    if (!strict) return faults
    const breaches = dutyFaults(certificate, at, role, input)
    for (const it of breaches) duties.add(it)
    return [...faults, ...breaches]
  }
  const ofCertificate = (candidate: Candidate, isLeaf: boolean): readonly FaultFinding[] => {
    const at = isLeaf ? 0 : 1
    const issuing =
      isLeaf || proxies
        ? []
        : issuerFaults(candidate.certificate, at, { leaf: false, anchor: candidate.origin === 'anchor' })
    return [...one(candidate, at), ...issuing]
  }
  const soundness = new Map<string, boolean>()
  const unsound = (candidate: Candidate, isSigner: boolean): boolean => {
    const id = `${isSigner}${candidate.certificate.sha256}`
    const known = soundness.get(id)
    if (known !== undefined) return known
    // The signer of a list is no server: only its dates, form and strength count.
    const answer = isSigner
      ? certificateFaults(candidate.certificate, 0, { leaf: true, anchor: false }, { ...input, purpose: 'any' })
          .length > 0
      : ofCertificate(candidate, false).length > 0
    soundness.set(id, answer)
    return answer
  }
  const revocation: Revocation | null =
    input.crls === null
      ? null
      : createRevocation({
          crls: input.crls,
          time: input.time,
          leafOnly: input.revocationOf === 'leaf',
          duties: !strict ? 'none' : input.purpose === 'server' ? 'web' : 'standard',
          pool,
          issuersOf,
          work,
          unsound,
        })

  return {
    ofCertificate,
    ofPath(path, links) {
      const certificates = path.map(({ certificate }) => certificate)
      const complete = path.at(-1)?.origin === 'anchor'
      const signatures = signatureFaults(path, links)
      const said = (it: FaultFinding): boolean => signatures.some(({ code, at }) => code === it.code && at === it.at)
      const local = path
        .flatMap((candidate, at) => one(candidate, at))
        .filter((it) => !said(it) && !isOfIssuer(it, certificates))
      return [
        ...signatures,
        ...local,
        ...authorityFaults(path, proxies),
        ...(proxies ? proxyFaults(path) : []),
        ...pathLengthFaults(path),
        ...depthFaults(path, input),
        ...nameConstraintFaults(certificates, work),
        ...(complete && path.length > 1
          ? checkPolicies(certificates.slice(0, -1), input.policies ?? anyPolicyInput, work).faults
          : []),
        ...(complete && revocation !== null ? revocation.faultsOf(path) : []),
      ]
    },
  }
}

/** A certificate of a CA without a name has no issuer to name: the breach is the CA's, and is reported there. */
const isOfIssuer = ({ at, evidence }: FaultFinding, path: readonly Certificate[]): boolean =>
  evidence['rule'] === issuerFieldRule && at !== null && path[at + 1]?.subject.rdns.length === 0

interface Explained {
  readonly path: readonly PathElement[]
  readonly faults: readonly FaultFinding[]
  readonly complete: boolean
}

function explain(input: JudgeInput, found: SearchResult, rules: Rules, work: Work): Explained {
  const best = found.complete
  const path = best?.path ?? found.furthest
  const complete = best !== null
  const faults: FaultFinding[] = [...(best?.faults ?? rules.ofPath(path, found.furthestLinks))]
  if (found.truncated) faults.push(tooComplex(path, work))
  const verifies = (issuer: Certificate, subject: Certificate): boolean => work.verify(issuer, subject) === 'good'
  const cut = !complete && path.length >= limits.pathLength
  if (cut) {
    const at = path.length - 1
    const certificate = path[at]?.certificate ?? null
    const evidence = { limit: limits.pathLength }
    faults.push(
      fault('depth-exceeded', { at, certificate }, `The path has more than ${path.length} certificates`, evidence),
    )
  }
  const unread = complete ? null : unreadServed(input, path)
  if (unread !== null) faults.push(unread)
  const gaps = cut || unread !== null ? [] : gapsOf(path, complete)
  for (const top of gaps) {
    faults.push(
      missingIssuer(
        input,
        path.slice(0, top + 1).map(({ certificate }) => certificate),
        verifies,
      ),
    )
  }
  if (input.anchors.length === 0) {
    const at = path.length - 1
    const certificate = path[at]?.certificate ?? null
    faults.push(fault('empty-trust-store', { at, certificate }, 'The trust stores hold no anchor: nobody is trusted'))
  }
  return { path, faults, complete }
}

/** A served certificate that cannot be read, where the path ends: most likely the one that is wanted there. */
function unreadServed({ served }: JudgeInput, path: readonly PathElement[]): FaultFinding | null {
  const index = served.findIndex(({ malformed }, at) => at > 0 && malformed !== null)
  const malformed = served[index]?.malformed
  if (malformed == null) return null
  const top = path.at(-1)?.certificate
  const wanted = top === undefined || top.selfIssued ? null : labelOf(top.issuer)
  return fault(
    'malformed-certificate',
    { at: null, certificate: null },
    `Served certificate ${index + 1} cannot be read${wanted === null ? '' : `, and "${wanted}" is missing`}`,
    { index, ...malformed, ...(wanted === null ? {} : { missingSubject: wanted }) },
  )
}

/** Places whose issuer is missing: where something fetched had to be borrowed first, and the top of an open path. */
function gapsOf(path: readonly Candidate[], complete: boolean): number[] {
  const borrowed = path.findIndex(({ origin }) => origin === 'fetched')
  const gaps = borrowed > 0 ? [borrowed - 1] : []
  const top = path.length - 1
  const topIsOpen = !complete && !(borrowed > 0 && path[top]?.certificate.selfSigned === true && borrowed === top)
  return topIsOpen && !gaps.includes(top) ? [...gaps, top] : gaps
}

function tooComplex(path: readonly PathElement[], work: Work): FaultFinding {
  const certificate = path[0]?.certificate ?? null
  return fault(
    'too-complex',
    { at: 0, certificate },
    'There are too many possible paths, and none of those that were tried is good',
    work.spent,
  )
}

function judgeUnreadable(input: JudgeInput): Judgement {
  const presented = input.served[0]
  const summary = presented === undefined ? 'No certificate was served' : 'The served certificate cannot be read'
  const found = fault('malformed-certificate', { at: presented === undefined ? null : 0, certificate: null }, summary, {
    ...presented?.malformed,
  })
  return conclude(input, [], false, [found], false, createWork())
}

function conclude(
  input: JudgeInput,
  path: readonly PathElement[],
  complete: boolean,
  ordered: readonly FaultFinding[],
  choices: boolean,
  work: Work,
): Judgement {
  const { skip } = input
  const skipped = (it: FaultFinding): boolean => (verdictCodes[it.code].stage === 'identity' ? skip.name : skip.chain)
  const faults = ordered.filter((it) => !skipped(it))
  const findings: Finding[] = [
    ...faults,
    ...ordered.filter(skipped).map((it): Finding => ({ ...it, severity: 'warning' })),
    ...(skip.chain || skip.name
      ? [
          weakness(
            'verification-skipped',
            'warning',
            { at: null, certificate: null },
            'An exception of the target skips a verification',
            {
              chain: skip.chain,
              name: skip.name,
            },
          ),
        ]
      : []),
    ...weaknesses(input, path, complete, choices),
  ]
  const first = faults[0]
  return {
    mode: input.mode,
    code: first?.code ?? 'trusted',
    at: first?.at ?? null,
    path: path.map(({ certificate, origin }) => ({ certificate, origin })),
    complete,
    findings,
    work: work.spent,
  }
}
