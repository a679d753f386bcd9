import {
  type AuthorityOptions,
  createIntermediate,
  createKeyPair,
  createLeaf,
  createRoot,
  createSelfSigned,
  type Identity,
  type LeafOptions,
  pemOf,
} from '../pki/make.ts'
import { labSubjects, serverNameOf } from './expectation.ts'
import { authority, daysFrom, type LabPki, leafUnder, namesOf, type Serving } from './lab-pki.ts'
import { groundFloor, pile, servedAs, withFlippedSignature } from './odd-certificates.ts'
import type { chainScenarios } from './scenarios-chain.ts'
import { firstServings } from './serve-first.ts'

/** What the backends of `scenarios-chain.ts` present. The malformed ones are not here: no TLS server would take theirs. */
export const chainServings = {
  'missing-root-rolled': (pki, scenario) => rolledRoot(pki, scenario, labSubjects.rolledRoot, true),
  'missing-root-rolled-no-key-id': (pki, scenario) => rolledRoot(pki, scenario, labSubjects.rolledQuietRoot, false),
  async 'missing-root-cross-signed'(pki, scenario) {
    const old = await createRoot(elsewhere(pki, labSubjects.elsewhereOldRoot))
    const crossSign = await createIntermediate(old, {
      ...elsewhere(pki, labSubjects.elsewhereRoot),
      key: pki.elsewhereRoot.keys,
    })
    const leaf = await leafUnder(pki.elsewhereIssuing, pki, scenario)
    return { keyPem: leaf.keyPem, chainPem: leaf.chainPem + crossSign.certificatePem }
  },
  async 'missing-intermediate-sibling'(pki, scenario) {
    const settings = authority(pki, labSubjects.siblingIssuing)
    const [stored, issuing] = await Promise.all([
      createIntermediate(pki.root, settings),
      createIntermediate(pki.root, settings),
    ])
    return { ...(await alone(leafUnder(issuing, pki, scenario))), intermediatesPem: stored.certificatePem }
  },
  async 'missing-upper-intermediate'(pki, scenario) {
    const upper = await createIntermediate(pki.root, authority(pki, labSubjects.upperPolicy))
    const issuing = await createIntermediate(upper, {
      ...authority(pki, 'Postern Lab Lower Issuing CA'),
      issuerUrl: pki.publish('upper-policy-ca.cer', upper.certificate),
    })
    const leaf = await leafUnder(issuing, pki, scenario)
    return { keyPem: leaf.keyPem, chainPem: pemOf(leaf.certificate, issuing.certificate) }
  },
  async 'unknown-issuer'(pki, scenario) {
    const issuer = await createRoot({ commonName: labSubjects.nowhere, organization: 'Nowhere', now: pki.now })
    return alone(leafUnder(issuer, pki, scenario, { authorityKeyId: false }))
  },
  'self-signed-ca': (pki, scenario) =>
    createSelfSigned({
      names: namesOf(scenario),
      now: pki.now,
      ca: true,
      keyUsage: ['digitalSignature', 'keyCertSign'],
    }),
  async 'expired-root'(pki, scenario) {
    const root = await createRoot({
      ...authority(pki, labSubjects.expiredRoot),
      notBefore: daysFrom(pki.now, -400),
      notAfter: daysFrom(pki.now, -1),
    })
    const end = daysFrom(pki.now, 300)
    const issuing = await createIntermediate(root, {
      ...authority(pki, 'Postern Lab Orphaned Issuing CA'),
      notAfter: end,
    })
    const leaf = await leafUnder(issuing, pki, scenario)
    return { keyPem: leaf.keyPem, chainPem: leaf.chainPem, anchorsPem: root.certificatePem }
  },
  'not-yet-valid-intermediate': under(labSubjects.futureIssuing, (pki) => ({ notBefore: daysFrom(pki.now, 1) })),
  'issuer-not-ca': under(labSubjects.notAuthority, () => ({ ca: false })),
  'issuer-without-basic-constraints': under(labSubjects.unconstrainedIssuing, () => ({ ca: null, keyUsage: [] })),
  'issuer-by-key-usage': under(labSubjects.undeclaredIssuing, () => ({ ca: null })),
  'issuer-key-usage': under(labSubjects.mayNotSign, () => ({ keyUsage: ['digitalSignature', 'cRLSign'] })),
  'wrong-purpose-intermediate': under(labSubjects.clientsOnly, () => ({ purposes: ['clientAuth'] })),
  async 'path-length-exceeded'(pki, scenario) {
    const policy = await createIntermediate(pki.root, { ...authority(pki, labSubjects.crowdedPolicy), pathLength: 0 })
    const issuing = await createIntermediate(policy, authority(pki, 'Postern Lab Surplus Issuing CA'))
    return leafUnder(issuing, pki, scenario)
  },
  'name-constraint-violation': under(
    labSubjects.narrowIssuing,
    () => ({ nameConstraints: { permitted: ['corp.test'] } }),
    // One name outside is the fault; localhost and the address would be further ones.
    (scenario) => ({ names: [serverNameOf(scenario)] }),
  ),
  'name-constraint-violation-excluded': under(labSubjects.excludingIssuing, () => ({
    nameConstraints: { excluded: ['lab.test'] },
  })),
  'name-constraint-violation-address': under(labSubjects.addressIssuing, () => ({
    nameConstraints: { permitted: ['10.0.0.0/8'] },
  })),
  'weak-key': weakKey,
  'weak-issuer-key': under(labSubjects.weakIssuing, () => ({ key: 'rsa-1024' })),
  'weak-signature': weakSignature,
  'weak-issuer-signature': under(labSubjects.sha1Issuing, () => ({ hash: 'SHA-1' })),
  async 'bad-signature'(pki, scenario) {
    const leaf = await leafUnder(pki.issuing, pki, scenario)
    return servedAs(leaf, withFlippedSignature(leaf.certificate))
  },
  async 'bad-signature-issuer'(pki, scenario) {
    const settings = { ...authority(pki, labSubjects.impostorIssuing), subjectKeyId: false }
    const [issuing, impostor] = await Promise.all([
      createIntermediate(pki.root, settings),
      createIntermediate(pki.root, settings),
    ])
    const leaf = await leafUnder(issuing, pki, scenario, { authorityKeyId: false })
    return { keyPem: leaf.keyPem, chainPem: pemOf(leaf.certificate, impostor.certificate) }
  },
  'unknown-critical-extension': (pki, scenario) =>
    leafUnder(pki.issuing, pki, scenario, { extra: [unknownCriticalExtension] }),
  'unknown-critical-extension-issuer': under(labSubjects.strangeIssuing, () => ({ extra: [unknownCriticalExtension] })),
  'malformed-names': (pki, scenario) =>
    leafUnder(pki.issuing, pki, scenario, {
      names: [],
      commonName: serverNameOf(scenario),
      extra: [{ oid: '2.5.29.17', critical: false, value: Uint8Array.from([0x30, 0x20, 0x82, 0x01]) }],
    }),
  async 'depth-exceeded'(pki, scenario) {
    const keys = await createKeyPair('ec-p256')
    return underPile(pki, scenario, pile(pki.root, { floors: 102, copies: 1, keys, prefix: 'Deep CA' }), keys)
  },
  async maze(pki, scenario) {
    const [root, keys] = await Promise.all([
      createRoot({ commonName: labSubjects.mazeRoot, organization: 'Maze', now: pki.now }),
      createKeyPair('ec-p256'),
    ])
    return underPile(pki, scenario, pile(root, { floors: 8, copies: 4, keys, prefix: 'Maze CA' }), keys)
  },
  'name-mismatch-address': (pki, scenario) =>
    leafUnder(pki.issuing, pki, scenario, { names: [serverNameOf(scenario), 'localhost'] }),
  'name-mismatch-wildcard': (pki, scenario) => leafUnder(pki.issuing, pki, scenario, { names: ['*.lab.test'] }),
  'name-mismatch-common-name': (pki, scenario) =>
    createLeaf(pki.issuing, {
      names: ['another-service.lab.test'],
      commonName: serverNameOf(scenario),
      now: pki.now,
    }),
  'missing-root-tls12': firstServings['missing-root'],
  'missing-intermediate-tls12': firstServings['missing-intermediate'],
  'expired-tls12': firstServings.expired,
  'self-signed-tls12': firstServings['self-signed'],
  'name-mismatch-tls12': firstServings['name-mismatch'],
  'weak-key-tls12': weakKey,
  'weak-signature-tls12': weakSignature,
} as const satisfies Record<
  Exclude<keyof typeof chainScenarios, 'malformed-certificate' | 'malformed-trailing-bytes' | 'malformed-intermediate'>,
  Serving
