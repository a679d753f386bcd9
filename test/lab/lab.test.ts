import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, describe, it } from 'node:test'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { codeOf, messageOf } from '../../src/core/errors.ts'
import { type LabBackend, startLab } from '../../src/lab/lab.ts'
import { type ScenarioName, scenarioNames, scenarios } from '../../src/lab/scenarios.ts'
import { commonNameOf } from '../../src/x509/name.ts'
import { readBundle } from '../../src/x509/pem.ts'
import { checkIdentity } from '../../src/x509/host-names.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'

const lab = await startLab({ slowMs: 60 })
after(() => lab.close())

/** What a verifying client sees when it asks for `/`: bytes of the answer, or how it ended. */
async function ask(backend: LabBackend, options: ConnectionOptions = {}): Promise<string> {
  const socket = connect({
    host: backend.host,
    port: backend.port,
    servername: backend.serverName,
    ca: lab.trust.bundlePem,
    rejectUnauthorized: true,
    checkServerIdentity: (_, { raw }) =>
      checkIdentity(parseCertificate(raw), [backend.serverName]).ok ? undefined : new Error('name refused'),
    ALPNProtocols: ['http/1.1'],
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
const stallMs = 1500

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
      const { servedPem } = lab.backend(scenario)
      const { certificates } = readBundle(Buffer.from(servedPem ?? ''), scenario)
      const named = certificates.flatMap(({ subject, issuer }) => [commonNameOf(subject), commonNameOf(issuer)])
      assert.ok(named.includes(guilty), `${scenario}: ${guilty} among ${named.join(', ')}`)
    }
  })

  it('what passes and what is refused agrees with the table of expectations', () => {
    for (const scenario of scenarioNames) {
      const { verdict } = scenarios[scenario].expect
      assert.equal(cases[scenario].reached, verdict === 'trusted', scenario)
    }
  })
})
