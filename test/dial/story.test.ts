import assert from 'node:assert/strict'
import { createServer as createHttpServer } from 'node:http'
import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { type TlsOptions } from 'node:tls'
import { after, describe, it } from 'node:test'
import { Resolver } from '../../src/dial/resolver.ts'
import { endTap, storyOf } from '../../src/dial/story-of.ts'
import type { ConnectionStory } from '../../src/dial/story.ts'
import { Tap } from '../../src/dial/tap.ts'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import type { Fault } from '../../src/faults/fault.ts'
import { createLeaf, pemOf } from '../../src/pki/make.ts'
import type { ServerPlan } from '../../src/proxy/plan.ts'
import { client, issuing, leaf, name, rawServer, root, tlsPlan, tlsServer } from '../diagnosis/probe-rig.ts'
import { startConnectProxy } from './connect-proxy.ts'
import { closed, dialOnce, type DialOptions, serverPlan } from './dial-once.ts'
import { startDnsServer } from './dns-server.ts'

const versions: readonly TlsOptions[] = [{ maxVersion: 'TLSv1.2' }, { minVersion: 'TLSv1.3' }]
const secure = (port: number, change: Parameters<typeof tlsPlan>[0] = {}, server: Partial<ServerPlan> = {}) =>
  serverPlan({ port, tls: tlsPlan(change), ...server })

/** One dial, told. The connection is closed after its story. */
async function tell(
  plan: ServerPlan,
  options: DialOptions = {},
): Promise<ConnectionStory & { readonly fault: Fault | null }> {
  const { dialed, fault, opening } = await dialOnce(plan, options)
  if (options.tap !== undefined) endTap(opening)
  const story = storyOf(opening, fault)
  if (dialed !== null) await closed(dialed.socket)
  return { ...story, fault }
}

