import type { JudgeInput, Judgement, Mode, PolicyInput, Presented } from '../src/judge/types.ts'
import { type Certificate, parseCertificate } from '../src/x509/certificate.ts'
import { type Crl, parseCrl } from '../src/x509/crl.ts'
import { DerError } from '../src/x509/der.ts'

/** One case of a suite in the form that shared/suites/README.md describes. Whatever a file leaves out is absent here too. */
export interface SuiteCase {
  readonly id: string
  readonly description?: string
  readonly trusted?: readonly string[]
  readonly intermediates?: readonly string[]
  readonly leaf?: string
  readonly crls?: readonly string[]
  readonly time?: string
  readonly purpose?: string
  readonly name?: { readonly kind: string; readonly value: string }
  readonly maxDepth?: number
  readonly policies?: Partial<PolicyInput>
  readonly partialChain?: boolean
  readonly options?: Readonly<Record<string, unknown>>
  readonly expect: 'accept' | 'reject'
  readonly cause?: readonly string[]
  readonly at?: number
  readonly note?: string
}

export interface Suite {
  readonly suite: string
  readonly cases: readonly SuiteCase[]
}

/** Throws where the text is no such document. */
export function readSuite(text: string, fallbackName: string): Suite {
  const document: unknown = JSON.parse(text)
  if (typeof document !== 'object' || document === null || !('cases' in document) || !Array.isArray(document.cases)) {
    throw new Error('not a suite: no list "cases"')
  }
  const suite = 'suite' in document && typeof document.suite === 'string' ? document.suite : fallbackName
  return { suite, cases: document.cases as readonly SuiteCase[] }
}

/**
 * What the judge is to be asked. A malformed anchor anchors nothing and a malformed list lists nothing, so both are left
 * out; what the peer served stays as it is. An empty list of CRLs is read as none.
 */
export function inputOf(suiteCase: SuiteCase, mode: Mode, now: number): JudgeInput {
  const { policies, name } = suiteCase
  const options = suiteCase.options ?? {}
  const purpose = purposeOf(suiteCase.purpose)
  const time = timeOf(suiteCase.time, now)
  const anchors = (suiteCase.trusted ?? []).map(readCertificate)
  const aux = auxOf(options['aux'], purpose)
  const trusted = anchors.flatMap((certificate, index) =>
    certificate === null || aux.untrusted.has(index) ? [] : [certificate],
  )
  const crls = (suiteCase.crls ?? []).flatMap((pem) => readCrl(pem) ?? [])
  return {
    // OpenSSL's -x509_strict is what the strict mode is about.
    mode: mode === 'rfc5280' && options['x509_strict'] === true ? 'strict' : mode,
    served: [suiteCase.leaf ?? '', ...(suiteCase.intermediates ?? [])].map(present),
    anchors: trusted,
    intermediates: anchors.flatMap((certificate, index) =>
      certificate !== null && aux.untrusted.has(index) ? [certificate] : [],
    ),
    fetched: [],
    known: [],
    partialChain: suiteCase.partialChain === true,
    crls: (suiteCase.crls ?? []).length === 0 ? null : crls,
    // OpenSSL's -crl_check asks about the leaf, -crl_check_all about the path.
    revocationOf: options['crl_check'] === true && options['crl_check_all'] !== true ? 'leaf' : 'path',
    time,
    purpose,
    names: name != null && (name.kind === 'dns' || name.kind === 'ip') ? [name.value] : null,
    maxDepth: suiteCase.maxDepth ?? null,
    policies: policies == null ? null : { ...noPolicies, ...policies },
    securityLevel: typeof options['auth_level'] === 'number' ? options['auth_level'] : defaultLevel(mode, time),
    distrusted: anchors.flatMap((certificate, index) =>
      certificate !== null && aux.rejected.has(index) ? [certificate] : [],
    ),
    proxyCertificates: options['allow_proxy_certs'] === true,
    skip: { chain: false, name: false },
  }
}

export interface Score {
  readonly suite: string
  readonly mode: Mode
  readonly cases: number
  readonly agree: number
  readonly wronglyAccepted: number
  readonly wronglyRefused: number
  /** Cases that expect a refusal and state its cause, whether or not the judge refused. */
  readonly causeStated: number
  /** Of those: refused, and for one of the causes. */
  readonly causeRight: number
  readonly atStated: number
  readonly atRight: number
  readonly differ: readonly Difference[]
}

export interface Difference {
  readonly id: string
  readonly expected: string
  readonly said: string
}

