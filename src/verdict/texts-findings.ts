import type { FindingText } from './code-text.ts'
import type { FindingCode } from './findings.ts'

export const findingTexts = {
  'chain-order': {
    meaning:
      'The certificates are not served in the order leaf, its issuer, its issuer. TLS 1.3 clients have to cope, some older ones and some appliances do not (RFC 8446 section 4.4.2).',
    evidence: 'The order served and the order wanted.',
    act: 'Put the chain file of the backend in order: leaf first, each certificate followed by its issuer.',
    see: ['extra-certificates', 'missing-intermediate'],
  },
  'extra-certificates': {
    meaning:
      'Certificates are served that no path of the leaf needs: of another service, of a former CA, or twice. They cost bytes in every handshake, and hide what is missing.',
    evidence: 'The certificates that belong to no path.',
    act: 'Take them out of the chain file.',
    see: ['chain-order', 'root-served'],
  },
  'root-served': {
    meaning:
      'The self-signed root is served as well. No client believes a root because it was served, so it is only weight; Edge accepts it without a word.',
    evidence: 'The self-signed certificate in what was served.',
    act: 'Leave the root out of the chain file. It does no harm.',
    see: ['missing-root', 'extra-certificates'],
  },
  'expires-soon': {
    meaning:
      'A certificate of the path ends soon: the leaf, an intermediate, or the anchor. After that the verdict is expired.',
    evidence: '`notAfter`, and how long that is from now.',
    act: 'Renew it; for an anchor, begin to roll the CA over.',
    see: ['expired'],
  },
  'relies-on-stored-intermediate': {
    meaning:
      'The path is complete only because our store holds an intermediate that the backend does not serve. This gateway is content, and other clients refuse the backend with missing-intermediate.',
    evidence: 'The intermediate, and the store it came from.',
    act: 'Tell the owner of the backend; it is their chain file that lacks it.',
    see: ['missing-intermediate'],
  },
  'cross-signed': {
    meaning:
      'There is more than one path from the leaf to an anchor: a CA has certificates of two issuers. Which one a client takes depends on what it holds, so one may fail where the other does not.',
    evidence: 'The paths.',
    act: 'Nothing, unless one of the paths is about to end; then see which clients depend on it.',
    see: ['too-complex', 'expires-soon'],
  },
  'sha1-in-chain': {
    meaning:
      'A signature of the path uses SHA-1. This target accepts it because of its security level, or because the signature is that of the anchor itself.',
    evidence: 'The certificate and its signature algorithm.',
    act: 'Have the certificate reissued with SHA-256.',
    see: ['weak-signature'],
  },
  'verification-skipped': {
    meaning:
      'An exception of the target skips a verification, so what it would have refused was accepted. It is named in every output while it is in force.',
    evidence: 'The exception: what it skips, its owner, its reason, its end.',
    act: 'Mend the fault it hides, then remove the exception.',
    see: ['name-mismatch', 'missing-root'],
  },
  'refused-elsewhere': {
    meaning:
      'This gateway accepts the chain as its TLS library does, and a verifier that follows the standard to the letter refuses it. The finding names the rule.',
    evidence: 'The mode that refuses, and its verdict.',
    act: 'Have the certificate reissued when it is due; other clients may refuse it today.',
    see: ['policy-violation', 'long-validity'],
  },
  'common-name-only': {
    meaning:
      'The name stands in the common name alone. It does not count here nor in browsers, and does in older clients, which is why nobody has noticed.',
    evidence: 'The common name, and the names expected.',
    act: 'Reissue the certificate with a subject alternative name.',
    see: ['no-subject-alternative-name'],
  },
  'long-validity': {
    meaning:
      'The leaf is valid for longer than public CAs may issue. For a private CA that is a choice; some clients, such as those of Apple, refuse it all the same.',
    evidence: 'Days of validity, and the limit.',
    act: 'Issue for a shorter time when it is renewed.',
    see: ['refused-elsewhere', 'expired'],
  },
  'client-certificate-requested': {
    meaning:
      'In the handshake the backend asked for a client certificate. It was shown none and went on all the same, so TLS is content. NGINX with `ssl_verify_client` behaves so: each request is then answered with HTTP 400 "No required SSL certificate was sent", which looks like a fault of the request. With `optional` it is harmless.',
    evidence: 'The request for a certificate in the handshake, and the issuers it names.',
    act: 'If requests are answered with 400 or 403: give the target a client certificate that one of these issuers has issued.',
    see: ['client-certificate-required', 'client-certificate-rejected'],
  },
} as const satisfies Record<FindingCode, FindingText>
