// `npm run bench:judge`: CPU time of judging a chain of three certificates (leaf, intermediate, anchor) in each mode, as one
// JSON object. Every judgement has objects of its own, so that nothing is remembered of the one before but, as in production,
// the keys of issuers. Fails where one costs a millisecond or more.
import { judge } from '../src/judge/judge.ts'
import type { JudgeInput, Mode, Presented } from '../src/judge/types.ts'
import { createIntermediate, createLeaf, createRoot } from '../src/pki/make.ts'
import { parseCertificate } from '../src/x509/certificate.ts'

const batches = 9
const rounds = 200
const allowedMs = 1
const kinds = ['ec-p256', 'rsa-2048'] as const
const modes: readonly Mode[] = ['runtime', 'rfc5280', 'strict']

interface Cost {
  /** Of the judgement alone. */
  readonly judgeMs: number
  /** With the reading of all three certificates. */
  readonly parseAndJudgeMs: number
  /** Of judging the same objects once more, as with the anchors and stored certificates of a target. */
  readonly againMs: number
}

const cpu: Record<string, Cost> = {}
for (const key of kinds) {
  const root = await createRoot({ commonName: 'Cost Root CA', key })
  const issuing = await createIntermediate(root, { commonName: 'Cost Issuing CA', key })
  const leaf = await createLeaf(issuing, { names: ['cost.test'], key })
  for (const mode of modes) {
    // Bytes of their own too: what is known of a certificate may hang on them.
    const fresh = (): JudgeInput =>
      inputOf(mode, [leaf.certificate, issuing.certificate].map(present), [parseCertificate(root.certificate)])
    const input = fresh()
    const { code } = judge(input)
    if (code !== 'trusted') throw new Error(`${key}, ${mode}: ${code}`)
    cpu[`${key} ${mode}`] = {
      judgeMs: cost(fresh, judge),
      parseAndJudgeMs: cost(
        () => null,
        () => judge(fresh()),
      ),
      againMs: cost(() => input, judge),
    }
  }
}
const worst = Math.max(...Object.values(cpu).flatMap((each) => Object.values(each)))
const met = worst < allowedMs
process.stdout.write(`${JSON.stringify({ certificates: 3, batches, rounds, allowedMs, met, cpu }, null, 2)}\n`)
process.exitCode = met ? 0 : 1

/** Milliseconds of CPU for one call; the median of some batches, after one to warm up. What a call gets is made beforehand. */
function cost<T>(make: () => T, call: (made: T) => unknown): number {
  const figures: number[] = []
  for (let batch = 0; batch <= batches; batch += 1) {
    const made = Array.from({ length: rounds }, make)
    const before = process.cpuUsage()
    for (const each of made) call(each)
    const { user, system } = process.cpuUsage(before)
    if (batch > 0) figures.push((user + system) / 1000 / rounds)
  }
  const median = figures.toSorted((one, other) => one - other)[batches >> 1] as number
  return Math.round(median * 1000) / 1000
}

function present(bytes: Buffer): Presented {
  const der = Buffer.from(bytes)
  return { der, certificate: parseCertificate(der), malformed: null }
}

function inputOf(mode: Mode, served: readonly Presented[], anchors: JudgeInput['anchors']): JudgeInput {
  return {
    mode,
    served,
    anchors,
    intermediates: [],
    fetched: [],
    known: [],
    partialChain: false,
    crls: null,
    time: Date.now(),
    purpose: 'server',
    names: ['cost.test'],
    maxDepth: null,
    policies: null,
    securityLevel: 1,
    skip: { chain: false, name: false },
  }
}
