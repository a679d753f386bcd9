import { labSubjects, passes, type Scenario, serverNameOf, untrusted } from './expectation.ts'

const byLists = { revocation: 'crl' } as const
const byStaple = { revocation: 'staple-required' } as const

/** Backends whose targets check revocation, by lists that the gateway holds or by what the backend staples. */
export const revocationScenarios = {
  'crl-good': {
    summary: 'Healthy; the gateway holds current lists of both CAs above it, and it is on none.',
    expect: passes(),
    target: byLists,
    tryThis: 'Take the list of the root out of the CRL store: every certificate of the path needs one.',
  },
  revoked: {
    summary: 'Its leaf is on the list of the issuing CA that the gateway holds.',
    expect: untrusted('revoked', serverNameOf('revoked')),
    target: byLists,
    tryThis: 'Set revocation to off and see that nobody notices.',
  },
  'revoked-intermediate': {
    summary: 'Its issuing CA is on the list of the root that the gateway holds.',
    expect: untrusted('revoked', labSubjects.revokedIssuing),
    target: byLists,
    tryThis: 'Have the leaf issued by a CA that was not revoked.',
  },
  'crl-stale': {
    summary: 'The list of its issuing CA that the gateway holds ended yesterday.',
    expect: untrusted('revocation-unknown', serverNameOf('crl-stale')),
    target: byLists,
    tryThis: 'Put a current list into the file; it is taken up without a restart.',
  },
  'crl-missing': {
    summary: 'The gateway holds the list of the root, and none of the issuing CA.',
    expect: untrusted('revocation-unknown', serverNameOf('crl-missing')),
    target: byLists,
    tryThis: 'Add the list of the issuing CA to the CRL store.',
  },
  'staple-good': {
    summary: 'Staples the OCSP response that its target requires.',
    expect: passes(),
    target: byStaple,
    tryThis: 'Compare with ocsp-good, whose target does not look.',
  },
  'staple-missing': {
    summary: 'Its target requires a stapled OCSP response, and it staples none.',
    expect: { ...untrusted('revocation-unknown', serverNameOf('staple-missing')), party: 'backend' },
    target: byStaple,
    tryThis: 'Switch stapling on at the backend (NGINX: ssl_stapling on).',
  },
  'staple-stale': {
    summary: 'Staples an OCSP response that ended yesterday.',
    expect: { ...untrusted('revocation-unknown', serverNameOf('staple-stale')), party: 'backend' },
    target: byStaple,
    tryThis: 'See why the backend cannot reach the OCSP responder of its CA.',
  },
  'staple-revoked': {
    summary: 'Staples an OCSP response by which its own leaf is revoked, and its target looks.',
    expect: untrusted('revoked', serverNameOf('staple-revoked')),
    target: byStaple,
    tryThis: 'Compare with ocsp-revoked, whose target does not look.',
  },
} as const satisfies Record<string, Scenario>
