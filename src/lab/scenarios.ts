import { acceptedScenarios } from './scenarios-accepted.ts'
import { chainScenarios } from './scenarios-chain.ts'
import { handshakeScenarios } from './scenarios-handshake.ts'
import { revocationScenarios } from './scenarios-revocation.ts'
import { fails, labSubjects, passes, type Scenario, untrusted } from './expectation.ts'

export { type Expectation, type Scenario, serverNameOf } from './expectation.ts'

const firstScenarios = {
  ok: {
    summary: 'Healthy: ECDSA leaf and issuing CA, under the lab root.',
    expect: passes(),
    tryThis:
      'Paths with a meaning of their own: /echo /bytes/1000000 /chunked /trailers /early-hints /status/418 /slow?ms=500 /ws',
  },
  'ok-rsa': {
    summary: 'Healthy, with an RSA-2048 key.',
    expect: passes(),
    tryThis: 'The same paths as ok.',
  },
  'missing-root': {
    summary: 'Serves leaf and issuing CA of another PKI, whose root the gateway does not hold.',
    expect: untrusted('missing-root', labSubjects.elsewhereRoot),
    tryThis: 'Add elsewhere-root.crt to the trust store.',
  },
  'missing-root-served': {
    summary: 'As missing-root, and serves the root as well, which makes it no more trusted.',
    expect: untrusted('missing-root', labSubjects.elsewhereRoot, ['root-served']),
    tryThis: 'Add elsewhere-root.crt to the trust store; what a backend sends is never an anchor.',
  },
  'missing-intermediate': {
    summary: 'Serves its leaf alone; the issuing CA is neither served nor stored.',
    expect: untrusted('missing-intermediate', labSubjects.issuing),
    tryThis:
      'Let the backend send issuing-ca.crt after its leaf, or add the file to the intermediates of the trust store.',
  },
  'wrong-order': {
    summary: 'Serves leaf, policy CA, issuing CA: the last two swapped. TLS clients put up with it.',
    expect: passes(['chain-order']),
    tryThis: 'Serve the issuing CA directly after the leaf.',
  },
  'name-mismatch': {
    summary: 'A good chain, with a certificate for another name.',
    expect: untrusted('name-mismatch', 'another-service.lab.test'),
    tryThis: "Set the target's serverName to another-service.lab.test.",
  },
  'no-san': {
    summary: 'A good chain, with the name in the common name only and no subjectAltName.',
    expect: untrusted('no-subject-alternative-name', 'no-san.lab.test'),
    tryThis: 'Reissue the certificate with a subjectAltName.',
  },
  expired: {
    summary: 'The leaf expired yesterday.',
    expect: untrusted('expired', 'expired.lab.test'),
    tryThis: 'Renew the leaf.',
  },
  'expired-intermediate': {
    summary: 'The leaf is good, its issuing CA expired yesterday.',
    expect: untrusted('expired', labSubjects.expiredIssuing),
    tryThis: 'Renew the issuing CA (same key and name) and serve the new one.',
  },
  'not-yet-valid': {
    summary: 'The leaf begins to be valid tomorrow.',
    expect: untrusted('not-yet-valid', 'not-yet-valid.lab.test'),
    tryThis: 'Check the clocks, or wait for a day.',
  },
  'self-signed': {
    summary: 'A leaf signed by itself.',
    expect: untrusted('self-signed-leaf', 'self-signed.lab.test'),
    tryThis: 'Let a CA issue it, or add self-signed.crt to the trust store as an anchor.',
  },
  'wrong-purpose': {
    summary: 'A good chain, but the leaf is for clients (extendedKeyUsage clientAuth only).',
    expect: untrusted('wrong-purpose', 'wrong-purpose.lab.test'),
    tryThis: 'Reissue the leaf with extendedKeyUsage serverAuth.',
  },
  'client-certificate-required': {
    summary: 'Wants a client certificate; TLS 1.3, where the refusal comes after the handshake.',
    expect: { ...fails('client-certificate-required', 'client-certificate'), alert: 116 },
    tryThis: 'Give the target client.crt and client.key as its client certificate.',
  },
  'client-certificate-required-tls12': {
    summary: 'Wants a client certificate; TLS 1.2, where the refusal ends the handshake.',
    expect: { ...fails('client-certificate-required', 'tls-failed', 'peer-alert'), alert: 40 },
    tryThis: 'Give the target client.crt and client.key as its client certificate.',
  },
  'plain-http': {
    summary: 'Speaks plain HTTP on the port where TLS is expected.',
    expect: fails('not-tls', 'tls-failed'),
    tryThis: 'Correct the port, or the scheme of the target if plain HTTP is meant.',
  },
  refused: {
    summary: 'Nothing listens on the port.',
    expect: fails('connection-refused', 'connect-refused'),
    tryThis: 'Start the backend, or correct the port.',
  },
  'handshake-timeout': {
    summary: 'Accepts the connection and never says a word.',
    expect: fails('handshake-timeout', 'tls-timeout'),
    tryThis: 'Look for a hung process or a middlebox that drops large ClientHellos.',
  },
  'handshake-closed': {
    summary: 'Reads the ClientHello and closes the connection.',
    expect: fails('handshake-closed', 'tls-failed'),
    tryThis:
      "Look at the backend's log at that second; many servers close so when they have no certificate for the name.",
  },
  'old-tls': {
    summary: 'Speaks TLS 1.0 and 1.1 only.',
    expect: { ...fails('protocol-version', 'tls-failed'), alert: 70 },
    tryThis: 'Enable TLS 1.2 or 1.3 on the backend.',
  },
  'no-shared-cipher': {
    summary: 'Accepts a single TLS 1.3 cipher suite that clients do not offer unasked (AES-CCM).',
    expect: { ...fails('no-shared-cipher', 'tls-failed', 'peer-alert'), alert: 40 },
    tryThis: "Set the target's ciphers to TLS_AES_128_CCM_SHA256, or widen the backend's list.",
  },
  slow: {
    summary: 'Begins its answer after seconds, and then sends it a byte at a time.',
    expect: { ...passes(), fault: 'response-timeout' },
    tryThis: "Raise the target's timeout to the first byte, or lower it and see response-timeout sooner.",
  },
  'closes-early': {
    summary: 'Reads the request and closes without an answer.',
    expect: { ...passes(), fault: 'response-eof' },
    tryThis: 'See in the trace that the fault is not in TLS: the verdict is trusted.',
  },
  'closes-mid-body': {
    summary: 'Promises 1000 bytes, sends 100 and closes.',
    expect: { ...passes(), fault: 'response-eof' },
    tryThis: 'See that the client is not given a short body as if it were whole.',
  },
  'malformed-response': {
    summary: 'Answers with two Content-Length fields that differ.',
    expect: { ...passes(), fault: 'response-malformed' },
    tryThis: 'See that the gateway refuses what two readers could read in two ways.',
  },
  'not-found': {
    summary: 'Healthy, and answers 404 to everything.',
    expect: passes(),
    tryThis: "See that the backend's own errors pass unchanged, and are not reported as the gateway's.",
  },
  'connect-timeout': {
    summary: 'Its queue of connections is full, so that connecting never ends.',
    expect: fails('connect-timeout', 'connect-timeout'),
    tryThis: 'Look for a firewall that drops packets, or a backend that no longer accepts.',
  },
  'dns-failure': {
    summary: 'A host name that does not exist; there is no server.',
    expect: fails('dns-failure', 'dns-failed'),
    tryThis: 'Correct the host name of the target.',
  },
} as const satisfies Record<string, Scenario>

/** Every backend of the lab, in the order of its ports. New ones go to the end, so that addresses stay what they were. */
export const scenarios = {
  ...firstScenarios,
  ...chainScenarios,
  ...handshakeScenarios,
  ...acceptedScenarios,
  ...revocationScenarios,
} as const satisfies Record<string, Scenario>

/** Which of them `recipes.ts` builds itself. */
export type FirstScenarioName = keyof typeof firstScenarios

export type ScenarioName = keyof typeof scenarios

export const scenarioNames = Object.keys(scenarios) as readonly ScenarioName[]