describe('a connection tells how it was opened', () => {
  it('over plain HTTP: an address, a time, and no TLS', async () => {
    const before = Date.now()
    const server = createHttpServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const story = await tell(serverPlan({ port, tls: null }))
    server.close()
    assert.deepEqual([story.tls, story.failure, story.dns, story.via], [null, null, null, ''])
    assert.equal(story.address, `127.0.0.1:${port}`)
    assert.match(story.localAddress, /^127\.0\.0\.1:\d+$/)
    assert.ok(story.startedAt >= before - 1 && story.startedAt <= Date.now() + 1)
    assert.deepEqual(
      story.attempts.map(({ address, error }) => [address, error]),
      [[`127.0.0.1:${port}`, '']],
    )
    assert.ok((story.connectMs ?? 0) >= (story.attempts[0]?.ms ?? Number.POSITIVE_INFINITY))
  })

  for (const alpn of ['http/1.1', 'h2']) {
    it(`over TLS and ${alpn}: what was configured, what was chosen, and the chain`, async () => {
      await using server = await tlsServer({ ALPNProtocols: ['h2', 'http/1.1'] })
      const plan = secure(server.port, {
        alpn: [alpn],
        ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256',
      })
      const { tls, failure, connectMs } = await tell(plan)
      assert.deepEqual([failure, connectMs !== null, tls !== null && tls.ms !== null], [null, true, true])
      assert.deepEqual(tls?.offered, {
        serverName: name,
        versions: ['TLSv1.2', 'TLSv1.3'],
        ciphers: ['TLS_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
        groups: ['x25519', 'X25519MLKEM768', 'secp256r1', 'x448', 'secp384r1', 'secp521r1'],
        signatureAlgorithms: [],
        alpn: [alpn],
        clientCertificate: '',
      })
      assert.deepEqual([tls?.chosen?.version, tls?.chosen?.cipher], ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'])
      assert.equal(tls?.chosen?.alpn, alpn)
      assert.deepEqual(
        tls?.chain.map(({ pem }) => pem),
        [leaf.certificatePem, issuing.certificatePem],
      )
      const [first] = tls?.chain ?? []
      assert.match(first?.issuer ?? '', /Issuing/)
      assert.deepEqual(first?.names, [name])
      assert.deepEqual([tls?.captured, tls?.resumed, tls?.skipped, tls?.alert], [false, false, [], null])
    })
  }

  it('captured: what was really offered, the request for our certificate, and which one it is', async () => {
    await using server = await tlsServer({ requestCert: true, rejectUnauthorized: false, ecdhCurve: 'P-384' })
    const clientCertificate = { chain: client.chainPem, key: client.keyPem }
    const { tls } = await tell(secure(server.port, { clientCertificate }), { tap: new Tap() })
    assert.deepEqual([tls?.captured, tls?.clientCertificateAsked, tls?.chosen?.group], [true, true, 'secp384r1'])
    assert.match(tls?.offered.clientCertificate ?? '', /client/)
    assert.ok((tls?.offered.signatureAlgorithms.length ?? 0) > 5)
    await using quiet = await tlsServer()
    const other = await tell(secure(quiet.port, { clientCertificate }), { tap: new Tap() })
    assert.equal(other.tls?.clientCertificateAsked, false)
  })

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`resumed, ${version}: no certificate was shown; and a captured dial resumes nothing and leaves nothing`, async () => {
      await using server = await tlsServer({ minVersion: version, maxVersion: version }, (socket) => socket.end('x'))
      const plan = secure(server.port, { resumption: true })
      const trust = new TargetTrust(plan.tls ?? assert.fail())
      const full = async (tap?: Tap): Promise<ConnectionStory> => {
        const { dialed, opening, reads } = await dialOnce(plan, { trust, ...(tap === undefined ? {} : { tap }) })
        if (dialed === null) assert.fail()
        if (tap !== undefined) endTap(opening)
        const story = storyOf(opening, null)
        // Tickets of TLS 1.3 come with, or before, the first byte.
        await reads.until((text) => text !== '')
        await closed(dialed.socket)
        return story
      }
      const facts = ({ tls }: ConnectionStory) => [tls?.resumed, tls?.captured, tls?.chain.length]
      assert.deepEqual(facts(await full(new Tap())), [false, true, 2])
      assert.equal(trust.session(Date.now()), null)
      assert.deepEqual(facts(await full()), [false, false, 2])
      const resumed = await full()
      assert.deepEqual(facts(resumed), [true, false, 0])
      assert.equal(resumed.tls?.chosen?.version, version)
      assert.deepEqual(facts(await full(new Tap())), [false, true, 2])
    })
  }

  it('under an exception: what it skipped, while it is in force', async () => {
    await using server = await tlsServer({ cert: leaf.certificatePem, key: leaf.keyPem })
    const told = async (until: number | null) => {
      const exceptions = [{ skip: 'chain', owner: 'ops', reason: 'r', until }] as const
      const { tls, failure } = await tell(secure(server.port, { skipChain: true, exceptions }))
      return [tls?.verdict, tls?.skipped, failure?.verdict]
    }
    assert.deepEqual(await told(null), ['trusted', ['chain'], undefined])
    assert.deepEqual(await told(1), ['unknown-issuer', [], 'unknown-issuer'])
  })

  it('through an egress proxy: by whom, and what the server behind it did', async () => {
    await using server = await tlsServer()
    await using proxy = await startConnectProxy()
    const egress = { host: '127.0.0.1', port: proxy.port, authorization: null }
    for (const tap of [undefined, new Tap()]) {
      const story = await tell(secure(server.port, {}, { egress }), tap === undefined ? {} : { tap })
      assert.deepEqual([story.via, story.address], [`127.0.0.1:${proxy.port}`, `127.0.0.1:${proxy.port}`])
      assert.deepEqual([story.tls?.chain.length, story.tls?.captured], [2, tap !== undefined])
    }
  })
  it('through an egress proxy that refuses: how far it came', async () => {
    await using proxy = await startConnectProxy({ answer: ['HTTP/1.1 403 No\r\n\r\n'] })
    const egress = { host: '127.0.0.1', port: proxy.port, authorization: null }
    const story = await tell(secure(1, {}, { egress }))
    assert.deepEqual([story.tls, story.connectMs, story.failure?.phase], [null, null, 'tunnel'])
    assert.equal(story.address, `127.0.0.1:${proxy.port}`)
  })

  it('by a name: its addresses, which of them refused, and whether the answer was remembered', async () => {
    await using server = await tlsServer()
    await using dns = await startDnsServer({
      'a.test': { a: ['127.0.0.2', '127.0.0.1'] },
      'b.test': { a: ['127.0.0.2'] },
    })
    const resolver = new Resolver()
    const to = (host: string) => secure(server.port, {}, { host, dns: { servers: [dns.address], refreshMs: 30_000 } })
    const first = await tell(to('a.test'), { resolver })
    assert.deepEqual([first.dns?.host, first.dns?.cached], ['a.test', false])
    assert.deepEqual(first.dns?.addresses, ['127.0.0.2', '127.0.0.1'])
    assert.deepEqual(
      first.attempts.map(({ address, error }) => [address, error]),
      [
        [`127.0.0.2:${server.port}`, 'ECONNREFUSED'],
        [`127.0.0.1:${server.port}`, ''],
      ],
    )
    assert.ok(first.dns !== null && first.dns.ms > 0 && (first.connectMs ?? 0) > first.dns.ms)
    const second = await tell(to('a.test'), { resolver })
    assert.deepEqual([second.dns?.cached, second.dns?.addresses], [true, ['127.0.0.1', '127.0.0.2']])
    assert.equal(second.attempts.length, 1)
    const none = await tell(to('b.test'), { resolver })
    assert.deepEqual([none.failure?.verdict, none.address, none.connectMs], ['connection-refused', '', null])
    assert.equal(none.attempts[0]?.error, 'ECONNREFUSED')
    resolver.close()
  })

  it('once, however often it is asked, and with one copy of the chain for all connections', async () => {
    await using server = await tlsServer()
    const plan = secure(server.port)
    const trust = new TargetTrust(plan.tls ?? assert.fail())
    // The first one is captured by the runtime, those after it are not (docs/decisions/0008).
    const opened = [await dialOnce(plan, { trust }), await dialOnce(plan, { trust }), await dialOnce(plan, { trust })]
    const [, one, two] = opened.map(
      ({ opening }) =>
        () =>
          storyOf(opening, null),
    )
    if (one === undefined || two === undefined) assert.fail()
    assert.equal(one(), one())
    assert.notEqual(one(), two())
    assert.equal(one().tls?.chain[1], two().tls?.chain[1])
    for (const { dialed } of opened) if (dialed !== null) await closed(dialed.socket)
  })

  for (const [what, chain] of [
    ['that the backend serves', [leaf.certificate, issuing.certificate, root.certificate]],
    ['that only the store has', [leaf.certificate, issuing.certificate]],
  ] as const) {
    it(`with a root ${what}, for the first connection as for later ones`, async () => {
      await using server = await tlsServer({ cert: pemOf(...chain), key: leaf.keyPem })
      const plan = secure(server.port)
      const trust = new TargetTrust(plan.tls ?? assert.fail())
      for (let connection = 0; connection < 3; connection++) {
        const { tls } = await tell(plan, { trust })
        assert.equal(tls?.chain.length, chain.length)
      }
    })
  }
})

