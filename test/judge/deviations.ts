import type { Mode } from '../../src/judge/types.ts'

/** Cases on which the judge says something else than the suite, and why it does. Nothing deviates that is not listed here. */
export const deviations: readonly {
  readonly file: string
  readonly mode: Mode
  /** Case id to reason. */
  readonly cases: Readonly<Record<string, string>>
}[] = [
  {
    file: 'openssl-verify.json',
    mode: 'rfc5280',
    cases: {
      'fail client purpose intermediate trusted':
        'The served intermediate gives a second path, which is valid. OpenSSL takes the stored one first and does not go back; RFC 5280 asks for any valid path.',
    },
  },
  {
    file: 'pkits-1-8.json',
    mode: 'rfc5280',
    cases: {
      '4.1.5':
        'DSA key whose parameters are inherited from the issuer (RFC 5280 section 6.1.4 (d) to (f)): no TLS stack uses such keys, and OpenSSL 3 cannot read them.',
    },
  },
  {
    file: 'limbo.json',
    mode: 'strict',
    cases: {
      'rfc5280::ca-as-leaf':
        'The suite has the same chain as webpki::ca-as-leaf, to be refused. A CA in the place of a server breaks BR section 7.1.2.7.8.',
      'rfc5280::eku::ee-without-eku':
        'The suite has the same chain as webpki::eku::ee-without-eku, to be refused. BR section 7.1.2.7.6 wants the extension.',
      'webpki::nc::permitted-dns-match-noncritical':
        'The suite has the same chain as rfc5280::nc::permitted-dns-match-noncritical, to be refused. RFC 5280 section 4.2.1.10 wants the extension to be critical; the BR allow an exception, which the strict mode does not make.',
    },
  },
]
