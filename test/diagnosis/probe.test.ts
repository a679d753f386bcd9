import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { type TLSSocket, type TlsOptions } from 'node:tls'
import { connectOnce } from '../../src/diagnosis/probe-connection.ts'
import { Resolver } from '../../src/dial/resolver.ts'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import { pemOf } from '../../src/pki/make.ts'
import { startConnectProxy } from '../dial/connect-proxy.ts'
import { closed, dialOnce, serverPlan } from '../dial/dial-once.ts'
import { startDnsServer } from '../dial/dns-server.ts'
import {
  clientRoot,
  identity,
  issuing,
  leaf,
  name,
  probeOf,
  rawServer,
  root,
  stranger,
  tlsPlan,
  tlsServer,
} from './probe-rig.ts'

const [one, two, anchor, alien] = [leaf.certificate, issuing.certificate, root.certificate, stranger.certificate]
const versions: readonly TlsOptions[] = [{ maxVersion: 'TLSv1.2' }, { minVersion: 'TLSv1.3' }]
const elsewhere = { anchors: [clientRoot.certificatePem] }

describe('the served chain', { concurrency: true }, () => {
  const chains: readonly (readonly [string, readonly Buffer[]])[] = [
    ['in order', [one, two]],
    ['with the root', [one, two, anchor]],
    ['in wrong order', [one, anchor, two]],
    ['with duplicates', [one, two, one, two, two]],
    ['with a certificate of somebody else', [one, alien, two]],
    ['without its intermediate', [one]],
  ]
  for (const version of versions) {
    for (const [what, served] of chains) {
      it(`is what was served: ${what}, ${version.minVersion ?? version.maxVersion}, accepted or refused`, async () => {
        await using server = await tlsServer({ ...version, cert: pemOf(...served), key: leaf.keyPem })
        const complete = served.includes(two)
        const good = await probeOf(server.port)
        assert.equal(good.fault?.verdict, complete ? undefined : 'unknown-issuer')
        assert.deepEqual(good.handshake?.served, served)
        const refused = await probeOf(server.port, { tls: elsewhere })
        assert.notEqual(refused.fault, null)
        assert.deepEqual(refused.handshake?.served, served)
        assert.deepEqual([good.connections, refused.connections], [1, 1])
        assert.equal(refused.handshake.version, version.minVersion ?? version.maxVersion)
        assert.equal(server.requestBytes, 0)
      })
    }
  }

  it('is known after a HelloRetryRequest', async () => {
    await using server = await tlsServer({ ecdhCurve: 'P-384' })
    const { handshake, fault } = await probeOf(server.port)
    assert.deepEqual([fault, handshake?.helloRetry, handshake?.served], [null, true, [one, two]])
  })

  it('is known where the name is wrong', async () => {
    await using server = await tlsServer()
    const seen = await probeOf(server.port, { tls: { verifyNames: ['b.internal'] } })
    assert.equal(seen.fault?.verdict, 'name-mismatch')
    assert.deepEqual([seen.handshake?.served, seen.connections], [[one, two], 1])
  })

  it('is known through an egress proxy', async () => {
    await using server = await tlsServer()
    await using proxy = await startConnectProxy()
    const egress = { host: '127.0.0.1', port: proxy.port, authorization: null }
    const seen = await probeOf(server.port, { server: { egress } })
    assert.deepEqual([seen.fault, seen.handshake?.served], [null, [one, two]])
  })

  it('comes with the OCSP response that is stapled to it', async () => {
    const response = Buffer.from('3003020106', 'hex')
    for (const version of versions) {
      // A server of the runtime forgets its response when it asks for another key share, so it must not.
      await using server = await tlsServer({ ...version, ecdhCurve: 'X25519' }, undefined, (tls) => {
        tls.on('OCSPRequest', (_certificate, _issuer, done) => done(null, response))
      })
      const seen = await probeOf(server.port)
      assert.deepEqual([seen.fault, seen.handshake?.ocsp], [null, response])
    }
  })
})

