import { createLeaf, createSelfSigned, pemOf } from '../pki/make.ts'
import { serverNameOf } from './expectation.ts'
import { daysFrom, leafUnder, namesOf, type Serving } from './lab-pki.ts'
import type { FirstScenarioName } from './scenarios.ts'

/** The certificates that differ from a healthy leaf, each in the one way its scenario is about. */
export const firstServings = {
  'ok-rsa': (pki, scenario) => leafUnder(pki.issuing, pki, scenario, { key: 'rsa-2048' }),
  'missing-root': (pki, scenario) => leafUnder(pki.elsewhereIssuing, pki, scenario),
  async 'missing-root-served'(pki, scenario) {
    const leaf = await leafUnder(pki.elsewhereIssuing, pki, scenario)
    return { keyPem: leaf.keyPem, chainPem: leaf.chainPem + pki.elsewhereRoot.certificatePem }
  },
  async 'missing-intermediate'(pki, scenario) {
    const leaf = await leafUnder(pki.issuing, pki, scenario, {
      issuerUrl: pki.publish('issuing-ca.cer', pki.issuing.certificate),
    })
    return { keyPem: leaf.keyPem, chainPem: leaf.certificatePem }
  },
  async 'wrong-order'(pki, scenario) {
    const leaf = await leafUnder(pki.branchIssuing, pki, scenario)
    return {
      keyPem: leaf.keyPem,
      chainPem: pemOf(leaf.certificate, pki.policy.certificate, pki.branchIssuing.certificate),
    }
  },
  'name-mismatch': (pki) => createLeaf(pki.issuing, { names: ['another-service.lab.test'], now: pki.now }),
  'no-san': (pki, scenario) => createLeaf(pki.issuing, { names: [], commonName: serverNameOf(scenario), now: pki.now }),
  expired: (pki, scenario) =>
    leafUnder(pki.issuing, pki, scenario, { notBefore: daysFrom(pki.now, -90), notAfter: daysFrom(pki.now, -1) }),
  'expired-intermediate': (pki, scenario) => leafUnder(pki.expiredIssuing, pki, scenario),
  'not-yet-valid': (pki, scenario) => leafUnder(pki.issuing, pki, scenario, { notBefore: daysFrom(pki.now, 1) }),
  'self-signed': (pki, scenario) => createSelfSigned({ names: namesOf(scenario), now: pki.now }),
  'wrong-purpose': (pki, scenario) => leafUnder(pki.issuing, pki, scenario, { purposes: ['clientAuth'] }),
} as const satisfies Partial<Record<FirstScenarioName, Serving>>
