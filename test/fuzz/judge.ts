import { X509Certificate } from 'node:crypto'
import * as fc from 'fast-check'
import { judge } from '../../src/judge/judge.ts'
import type { JudgeInput, Judgement, Mode, Presented } from '../../src/judge/types.ts'
import { checkForm } from '../judge/fuzz-judge.ts'
import { authority, dns, server } from '../judge/signed-pki.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { fixedSigner } from '../x509/signed-make.ts'
import { audit } from './judge-audit.ts'
import { type Asked, type Change, changes, type Kind, poisons, presented, type Stock } from './judge-changes.ts'
import { type Base, baseOf, judgeCorpus } from './judge-corpus.ts'
import { checker, Disagreement, type Target } from './target.ts'

const modes: readonly Mode[] = ['runtime', 'rfc5280', 'strict']

/** What a chain of any making may cost (I10), in CPU time of this thread. */
const maxJudgementMs = 100

/**
 * Questions to the judge that were right or wrong and were then changed. Parts: the case as JSON, then a seed of four bytes for
 * each change. The knob's remainder by three is the mode; one in four is poisoned at the end.
 */
export const judgements: Target = {
  name: 'judge',
  inputs: fc.noBias(fc.nat()).map((seed) => {
    const random = seededRandom(seed)
    const { made, listed, suites } = judgeCorpus()
    const base = random.pick(random.chance(0.2) ? listed : suites.length === 0 || random.chance(0.5) ? made : suites)
    const bytes = Buffer.alloc(4 * (1 + (random.chance(0.4) ? random.below(4) : 0)))
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = random.below(256)
    return { parts: [base, bytes], knob: random.below(12) }
  }),
  keptParts: 1,
  start: () => {
    const { signers } = judgeCorpus()
    const unrelated = strangers()
    const foreign = [...unrelated, ...ofSuites()]
    return checker(({ parts: [text = Buffer.alloc(0), bytes = Buffer.alloc(0)], knob }) => {
      const base = baseOf(text)
      if (base === null) return 'no case'
      const mode = modes[knob % modes.length] as Mode
      const before = base.asked(mode)
      let asked: Asked = { input: before.input, done: [], signed: [] }
      const apply = (list: readonly Change[], random: Random, stock: Stock): void => {
        for (let attempts = 0; attempts < 4; attempts += 1) {
          const next = random.pick(list)(asked, stock, random)
          if (next === null) continue
          asked = next
          return
        }
      }
      const stock: Stock = { others: base.made ? foreign : unrelated, signers }
      const seeds = Array.from({ length: bytes.length >> 2 }, (_, index) => bytes.readUInt32LE(index * 4))
      for (const seed of seeds) apply(weighted, seededRandom(seed), stock)
      if (knob % 4 === 3 && base.made) apply(poisons, seededRandom(seeds.at(-1) ?? 0), stock)
      const after = judged(asked.input)
      // A suite may trust the leaf itself or put a root among the intermediates, and a changed anchor may be no root any more.
      const rooted = base.made && asked.done.every(({ what }) => what !== 'anchor')
      checkForm(after, asked.input.served, rooted)
      check(base, before, asked, after)
      return `${mode}: ${asked.done.at(-1)?.kind ?? 'nothing'}, ${after.code === 'trusted' ? 'trusted' : 'refused'}`
    })
  },
}

const weighted: readonly Change[] = changes.flatMap(([weight, change]) => Array.from({ length: weight }, () => change))

function judged(input: JudgeInput): Judgement {
  let least = Infinity
  let judgement: Judgement | null = null
  // More than once only where it took long: something else may have had the processor's caches.
  for (let attempts = 0; attempts < 3 && least > maxJudgementMs; attempts += 1) {
    const started = process.threadCpuUsage()
    judgement = judge(input)
    const { user, system } = process.threadCpuUsage(started)
    least = Math.min(least, (user + system) / 1000)
  }
  if (least > maxJudgementMs) throw new Disagreement('a judgement takes too long', { milliseconds: least })
  return judgement as Judgement
}

