import { type AuthorityOptions, createIntermediate, createLeaf, createRoot, type Identity } from '../pki/make.ts'
import { labSubjects, serverNameOf } from './expectation.ts'

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
  /** Makes a CA certificate known at an address that the certificates below it name (AIA). @returns the address */
  publish(name: string, certificate: Buffer): string
}

/** What one backend presents, and what a gateway in front of it holds beside the lab's root. */
export interface Served {
  readonly chainPem: string
  readonly keyPem: string
  /** PEM; further anchors. */
  readonly anchorsPem?: string
  /** PEM; of the trust store, anchor nothing. */
  readonly intermediatesPem?: string
  /** PEM; revocation lists. */
  readonly crlsPem?: string
}

/** Makes what a backend presents; the scenario gives the name. */
export type Serving = (pki: LabPki, scenario: string) => Promise<Served>

export async function createLabPki(now: Date, publish: LabPki['publish']): Promise<LabPki> {
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
    publish,
  }
}

/** A healthy leaf under the issuing CA. */
export async function goodLeaf(pki: LabPki, scenario: string): Promise<Identity> {
  return leafUnder(pki.issuing, pki, scenario)
}

export function leafUnder(
  issuer: Identity,
  pki: LabPki,
  scenario: string,
  options: Partial<Parameters<typeof createLeaf>[1]> = {},
): Promise<Identity> {
  return createLeaf(issuer, { names: namesOf(scenario), now: pki.now, ...options })
}

/** Settings of an authority of the lab. */
export function authority(pki: LabPki, commonName: string): AuthorityOptions {
  return { commonName, organization: 'Postern Lab', now: pki.now }
}

/** The address and `localhost` too, so that `curl --cacert ca.crt https://localhost:9440/` needs no further options. */
export function namesOf(scenario: string): string[] {
  return [serverNameOf(scenario), 'localhost', '127.0.0.1']
}

export function daysFrom(now: Date, days: number): Date {
  return new Date(now.getTime() + days * 86_400_000)
}
