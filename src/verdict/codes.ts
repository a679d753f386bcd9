import type { Party } from '../core/errors.ts'

/** Where on the way to a verified connection the outcome was decided. */
export type Stage = 'dns' | 'connect' | 'handshake' | 'chain' | 'identity' | 'verified'

/**
 * Every verdict code, with the stage it belongs to, the party who can usually mend it, and what it means in one sentence.
 * Codes are stable: one code is one documentation page and one metric label, and is never reused for another meaning.
 */
export const verdictCodes = {
  'dns-failure': {
    stage: 'dns',
    party: 'network',
    summary: "The backend's host name has no address, or the resolver did not answer.",
  },
  'connection-refused': {
    stage: 'connect',
    party: 'backend',
    summary:
      "Nothing listens on the backend's port, or a firewall rejects the connection; or the proxy on the way out (`egress`) cannot be reached or refused the tunnel.",
  },
  'connect-timeout': {
    stage: 'connect',
    party: 'network',
    summary: 'The TCP connection was not established in time; packets are dropped on the way, or the host is down.',
  },
  'connection-reset': {
    stage: 'connect',
    party: 'backend',
    summary: 'The connection was reset before the TLS handshake began.',
  },
  'not-tls': {
    stage: 'handshake',
    party: 'backend',
    summary: 'The port answers, but in another protocol than TLS.',
  },
  'handshake-timeout': {
    stage: 'handshake',
    party: 'backend',
    summary: 'The TLS handshake was begun and not finished in time.',
  },
  'handshake-closed': {
    stage: 'handshake',
    party: 'backend',
    summary: 'The backend closed the connection in the middle of the handshake without saying why.',
  },
  'protocol-version': {
    stage: 'handshake',
    party: 'backend',
    summary: 'Gateway and backend have no TLS version in common.',
  },
  'no-shared-cipher': {
    stage: 'handshake',
    party: 'backend',
    summary: 'Gateway and backend have no cipher suite in common.',
  },
  'server-name-rejected': {
    stage: 'handshake',
    party: 'gateway',
    summary: 'The backend does not serve the name that was asked for (SNI).',
  },
  'client-certificate-required': {
    stage: 'handshake',
    party: 'client-identity',
    summary: 'The backend demands a client certificate, and none is configured for the target.',
  },
  'client-certificate-rejected': {
    stage: 'handshake',
    party: 'client-identity',
    summary: 'The backend refused the client certificate it was shown.',
  },
  'peer-alert': {
    stage: 'handshake',
    party: 'backend',
    summary: 'The backend ended the handshake with a TLS alert that has no code of its own here.',
  },
  'self-signed-leaf': {
    stage: 'chain',
    party: 'gateway',
    summary: 'The backend shows a self-signed certificate that is not in the trust store.',
  },
  'missing-root': {
    stage: 'chain',
    party: 'gateway',
    summary: 'The served path is complete, but the root it ends in is not in the trust store.',
  },
  'missing-intermediate': {
    stage: 'chain',
    party: 'backend',
    summary: 'A certificate between the leaf and the anchor is neither served nor stored.',
  },
  'unknown-issuer': {
    stage: 'chain',
    party: 'gateway',
    summary: 'The issuer is not known, and the evidence cannot tell which certificate is missing.',
  },
  expired: {
    stage: 'chain',
    party: 'backend',
    summary: 'A certificate of the path has expired.',
  },
  'not-yet-valid': {
    stage: 'chain',
    party: 'backend',
    summary: 'A certificate of the path is not valid yet.',
  },
  'issuer-not-ca': {
    stage: 'chain',
    party: 'backend',
    summary: 'A certificate that issued another is not a CA.',
  },
  'issuer-key-usage': {
    stage: 'chain',
    party: 'backend',
    summary: 'The key usage of an issuing certificate does not allow it to sign certificates.',
  },
  'wrong-purpose': {
    stage: 'chain',
    party: 'backend',
    summary: 'The certificate is not meant for TLS servers (extended key usage).',
  },
  'path-length-exceeded': {
    stage: 'chain',
    party: 'backend',
    summary: 'The path has more CAs than one of them allows below itself.',
  },
  'name-constraint-violation': {
    stage: 'chain',
    party: 'backend',
    summary: 'A CA of the path may not issue for this name.',
  },
  'weak-key': {
    stage: 'chain',
    party: 'backend',
    summary: 'A key of the path is too short for the security level in force.',
  },
  'weak-signature': {
    stage: 'chain',
    party: 'backend',
    summary: 'A signature of the path uses a hash too weak for the security level in force.',
  },
  'bad-signature': {
    stage: 'chain',
    party: 'backend',
    summary: 'A signature of the path does not match the key of its issuer.',
  },
  'unknown-critical-extension': {
    stage: 'chain',
    party: 'backend',
    summary: 'A certificate carries a critical extension that is not understood, so it must be refused.',
  },
  'malformed-certificate': {
    stage: 'chain',
    party: 'backend',
    summary: 'A served certificate cannot be parsed.',
  },
  'policy-violation': {
    stage: 'chain',
    party: 'backend',
    summary: 'The certificate policies of the path are not satisfied.',
  },
  revoked: {
    stage: 'chain',
    party: 'backend',
    summary: 'A certificate of the path has been revoked by its issuer.',
  },
  'revocation-unknown': {
    stage: 'chain',
    party: 'gateway',
    summary: 'Revocation must be checked, and no valid answer about a certificate is at hand.',
  },
  'depth-exceeded': {
    stage: 'chain',
    party: 'backend',
    summary: 'The path is longer than the limit.',
  },
  'too-complex': {
    stage: 'chain',
    party: 'backend',
    summary: 'No decision was possible within the limits on work; the chain has too many possible paths.',
  },
  distrusted: {
    stage: 'chain',
    party: 'backend',
    summary: 'A certificate of the path is explicitly distrusted.',
  },
  'empty-trust-store': {
    stage: 'chain',
    party: 'gateway',
    summary: 'The target trusts nobody: its trust stores hold no anchor.',
  },
  'name-mismatch': {
    stage: 'identity',
    party: 'backend',
    summary: 'The certificate is for other names than the one that was asked for.',
  },
  'no-subject-alternative-name': {
    stage: 'identity',
    party: 'backend',
    summary: 'The certificate names nobody in a subject alternative name; its common name does not count.',
  },
  trusted: {
    stage: 'verified',
    party: 'backend',
    summary: 'Chain and name were verified.',
  },
} as const satisfies Record<string, { stage: Stage; party: Party; summary: string }>

export type VerdictCode = keyof typeof verdictCodes