describe('a probe', { concurrency: true }, () => {
  it('says what was offered and how long what took', async () => {
    await using server = await tlsServer()
    await using dns = await startDnsServer({ [name]: { a: ['127.0.0.1'] } })
    const named = await probeOf(server.port, {
      server: { host: name, dns: { servers: [dns.address], refreshMs: 30_000 } },
      tls: { alpn: ['h2', 'http/1.1'], ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256' },
    })
    assert.equal(named.address, `127.0.0.1:${server.port}`)
    assert.deepEqual(named.offered, {
      versions: ['TLSv1.2', 'TLSv1.3'],
      ciphers: ['TLS_AES_128_GCM_SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'],
      serverName: name,
      alpn: ['h2', 'http/1.1'],
    })
    for (const ms of Object.values(named.timings)) assert.ok(ms !== null && ms >= 0 && ms < 5000, String(ms))
    const direct = await probeOf(server.port)
    assert.equal(direct.timings.dnsMs, null)
  })

  it('stops where the way ends', async () => {
    await using dns = await startDnsServer({})
    const unnamed = await probeOf(443, { server: { host: name, dns: { servers: [dns.address], refreshMs: 30_000 } } })
    assert.equal(unnamed.fault?.verdict, 'dns-failure')
    assert.deepEqual([unnamed.address, unnamed.handshake, unnamed.offered, unnamed.connections], ['', null, null, 1])
    assert.deepEqual(
      [typeof unnamed.timings.dnsMs, unnamed.timings.connectMs, unnamed.timings.handshakeMs],
      ['number', null, null],
    )
    const refused = await probeOf(1)
    assert.equal(refused.fault?.verdict, 'connection-refused')
    assert.deepEqual([refused.address, refused.handshake, refused.timings.handshakeMs], ['127.0.0.1:1', null, null])
  })

  it('neither takes nor leaves a session', async () => {
    const reused: boolean[] = []
    await using server = await tlsServer({}, (socket: TLSSocket) => reused.push(socket.isSessionReused()))
    const tls = tlsPlan({ resumption: true })
    const plan = serverPlan({ port: server.port, tls })
    const trust = new TargetTrust(tls)
    const resolver = new Resolver()
    await connectOnce({ server: plan, trust, resolver })
    assert.equal(trust.session(Date.now()), null)
    for (let i = 0; trust.session(Date.now()) === null && i < 20; i++) {
      const { dialed } = await dialOnce(plan, { trust })
      if (dialed === null) throw new Error('not connected')
      await new Promise((resolve) => setTimeout(resolve, 10))
      await closed(dialed.socket)
    }
    assert.notEqual(trust.session(Date.now()), null, 'traffic leaves one')
    const { handshake } = await connectOnce({ server: plan, trust, resolver })
    assert.equal(handshake?.served.length, 2)
    assert.equal(reused.at(-1), false)
    resolver.close()
  })

  it('ends at once when it is aborted', async () => {
    await using server = await rawServer(() => {})
    const abort = new AbortController()
    const waiting = probeOf(server.port, {
      signal: abort.signal,
      server: { timeouts: { ...serverPlan({ port: 1 }).timeouts, handshakeMs: 60_000 } },
    })
    while (server.connections === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    abort.abort(new Error('enough'))
    await assert.rejects(waiting, /enough/)
    await assert.rejects(probeOf(server.port, { signal: abort.signal }), /enough/)
    assert.equal(server.connections, 1)
  })

  it('sends nothing to a server before or after it was verified', async () => {
    await using server = await tlsServer()
    await probeOf(server.port)
    await probeOf(server.port, { tls: elsewhere })
    assert.equal(server.requestBytes, 0)
  })

  it('leaves no connection open, whatever came of it', async () => {
    await using good = await tlsServer({ requestCert: true, rejectUnauthorized: false })
    await using silent = await rawServer((socket) => void socket.resume())
    const { timeouts } = serverPlan({ port: 1 })
    await probeOf(good.port)
    await probeOf(good.port, { tls: elsewhere })
    await probeOf(silent.port, { server: { timeouts: { ...timeouts, handshakeMs: 100 } } })
    const abort = new AbortController()
    const given = probeOf(silent.port, { signal: abort.signal })
    setImmediate(() => abort.abort())
    await assert.rejects(given)
    for (let i = 0; good.open + silent.open > 0 && i < 200; i++) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.deepEqual([good.open, silent.open], [0, 0])
  })

  it('of one server for ever does not grow', async () => {
    await using server = await tlsServer()
    const trust = new TargetTrust(tlsPlan())
    const plan = serverPlan({ port: server.port, tls: trust.plan })
    const resolver = new Resolver()
    const digests = new Set<string>()
    for (let i = 0; i < 50; i++) {
      const { handshake } = await connectOnce({ server: plan, trust, resolver })
      digests.add(
        createHash('sha256')
          .update(Buffer.concat(handshake?.served ?? []))
          .digest('hex'),
      )
    }
    assert.equal(digests.size, 1)
    resolver.close()
  })
})

describe('a connection that is listened to fails as traffic does', { concurrency: true }, () => {
  const alert = (level: number, description: number): Buffer => Buffer.from([21, 3, 3, 0, 2, level, description])
  const peers: readonly (readonly [string, (socket: Socket) => void])[] = [
    ['closes after the hello', (socket) => void socket.once('data', () => socket.end())],
    ['resets after the hello', (socket) => void socket.once('data', () => socket.resetAndDestroy())],
    ['closes at once', (socket) => void socket.end()],
    ['says 40', (socket) => void socket.once('data', () => socket.end(alert(2, 40)))],
    ['says 112', (socket) => void socket.once('data', () => socket.end(alert(2, 112)))],
    ['says 121', (socket) => void socket.once('data', () => socket.end(alert(2, 121)))],
    ['warns and closes', (socket) => void socket.once('data', () => socket.end(alert(1, 112)))],
    ['speaks HTTP', (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['says two letters', (socket) => void socket.end('xy')],
  ]
  for (const [what, behaves] of peers) {
    it(`where the server ${what}`, async () => {
      await using server = await rawServer(behaves)
      await same(server.port)
    })
  }

  const servers: readonly (readonly [string, TlsOptions])[] = [
    ['is not trusted', { cert: stranger.chainPem, key: stranger.keyPem }],
    ['is too old', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
    ['wants a certificate in TLS 1.2', { requestCert: true, ca: clientRoot.certificatePem, maxVersion: 'TLSv1.2' }],
    ['speaks another protocol', { ALPNProtocols: ['h2'] }],
    ['is good', identity],
  ]
  for (const [what, options] of servers) {
    it(`where the server ${what}`, async () => {
      await using server = await tlsServer(options)
      await same(server.port)
    })
  }

  async function same(port: number): Promise<void> {
    const plan = serverPlan({ port, tls: tlsPlan() })
    const resolver = new Resolver()
    const { dialed, fault } = await dialOnce(plan, { resolver })
    const probed = await connectOnce({ server: plan, trust: new TargetTrust(tlsPlan()), resolver })
    assert.deepEqual(withoutTimes(probed.fault), withoutTimes(fault))
    if (dialed !== null) await closed(dialed.socket)
    resolver.close()
  }

  function withoutTimes(fault: Awaited<ReturnType<typeof dialOnce>>['fault']): unknown {
    if (fault === null) return null
    return { ...fault, evidence: { ...fault.evidence, localAddress: '', connectionAgeMs: 0, timings: null } }
  }
})
