import { judge } from '../../src/judge/judge.ts'
import type { JudgeInput, Judgement, Mode, Presented } from '../../src/judge/types.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { DerError } from '../../src/x509/der.ts'
import { Disagreement } from '../fuzz/target.ts'
import { inputFor } from './ask.ts'
import { authority, dns, now, server } from './signed-pki.ts'

/** What is mutated: a good input in every mode. */
export function goodInput(mode: Mode): JudgeInput {
  const root = authority('Root')
  const upper = authority('Upper', { issuer: root })
  const lower = authority('Lower', { issuer: upper })
  const leaf = server(lower, { names: [dns('backend.test')] })
  const spare = authority('Spare')
  const served = [leaf, lower, upper].map(({ facts }) => facts)
  const anchors = [root.facts, spare.facts]
  return inputFor({ mode, time: now, served, anchors, names: ['backend.test'] })
}

/**
 * One bit of one served certificate is changed; the judge must end with a verdict, and never with `trusted`, for every bit
 * of a certificate is signed or signs.
 *
 * @param at which bit, of all served certificates after each other; taken modulo their length
 * @returns the code, for a tally
 */
export function checkFlippedBit(input: JudgeInput, at: number): string {
  const total = input.served.reduce((sum, { der }) => sum + der.length * 8, 0)
  let bit = at % total
  const served = input.served.map((presented) => {
    const size = presented.der.length * 8
    const own = bit >= 0 && bit < size ? bit : -1
    bit -= size
    return own === -1 ? presented : flipped(presented, own)
  })
  const judgement = judge({ ...input, served })
  if (judgement.code === 'trusted') throw new Disagreement('a changed certificate is trusted', `bit ${at % total}`)
  checkForm(judgement, served)
  return judgement.code
}

/** Removing anchors, served certificates or the intermediates' store never makes a refused backend trusted. */
export function checkRemoval(input: JudgeInput): string {
  const before = judge(input)
  checkForm(before, input.served)
  for (const [index] of input.anchors.entries()) {
    const after = judge({ ...input, anchors: input.anchors.filter((_, at) => at !== index) })
    checkForm(after, input.served)
    if (before.code !== 'trusted' && after.code === 'trusted') {
      throw new Disagreement('trusted once an anchor is gone', `anchor ${index}`)
    }
  }
  const nobody = judge({ ...input, anchors: [] })
  if (nobody.code === 'trusted') throw new Disagreement('trusted by nobody')
  return before.code
}

/**
 * What holds for every judgement.
 *
 * @param rooted whether paths can only end in an anchor
 */
export function checkForm(
  { code, at, path, complete, findings }: Judgement,
  served: readonly Presented[],
  rooted = true,
): void {
  const faults = findings.filter(({ severity }) => severity === 'fault')
  if ((code === 'trusted') !== (faults.length === 0)) throw new Disagreement('verdict and faults differ', code)
  if (faults.length > 0 && faults[0]?.code !== code) throw new Disagreement('the first fault is not the verdict', code)
  if (faults.length > 0 && faults[0]?.at !== at) throw new Disagreement('the place of the verdict differs', code)
  if (code === 'trusted' && !complete) throw new Disagreement('trusted without an anchor')
  if (code === 'trusted' && path.some(({ origin }) => origin === 'fetched')) {
    throw new Disagreement('what was fetched is believed')
  }
  for (const found of findings) JSON.stringify(found)
  // The runtime reads some certificates that our reader does not; such a path cannot be shown in full.
  if (served.some(({ certificate }) => certificate === null)) return
  if (rooted && complete !== (path.at(-1)?.origin === 'anchor'))
    throw new Disagreement('complete without an anchor', code)
  const outside = findings.find((found) => found.at !== null && path.length > 0 && found.at >= path.length)
  if (outside !== undefined) throw new Disagreement('a place outside of the path', outside.code)
}

function flipped({ der }: Presented, bit: number): Presented {
  const bytes = Buffer.from(der)
  bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
  try {
    return { der: bytes, certificate: parseCertificate(bytes), malformed: null }
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    return { der: bytes, certificate: null, malformed: { offset: error.offset, reason: error.reason } }
  }
}
