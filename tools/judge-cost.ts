// CPU time of judging a chain of three certificates (leaf, intermediate, anchor), warm, as one JSON object: with the
// certificates parsed before, and with the served ones parsed for each judgement.
import { judge } from '../src/judge/judge.ts'
import type { JudgeInput, Mode, Presented } from '../src/judge/types.ts'
import { createIntermediate, createLeaf, createRoot } from '../src/pki/make.ts'
import { parseCertificate } from '../src/x509/certificate.ts'

const rounds = 2000
const kinds = ['ec-p256', 'rsa-2048'] as const
const modes: readonly Mode[] = ['runtime', 'rfc5280', 'strict']

const result: Record<string, { readonly judgeMs: number; readonly parseAndJudgeMs: number }> = {}
for (const key of kinds) {
  const root = await createRoot({ commonName: 'Cost Root CA', key })
  const issuing = await createIntermediate(root, { commonName: 'Cost Issuing CA', key })
  const leaf = await createLeaf(issuing, { names: ['cost.test'], key })
  const ders = [leaf.certificate, issuing.certificate]
  const anchors = [parseCertificate(root.certificate)]
  const served = ders.map(present)
  for (const mode of modes) {
    const input = inputOf(mode, served, anchors)
    const { code } = judge(input)
    if (code !== 'trusted') throw new Error(`${key}, ${mode}: ${code}`)
    result[`${key} ${mode}`] = {
      judgeMs: cost(() => judge(input)),
      parseAndJudgeMs: cost(() => judge({ ...input, served: ders.map(present) })),
    }
  }
}
process.stdout.write(`${JSON.stringify({ certificates: 3, rounds, cpu: result }, null, 2)}\n`)

/** Milliseconds of CPU for one call, on average after as many calls to warm up. */
function cost(call: () => unknown): number {
  for (let round = 0; round < rounds; round += 1) call()
  const before = process.cpuUsage()
  for (let round = 0; round < rounds; round += 1) call()
  const { user, system } = process.cpuUsage(before)
  return Math.round((user + system) / rounds) / 1000
}

function present(der: Buffer): Presented {
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
