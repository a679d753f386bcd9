import { judge } from '../../src/judge/judge.ts'
import type { JudgeInput, Judgement, Presented } from '../../src/judge/types.ts'
import type { Identity } from '../../src/pki/make.ts'
import { type Certificate, parseCertificate } from '../../src/x509/certificate.ts'

/** A certificate in any form a test has it in. */
export type Some = Identity | Buffer | Certificate

export function factsOf(some: Some): Certificate {
  if (Buffer.isBuffer(some)) return parseCertificate(some)
  return 'certificate' in some ? parseCertificate(some.certificate) : some
}

export interface Question
  extends Partial<Omit<JudgeInput, 'served' | 'anchors' | 'intermediates' | 'fetched' | 'names'>> {
  readonly served: readonly Some[]
  readonly anchors?: readonly Some[]
  readonly intermediates?: readonly Some[]
  readonly fetched?: readonly Some[]
  /** Default: not checked. */
  readonly names?: readonly string[]
}

/** What is asked where a test says nothing else: RFC 5280, a TLS server, now, security level 1. */
export function inputFor({
  served,
  anchors = [],
  intermediates = [],
  fetched = [],
  names,
  ...rest
}: Question): JudgeInput {
  return {
    mode: 'rfc5280',
    known: [],
    partialChain: false,
    crls: null,
    time: Date.now(),
    purpose: 'server',
    maxDepth: null,
    policies: null,
    securityLevel: 1,
    skip: { chain: false, name: false },
    ...rest,
    served: served.map((some): Presented => {
      const certificate = factsOf(some)
      return { der: certificate.der, certificate, malformed: null }
    }),
    anchors: anchors.map(factsOf),
    intermediates: intermediates.map(factsOf),
    fetched: fetched.map(factsOf),
    names: names ?? null,
  }
}

export const ask = (question: Question): Judgement => judge(inputFor(question))

/** `code at place`, or `trusted`. */
export const sayingOf = ({ code, at }: Judgement): string => (code === 'trusted' ? code : `${code} at ${at}`)

/** Codes of what refuses nothing. */
export const weaknessesOf = ({ findings }: Judgement): readonly string[] =>
  findings.filter(({ severity }) => severity !== 'fault').map(({ code }) => code)
