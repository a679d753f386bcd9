import { judge } from '../judge/judge.ts'
import type { Mode } from '../judge/types.ts'
import { remediesFor } from '../verdict/remedies.ts'
import { refOf } from '../judge/certificate-ref.ts'
import { type Diagnosis, type DiagnoseRequest, judgeInput, present, verdictOf } from './diagnose.ts'

/**
 * The same observation judged in another mode, or as of another moment. Of the chain and the name the judge then has the
 * word and not the handshake, which knows one set of rules and happens now. What kept a chain from being judged stays what
 * it is.
 */
export function judgedOtherwise(seen: Diagnosis, request: DiagnoseRequest, mode: Mode, time: number): Diagnosis {
  const { stage } = seen.verdict
  const served = (seen.probe.handshake?.served ?? []).map(present)
  if (served.length === 0 || stage === 'dns' || stage === 'connect' || stage === 'handshake') return seen
  const judgement = judge({ ...judgeInput(request, served, time), mode })
  const verdict = verdictOf(judgement)
  const others = seen.findings.filter(
    ({ code, evidence }) => code === 'client-certificate-requested' || 'stapled' in evidence,
  )
  const findings = [...judgement.findings, ...others]
  const path = judgement.path.map(({ certificate, origin }) => ({ ...refOf(certificate), origin }))
  const chain = { served: seen.chain.served, path, brokenAt: verdict.at }
  const isSame = verdict.code === seen.verdict.code && verdict.at === seen.verdict.at
  // The certificate that was found missing, by the observation, is still the one to be had.
  const remedy = isSame
    ? seen.remedy
    : remediesFor(
        { verdict, findings, chain },
        {
          ...request.context,
          missing: null,
          acceptableIssuers: null,
          facts: { ...seen.probe.facts, plainProtocol: null },
          now: Date.now(),
          asOf: request.time ?? null,
        },
      )
  return { ...seen, verdict, findings, chain, remedy, judgement, disagreement: '' }
}
