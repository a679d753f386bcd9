/**
 * What is worth a word beside the verdict and refuses nothing by itself, with what it means in one sentence. Verdict codes
 * appear as findings too, where a backend has more than one fault.
 */
export const findingCodes = {
  'chain-order': {
    summary: 'The certificates are not served in the order leaf, its issuer, its issuer; some clients refuse that.',
  },
  'extra-certificates': { summary: 'Certificates are served that no path needs.' },
  'root-served': { summary: 'The self-signed root is served too; no client believes it, and it costs bytes.' },
  'expires-soon': { summary: 'A certificate of the path ends soon.' },
  'relies-on-stored-intermediate': {
    summary:
      'The backend does not serve an intermediate that only the trust store supplies; other clients will refuse it.',
  },
  'cross-signed': { summary: 'There is more than one path to an anchor.' },
  'sha1-in-chain': { summary: 'A signature of the path uses SHA-1.' },
  'verification-skipped': { summary: 'An exception of the target skips a verification that would have been made.' },
  'refused-elsewhere': {
    summary: 'This gateway accepts it, and a verifier that follows the standard to the letter refuses it.',
  },
  'common-name-only': { summary: 'The name stands in the common name only, which does not count.' },
  'long-validity': { summary: 'The leaf is valid for longer than public CAs may issue.' },
  'client-certificate-requested': {
    summary: 'The backend asks for a client certificate, and goes on when it is shown none.',
  },
} as const satisfies Record<string, { summary: string }>

export type FindingCode = keyof typeof findingCodes
