import { createLabPki, goodLeaf, type LabPki, type Serving } from '../../src/lab/lab-pki.ts'
import { ocspResponse } from '../../src/lab/ocsp-response.ts'
import { acceptedServings } from '../../src/lab/serve-accepted.ts'
import { chainServings } from '../../src/lab/serve-chain.ts'
import { firstServings } from '../../src/lab/serve-first.ts'
import { createLeaf, type Identity } from '../../src/pki/make.ts'
import type { TargetTlsPlan } from '../../src/proxy/plan.ts'
import type { FindingCode } from '../../src/verdict/findings.ts'
import type { VerdictCode } from '../../src/verdict/codes.ts'
import type { ForeignSettings, StackName } from './stacks.ts'

export const pki = await createLabPki(new Date(), () => 'http://127.0.0.1:1/issuing-ca.cer')
const client = (issuer: Identity) =>
  createLeaf(issuer, { names: ['gateway.lab.test'], purposes: ['clientAuth'], now: pki.now })
const [ours, strangers] = await Promise.all([client(pki.clientRoot), client(pki.elsewhereRoot)])

/** What should come of a backend. */
interface Expected {
  /** What the data plane sees, see `exchange`. */
  readonly traffic: string
  /** What a diagnosis should find out. */
  readonly verdict: VerdictCode
  readonly findings?: readonly (VerdictCode | FindingCode)[]
}

export interface ForeignCase extends Expected {
  readonly serves: Serving
  readonly server?: (pki: LabPki, leaf: Buffer) => Partial<ForeignSettings>
  readonly gateway?: Partial<TargetTlsPlan>
  /** Where a stack does it in its own way. */
  readonly unlike?: Partial<Record<StackName, Partial<Expected>>>
  /** Stacks that cannot do it at all, and why. */
  readonly without?: Partial<Record<StackName, string>>
}

const wantsCertificate = (version: 'TLSv1.2' | 'TLSv1.3') => () => ({
  clientCa: pki.clientRoot.certificatePem,
  versions: [version],
})
const shows = ({ chainPem, keyPem }: Identity) => ({ clientCertificate: { chain: chainPem, key: keyPem } })
const serves = (serving: Serving, traffic: string, verdict: VerdictCode, findings: Expected['findings'] = []) => ({
  serves: serving,
  traffic,
  verdict,
  findings,
})
/** A chain or a name that is refused: the traffic knows why. */
const refused = (serving: Serving, verdict: VerdictCode) => serves(serving, verdict, verdict)

/** NGINX completes the handshake and says it in HTTP, with a status of its own making (495, 496) that it shows as 400. */
const nginxSays400 = { traffic: '400', verdict: 'trusted' } as const

export const foreignCases: Readonly<Record<string, ForeignCase>> = {
  ok: serves(goodLeaf, '200', 'trusted'),
  'ok-rsa': serves(firstServings['ok-rsa'], '200', 'trusted'),
  'ok-tls12': { ...serves(goodLeaf, '200', 'trusted'), server: () => ({ versions: ['TLSv1.2'] }) },
  'ok-tls13': { ...serves(goodLeaf, '200', 'trusted'), server: () => ({ versions: ['TLSv1.3'] }) },
  'wrong-order': {
    ...serves(firstServings['wrong-order'], '200', 'trusted', ['chain-order']),
    unlike: { gnutls: { findings: [] } },
  },
  'extra-certificates': {
    ...serves(acceptedServings['extra-certificates'], '200', 'trusted', ['extra-certificates']),
    unlike: { gnutls: { findings: [] } },
  },
  'duplicate-intermediate': {
    ...serves(acceptedServings['duplicate-intermediate'], '200', 'trusted', ['extra-certificates']),
    unlike: { gnutls: { findings: [] } },
  },
  'root-served': serves(acceptedServings['root-served'], '200', 'trusted', ['root-served']),
  'ocsp-revoked': {
    ...serves(goodLeaf, '200', 'trusted', ['revoked']),
    server: (_, leaf) => ({ ocsp: ocspResponse(leaf, pki.issuing, 'revoked', pki.now) }),
    without: { java: 'Java asks the responder itself' },
  },
  'missing-root': refused(firstServings['missing-root'], 'missing-root'),
  'missing-root-served': serves(firstServings['missing-root-served'], 'missing-root', 'missing-root', ['root-served']),
  'missing-intermediate': refused(firstServings['missing-intermediate'], 'missing-intermediate'),
  expired: refused(firstServings.expired, 'expired'),
  'expired-intermediate': refused(firstServings['expired-intermediate'], 'expired'),
  'not-yet-valid': refused(firstServings['not-yet-valid'], 'not-yet-valid'),
  'name-mismatch': refused(firstServings['name-mismatch'], 'name-mismatch'),
  'no-san': refused(firstServings['no-san'], 'no-subject-alternative-name'),
  'self-signed': refused(firstServings['self-signed'], 'self-signed-leaf'),
  'wrong-purpose': refused(firstServings['wrong-purpose'], 'wrong-purpose'),
  'unknown-critical-extension': refused(chainServings['unknown-critical-extension'], 'unknown-critical-extension'),
  'bad-signature': refused(chainServings['bad-signature'], 'bad-signature'),
  'weak-key': refused(chainServings['weak-key'], 'weak-key'),
  'client-certificate-required': {
    ...serves(goodLeaf, 'late alert 116', 'client-certificate-required'),
    server: wantsCertificate('TLSv1.3'),
    // Java has one alert, bad_certificate, for a certificate that is missing.
    unlike: { nginx: nginxSays400, java: { traffic: 'late alert 42' } },
  },
  'client-certificate-required-tls12': {
    ...serves(goodLeaf, 'peer-alert', 'client-certificate-required'),
    server: wantsCertificate('TLSv1.2'),
    unlike: { nginx: nginxSays400 },
  },
  'client-certificate-rejected': {
    ...serves(goodLeaf, 'late alert 48', 'client-certificate-rejected'),
    server: wantsCertificate('TLSv1.3'),
    gateway: shows(strangers),
    // certificate_unknown, and in gnutls-serv access_denied.
    unlike: { nginx: nginxSays400, java: { traffic: 'late alert 46' }, gnutls: { traffic: 'late alert 49' } },
  },
  'client-certificate-rejected-tls12': {
    ...refused(goodLeaf, 'client-certificate-rejected'),
    server: wantsCertificate('TLSv1.2'),
    gateway: shows(strangers),
    unlike: { nginx: nginxSays400, gnutls: { traffic: 'peer-alert' } },
  },
  'client-certificate-accepted': {
    ...serves(goodLeaf, '200', 'trusted'),
    server: () => ({ clientCa: pki.clientRoot.certificatePem }),
    gateway: shows(ours),
  },
  'old-tls': {
    ...refused(goodLeaf, 'protocol-version'),
    server: () => ({ versions: ['TLSv1', 'TLSv1.1'] }),
  },
  'no-shared-cipher': {
    ...serves(goodLeaf, 'peer-alert', 'no-shared-cipher'),
    // An RSA suite alone, for a server with an EC key.
    gateway: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
  },
  'server-name-rejected': {
    ...refused(goodLeaf, 'server-name-rejected'),
    server: () => ({ sni: 'served.lab.test' }),
  },
}
