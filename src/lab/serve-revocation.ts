import { createIntermediate } from '../pki/make.ts'
import { labSubjects } from './expectation.ts'
import { authority, goodLeaf, type LabPki, leafUnder, type Serving } from './lab-pki.ts'
import { revocationList, type RevocationListOptions } from './revocation-list.ts'
import type { revocationScenarios } from './scenarios-revocation.ts'

/** What the backends of `scenarios-revocation.ts` present, and the lists that the gateway holds. */
export const revocationServings = {
  'crl-good': (pki, scenario) => withLists(pki, scenario, () => ({})),
  revoked: (pki, scenario) => withLists(pki, scenario, (leaf) => ({ revoked: [leaf] })),
  async 'revoked-intermediate'(pki, scenario) {
    const issuing = await createIntermediate(pki.root, authority(pki, labSubjects.revokedIssuing))
    const leaf = await leafUnder(issuing, pki, scenario)
    const { now } = pki
    const ofRoot = revocationList(pki.root, { now, revoked: [issuing.certificate] })
    return { ...leaf, crlsPem: ofRoot + revocationList(issuing, { now }) }
  },
  'crl-stale': (pki, scenario) => withLists(pki, scenario, () => ({ from: -48, until: -24 })),
  'crl-missing': (pki, scenario) => withLists(pki, scenario, () => null),
  'staple-good': goodLeaf,
  'staple-missing': goodLeaf,
  'staple-stale': goodLeaf,
  'staple-revoked': goodLeaf,
} as const satisfies Record<keyof typeof revocationScenarios, Serving>

/** A healthy leaf, a current list of the root, and one of the issuing CA as told; null: none. */
async function withLists(
  pki: LabPki,
  scenario: string,
  odd: (leaf: Buffer) => Partial<RevocationListOptions> | null,
): ReturnType<Serving> {
  const leaf = await goodLeaf(pki, scenario)
  const { now } = pki
  const options = odd(leaf.certificate)
  const ofIssuing = options === null ? '' : revocationList(pki.issuing, { now, ...options })
  return { ...leaf, crlsPem: revocationList(pki.root, { now }) + ofIssuing }
}