describe('a dial that failed tells how far it came', () => {
  it('with times in its evidence, for each part that was begun', async () => {
    await using server = await tlsServer()
    const silent = createTcpServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    after(() => silent.close())
    await using dns = await startDnsServer()
    const none = { host: 'nowhere.test', dns: { servers: [dns.address], refreshMs: 30_000 } }
    const refused = createTcpServer().listen(0, '127.0.0.1')
    await once(refused, 'listening')
    const { port: closedPort } = refused.address() as AddressInfo
    refused.close()
    const cases: readonly (readonly [ServerPlan, string, readonly (string | null)[]])[] = [
      [secure(1, {}, none), 'dns-failure', ['dnsMs']],
      [secure(closedPort), 'connection-refused', ['connectMs']],
      [secure(server.port, { anchors: [client.certificatePem] }), 'missing-root', ['connectMs', 'handshakeMs']],
      [secure(server.port, { verifyNames: ['b.internal'] }), 'name-mismatch', ['connectMs', 'handshakeMs']],
    ]
    for (const [plan, verdict, reached] of cases) {
      const story = await tell(plan)
      const timings = story.fault?.evidence['timings'] as Record<string, number | null>
      assert.equal(story.failure?.verdict, verdict)
      assert.equal(timings['startedAt'], story.startedAt)
      const { startedAt: _, ...parts } = timings
      assert.deepEqual(Object.keys(parts), ['dnsMs', 'connectMs', 'handshakeMs'])
      assert.deepEqual(
        Object.keys(parts).filter((part) => parts[part] !== null),
        reached,
        verdict,
      )
      for (const ms of Object.values(parts)) assert.ok(ms === null || (ms >= 0 && ms < 5000))
    }
  })

  it('with the verdict that was found out later, and not the first word of the dialer', async () => {
    await using server = await tlsServer()
    const { fault, opening } = await dialOnce(secure(server.port, { anchors: [client.certificatePem] }))
    if (fault === null) assert.fail()
    const exact: Fault = { ...fault, verdict: 'unknown-issuer', summary: 'nobody knows it' }
    const story = storyOf(opening, exact)
    assert.deepEqual([story.tls?.verdict, story.failure?.verdict], ['unknown-issuer', 'unknown-issuer'])
    assert.equal(story.failure?.summary, exact.summary)
    assert.equal(storyOf(opening, fault).failure?.verdict, 'missing-root')
  })

  for (const version of versions) {
    it(`with the alert that was sent by us, ${version.minVersion ?? version.maxVersion}`, async () => {
      // More than OpenSSL takes.
      const many = Array.from({ length: 400 }, () => issuing.certificate)
      await using server = await tlsServer({ ...version, cert: pemOf(leaf.certificate, ...many), key: leaf.keyPem })
      const { tls, failure } = await tell(secure(server.port), { tap: new Tap() })
      assert.equal(failure?.phase, 'handshake')
      assert.deepEqual(tls?.alert, { from: 'gateway', name: 'illegal_parameter', code: 47 })
      // The runtime tells nobody of it.
      assert.equal((await tell(secure(server.port))).tls?.alert, null)
    })
  }

  it('with a warning of the backend where it went away after it, which the runtime tells nobody of', async () => {
    const warning = Buffer.from([21, 3, 3, 0, 2, 1, 112])
    await using server = await rawServer((socket) => socket.once('data', () => socket.end(warning)))
    const { tls, failure } = await tell(secure(server.port), { tap: new Tap() })
    assert.equal(failure?.verdict, 'handshake-closed')
    assert.deepEqual(tls?.alert, { from: 'backend', name: 'unrecognized_name', code: 112 })
    assert.equal((await tell(secure(server.port))).tls?.alert, null)
  })
})

