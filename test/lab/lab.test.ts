import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { after, describe, it } from 'node:test'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { codeOf, messageOf } from '../../src/core/errors.ts'
import { type LabBackend, startLab } from '../../src/lab/lab.ts'
import { type Scenario, type ScenarioName, scenarioNames, scenarios } from '../../src/lab/scenarios.ts'
import { checkIdentity } from '../../src/x509/host-names.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'

const lab = await startLab({ slowMs: 60 })
after(() => lab.close())

/** What a verifying client sees when it asks for `/`: bytes of the answer, or how it ended. */
async function ask(backend: LabBackend, options: ConnectionOptions = {}): Promise<string> {
  const { furtherAnchorsPem, intermediatesPem, crlsPem, clientIdentity, settings } = backend.target
  const names = settings.subjectAltNames ?? [backend.serverName]
  const socket = connect({
    host: backend.host,
    port: backend.port,
    servername: backend.serverName,
    ca: lab.trust.bundlePem + furtherAnchorsPem + intermediatesPem,
    rejectUnauthorized: true,
    checkServerIdentity: (_, { raw }) =>
      checkIdentity(parseCertificate(raw), names).ok ? undefined : new Error('name refused'),
    ALPNProtocols: ['http/1.1'],
    ...(clientIdentity === null ? {} : { cert: clientIdentity.certificatePem, key: clientIdentity.keyPem }),
    // One each: of a text with several the runtime reads the first.
    ...(crlsPem === '' ? {} : { crl: crlsPem.split(/(?=-----BEGIN)/) }),
    ...(settings.maxVersion === undefined ? {} : { maxVersion: settings.maxVersion }),
    ...options,
  })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(stallMs) })
    socket.write(`GET / HTTP/1.1\r\nHost: ${backend.serverName}\r\nConnection: close\r\n\r\n`)
    return await answerOf(socket)
  } catch (thrown) {
    const alert = /alert number (\d+)/.exec(messageOf(thrown))?.[1]
    return alert === undefined ? codeOf(thrown) || messageOf(thrown) : `alert ${alert}`
  } finally {
    socket.destroy()
  }
}

async function answerOf(socket: TLSSocket): Promise<string> {
  let received = ''
  for await (const chunk of socket) received += String(chunk)
  return received
}

/** Long enough for every answer on loopback; two backends are there to show that none comes. */
const stallMs = 1200

interface Case {
  /** A pattern of the answer, or the code of the failure under the runtime's own verification. */
  readonly sees: string | RegExp
  /** Whether the request may have reached the backend. */
  readonly reached: boolean
  /** What mends it on the client's side; the answer is then 200. */
  readonly mend?: () => ConnectionOptions
}

const refused = (sees: string | RegExp, mend?: Case['mend']): Case => ({ sees, reached: false, ...(mend && { mend }) })
const answered = (sees: RegExp): Case => ({ sees, reached: true })
const alsoTrust = (pem: string | null): ConnectionOptions => ({ ca: lab.trust.bundlePem + (pem ?? '') })
const securityLevel = (level: number): ConnectionOptions => ({ ciphers: `DEFAULT@SECLEVEL=${level}` })
const withClientCertificate = (): ConnectionOptions => ({
  cert: lab.clientIdentity.certificatePem,
  key: lab.clientIdentity.keyPem,
})

