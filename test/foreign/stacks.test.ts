import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { createLabPki, goodLeaf, type LabPki, type Serving } from '../../src/lab/lab-pki.ts'
import { ocspResponse } from '../../src/lab/ocsp-response.ts'
import { acceptedServings } from '../../src/lab/serve-accepted.ts'
import { chainServings } from '../../src/lab/serve-chain.ts'
import { firstServings } from '../../src/lab/serve-first.ts'
import { createLeaf, type Identity } from '../../src/pki/make.ts'
import type { TargetTlsPlan } from '../../src/proxy/plan.ts'
import { exchange } from './exchange.ts'
import { closeForeign, type ForeignSettings, missingStack, openForeign, type StackName, stackNames } from './stacks.ts'

const pki = await createLabPki(new Date(), () => 'http://127.0.0.1:1/issuing-ca.cer')
const client = (issuer: Identity) =>
  createLeaf(issuer, { names: ['gateway.lab.test'], purposes: ['clientAuth'], now: pki.now })
const [ours, strangers] = await Promise.all([client(pki.clientRoot), client(pki.elsewhereRoot)])
after(closeForeign)

interface Case {
  readonly serves: Serving
  readonly server?: (pki: LabPki, leaf: Buffer) => Partial<ForeignSettings>
  readonly gateway?: Partial<TargetTlsPlan>
  readonly outcome: string
  /** Where a stack does it another way, and why that is right. */
  readonly unlike?: Partial<Record<StackName, string>>
  /** Stacks that cannot do it at all. */
  readonly without?: Partial<Record<StackName, string>>
}

const wantsCertificate = (version: 'TLSv1.2' | 'TLSv1.3') => () => ({
  clientCa: pki.clientRoot.certificatePem,
  versions: [version],
})
const shows = ({ chainPem, keyPem }: Identity) => ({ clientCertificate: { chain: chainPem, key: keyPem } })

const cases: Readonly<Record<string, Case>> = {
  ok: { serves: goodLeaf, outcome: '200' },
  'ok-rsa': { serves: firstServings['ok-rsa'], outcome: '200' },
  'ok-tls12': { serves: goodLeaf, server: () => ({ versions: ['TLSv1.2'] }), outcome: '200' },
  'ok-tls13': { serves: goodLeaf, server: () => ({ versions: ['TLSv1.3'] }), outcome: '200' },
  'missing-root': { serves: firstServings['missing-root'], outcome: 'missing-root' },
  'missing-root-served': { serves: firstServings['missing-root-served'], outcome: 'missing-root' },
  'missing-intermediate': { serves: firstServings['missing-intermediate'], outcome: 'missing-intermediate' },
  'wrong-order': { serves: firstServings['wrong-order'], outcome: '200' },
  'extra-certificates': { serves: acceptedServings['extra-certificates'], outcome: '200' },
  'root-served': { serves: acceptedServings['root-served'], outcome: '200' },
  expired: { serves: firstServings.expired, outcome: 'expired' },
  'expired-intermediate': { serves: firstServings['expired-intermediate'], outcome: 'expired' },
  'not-yet-valid': { serves: firstServings['not-yet-valid'], outcome: 'not-yet-valid' },
  'name-mismatch': { serves: firstServings['name-mismatch'], outcome: 'name-mismatch' },
  'no-san': { serves: firstServings['no-san'], outcome: 'no-subject-alternative-name' },
  'self-signed': { serves: firstServings['self-signed'], outcome: 'self-signed-leaf' },
  'wrong-purpose': { serves: firstServings['wrong-purpose'], outcome: 'wrong-purpose' },
  'unknown-critical-extension': {
    serves: chainServings['unknown-critical-extension'],
    outcome: 'unknown-critical-extension',
  },
  'bad-signature': { serves: chainServings['bad-signature'], outcome: 'bad-signature' },
  'client-certificate-required': {
    serves: goodLeaf,
    server: wantsCertificate('TLSv1.3'),
    outcome: 'late alert 116',
  },
  'client-certificate-required-tls12': {
    serves: goodLeaf,
    server: wantsCertificate('TLSv1.2'),
    outcome: 'peer-alert',
  },
  'client-certificate-rejected': {
    serves: goodLeaf,
    server: wantsCertificate('TLSv1.3'),
    gateway: shows(strangers),
    outcome: 'late alert 48',
  },
  'client-certificate-rejected-tls12': {
    serves: goodLeaf,
    server: wantsCertificate('TLSv1.2'),
    gateway: shows(strangers),
    outcome: 'client-certificate-rejected',
  },
  'client-certificate-accepted': {
    serves: goodLeaf,
    server: () => ({ clientCa: pki.clientRoot.certificatePem }),
    gateway: shows(ours),
    outcome: '200',
  },
  'old-tls': {
    serves: goodLeaf,
    server: () => ({ versions: ['TLSv1', 'TLSv1.1'] }),
    outcome: 'protocol-version',
  },
  'no-shared-cipher': {
    serves: goodLeaf,
    // An RSA suite alone, for a server with an EC key.
    gateway: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
    outcome: 'peer-alert',
  },
  'server-name-rejected': {
    serves: goodLeaf,
    server: () => ({ sni: 'served.lab.test' }),
    outcome: 'server-name-rejected',
  },
  'ocsp-revoked': {
    serves: goodLeaf,
    server: (_, leaf) => ({ ocsp: ocspResponse(leaf, pki.issuing, 'revoked', pki.now) }),
    outcome: '200',
    without: { java: 'Java asks the responder itself' },
  },
}

for (const stack of stackNames) {
  describe(`a backend on ${stack}`, { skip: missingStack(stack) ?? false }, () => {
    for (const [name, { serves, server, gateway, outcome, unlike, without }] of Object.entries(cases)) {
      const expected = unlike?.[stack] ?? outcome
      it(`${name}: ${expected}`, { skip: without?.[stack] ?? false }, async () => {
        const { chainPem, keyPem } = await serves(pki, name)
        const leaf = Buffer.from(chainPem.split(/-----[^-]+-----/)[1] ?? '', 'base64')
        const { port, close } = await openForeign(stack, { chainPem, keyPem, ...server?.(pki, leaf) })
        try {
          assert.equal(await exchange(port, pki.root.certificatePem, `${name}.lab.test`, gateway), expected)
        } finally {
          await close()
        }
      })
    }
  })
}
