import type { CodeText } from './code-text.ts'

/** What is wrong inside a certificate. */
export const certificateTexts = {
  expired: {
    meaning:
      'A certificate of the path has ended. The verdict says which: the leaf, an intermediate that is still served though a new one exists, or an anchor of our own store. Until when it was valid stands in the evidence.',
    elsewhere:
      'curl: "certificate has expired" (10), of which certificate it does not say. Java and Edge: "PKIX path validation failed: ... validity check failed" or "NotAfter". .NET: NotTimeValid. A renewed file that the server has not loaded yet looks the same.',
    evidence: '`notAfter` of the guilty certificate and the time of judging.',
    fix: {
      backend:
        'Renew it and reload the server; renew an intermediate with the same key and name and serve the new one.',
      gateway: 'Where it is an anchor of ours: add its successor to the store.',
    },
    see: ['not-yet-valid', 'expires-soon'],
    notInLab: null,
  },
  'not-yet-valid': {
    meaning:
      'A certificate of the path begins in the future. Either it was installed before its time, or one of the clocks is wrong: of the CA, or of the gateway.',
    elsewhere:
      'curl: "certificate is not yet valid" (9). Java: "NotBefore". .NET: NotTimeValid, the same word as for expired.',
    evidence: '`notBefore` of the guilty certificate and the time of judging.',
    fix: {
      gateway: 'Look at the clock of the gateway first.',
      backend: 'Serve the former certificate until the new one begins.',
    },
    see: ['expired'],
    notInLab: null,
  },
  'issuer-not-ca': {
    meaning:
      'A certificate that issued another is no CA: basic constraints are missing or say CA:FALSE. Somebody signed with a server certificate, or made the CA without its extension. Anybody with a server certificate could do the first, so it is refused.',
    elsewhere:
      'OpenSSL: "invalid CA certificate" (79), node INVALID_PURPOSE. Java: "basic constraints check failed: this is not a CA certificate". GnuTLS: "signer is not a CA".',
    evidence: 'Basic constraints of the issuer, and the certificate it signed.',
    fix: { backend: 'Issue the leaf from a CA certificate, or reissue that CA with CA:TRUE, same name and key.' },
    see: ['issuer-key-usage', 'path-length-exceeded'],
    notInLab: null,
  },
  'issuer-key-usage': {
    meaning:
      'A CA of the path has a key usage extension without keyCertSign, so it may not sign certificates. Usually it was made from a template for servers.',
    elsewhere: 'OpenSSL: "key usage does not include certificate signing" (32). Java: "CA key usage check failed".',
    evidence: 'Key usage of the issuer.',
    fix: { backend: 'Reissue the CA certificate with keyCertSign, same name and key, and serve it.' },
    see: ['issuer-not-ca'],
    notInLab: null,
  },
  'wrong-purpose': {
    meaning:
      'The certificate has extended key usages, and serverAuth is not among them: it was made for clients, mail or code. A CA above with a narrower list has the same effect.',
    elsewhere:
      'OpenSSL: "unsuitable certificate purpose" (26), without the purpose. Java: "Extended key usage does not permit use for TLS server authentication". Edge shows the PKIX text of it.',
    evidence: 'The extended key usages of the guilty certificate, and the one wanted.',
    fix: { backend: 'Reissue with serverAuth.' },
    see: ['issuer-key-usage', 'client-certificate-rejected'],
    notInLab: null,
  },
  'path-length-exceeded': {
    meaning:
      'A CA allows only so many CAs below itself (pathLenConstraint), and the path has more. An issuing CA with 0 has issued another CA, or the leaf comes from a CA below where it should.',
    elsewhere:
      'OpenSSL: "path length constraint exceeded" (25). Java: "basic constraints check failed: pathLenConstraint violated".',
    evidence: 'The constraint, the CA that has it, and the number of CAs below it.',
    fix: { backend: 'Issue the leaf from the CA that may, or raise the constraint of the CA above and reissue.' },
    see: ['issuer-not-ca', 'name-constraint-violation'],
    notInLab: null,
  },
  'name-constraint-violation': {
    meaning:
      'A CA of the path may issue for certain names only, and the leaf has another one. All names of the leaf count, not only the one asked for. Corporate CAs are often limited to their own domain.',
    elsewhere:
      'OpenSSL: "permitted subtree violation" (47) or "excluded subtree violation" (48). GnuTLS uses one text for it and for path length. Java: "name constraints violation".',
    evidence: 'The name, the constraint, and the CA that has it.',
    fix: { backend: 'Take the name out of the certificate, or issue it from a CA that may.' },
    see: ['name-mismatch', 'path-length-exceeded'],
    notInLab: null,
  },
  'weak-key': {
    meaning:
      'A key of the path is shorter than the security level in force allows. Level 2, the default of OpenSSL 3 in Node, wants RSA of 2048 bits and elliptic curves of 224.',
    elsewhere:
      'OpenSSL: "EE certificate key too weak" (66) or "CA certificate key too weak" (67). Java: "Algorithm constraints check failed on keysize limits".',
    evidence: 'Kind and size of the key, its strength in bits, and the level.',
    fix: {
      backend: 'Make a new key of 2048 bits or more and reissue.',
      gateway: 'Lower the security level of this one target until then.',
    },
    see: ['weak-signature'],
    notInLab: null,
  },
  'weak-signature': {
    meaning:
      'A signature of the path uses a hash that is too weak for the security level in force: MD5 or SHA-1. The signature of the anchor itself does not count, since nothing depends on it.',
    elsewhere:
      'OpenSSL: "CA signature digest algorithm too weak" (68). Java: "Algorithm constraints check failed on signature algorithm: SHA1withRSA". Browsers: ERR_CERT_WEAK_SIGNATURE_ALGORITHM.',
    evidence: 'The signature algorithm of the guilty certificate, and the level.',
    fix: {
      backend: 'Reissue with SHA-256.',
      gateway: 'Lower the security level of this one target until then.',
    },
    see: ['weak-key', 'sha1-in-chain'],
    notInLab: null,
  },
  'bad-signature': {
    meaning:
      'A certificate names an issuer that is at hand, and its signature does not match the key of that issuer. Usually the CA was renewed with a new key under the same name and the old file is still served or stored; it may also be a forgery or a damaged file.',
    elsewhere:
      'OpenSSL: "certificate signature failure" (7). Java: "signature check failed". Where several CAs share a name, most report an unknown issuer.',
    evidence: 'The certificate, the issuer tried, and both key ids.',
    fix: {
      backend: 'Serve the CA certificate whose key made the signature.',
      gateway: 'Where it is ours: put the right one of the namesakes into the store.',
    },
    see: ['unknown-issuer', 'malformed-certificate'],
    notInLab: null,
  },
  'unknown-critical-extension': {
    meaning:
      'A certificate carries an extension that is marked critical and that is not understood here. The mark says that who does not understand it must refuse (RFC 5280 section 4.2).',
    elsewhere: 'OpenSSL: "unhandled critical extension" (34). Java: "unrecognized critical extension(s)".',
    evidence: 'The OID of the extension.',
    fix: { backend: 'Reissue without it, or with the extension not critical.' },
    see: ['policy-violation', 'malformed-certificate'],
    notInLab: null,
  },
  'malformed-certificate': {
    meaning:
      'A served certificate cannot be read: its DER is damaged or breaks a rule that decides about meaning. The offset and the reason are in the evidence. What cannot be read cannot be believed.',
    elsewhere:
      'OpenSSL: "bad asn1 encoding" or "wrong tag". Java: "Unable to parse certificate". Some readers are more lenient, so other clients may still connect.',
    evidence: 'The place in the chain, the offset, and the rule.',
    fix: { backend: 'Reissue the certificate with a tool that encodes it right.' },
    see: ['bad-signature'],
    notInLab: null,
  },
  'policy-violation': {
    meaning:
      'The path has to satisfy a certificate policy, because a CA requires one or the check asked for one, and it does not. It is met in government and bank hierarchies, hardly elsewhere.',
    elsewhere:
      'OpenSSL: "no explicit policy" (43). Java: "certificate policy check failed". Most gateways do not process policies at all.',
    evidence: 'The policies of each certificate, and what was required.',
    fix: { backend: 'Issue the certificate under a policy that the CAs above it allow.' },
    see: ['unknown-critical-extension', 'refused-elsewhere'],
    notInLab:
      'The handshake does not process policies unless a check asks for it; the code comes from judging by RFC 5280.',
  },
  revoked: {
    meaning:
      'A certificate of the path was revoked by its issuer: a CRL that it signed lists the serial number, or the OCSP response that the backend staples says so. The key may be in the wrong hands. Only a target with `revocation: crl` or `staple-required` looks.',
    elsewhere: 'OpenSSL: "certificate revoked" (23). Java: "Certificate has been revoked". .NET: Revoked.',
    evidence: 'Serial number, issuer, date and reason, and whether a list (`source: crl`) or a staple says so.',
    fix: { backend: 'Make a new key, have a new certificate issued, and find out why the old one was revoked.' },
    see: ['revocation-unknown', 'distrusted'],
    notInLab: null,
  },
  'revocation-unknown': {
    meaning:
      'The target checks revocation, and what would tell is not there. With `revocation: crl`: for a certificate of the path this gateway holds no list of its CA, or one that has ended, is not valid yet, or was signed by somebody else; the list of the root is needed too. With `staple-required`: the backend stapled no OCSP response, or one that has ended or does not fit. Nothing says that the certificate is bad; nothing says that it is good.',
    elsewhere:
      'OpenSSL: "unable to get certificate CRL" (3) or "CRL has expired" (12). .NET: RevocationStatusUnknown. Most clients go on without a word.',
    evidence:
      '`source` (`crl`, `staple`), `state` (`missing`, `stale`, `not-yet-valid`, `unusable`), the certificate in doubt, its issuer, and when the list or response began and ended.',
    fix: {
      gateway: 'Get the current CRL of that CA to where the gateway reads it (`crlStores`).',
      backend: 'Staple a current OCSP response; or ask the CA for a new CRL before the old one ends.',
    },
    see: ['revoked'],
    notInLab: null,
  },
} as const satisfies Record<string, CodeText>