describe('the bytes of a handshake', () => {
  for (const version of versions) {
    it(`name the group of the key exchange, ${version.minVersion ?? version.maxVersion}`, async () => {
      await using server = await tlsServer({ ...version, ecdhCurve: 'P-384' })
      const tap = new Tap()
      const { dialed } = await dialOnce(secure(server.port), { tap })
      assert.equal(tap.handshake()?.group, 'secp384r1')
      if (dialed !== null) await closed(dialed.socket)
    })
  }

  it('name no group for a key exchange by RSA', async () => {
    const rsa = await createLeaf(root, { names: [name], key: 'rsa-2048' })
    const options = {
      cert: rsa.chainPem,
      key: rsa.keyPem,
      maxVersion: 'TLSv1.2',
      ciphers: 'AES128-GCM-SHA256',
    } as const
    await using server = await tlsServer(options)
    const tap = new Tap()
    const story = await tell(secure(server.port), { tap })
    assert.deepEqual([story.tls?.chosen?.cipher, story.tls?.chosen?.group], ['TLS_RSA_WITH_AES_128_GCM_SHA256', ''])
  })

  it('are handed out in both directions, in order and without the key log, until the tap has ended', async () => {
    await using server = await tlsServer({ ecdhCurve: 'P-384' })
    const tap = new Tap()
    const before = Date.now()
    const { dialed } = await dialOnce(secure(server.port), { tap })
    const pieces = tap.transcript()
    // The server wants another group first.
    assert.deepEqual(
      pieces.slice(0, 4).map(({ from }) => from),
      ['gateway', 'backend', 'gateway', 'backend'],
    )
    assert.deepEqual(
      pieces.map(({ at }) => at),
      pieces.map(({ at }) => at).sort((one, other) => one - other),
    )
    assert.ok(pieces.every(({ at }) => at >= before - 1 && at <= Date.now() + 1))
    for (const from of ['gateway', 'backend'] as const) {
      const bytes = Buffer.concat(pieces.filter((piece) => piece.from === from).map((piece) => piece.bytes))
      assert.deepEqual([bytes[0], bytes[1]], [22, 3])
      assert.ok(!bytes.includes('_SECRET'))
    }
    if (dialed !== null) await closed(dialed.socket)
    tap.end()
    assert.deepEqual(tap.transcript(), [])
  })
})