>

/** A leaf under an issuing CA that is odd in one way. */
export function under(
  commonName: string,
  odd: (pki: LabPki) => Partial<AuthorityOptions>,
  leaf: (scenario: string) => Partial<LeafOptions> = () => ({}),
): Serving {
  return async (pki, scenario) => {
    const issuing = await createIntermediate(pki.root, { ...authority(pki, commonName), ...odd(pki) })
    return leafUnder(issuing, pki, scenario, leaf(scenario))
  }
}

/** A leaf under the ground floor of a pile of authorities, and all of the pile. */
export async function underPile(
  pki: LabPki,
  scenario: string,
  authorities: readonly Buffer[],
  keys: Identity['keys'],
): ReturnType<Serving> {
  const leaf = await leafUnder(groundFloor(authorities, keys), pki, scenario, { authorityKeyId: false })
  return { keyPem: leaf.keyPem, chainPem: pemOf(leaf.certificate, ...authorities) }
}

/** Under the old one of two roots of one name; the gateway holds the new one. */
async function rolledRoot(pki: LabPki, scenario: string, commonName: string, keyIds: boolean): ReturnType<Serving> {
  const [old, renewed] = await Promise.all([
    createRoot({ ...authority(pki, commonName), subjectKeyId: keyIds }),
    createRoot({ ...authority(pki, commonName), subjectKeyId: keyIds }),
  ])
  const issuing = await createIntermediate(old, {
    ...authority(pki, `${commonName.replace(' Root CA', '')} Issuing CA`),
    authorityKeyId: keyIds,
  })
  const leaf = await leafUnder(issuing, pki, scenario)
  return { keyPem: leaf.keyPem, chainPem: leaf.chainPem, anchorsPem: renewed.certificatePem }
}

function weakKey(pki: LabPki, scenario: string): ReturnType<Serving> {
  return leafUnder(pki.issuing, pki, scenario, { key: 'rsa-1024' })
}

function weakSignature(pki: LabPki, scenario: string): ReturnType<Serving> {
  return leafUnder(pki.issuing, pki, scenario, { hash: 'SHA-1' })
}

async function alone(made: Promise<Identity>): ReturnType<Serving> {
  const { keyPem, certificatePem } = await made
  return { keyPem, chainPem: certificatePem }
}

function elsewhere(pki: LabPki, commonName: string): AuthorityOptions {
  return { ...authority(pki, commonName), organization: 'Elsewhere' }
}

/** Under the arc for examples (RFC 5612 section 2); its value is NULL. */
const unknownCriticalExtension = { oid: '1.3.6.1.4.1.32473.1', critical: true, value: Uint8Array.from([5, 0]) }
