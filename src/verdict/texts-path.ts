import type { CodeText } from './code-text.ts'

const sameWords =
  'Everybody has the same words for a missing root and a missing intermediate. curl: "unable to get local issuer certificate". NGINX: "certificate verify error: (20:unable to get local issuer certificate)". Java and Edge: "PKIX path building failed ... unable to find valid certification path to requested target". .NET and APIM: PartialChain or UntrustedRoot, or only "The remote certificate was rejected by the provided RemoteCertificateValidationCallback".'

/** What a chain lacks, and what is trusted. */
export const pathTexts = {
  'self-signed-leaf': {
    meaning:
      'The backend shows one certificate that is signed by itself, and the trust stores do not hold it. No CA vouches for it. It is a default certificate of an appliance, one made by hand, or a test server.',
    elsewhere:
      'curl and OpenSSL: "self-signed certificate" (18), node: DEPTH_ZERO_SELF_SIGNED_CERT. Java and Edge: "PKIX path building failed", the same as for a missing root. APIM reports only that the certificate was rejected.',
    evidence: 'Subject and issuer are the same, and the signature verifies with its own key.',
    fix: {
      gateway: 'Pin the certificate as an anchor of a store, after comparing its SHA-256 with its owner.',
      backend: 'Let a CA issue the certificate.',
    },
    see: ['missing-root', 'unknown-issuer'],
    notInLab: null,
  },
  'missing-root': {
    meaning:
      'The backend serves all it has to, and the root at the end of its chain is not in the trust stores of the target. What a backend serves is never an anchor, so a root in its chain changes nothing. The gateway has to trust that root, or not.',
    elsewhere: `${sameWords} Where the root is served, curl says "self-signed certificate in certificate chain" (19), which sounds like a fault of the backend and is none.`,
    evidence:
      'A self-signed root is served, or the last certificate is a CA whose issuer a known root fits by name and key id (AKI to SKI).',
    fix: {
      gateway: 'Add the root to a store of the target, after comparing its SHA-256 with its owner.',
      backend: 'Say which root it is.',
    },
    see: ['missing-intermediate', 'unknown-issuer', 'root-served'],
    notInLab: null,
  },
  'missing-intermediate': {
    meaning:
      'A CA certificate between the leaf and the anchor is neither served nor stored. The server is configured with the leaf instead of the full chain. Browsers fetch or remember intermediates, so it "works in the browser".',
    elsewhere: `${sameWords} Go: "certificate signed by unknown authority". testssl.sh: "chain incomplete", also where the root is unknown.`,
    evidence:
      'The issuer is named by the leaf and is in nothing that was served or stored, and it is no root: it can be fetched by AIA, or another place holds it.',
    fix: {
      backend: 'Append the intermediate to the certificate file after the leaf, and reload.',
      gateway: "Until then, add it to the `intermediates` of the target's store: it anchors nothing.",
    },
    see: ['missing-root', 'unknown-issuer', 'relies-on-stored-intermediate'],
    notInLab: null,
  },
  'unknown-issuer': {
    meaning:
      'The issuer of a certificate is in nothing that was served or stored, and nothing says whether it is a root or an intermediate. The chain may be incomplete, or the store may lack a root. Another certificate with the same name and another key may be at hand; the evidence then shows both key ids.',
    elsewhere: sameWords,
    evidence: 'Name and key id of the issuer, and what was looked through: served, stored, known, AIA.',
    fix: {
      gateway: 'Add the root, once the owner of the backend has said which it is.',
      backend: 'Serve the full chain; say which CA issued the certificate.',
    },
    see: ['missing-root', 'missing-intermediate', 'bad-signature'],
    notInLab: null,
  },
  'empty-trust-store': {
    meaning:
      'The target trusts nobody: the stores it names hold no anchor. A gateway with a whole configuration does not start like that; it is met where one backend is checked with a store or bundle of its own.',
    elsewhere:
      'Java: "the trustAnchors parameter must be non-empty". Traefik makes an empty pool of a file that is no PEM and fails later; Node takes an empty list for "all public roots".',
    evidence: 'The stores named, and what each source gave.',
    fix: { gateway: 'Name a store that holds the root of the backend, or add a source to the one named.' },
    see: ['missing-root'],
    notInLab: 'It is a state of the gateway, whatever the backend serves.',
  },
  'depth-exceeded': {
    meaning:
      'The path is longer than the limit on certificates between leaf and anchor. Real hierarchies have two or three CAs; ten are a mistake in the chain file or an attempt to cost time.',
    elsewhere:
      'OpenSSL and curl: "certificate chain too long" (22). NGINX stops after one intermediate by default (`proxy_ssl_verify_depth 1`) and says "unable to get local issuer certificate" or error 22.',
    evidence: 'The path and the limit.',
    fix: { backend: 'Serve the shorter of its paths, or issue the certificate from a CA nearer to the root.' },
    see: ['too-complex', 'path-length-exceeded'],
    notInLab: null,
  },
  'too-complex': {
    meaning:
      'The certificates served can be joined in so many ways that no decision was reached within the limits on work. Nothing was accepted. It takes many CAs with the same name or key; no orderly server serves that.',
    elsewhere: 'Other verifiers try until they find a path or time out, or stop at a length; none names it.',
    evidence: 'How many signatures and candidates were tried, and the limits.',
    fix: { backend: 'Serve the leaf and the one path above it, nothing else.' },
    see: ['depth-exceeded', 'extra-certificates', 'cross-signed'],
    notInLab:
      'The handshake has limits of its own and ends with another code; this one is of judging chains that were stored or captured.',
  },
  distrusted: {
    meaning:
      'A certificate of the path is marked as distrusted, so every path through it is refused, whatever else would allow it.',
    elsewhere:
      'OpenSSL: "certificate rejected" (28) or "certificate not trusted" (27). Browsers: ERR_CERT_AUTHORITY_INVALID.',
    evidence: 'The certificate and where it is marked.',
    fix: {
      backend: 'Serve a certificate that does not depend on it.',
      gateway: 'Take the mark away only if it was set by mistake.',
    },
    see: ['revoked'],
    notInLab: 'The mark is set in a trust store, not by a backend; the stores of the lab mark nothing.',
  },
} as const satisfies Record<string, CodeText>
