import { passes, type Scenario } from './expectation.ts'

/** Backends that are trusted, most of them with something that is worth a word. */
export const acceptedScenarios = {
  'ok-tls12': {
    summary: 'Healthy, TLS 1.2 only.',
    expect: passes(),
    tryThis: 'Compare the bytes of its handshake with those of ok.',
  },
  'ok-tls13': {
    summary: 'Healthy, TLS 1.3 only.',
    expect: passes(),
    tryThis: "Set the target's maxVersion to TLSv1.2 and see protocol-version.",
  },
  'ok-hello-retry': {
    summary: 'Healthy, and wants another key share than clients send along (HelloRetryRequest).',
    expect: passes(),
    tryThis: 'See that its handshake takes one round trip more.',
  },
  'ok-wildcard': {
    summary: 'Healthy, with a certificate for *.lab.test.',
    expect: passes(),
    tryThis: 'The same paths as ok.',
  },
  'root-served': {
    summary: 'Serves the root after leaf and issuing CA; the gateway holds it.',
    expect: passes(['root-served']),
    tryThis: 'Leave the root out of the chain file.',
  },
  'extra-certificates': {
    summary: 'Serves the issuing CA of another PKI as well.',
    expect: passes(['extra-certificates']),
    tryThis: 'Leave it out of the chain file.',
  },
  'duplicate-intermediate': {
    summary: 'Serves its issuing CA twice.',
    expect: passes(['extra-certificates']),
    tryThis: 'Leave one of them out of the chain file.',
  },
  'cross-signed': {
    summary: 'Its root is held by the gateway, and served as cross-signed by an older root that is held too.',
    expect: passes(['cross-signed']),
    tryThis: 'Remove either root from the store: it is trusted through the other.',
  },
  'sha1-root': {
    summary: 'Its root is signed with SHA-1, which proves nothing for a root and so does no harm.',
    expect: passes(),
    tryThis: 'Compare with weak-issuer-signature.',
  },
  'stored-intermediate': {
    summary: 'Serves its leaf alone; the trust store supplies the issuing CA.',
    expect: passes(['relies-on-stored-intermediate']),
    tryThis: 'Let the backend send its issuing CA: other clients refuse it.',
  },
  'expired-intermediate-renewed': {
    summary: 'Serves an issuing CA that expired yesterday; the trust store holds the renewed one.',
    expect: passes(['relies-on-stored-intermediate']),
    tryThis: 'Serve the renewed issuing CA: other clients refuse the old one.',
  },
  'expires-soon': {
    summary: 'The leaf ends in five days.',
    expect: passes(['expires-soon']),
    tryThis: 'Renew the leaf.',
  },
  'long-validity': {
    summary: 'The leaf is valid for three years.',
    expect: passes(['long-validity']),
    tryThis: 'Issue for 397 days at most: others refuse more.',
  },
  'policy-required': {
    summary: 'The issuing CA demands a certificate policy (requireExplicitPolicy), and the leaf has none.',
    expect: passes(['refused-elsewhere']),
    tryThis: 'Issue the leaf with the policy that its CA demands.',
  },
  'many-paths': {
    summary: 'Cross-signs by the dozen: 729 paths to the root that the gateway holds.',
    expect: passes(['cross-signed']),
    tryThis: 'See that a diagnosis takes no longer for it than for others.',
  },
  'ocsp-good': {
    summary: 'Healthy, and staples an OCSP response that says so.',
    expect: passes(),
    tryThis: 'openssl s_client -status shows the response.',
  },
  'ocsp-revoked': {
    summary:
      'Staples an OCSP response by which its own leaf is revoked. Its target does not check that (revocation: off).',
    expect: passes(['revoked']),
    tryThis: 'Have the leaf issued again, and find out why it was revoked.',
  },
} as const satisfies Record<string, Scenario>
