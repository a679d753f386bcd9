import { createIntermediate, createLeaf, createRoot, createSelfSigned, type Identity, pemOf } from '../pki/make.ts'
import { labSubjects, type ScenarioName, serverNameOf } from './scenarios.ts'

/** The authorities of one lab run. Made anew at each start, so that nothing in a lab is ever stale by accident. */
export interface LabPki {
  readonly now: Date
  /** The one root that a gateway under test is to trust. */
  readonly root: Identity
  readonly issuing: Identity
  readonly policy: Identity
  /** Under `policy`: a path of two intermediates. */
  readonly branchIssuing: Identity
  readonly expiredIssuing: Identity
  readonly elsewhereRoot: Identity
  readonly elsewhereIssuing: Identity
  readonly clientRoot: Identity
  readonly client: Identity
  /** Where `issuing` can be fetched; leaves say so in their AIA extension. */
  readonly issuerUrl: string
}

/** What one backend presents. */
export interface Served {
  readonly chainPem: string
  readonly keyPem: string
}

export async function createLabPki(now: Date, issuerUrl: string): Promise<LabPki> {
  const organization = 'Postern Lab'
  const authority = (commonName: string) => ({ commonName, organization, now })
  const [root, elsewhereRoot, clientRoot] = await Promise.all([
    createRoot(authority(labSubjects.root)),
    createRoot({ ...authority(labSubjects.elsewhereRoot), organization: 'Elsewhere' }),
    createRoot(authority(labSubjects.clientRoot)),
  ])
  const [policy, issuing, expiredIssuing, elsewhereIssuing, client] = await Promise.all([
    createIntermediate(root, authority(labSubjects.policy)),
    createIntermediate(root, { ...authority(labSubjects.issuing), pathLength: 0 }),
    createIntermediate(root, {
      ...authority(labSubjects.expiredIssuing),
      notBefore: daysFrom(now, -400),
      notAfter: daysFrom(now, -1),
    }),
    createIntermediate(elsewhereRoot, { ...authority(labSubjects.elsewhereIssuing), organization: 'Elsewhere' }),
    createLeaf(clientRoot, { names: ['gateway.lab.test'], purposes: ['clientAuth'], now }),
  ])
  const branchIssuing = await createIntermediate(policy, { ...authority(labSubjects.branchIssuing), pathLength: 0 })
  return {
    now,
    root,
    issuing,
    policy,
    branchIssuing,
    expiredIssuing,
    elsewhereRoot,
    elsewhereIssuing,
    clientRoot,
    client,
    issuerUrl,
  }
}

/** A healthy leaf under the issuing CA. */
export async function goodLeaf(pki: LabPki, scenario: ScenarioName): Promise<Identity> {
  return leafUnder(pki.issuing, pki, scenario)
}

/** The certificates that differ from a healthy leaf, each in the one way its scenario is about. */
export const servedBy = {
  'ok-rsa': (pki, scenario) => leafUnder(pki.issuing, pki, scenario, { key: 'rsa-2048' }),
  'missing-root': (pki, scenario) => leafUnder(pki.elsewhereIssuing, pki, scenario),
  async 'missing-root-served'(pki, scenario) {
    const leaf = await leafUnder(pki.elsewhereIssuing, pki, scenario)
    return { keyPem: leaf.keyPem, chainPem: leaf.chainPem + pki.elsewhereRoot.certificatePem }
  },
  async 'missing-intermediate'(pki, scenario) {
    const leaf = await leafUnder(pki.issuing, pki, scenario, { issuerUrl: pki.issuerUrl })
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
} as const satisfies Partial<Record<ScenarioName, (pki: LabPki, scenario: ScenarioName) => Promise<Served>>>

function leafUnder(
  issuer: Identity,
  pki: LabPki,
  scenario: ScenarioName,
  options: Partial<Parameters<typeof createLeaf>[1]> = {},
): Promise<Identity> {
  return createLeaf(issuer, { names: namesOf(scenario), now: pki.now, ...options })
}

/** The address and `localhost` too, so that `curl --cacert ca.crt https://localhost:9440/` needs no further options. */
function namesOf(scenario: ScenarioName): string[] {
  return [serverNameOf(scenario), 'localhost', '127.0.0.1']
}

function daysFrom(now: Date, days: number): Date {
  return new Date(now.getTime() + days * 86_400_000)
}
