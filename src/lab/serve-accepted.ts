import { createIntermediate, createKeyPair, createRoot, pemOf } from '../pki/make.ts'
import { authority, daysFrom, goodLeaf, leafUnder, type Serving } from './lab-pki.ts'
import { pile } from './odd-certificates.ts'
import type { acceptedScenarios } from './scenarios-accepted.ts'
import { under, underPile } from './serve-chain.ts'

/** What the backends of `scenarios-accepted.ts` present. */
export const acceptedServings = {
  'ok-tls12': goodLeaf,
  'ok-tls13': goodLeaf,
  'ok-hello-retry': goodLeaf,
  'ok-wildcard': (pki, scenario) => leafUnder(pki.issuing, pki, scenario, { names: ['*.lab.test'] }),
  async 'root-served'(pki, scenario) {
    const leaf = await goodLeaf(pki, scenario)
    return { keyPem: leaf.keyPem, chainPem: leaf.chainPem + pki.root.certificatePem }
  },
  async 'extra-certificates'(pki, scenario) {
    const leaf = await goodLeaf(pki, scenario)
    return { keyPem: leaf.keyPem, chainPem: leaf.chainPem + pki.elsewhereIssuing.certificatePem }
  },
  async 'duplicate-intermediate'(pki, scenario) {
    const leaf = await goodLeaf(pki, scenario)
    return { keyPem: leaf.keyPem, chainPem: leaf.chainPem + pki.issuing.certificatePem }
  },
  async 'cross-signed'(pki, scenario) {
    const [older, newer] = await Promise.all([
      createRoot(authority(pki, 'Postern Lab Older Root CA')),
      createRoot(authority(pki, 'Postern Lab Newer Root CA')),
    ])
    const [crossSign, issuing] = await Promise.all([
      createIntermediate(older, { ...authority(pki, 'Postern Lab Newer Root CA'), key: newer.keys }),
      createIntermediate(newer, authority(pki, 'Postern Lab Newer Issuing CA')),
    ])
    const leaf = await leafUnder(issuing, pki, scenario)
    return {
      keyPem: leaf.keyPem,
      chainPem: leaf.chainPem + crossSign.certificatePem,
      anchorsPem: pemOf(older.certificate, newer.certificate),
    }
  },
  async 'sha1-root'(pki, scenario) {
    const root = await createRoot({ ...authority(pki, 'Postern Lab SHA-1 Root CA'), hash: 'SHA-1' })
    const issuing = await createIntermediate(root, authority(pki, 'Postern Lab SHA-1 Root Issuing CA'))
    const leaf = await leafUnder(issuing, pki, scenario)
    return { keyPem: leaf.keyPem, chainPem: leaf.chainPem, anchorsPem: root.certificatePem }
  },
  async 'stored-intermediate'(pki, scenario) {
    const issuing = await createIntermediate(pki.root, authority(pki, 'Postern Lab Stored Issuing CA'))
    const leaf = await leafUnder(issuing, pki, scenario)
    return { keyPem: leaf.keyPem, chainPem: leaf.certificatePem, intermediatesPem: issuing.certificatePem }
  },
  async 'expired-intermediate-renewed'(pki, scenario) {
    const settings = authority(pki, 'Postern Lab Renewed Issuing CA')
    const renewed = await createIntermediate(pki.root, settings)
    const expired = await createIntermediate(pki.root, {
      ...settings,
      key: renewed.keys,
      notBefore: daysFrom(pki.now, -400),
      notAfter: daysFrom(pki.now, -1),
    })
    const leaf = await leafUnder(renewed, pki, scenario)
    return {
      keyPem: leaf.keyPem,
      chainPem: pemOf(leaf.certificate, expired.certificate),
      intermediatesPem: renewed.certificatePem,
    }
  },
  'expires-soon': (pki, scenario) => leafUnder(pki.issuing, pki, scenario, { notAfter: daysFrom(pki.now, 5) }),
  'long-validity': (pki, scenario) => leafUnder(pki.issuing, pki, scenario, { notAfter: daysFrom(pki.now, 3 * 365) }),
  'policy-required': under('Postern Lab Demanding Issuing CA', () => ({ extra: [explicitPolicyRequired] })),
  async 'many-paths'(pki, scenario) {
    const keys = await createKeyPair('ec-p256')
    return underPile(
      pki,
      scenario,
      pile(pki.root, { floors: 6, copies: 3, keys, prefix: 'Postern Lab Crossed CA' }),
      keys,
    )
  },
  'ocsp-good': goodLeaf,
  'ocsp-revoked': goodLeaf,
} as const satisfies Record<keyof typeof acceptedScenarios, Serving>

/** policyConstraints, requireExplicitPolicy 0 (RFC 5280 section 4.2.1.11); critical, as it must be. */
const explicitPolicyRequired = { oid: '2.5.29.36', critical: true, value: Uint8Array.from([0x30, 3, 0x80, 1, 0]) }
