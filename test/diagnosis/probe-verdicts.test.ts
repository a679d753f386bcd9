import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import type { TlsOptions } from 'node:tls'
import { inspect } from 'node:util'
import type { TargetTlsPlan } from '../../src/proxy/plan.ts'
import type { VerdictCode } from '../../src/verdict/codes.ts'
import { createLeaf } from '../../src/pki/make.ts'
import { serverPlan } from '../support/server-plan.ts'
import { certificate12, extension, record, serverHello } from '../wire-tls/flight-make.ts'
import { client, clientRoot, issuing, name, probeOf, rawServer, stranger, tlsServer, verdictOf } from './probe-rig.ts'

const identityOf = ({ chainPem, keyPem }: typeof client): TargetTlsPlan['clientCertificate'] => ({
  chain: chainPem,
  key: keyPem,
})
const alert = (level: number, description: number): Buffer => Buffer.from([21, 3, 3, 0, 2, level, description])
const rsa = await createLeaf(issuing, { names: [name], key: 'rsa-2048' })

describe('offer and demand', { concurrency: true }, () => {
  interface Case {
    readonly server: TlsOptions
    readonly tls?: Partial<TargetTlsPlan>
    readonly code: VerdictCode
    readonly party: string
    readonly evidence: Readonly<Record<string, unknown>>
    /** In all; left out where it is the budget. */
    readonly connections?: number
  }
  const cases: Readonly<Record<string, Case>> = {
    'a server of old versions only': {
      server: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      code: 'protocol-version',
      party: 'backend',
      evidence: { offered: ['TLSv1.2', 'TLSv1.3'], accepted: ['TLSv1', 'TLSv1.1'], alertName: 'protocol_version' },
      connections: 3,
    },
    'a server of TLS 1.2 for a target that demands 1.3': {
      server: { maxVersion: 'TLSv1.2' },
      tls: { minVersion: 'TLSv1.3' },
      code: 'protocol-version',
      party: 'gateway',
      evidence: { offered: ['TLSv1.3'], accepted: ['TLSv1.2'] },
      connections: 4,
    },
    'a server of TLS 1.3 for a target held at 1.2': {
      server: { minVersion: 'TLSv1.3' },
      tls: { maxVersion: 'TLSv1.2' },
      code: 'protocol-version',
      party: 'gateway',
      evidence: { offered: ['TLSv1.2'], accepted: ['TLSv1.3'] },
      connections: 5,
    },
    'a server of one TLS 1.3 suite that is not offered': {
      server: { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_CCM_SHA256' },
      code: 'no-shared-cipher',
      party: 'backend',
      evidence: { accepted: ['TLS_AES_128_CCM_SHA256'], alert: 40 },
      connections: 3,
    },
    'a server of one TLS 1.2 suite that is not offered': {
      server: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0' },
      code: 'no-shared-cipher',
      party: 'backend',
      evidence: { accepted: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'] },
      connections: 3,
    },
    'a server with RSA key exchange in CBC for a target that wants forward secrecy': {
      server: { maxVersion: 'TLSv1.2', cert: rsa.chainPem, key: rsa.keyPem, ciphers: 'AES128-SHA:AES256-SHA' },
      tls: { ciphers: 'ECDHE+AESGCM' },
      code: 'no-shared-cipher',
      party: 'gateway',
      evidence: { accepted: ['TLS_RSA_WITH_AES_128_CBC_SHA', 'TLS_RSA_WITH_AES_256_CBC_SHA'] },
      connections: 5,
    },
    'ciphers of a target that are of another version than it allows': {
      server: {},
      tls: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-CCM8' },
      code: 'no-shared-cipher',
      party: 'gateway',
      evidence: { offered: [] },
    },
    'a server of HTTP/2 for a target of HTTP/1.1': {
      server: { ALPNProtocols: ['h2'] },
      code: 'peer-alert',
      party: 'gateway',
      evidence: { offered: ['http/1.1'], accepted: ['h2'], alertName: 'no_application_protocol' },
      connections: 3,
    },
    'a server that closes for the name': {
      server: { SNICallback: (_name, done) => done(new Error('no such name')) },
      code: 'server-name-rejected',
      party: 'gateway',
      evidence: { serverName: name, withoutName: true },
      connections: 3,
    },
  }
  for (const [what, { server: options, tls, code, party, evidence, connections }] of Object.entries(cases)) {
    it(what, async () => {
      await using server = await tlsServer(options)
      const verdict = await verdictOf(server.port, { tls: tls ?? {} })
      assert.equal(verdict.code, code, verdict.summary)
      assert.equal(verdict.party, party)
      for (const [key, value] of Object.entries(evidence)) assert.deepEqual(verdict.evidence[key], value, key)
      assert.ok(verdict.probe.connections <= 9)
      if (connections !== undefined) assert.equal(verdict.probe.connections, connections)
      assert.equal(server.requestBytes, 0)
    })
  }

  it('a server that wants a name where none is sent', async () => {
    await using server = await rawServerFor((hello) => hello.includes(name))
    const verdict = await verdictOf(server.port, { tls: { serverName: null } })
    assert.deepEqual([verdict.code, verdict.evidence['serverName']], ['server-name-rejected', null])
    assert.match(verdict.summary, /no server name.*with one the backend goes on/i)
  })

  it('costs one connection where nothing may be settled, and as many as are allowed elsewhere', async () => {
    await using server = await tlsServer({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })
    const alone = await verdictOf(server.port, { settle: false })
    assert.deepEqual([alone.code, alone.probe.connections], ['protocol-version', 1])
    const two = await verdictOf(server.port, { budget: 1 })
    assert.deepEqual([two.probe.connections, two.probe.facts.versions], [2, ['TLSv1.1']])
    await using generous = await tlsServer()
    const many = await probeOf(generous.port, {
      budget: 1000,
      tls: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-CCM8' },
    })
    assert.equal(many.connections, 9)
  })

  /** A TLS server behind a filter on hellos, as some load balancers are. */
  async function rawServerFor(passes: (hello: Buffer) => boolean) {
    const inner = await tlsServer()
    const outer = await rawServer((socket) => {
      socket.once('data', (hello) => {
        if (!passes(hello)) {
          socket.end()
          return
        }
        const through = connect(inner.port, '127.0.0.1')
        through.on('error', () => socket.destroy())
        through.write(hello)
        socket.pipe(through).pipe(socket)
      })
    })
    return {
      port: outer.port,
      async [Symbol.asyncDispose]() {
        await outer[Symbol.asyncDispose]()
        await inner[Symbol.asyncDispose]()
      },
    }
  }
})

describe('client certificates', { concurrency: true }, () => {
  const accepted = 'CN=Client Root, O=Partners'
  for (const version of [{ maxVersion: 'TLSv1.2' }, { minVersion: 'TLSv1.3' }] as const) {
    const demanding: TlsOptions = {
      ...version,
      requestCert: true,
      rejectUnauthorized: true,
      ca: clientRoot.certificatePem,
    }
    const words = Object.values(version)[0]

    it(`that are demanded are missed: ${words}`, async () => {
      await using server = await tlsServer(demanding)
      const verdict = await verdictOf(server.port)
      assert.equal(verdict.code, 'client-certificate-required')
      assert.equal(verdict.party, 'client-identity')
      assert.deepEqual(verdict.evidence['acceptableIssuers'], [accepted])
      assert.equal(verdict.evidence['alert'], words === 'TLSv1.2' ? 40 : 116)
      assert.equal(verdict.probe.connections, 1)
      assert.equal(verdict.probe.handshake?.served.length, 2)
    })

    it(`of somebody else are refused, and whose would be accepted is said: ${words}`, async () => {
      await using server = await tlsServer(demanding)
      const verdict = await verdictOf(server.port, { tls: { clientCertificate: identityOf(stranger) } })
      assert.equal(verdict.code, 'client-certificate-rejected')
      assert.deepEqual(verdict.evidence['acceptableIssuers'], [accepted])
      assert.deepEqual(verdict.evidence['clientIssuers'], ['CN=Stranger Root'])
      assert.equal(verdict.evidence['issuerAccepted'], false)
      assert.match(verdict.summary, /"CN=stranger" comes from CN=Stranger Root.*CN=Client Root, O=Partners/)
    })

    it(`that are right are no fault, nor where they are a wish: ${words}`, async () => {
      await using server = await tlsServer(demanding)
      const good = await probeOf(server.port, { tls: { clientCertificate: identityOf(client) } })
      assert.deepEqual([good.fault, good.handshake?.certificateRequest?.issuers.length], [null, 1])
      await using wishing = await tlsServer({ ...demanding, rejectUnauthorized: false })
      assert.equal((await probeOf(wishing.port)).fault, null)
    })

    it(`that have expired are refused although their issuer is accepted: ${words}`, async () => {
      const old = await createLeaf(clientRoot, {
        names: ['old'],
        purposes: ['clientAuth'],
        notBefore: new Date(Date.now() - 90 * 86_400_000),
        notAfter: new Date(Date.now() - 86_400_000),
      })
      await using server = await tlsServer(demanding)
      const verdict = await verdictOf(server.port, { tls: { clientCertificate: identityOf(old) } })
      assert.deepEqual([verdict.code, verdict.evidence['issuerAccepted']], ['client-certificate-rejected', true])
    })
  }

  it('are not asked for where the chain is refused first', async () => {
    await using server = await tlsServer({ requestCert: true, rejectUnauthorized: true, ca: clientRoot.certificatePem })
    const seen = await probeOf(server.port, { tls: { anchors: [clientRoot.certificatePem] } })
    assert.equal(seen.fault?.verdict, 'missing-root')
    assert.deepEqual([seen.connections, seen.handshake?.certificateRequest?.issuers.length], [1, 1])
  })
})

describe('what is said instead', { concurrency: true }, () => {
  const hello = (say: (socket: Socket) => void) => (socket: Socket) => void socket.once('data', () => say(socket))
  const ends = (bytes: Buffer | string) => hello((socket) => socket.end(bytes))
  /** RFC 5746: without it the runtime refuses a server. */
  const renegotiation = extension(0xff01, Buffer.from([0]))
  interface Case {
    readonly behaves: (socket: Socket) => void
    readonly code: VerdictCode
    readonly evidence?: Readonly<Record<string, unknown>>
  }
  const cases: Readonly<Record<string, Case>> = {
    'SSH, which speaks first': {
      behaves: (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'),
      code: 'not-tls',
      evidence: { protocol: 'ssh', firstBytes: 'SSH-2.0-OpenSSH_9.2\\r\\n' },
    },
    'SMTP, which speaks first': {
      behaves: (socket) => socket.write('220 mail.lab.test ESMTP\r\n'),
      code: 'not-tls',
      evidence: { protocol: 'smtp' },
    },
    HTTP: { behaves: ends('HTTP/1.1 400 Bad Request\r\n\r\n'), code: 'not-tls', evidence: { protocol: 'http' } },
    'two bytes of junk': {
      behaves: (socket) => socket.write(Buffer.from([7, 42])),
      code: 'not-tls',
      evidence: { protocol: 'unknown', firstBytes: '\\x07*' },
    },
    'escape sequences': {
      behaves: ends(Buffer.from('\x1b[2J"\\\0')),
      code: 'not-tls',
      evidence: { firstBytes: '\\x1b[2J\\"\\\\\\x00' },
    },
    'an alert of SSL 3.0': { behaves: ends(Buffer.from([21, 3, 0, 0, 2, 2, 40])), code: 'protocol-version' },
    nothing: { behaves: () => {}, code: 'handshake-timeout' },
    'half a record': {
      behaves: hello((socket) => socket.write(Buffer.from([22, 3, 3, 0, 90, 2]))),
      code: 'handshake-timeout',
      evidence: { firstBytes: '\\x16\\x03\\x03\\x00Z\\x02' },
    },
    'a certificate that is none': {
      behaves: ends(
        Buffer.concat([record(22, serverHello()), record(22, certificate12(Buffer.from('30020500', 'hex')))]),
      ),
      code: 'malformed-certificate',
    },
    'a ServerHello and a goodbye': {
      behaves: ends(record(22, serverHello({ extensions: [renegotiation] }))),
      code: 'handshake-closed',
    },
    'a ServerHello and nothing more': {
      behaves: hello((socket) => socket.write(record(22, serverHello({ extensions: [renegotiation] })))),
      code: 'handshake-timeout',
      evidence: { protocol: 'TLSv1.2' },
    },
    'a goodbye': { behaves: hello((socket) => socket.end()), code: 'handshake-closed' },
    'a reset': { behaves: hello((socket) => socket.resetAndDestroy()), code: 'handshake-closed' },
    'a warning about the name and a goodbye': {
      behaves: ends(alert(1, 112)),
      code: 'server-name-rejected',
      evidence: { alert: 112 },
    },
  }
  for (const [what, { behaves, code, evidence = {} }] of Object.entries(cases)) {
    it(what, async () => {
      await using server = await rawServer(behaves)
      const { timeouts } = serverPlan({ port: 1, tls: null })
      const verdict = await verdictOf(server.port, { server: { timeouts: { ...timeouts, handshakeMs: 300 } } })
      assert.equal(verdict.code, code, verdict.summary)
      for (const [key, value] of Object.entries(evidence)) assert.deepEqual(verdict.evidence[key], value, key)
      assert.ok(verdict.probe.connections <= 3)
      assert.doesNotMatch(verdict.summary, /\p{Cc}/u)
    })
  }

  const alerts: readonly (readonly [number, VerdictCode])[] = [
    [10, 'peer-alert'],
    [40, 'peer-alert'],
    [47, 'peer-alert'],
    [48, 'peer-alert'],
    [50, 'peer-alert'],
    [70, 'protocol-version'],
    [71, 'no-shared-cipher'],
    [80, 'peer-alert'],
    [112, 'server-name-rejected'],
    [116, 'client-certificate-required'],
    [120, 'peer-alert'],
    [121, 'peer-alert'],
    [200, 'peer-alert'],
  ]
  for (const [number, code] of alerts) {
    it(`alert ${number} and nothing else`, async () => {
      await using server = await rawServer(ends(alert(2, number)))
      const verdict = await verdictOf(server.port)
      assert.equal(verdict.code, code, verdict.summary)
      assert.equal(verdict.evidence['alert'], number)
      assert.ok(verdict.probe.connections <= 3)
    })
  }
})

it('the key log stays in the probe', async () => {
  await using server = await tlsServer()
  for (const tls of [{}, { anchors: [clientRoot.certificatePem] }]) {
    assert.doesNotMatch(inspect(await probeOf(server.port, { tls }), { depth: 10 }), /SECRET|CLIENT_RANDOM/)
  }
})