const cases: Readonly<Record<ScenarioName, Case>> = {
  ok: answered(/^HTTP\/1\.1 200 OK[^]*"scenario":"ok"/),
  'ok-rsa': answered(/^HTTP\/1\.1 200 OK/),
  'missing-root': refused('UNABLE_TO_GET_ISSUER_CERT_LOCALLY', () => alsoTrust(lab.mends.elsewhereRootPem)),
  'missing-root-served': refused('SELF_SIGNED_CERT_IN_CHAIN', () => alsoTrust(lab.mends.elsewhereRootPem)),
  'missing-intermediate': refused('UNABLE_TO_VERIFY_LEAF_SIGNATURE', () => alsoTrust(lab.mends.issuingPem)),
  'wrong-order': answered(/^HTTP\/1\.1 200 OK/),
  'name-mismatch': refused('name refused', () => ({
    servername: 'another-service.lab.test',
    checkServerIdentity: (host, { raw }) =>
      checkIdentity(parseCertificate(raw), [host]).ok ? undefined : new Error('name refused'),
  })),
  'no-san': refused('name refused', () => ({ checkServerIdentity: () => undefined })),
  expired: refused('CERT_HAS_EXPIRED'),
  'expired-intermediate': refused('CERT_HAS_EXPIRED'),
  'not-yet-valid': refused('CERT_NOT_YET_VALID'),
  'self-signed': refused('DEPTH_ZERO_SELF_SIGNED_CERT', () => alsoTrust(lab.backend('self-signed').servedPem)),
  'wrong-purpose': refused('INVALID_PURPOSE'),
  'client-certificate-required': refused('alert 116', withClientCertificate),
  'client-certificate-required-tls12': refused('alert 40', withClientCertificate),
  'plain-http': refused(/^ERR_SSL_(WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG)$/),
  refused: refused('ECONNREFUSED'),
  'handshake-timeout': refused('ABORT_ERR'),
  'handshake-closed': refused('ECONNRESET'),
  'old-tls': refused('alert 70', () => ({
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  })),
  'no-shared-cipher': refused('alert 40', () => ({ ciphers: 'TLS_AES_128_CCM_SHA256' })),
  slow: answered(/^HTTP\/1\.1 200 OK[^]*at last\n$/),
  'closes-early': answered(/^$/),
  'closes-mid-body': answered(/^HTTP\/1\.1 200 OK\r\n[^]*ontent-length: 1000[^]*\r\n\r\nx{100}$/i),
  'malformed-response': answered(/Content-Length: 5\r\nContent-Length: 6/),
  'not-found': answered(/^HTTP\/1\.1 404 Not Found/),
  'connect-timeout': refused('ABORT_ERR'),
  'dns-failure': refused(/^(ENOTFOUND|EAI_AGAIN)$/),

  'missing-root-rolled': refused('UNABLE_TO_GET_ISSUER_CERT_LOCALLY'),
  'missing-root-rolled-no-key-id': refused('CERT_SIGNATURE_FAILURE'),
  'missing-root-cross-signed': refused('UNABLE_TO_GET_ISSUER_CERT_LOCALLY', () =>
    alsoTrust(lab.mends.elsewhereRootPem),
  ),
  'missing-intermediate-sibling': refused('UNABLE_TO_VERIFY_LEAF_SIGNATURE'),
  'missing-upper-intermediate': refused('UNABLE_TO_GET_ISSUER_CERT_LOCALLY'),
  'unknown-issuer': refused('UNABLE_TO_VERIFY_LEAF_SIGNATURE'),
  'self-signed-ca': refused('DEPTH_ZERO_SELF_SIGNED_CERT', () => alsoTrust(lab.backend('self-signed-ca').servedPem)),
  'expired-root': refused('CERT_HAS_EXPIRED'),
  'not-yet-valid-intermediate': refused('CERT_NOT_YET_VALID'),
  'issuer-not-ca': refused('INVALID_PURPOSE'),
  'issuer-without-basic-constraints': refused('INVALID_PURPOSE'),
  'issuer-by-key-usage': refused('INVALID_CA'),
  'issuer-key-usage': refused('UNSPECIFIED'),
  'wrong-purpose-intermediate': refused('INVALID_PURPOSE'),
  'path-length-exceeded': refused('PATH_LENGTH_EXCEEDED'),
  'name-constraint-violation': refused('UNSPECIFIED'),
  'name-constraint-violation-excluded': refused('UNSPECIFIED'),
  'name-constraint-violation-address': refused('UNSPECIFIED'),
  'weak-key': refused('UNSPECIFIED', () => securityLevel(0)),
  'weak-issuer-key': refused('UNSPECIFIED', () => securityLevel(0)),
  'weak-signature': refused('UNSPECIFIED', () => securityLevel(0)),
  'weak-issuer-signature': refused('UNSPECIFIED', () => securityLevel(0)),
  'bad-signature': refused('CERT_SIGNATURE_FAILURE'),
  'bad-signature-issuer': refused('CERT_SIGNATURE_FAILURE'),
  'unknown-critical-extension': refused('UNSPECIFIED'),
  'unknown-critical-extension-issuer': refused('UNSPECIFIED'),
  'malformed-names': refused('UNABLE_TO_VERIFY_LEAF_SIGNATURE'),
  'malformed-certificate': refused('ERR_SSL_TOO_LONG'),
  'malformed-trailing-bytes': refused('ERR_SSL_CERT_LENGTH_MISMATCH'),
  'malformed-intermediate': refused('ERR_SSL_TOO_LONG'),
  'depth-exceeded': refused('UNABLE_TO_GET_ISSUER_CERT_LOCALLY'),
  maze: refused('UNABLE_TO_GET_ISSUER_CERT_LOCALLY'),
  'name-mismatch-address': refused('name refused', () => ({ checkServerIdentity: () => undefined })),
  'name-mismatch-wildcard': refused('name refused', () => ({ checkServerIdentity: () => undefined })),
  'name-mismatch-common-name': refused('name refused', () => ({ checkServerIdentity: () => undefined })),
  'missing-root-tls12': refused('UNABLE_TO_GET_ISSUER_CERT_LOCALLY', () => alsoTrust(lab.mends.elsewhereRootPem)),
  'missing-intermediate-tls12': refused('UNABLE_TO_VERIFY_LEAF_SIGNATURE', () => alsoTrust(lab.mends.issuingPem)),
  'expired-tls12': refused('CERT_HAS_EXPIRED'),
  'self-signed-tls12': refused('DEPTH_ZERO_SELF_SIGNED_CERT'),
  'name-mismatch-tls12': refused('name refused', () => ({ checkServerIdentity: () => undefined })),
  'weak-key-tls12': refused('UNSPECIFIED', () => securityLevel(0)),
  'weak-signature-tls12': refused('UNSPECIFIED', () => securityLevel(0)),

  'handshake-reset': refused('ECONNRESET'),
  'handshake-closed-late': refused('ECONNRESET'),
  'handshake-timeout-late': refused('ABORT_ERR'),
  'server-name-rejected': refused('alert 112'),
  'peer-alert': refused('alert 80'),
  'peer-alert-unregistered': refused('ECONNRESET'),
  'no-application-protocol': refused('alert 120', () => ({ ALPNProtocols: ['h2'] })),
  'insufficient-security': refused('alert 71'),
  'no-shared-cipher-tls12': refused('alert 40', () => ({ ciphers: 'ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0' })),
  'protocol-version-tls13': refused('alert 70', () => ({ maxVersion: 'TLSv1.3' })),
  'client-certificate-rejected': refused(/^(|ECONNRESET)$/, withClientCertificate),
  'client-certificate-rejected-tls12': refused('ECONNRESET', withClientCertificate),
  'client-certificate-expired': refused(/^(|ECONNRESET)$/, withClientCertificate),
  'ssh-banner': refused('ERR_SSL_WRONG_VERSION_NUMBER'),
  'smtp-banner': refused('ERR_SSL_WRONG_VERSION_NUMBER'),
  'http-400': refused('ERR_SSL_WRONG_VERSION_NUMBER'),
  'junk-bytes': refused('ABORT_ERR'),

  'ok-tls12': answered(/^HTTP\/1\.1 200 OK/),
  'ok-tls13': answered(/^HTTP\/1\.1 200 OK/),
  'ok-hello-retry': answered(/^HTTP\/1\.1 200 OK/),
  'ok-wildcard': answered(/^HTTP\/1\.1 200 OK/),
  'root-served': answered(/^HTTP\/1\.1 200 OK/),
  'extra-certificates': answered(/^HTTP\/1\.1 200 OK/),
  'duplicate-intermediate': answered(/^HTTP\/1\.1 200 OK/),
  'cross-signed': answered(/^HTTP\/1\.1 200 OK/),
  'sha1-root': answered(/^HTTP\/1\.1 200 OK/),
  'stored-intermediate': answered(/^HTTP\/1\.1 200 OK/),
  'expired-intermediate-renewed': answered(/^HTTP\/1\.1 200 OK/),
  'expires-soon': answered(/^HTTP\/1\.1 200 OK/),
  'long-validity': answered(/^HTTP\/1\.1 200 OK/),
  'policy-required': answered(/^HTTP\/1\.1 200 OK/),
  'many-paths': answered(/^HTTP\/1\.1 200 OK/),
  'ocsp-good': answered(/^HTTP\/1\.1 200 OK/),
  'ocsp-revoked': answered(/^HTTP\/1\.1 200 OK/),
  'crl-good': answered(/^HTTP\/1\.1 200 OK/),
  revoked: refused('CERT_REVOKED'),
  'revoked-intermediate': refused('CERT_REVOKED'),
  'crl-stale': refused('CRL_HAS_EXPIRED'),
  'crl-missing': refused('UNABLE_TO_GET_CRL'),
  // The runtime by itself looks at no staple.
  'staple-good': answered(/^HTTP\/1\.1 200 OK/),
  'staple-missing': answered(/^HTTP\/1\.1 200 OK/),
  'staple-stale': answered(/^HTTP\/1\.1 200 OK/),
  'staple-revoked': answered(/^HTTP\/1\.1 200 OK/),
}

