import { labSubjects, type Scenario, serverNameOf, untrusted } from './expectation.ts'

/** Backends whose chain or name is refused, each for one reason. */
export const chainScenarios = {
  'missing-root-rolled': {
    summary:
      'Its root was rolled over: the store holds the new root of that name, and the backend is still under the old.',
    expect: untrusted('missing-root', labSubjects.rolledRoot),
    tryThis: 'Compare the key ids: the authorityKeyIdentifier of the issuing CA is not that of the stored root.',
  },
  'missing-root-rolled-no-key-id': {
    summary: 'As missing-root-rolled, without key ids: nothing but the signature tells the two roots apart.',
    expect: untrusted('missing-root', labSubjects.rolledQuietRoot, [], 'bad-signature'),
    tryThis: 'Ask the owner of the CA whether there is an older root of the same name.',
  },
  'missing-root-cross-signed': {
    summary: 'Serves its root as cross-signed by an older one; the gateway holds neither.',
    expect: untrusted('missing-root', labSubjects.elsewhereOldRoot),
    tryThis: 'Add elsewhere-root.crt to the trust store: with the root itself held, the cross-sign is not needed.',
  },
  'missing-intermediate-sibling': {
    summary: 'Serves its leaf alone; the store holds an older certificate of the issuing CA, for another key.',
    expect: untrusted('missing-intermediate', labSubjects.siblingIssuing, [], 'unknown-issuer'),
    tryThis: 'Let the backend send its issuing CA; compare key ids with the stored one of the same name.',
  },
  'missing-upper-intermediate': {
    summary: 'Serves leaf and issuing CA, and leaves out the policy CA between that and the root.',
    expect: untrusted('missing-intermediate', labSubjects.upperPolicy, [], 'missing-root'),
    tryThis: 'Fetch the policy CA from the address in the issuing CA (authorityInfoAccess), and serve it too.',
  },
  'unknown-issuer': {
    summary: 'Serves its leaf alone, which has no key id of its issuer and no address to fetch it from.',
    expect: untrusted('unknown-issuer', labSubjects.nowhere),
    tryThis: 'Ask the owner of the backend which CA it is.',
  },
  'self-signed-ca': {
    summary: 'A leaf signed by itself that is a CA as well, as wizards of appliances make them.',
    expect: untrusted('self-signed-leaf', serverNameOf('self-signed-ca')),
    tryThis: 'Let a CA issue it; trusting it would trust whatever its key signs.',
  },
  'expired-root': {
    summary: 'The root expired yesterday; it is in the trust store.',
    // What stands in a trust store is the gateway's to change.
    expect: { ...untrusted('expired', labSubjects.expiredRoot), party: 'gateway' },
    tryThis: 'Replace the root in the trust store by its successor.',
  },
  'not-yet-valid-intermediate': {
    summary: 'The issuing CA begins to be valid tomorrow.',
    expect: untrusted('not-yet-valid', labSubjects.futureIssuing),
    tryThis: 'Check the clocks, or serve the CA that is in force today.',
  },
  'issuer-not-ca': {
    summary: 'The leaf was issued by a certificate that is no CA (basicConstraints CA:FALSE).',
    expect: untrusted('issuer-not-ca', labSubjects.notAuthority),
    tryThis: 'Have the leaf issued by a CA: this is how a stolen server certificate would be abused.',
  },
  'issuer-without-basic-constraints': {
    summary: 'The issuing certificate says nowhere that it is a CA.',
    expect: untrusted('issuer-not-ca', labSubjects.unconstrainedIssuing),
    tryThis: 'Reissue the issuing CA with basicConstraints CA:TRUE.',
  },
  'issuer-by-key-usage': {
    summary:
      'The issuing certificate may sign certificates (keyUsage), and has no basicConstraints to say that it is a CA.',
    expect: untrusted('issuer-not-ca', labSubjects.undeclaredIssuing),
    tryThis: 'Reissue the issuing CA with basicConstraints CA:TRUE.',
  },
  'issuer-key-usage': {
    summary: 'The key of the issuing CA may sign data, not certificates (keyUsage).',
    expect: untrusted('issuer-key-usage', labSubjects.mayNotSign),
    tryThis: 'Reissue the issuing CA with keyUsage keyCertSign.',
  },
  'wrong-purpose-intermediate': {
    summary: 'The issuing CA is for client certificates only (extendedKeyUsage).',
    expect: untrusted('wrong-purpose', labSubjects.clientsOnly),
    tryThis: 'Have the leaf issued by the CA for servers.',
  },
  'path-length-exceeded': {
    summary: 'A CA that allows no other CA below itself (pathLenConstraint 0) has one.',
    expect: untrusted('path-length-exceeded', labSubjects.crowdedPolicy),
    tryThis: 'Reissue the policy CA with a longer path, or the leaf directly below it.',
  },
  'name-constraint-violation': {
    summary: 'The issuing CA may issue for corp.test, and the leaf is for another name.',
    expect: untrusted('name-constraint-violation', serverNameOf('name-constraint-violation')),
    tryThis: 'Have the leaf issued by a CA that may.',
  },
  'name-constraint-violation-excluded': {
    summary: 'The issuing CA may issue for everything but the domain that the leaf is for.',
    expect: untrusted('name-constraint-violation', serverNameOf('name-constraint-violation-excluded')),
    tryThis: 'Have the leaf issued by a CA that may.',
  },
  'name-constraint-violation-address': {
    summary: 'The issuing CA may issue for addresses in 10.0.0.0/8, and the leaf names 127.0.0.1.',
    expect: untrusted('name-constraint-violation', serverNameOf('name-constraint-violation-address')),
    tryThis: 'Leave the address out of the leaf, if nobody connects by it.',
  },
  'weak-key': {
    summary: 'The leaf has an RSA key of 1024 bits.',
    expect: untrusted('weak-key', serverNameOf('weak-key')),
    tryThis: 'Reissue the leaf with a new key: EC P-256, or RSA of 2048 bits and more.',
  },
  'weak-issuer-key': {
    summary: 'The issuing CA has an RSA key of 1024 bits.',
    expect: untrusted('weak-key', labSubjects.weakIssuing),
    tryThis: 'Have the leaf issued by a CA with a stronger key.',
  },
  'weak-signature': {
    summary: 'The leaf is signed with SHA-1.',
    expect: untrusted('weak-signature', serverNameOf('weak-signature'), ['sha1-in-chain']),
    tryThis: 'Have the leaf issued again, with SHA-256.',
  },
  'weak-issuer-signature': {
    summary: 'The issuing CA is signed with SHA-1.',
    expect: untrusted('weak-signature', labSubjects.sha1Issuing, ['sha1-in-chain']),
    tryThis: 'Have the issuing CA issued again, with SHA-256.',
  },
  'bad-signature': {
    summary: 'One bit of the signature of the leaf was changed.',
    expect: untrusted('bad-signature', serverNameOf('bad-signature')),
    tryThis: 'Compare the file on the backend with what the CA handed out.',
  },
  'bad-signature-issuer': {
    summary: 'Serves an issuing CA with the right name and another key, without key ids.',
    expect: untrusted('bad-signature', serverNameOf('bad-signature-issuer')),
    tryThis: 'Serve the certificate of the CA that issued the leaf, not its successor.',
  },
  'unknown-critical-extension': {
    summary: 'The leaf has a critical extension that nobody knows.',
    expect: untrusted('unknown-critical-extension', serverNameOf('unknown-critical-extension')),
    tryThis: 'Have the leaf issued without it; an extension that others must obey cannot be ignored.',
  },
  'unknown-critical-extension-issuer': {
    summary: 'The issuing CA has a critical extension that nobody knows.',
    expect: untrusted('unknown-critical-extension', labSubjects.strangeIssuing),
    tryThis: 'Have the leaf issued by another CA.',
  },
  'malformed-names': {
    summary: 'The subjectAltName of the leaf is no DER.',
    expect: untrusted('malformed-certificate', serverNameOf('malformed-names'), [], 'missing-root'),
    tryThis: 'Have the leaf issued again by a CA whose software is sound.',
  },
  'malformed-certificate': {
    summary: 'What it serves as its leaf ends too early to be a certificate (TLS 1.2).',
    expect: { ...untrusted('malformed-certificate', null, [], 'handshake-closed'), fault: 'tls-failed' },
    tryThis: 'Look at the file on the backend: it may have been cut in transfer.',
  },
  'malformed-trailing-bytes': {
    summary: 'The leaf it serves is followed by bytes that do not belong to it (TLS 1.2).',
    expect: { ...untrusted('malformed-certificate', null, [], 'handshake-closed'), fault: 'tls-failed' },
    tryThis: 'Look at the file on the backend for bytes after the certificate.',
  },
  'malformed-intermediate': {
    summary: 'The leaf is sound; what it serves as the issuing CA is no certificate (TLS 1.2).',
    expect: { ...untrusted('malformed-certificate', null, [], 'handshake-closed'), fault: 'tls-failed' },
    tryThis: 'Look at the chain file on the backend: one bad certificate in it ends every handshake.',
  },
  'depth-exceeded': {
    summary: 'A path of 102 CAs; the limit is 100.',
    // The runtime goes on after the fault, and reports that the cut path has no issuer.
    expect: untrusted('depth-exceeded', null, [], 'missing-root'),
    tryThis: 'Have the leaf issued higher up.',
  },
  maze: {
    summary: 'Cross-signs by the dozen: 65,536 paths to a root that the gateway does not hold.',
    expect: untrusted('missing-root', labSubjects.mazeRoot),
    tryThis: 'See that a diagnosis takes no longer for it than for others.',
  },
  'name-mismatch-address': {
    summary: 'Is asked for by its address, and the certificate has names only.',
    expect: untrusted('name-mismatch', serverNameOf('name-mismatch-address')),
    tryThis: 'Ask for the backend by its name (serverName), or put the address into the certificate.',
    target: { subjectAltNames: ['127.0.0.1'] },
  },
  'name-mismatch-wildcard': {
    summary: 'The certificate is for *.lab.test, the name has one label more.',
    expect: untrusted('name-mismatch', '*.lab.test'),
    tryThis: 'A wildcard stands for one label: name the backend api-name-mismatch-wildcard, or reissue.',
    target: { serverName: 'api.name-mismatch-wildcard.lab.test' },
  },
  'name-mismatch-common-name': {
    summary: 'The common name is right, the subjectAltName is for another service.',
    expect: untrusted('name-mismatch', serverNameOf('name-mismatch-common-name'), ['common-name-only']),
    tryThis: 'Put the name into the subjectAltName; the common name does not count.',
  },
  'missing-root-tls12': twin('missing-root', 'missing-root', labSubjects.elsewhereRoot),
  'missing-intermediate-tls12': twin('missing-intermediate', 'missing-intermediate', labSubjects.issuing),
  'expired-tls12': twin('expired', 'expired', serverNameOf('expired-tls12')),
  'self-signed-tls12': twin('self-signed', 'self-signed-leaf', serverNameOf('self-signed-tls12')),
  'name-mismatch-tls12': twin('name-mismatch', 'name-mismatch', 'another-service.lab.test'),
  'weak-key-tls12': twin('weak-key', 'weak-key', serverNameOf('weak-key-tls12')),
  'weak-signature-tls12': twin('weak-signature', 'weak-signature', serverNameOf('weak-signature-tls12')),
} as const satisfies Record<string, Scenario>

/** The same fault where certificates travel in the clear: another reading of the handshake, the same verdict. */
function twin(of: string, verdict: Parameters<typeof untrusted>[0], guilty: string): Scenario {
  return {
    summary: `As ${of}, in TLS 1.2.`,
    expect: untrusted(verdict, guilty),
    tryThis: `The same as for ${of}.`,
  }
}