function check(base: Base, before: ReturnType<Base['asked']>, asked: Asked, after: Judgement): void {
  const { input, done } = asked
  const kinds = new Set(done.map(({ kind }) => kind))
  const only = (...allowed: readonly Kind[]): boolean => [...kinds].every((kind) => allowed.includes(kind))
  const told = { case: base.suiteCase.id, mode: input.mode, done, before: sayingOf(before.judgement) }
  const bad = (kind: string): never => {
    throw new Disagreement(kind, { ...told, after: sayingOf(after) })
  }
  if (after.code !== 'trusted') {
    // In a crowd of strangers the one good path is still found.
    const untouched = only('added') && before.judgement.code === 'trusted'
    if (untouched) bad('refused once strangers are there')
    return
  }
  audit(input, after, genuineOf(before.input, asked), told)
  if (kinds.has('poisoned')) bad(`trusted, though signed to be refused: ${done.at(-1)?.what}`)
  if (input.mode === 'runtime' && input.names !== null && !isStrict(input.served[0]?.der))
    bad('a name is believed of a leaf that is not DER')
  if (input.mode === 'strict') {
    const standard = judged({ ...input, mode: 'rfc5280' })
    if (standard.code !== 'trusted') bad('strict trusts what the standard refuses')
  }
  if (base.made && input.mode !== 'runtime' && done.length === 0 && base.suiteCase.expect === 'reject')
    bad('trusted, though made to be refused')
  if (input.crls !== null && input.mode !== 'runtime') checkLists(base, before, asked, bad)
  if (before.judgement.code === 'trusted' || !only('forged', 'removed', 'added', 'lists')) return
  if (mayTurn(base, before, asked, after)) return
  bad('refused before, and trusted once something is broken, gone or beside it')
}

/** What the gateway asks: its own reader reads what the runtime hands out. */
const isStrict = (der: Buffer | undefined): boolean =>
  der !== undefined && presented(new X509Certificate(der).raw).malformed === null

/** Who was on a list stays refused, and a list that is no longer what was signed vouches for nobody. */
function checkLists(
  base: Base,
  before: ReturnType<Base['asked']>,
  { input, done }: Asked,
  bad: (kind: string) => never,
): void {
  if (!base.made || done.some(({ kind }) => kind === 'signed' || kind === 'asked')) return
  if (before.judgement.code === 'revoked') bad('trusted, though revoked')
  const needed = input.revocationOf === 'leaf' ? 1 : input.served.length
  const intact = (before.input.crls ?? [])
    .slice(0, needed)
    .every(({ tbs }) => input.crls?.some((it) => it.tbs.equals(tbs)))
  const revised = done.some(({ what }) => what === 'revised')
  if (!intact && !revised) bad('trusted without a list that is needed')
}

/**
 * Where more than one path or list is about, the broken one may have been in the way of another that is good. RFC 5280 takes
 * any good path, so that there only lists can be in the way; OpenSSL takes the first issuer that looks right and never
 * goes back, and ends the handshake for any certificate that it cannot read.
 */
function mayTurn(base: Base, before: ReturnType<Base['asked']>, { input, done }: Asked, after: Judgement): boolean {
  const exhausted = before.judgement.findings.some(({ code }) => code === 'too-complex')
  if (exhausted) return true
  if (input.mode !== 'runtime') {
    const issuers = (before.input.crls ?? []).map(({ issuer }) => issuer.canonical)
    return !base.made && input.crls !== null && new Set(issuers).size < issuers.length
  }
  const unreadable = before.judgement.findings.some(({ code }) => code === 'malformed-certificate')
  const now = new Set(input.served.map(({ der }) => der))
  const inTheWay = before.judgement.path.some(
    ({ certificate }) =>
      !after.path.some((other) => other.certificate.sha256 === certificate.sha256) &&
      (!now.has(certificate.der) || done.some(({ what }) => what === 'order' || what === 'anchor')),
  )
  return unreadable || inTheWay
}

function genuineOf(before: JudgeInput, { input, signed }: Asked): readonly Buffer[] {
  const all = [...before.served.flatMap(({ certificate }) => certificate ?? []), ...before.anchors]
  return [...all, ...before.intermediates, ...input.anchors].map(({ tbs }) => tbs).concat(signed)
}

const sayingOf = ({ code, at, path }: Judgement): string =>
  `${code} at ${at}, path ${path.map(({ certificate, origin }) => `${certificate.sha256.slice(0, 8)} ${origin}`).join(' < ')}`

/** A PKI that nobody asked about, with the same host. */
function strangers(): Presented[] {
  const signers = [51, 52, 53].map(fixedSigner)
  const serial = Buffer.from([0x33])
  const root = authority('Strange root', { serial, ...signerAt(0) })
  const issuer = authority('Strange issuer', { serial, issuer: root, ...signerAt(1) })
  const leaf = server(issuer, { serial, names: [dns('backend.test')], ...signerAt(2) })
  return [root, issuer, leaf].map(({ facts }) => presented(facts.der))

  function signerAt(index: number) {
    return { signer: signers[index] as (typeof signers)[number] }
  }
}

/** Some certificates of the suites. */
function ofSuites(): Presented[] {
  const { suites } = judgeCorpus()
  return suites
    .filter((_, index) => index % 8 === 0)
    .flatMap((text) => baseOf(text)?.asked('rfc5280').input.served ?? [])
    .filter(({ certificate }) => certificate !== null)
}