/** Accept or refuse, cause and guilty certificate are counted apart: one may be right where another is wrong. */
export function scoreOf(suite: Suite, mode: Mode, judge: (suiteCase: SuiteCase) => Judgement): Score {
  const tally = {
    agree: 0,
    wronglyAccepted: 0,
    wronglyRefused: 0,
    causeStated: 0,
    causeRight: 0,
    atStated: 0,
    atRight: 0,
  }
  const differ: Difference[] = []
  for (const suiteCase of suite.cases) {
    const judgement = judge(suiteCase)
    const accepted = judgement.code === 'trusted'
    const expected = suiteCase.expect === 'accept'
    const agrees = accepted === expected
    if (agrees) tally.agree += 1
    else if (accepted) tally.wronglyAccepted += 1
    else tally.wronglyRefused += 1
    const causeStated = !expected && suiteCase.cause !== undefined && suiteCase.cause.length > 0
    const causeRight = causeStated && !accepted && suiteCase.cause.includes(judgement.code)
    const atStated = !expected && suiteCase.at !== undefined
    const atRight = atStated && !accepted && judgement.at === suiteCase.at
    if (causeStated) tally.causeStated += 1
    if (causeRight) tally.causeRight += 1
    if (atStated) tally.atStated += 1
    if (atRight) tally.atRight += 1
    if (!agrees || causeStated !== causeRight || atStated !== atRight) {
      differ.push({ id: suiteCase.id, expected: expectationOf(suiteCase), said: sayingOf(judgement) })
    }
  }
  return { suite: suite.suite, mode, cases: suite.cases.length, ...tally, differ }
}

function expectationOf({ expect, cause, at }: SuiteCase): string {
  if (expect === 'accept') return 'accept'
  return `reject${cause === undefined ? '' : ` ${cause.join('|')}`}${at === undefined ? '' : ` at ${at}`}`
}

const sayingOf = ({ code, at }: Judgement): string =>
  code === 'trusted' ? 'accept' : `reject ${code}${at === null ? '' : ` at ${at}`}`

const noPolicies: PolicyInput = {
  initial: ['2.5.29.32.0'],
  requireExplicit: false,
  inhibitMapping: false,
  inhibitAny: false,
}

/**
 * Level 1, as `openssl verify -auth_level 1`. RFC 5280 names no least strength, so where a case is about a day before
 * SHA-1 was broken (https://shattered.io), what was in use on that day is good enough for it.
 */
const defaultLevel = (mode: Mode, time: number): number => (mode === 'rfc5280' && time < sha1Broken ? 0 : 1)

const sha1Broken = Date.UTC(2017, 1, 23)

const purposeOf = (purpose: string | undefined): JudgeInput['purpose'] =>
  purpose === 'server' || purpose === 'client' ? purpose : 'any'

function timeOf(text: string | undefined, now: number): number {
  const time = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(time) ? now : time
}

function present(pem: string): Presented {
  const der = derOf(pem)
  try {
    return { der, certificate: parseCertificate(der), malformed: null }
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    return { der, certificate: null, malformed: { offset: error.offset, reason: error.reason } }
  }
}

const readCertificate = (pem: string): Certificate | null => present(pem).certificate

function readCrl(pem: string): Crl | null {
  try {
    return parseCrl(derOf(pem))
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    return null
  }
}

/** The bytes of the first PEM block, or of bare base64. */
function derOf(pem: unknown): Buffer {
  const text = typeof pem === 'string' ? pem : ''
  const body = /-----BEGIN [^-]*-----([^-]*)/.exec(text)?.[1] ?? text
  return Buffer.from(body, 'base64')
}

/**
 * OpenSSL's auxiliary trust ("TRUSTED CERTIFICATE"): an anchor that is rejected for the purpose is distrusted; one that is
 * trusted for other purposes only anchors nothing.
 */
function auxOf(aux: unknown, purpose: JudgeInput['purpose']): { rejected: Set<number>; untrusted: Set<number> } {
  const rejected = new Set<number>()
  const untrusted = new Set<number>()
  const names = purpose === 'any' ? [] : [`${purpose}Auth`, 'anyExtendedKeyUsage']
  for (const entry of Array.isArray(aux) ? (aux as readonly unknown[]) : []) {
    if (typeof entry !== 'object' || entry === null) continue
    const { list, index, trust, reject } = entry as Record<string, unknown>
    if (list !== 'trusted' || typeof index !== 'number' || names.length === 0) continue
    if (Array.isArray(reject) && names.some((name) => reject.includes(name))) rejected.add(index)
    else if (Array.isArray(trust) && trust.length > 0 && !names.some((name) => trust.includes(name)))
      untrusted.add(index)
  }
  return { rejected, untrusted }
}