describe('each scenario of the lab shows its one fault to a verifying client', () => {
  for (const scenario of scenarioNames) {
    const { sees, reached, mend } = cases[scenario]
    it(`${scenario}: ${scenarios[scenario].summary}`, async () => {
      lab.reset()
      const outcome = await ask(lab.backend(scenario))
      if (typeof sees === 'string') assert.equal(outcome, sees)
      else assert.match(outcome, sees)
      await lab.settled(scenario)
      const { requests, requestBytes } = lab.counters(scenario)
      if (reached) {
        assert.equal(requests, 1)
        assert.ok(requestBytes > 0)
      } else assert.deepEqual({ requests, requestBytes }, { requests: 0, requestBytes: 0 })
    })
    if (mend !== undefined) {
      it(`${scenario}: what mends it lets the request through`, async () => {
        lab.reset()
        assert.match(await ask(lab.backend(scenario), mend()), /^HTTP\/1\.1 200 OK/)
        const { handshakes, requests, requestBytes } = lab.counters(scenario)
        assert.deepEqual({ handshakes, requests }, { handshakes: 1, requests: 1 })
        assert.ok(requestBytes > 0)
      })
    }
  }

  it('the counters would show a request that was sent without verification', async () => {
    for (const scenario of ['missing-root', 'expired', 'name-mismatch', 'self-signed'] as const) {
      lab.reset()
      assert.match(await ask(lab.backend(scenario), { rejectUnauthorized: false }), /^HTTP\/1\.1 200/)
      assert.ok(lab.counters(scenario).requestBytes > 0, scenario)
    }
  })

  it('the certificate named guilty is one that is served, or the issuer of one', () => {
    for (const scenario of scenarioNames) {
      const { guilty } = scenarios[scenario].expect
      if (guilty === null) continue
      const blocks = lab.backend(scenario).servedPem?.match(/-----BEGIN[^]*?-----END CERTIFICATE-----/g) ?? []
      // The runtime reads what our strict reader refuses.
      const named = blocks.map((pem) => new X509Certificate(pem)).flatMap(({ subject, issuer }) => [subject, issuer])
      assert.ok(
        named.some((name) => name?.split('\n').includes(`CN=${guilty}`)),
        `${scenario}: ${guilty} among ${named.join(', ')}`,
      )
    }
  })

  it('what passes and what is refused agrees with the table of expectations', () => {
    for (const scenario of scenarioNames) {
      const { expect, target }: Scenario = scenarios[scenario]
      // Only the gateway's own gate asks for a staple.
      const unasked = target?.revocation === 'staple-required'
      assert.equal(cases[scenario].reached, unasked || expect.verdict === 'trusted', scenario)
    }
  })
})
