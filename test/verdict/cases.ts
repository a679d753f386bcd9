import { type VerdictCode, verdictCodes } from '../../src/verdict/codes.ts'
import type { CertificateRef, Chain, ChainElement, Finding, Origin, Verdict } from '../../src/verdict/model.ts'
import type { RemedyContext } from '../../src/verdict/remedy-context.ts'
import { bareContext } from '../../src/verdict/remedy-context.ts'
import type { Diagnosed } from '../../src/verdict/remedy-parts.ts'

/* Verdicts and contexts as a diagnosis makes them, with every date and fingerprint fixed. */

export const now = Date.parse('2026-06-01T12:00:00Z')

export function ref(subject: string, issuer: string, more: Partial<CertificateRef> = {}): CertificateRef {
  const id = Array.from(subject).reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 0xffff, 7)
  const digits = id.toString(16).toUpperCase().padStart(4, '0')
  return {
    subject,
    issuer,
    serial: digits,
    sha256: digits.repeat(16),
    subjectKeyId: digits.repeat(10),
    authorityKeyId: null,
    notBefore: '2026-01-01T00:00:00Z',
    notAfter: '2027-01-01T00:00:00Z',
    ...more,
  }
}

export const root = ref('CN=Corp Root CA, O=Corp', 'CN=Corp Root CA, O=Corp', { notAfter: '2036-01-01T00:00:00Z' })
export const issuing = ref('CN=Corp Issuing CA, O=Corp', root.subject, {
  authorityKeyId: root.subjectKeyId,
  notAfter: '2031-01-01T00:00:00Z',
})
export const leaf = ref('CN=billing.internal', issuing.subject, { authorityKeyId: issuing.subjectKeyId })

export function path(...elements: readonly (readonly [CertificateRef, Origin])[]): readonly ChainElement[] {
  return elements.map(([certificate, origin]) => ({ ...certificate, origin }))
}

export function served(...certificates: readonly CertificateRef[]): Chain['served'] {
  return certificates.map((certificate, index) => ({ index, malformed: null, ...certificate }))
}

export interface CaseOptions extends Partial<Omit<Verdict, 'code'>> {
  readonly chain?: Partial<Chain>
  readonly findings?: readonly Finding[]
}

export function diagnosed(code: VerdictCode, options: CaseOptions = {}): Diagnosed {
  const { chain = {}, findings = [], ...verdict } = options
  const { party, stage, summary } = verdictCodes[code]
  const at = verdict.at ?? null
  return {
    verdict: { code, party, stage, summary, at, certificate: null, evidence: {}, hides: [], ...verdict },
    findings,
    chain: { served: [], path: [], brokenAt: at, ...chain },
  }
}

/** A target `billing` of a configuration, with one store that a file makes. */
export function context(more: Partial<RemedyContext> = {}): RemedyContext {
  return {
    ...bareContext('10.0.0.7', 8443, now),
    configFile: '/etc/postern/postern.yaml',
    target: {
      name: 'billing',
      url: 'https://10.0.0.7:8443',
      serverNamePath: 'targets.billing.tls.serverName',
      hasSubjectAltNames: false,
    },
    stores: [
      {
        name: 'corp',
        sources: [{ kind: 'file', path: '/etc/postern/corp.pem' }],
        intermediates: [],
        partialChain: false,
        anchors: 1,
      },
    ],
    storeNames: ['corp', 'partners'],
    serverName: 'billing.internal',
    verifyNames: ['billing.internal'],
    ...more,
  }
}

export const fullChain = {
  served: served(leaf, issuing),
  path: path([leaf, 'served'], [issuing, 'served'], [root, 'anchor']),
}

/** One case of every code, as it is usually met. */
export function usualCase(code: VerdictCode): Diagnosed {
  const chain = { served: served(leaf, issuing), path: path([leaf, 'served'], [issuing, 'served']) }
  switch (code) {
    case 'missing-root':
    case 'unknown-issuer':
      return diagnosed(code, { at: 1, certificate: issuing, chain: { ...chain, brokenAt: 1 } })
    case 'missing-intermediate':
      return diagnosed(code, {
        at: 0,
        certificate: leaf,
        chain: { served: served(leaf), path: path([leaf, 'served']), brokenAt: 0 },
      })
    case 'name-mismatch':
      return diagnosed(code, {
        at: 0,
        certificate: leaf,
        chain: { ...fullChain, brokenAt: 0 },
        evidence: { expected: ['billing.internal'], presented: ['billing.corp.example', 'www.corp.example'] },
      })
    default: {
      const inChain = verdictCodes[code].stage === 'chain' || verdictCodes[code].stage === 'identity'
      return inChain
        ? diagnosed(code, { at: 0, certificate: leaf, chain: { ...fullChain, brokenAt: 0 } })
        : diagnosed(code, code === 'trusted' ? { chain: fullChain } : {})
    }
  }
}
