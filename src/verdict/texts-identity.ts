import type { CodeText } from './code-text.ts'

export const identityTexts = {
  'name-mismatch': {
    meaning:
      'The chain is good and the certificate is for other names than the one that was expected. Either the gateway expects the wrong name (an internal alias, an IP address), or the backend answers with the certificate of another service. The names it carries are in the evidence.',
    elsewhere:
      'curl: "SSL: no alternative certificate subject name matches target host name" (60). NGINX: "upstream SSL certificate does not match". Java and Edge: "No subject alternative DNS name matching ... found". .NET: RemoteCertificateNameMismatch. A wildcard covers one label: `*.corp` is not `a.b.corp`.',
    evidence: 'The names expected and the names presented, and the name sent as SNI.',
    fix: {
      gateway: 'Expect the right name: `serverName` (which is SNI too) or `subjectAltNames` (the check alone).',
      backend: 'Reissue the certificate with the name, or serve the right certificate for it.',
    },
    see: ['no-subject-alternative-name', 'server-name-rejected'],
    notInLab: null,
  },
  'no-subject-alternative-name': {
    meaning:
      'The chain is good and the certificate names nobody of the needed kind in a subject alternative name. A common name does not count (RFC 9525): its text has no defined meaning. For an IP address the certificate needs an entry of kind IP; the address written as a DNS name does not count.',
    elsewhere:
      'curl: "subjectAltName does not match". Go: "certificate relies on legacy Common Name field, use SANs instead". Java and old OpenSSL clients accept the common name, so it works there.',
    evidence: 'The names expected, the entries of the certificate, and its common name.',
    fix: { backend: 'Reissue the certificate with the name as a subject alternative name.' },
    see: ['name-mismatch', 'common-name-only'],
    notInLab: null,
  },
  trusted: {
    meaning:
      'Chain and name were verified, under the trust of the target. What went wrong with a request then went wrong after TLS. Findings may still name what will become a fault.',
    elsewhere:
      'openssl s_client: "Verify return code: 0 (ok)", which says nothing about the name unless `-verify_hostname` was given.',
    evidence: 'The path from the leaf to the anchor, and the name that matched.',
    fix: {},
    see: ['expires-soon', 'relies-on-stored-intermediate'],
    notInLab: null,
  },
} as const satisfies Record<string, CodeText>
