import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { dial } from '../../src/dial/dial.ts'
import { Resolver } from '../../src/dial/resolver.ts'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import { serverPlan } from '../support/server-plan.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import type { TargetTlsPlan, TlsException, TlsVersion } from '../../src/proxy/plan.ts'
import { startTlsBackend } from '../support/tls-backend.ts'

const rootA = await createRoot({ commonName: 'Root A' })
const rootB = await createRoot({ commonName: 'Root B' })
const leaf = await createLeaf(rootA, { names: ['a.internal'] })

function trustOf(version: TlsVersion, change: Partial<TargetTlsPlan>): TargetTrust {
  return new TargetTrust({
    snapshotId: '0',
    anchors: [rootA.certificatePem],
    intermediates: [],
    partialChain: false,
    serverName: 'a.internal',
    verifyNames: ['a.internal'],
    minVersion: version,
    maxVersion: version,
    ciphers: null,
    alpn: ['http/1.1'],
    clientCertificate: null,
    skipChain: false,
    skipName: false,
    exceptions: [],
    resumption: true,
    revocation: { mode: 'off' },
    onTrustChange: 'drain',
    ...change,
  })
}

/** One connection under `trust`: `verified`, `resumed`, or the verdict. */
async function connect(port: number, trust: TargetTrust): Promise<string> {
  const server = serverPlan({ port, tls: trust.plan })
  const resolver = new Resolver()
  let received = (): void => {}
  const answered = new Promise<void>((resolve) => {
    received = resolve
  })
  return new Promise((resolve) => {
    dial({
      server,
      trust,
      resolver,
      onread: { buffer: Buffer.alloc(4096), callback: () => (received(), true) },
      observer: { resolving() {}, offering() {}, presented() {} },
      failed: (fault) => resolve(fault.verdict ?? fault.kind),
      opened({ socket, resumed }) {
        // TLS 1.3 sends its tickets with the first data.
        socket.write('GET / HTTP/1.1\r\nHost: a.internal\r\n\r\n')
        void answered.then(async () => {
          socket.destroy()
          await once(socket, 'close')
          resolve(resumed ? 'resumed' : 'verified')
        })
      },
    })
  })
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  describe(`sessions of ${version}`, () => {
    const rows: readonly [string, Partial<TargetTlsPlan>, string][] = [
      ['another root', { anchors: [rootB.certificatePem] }, 'unknown-issuer'],
      ['another name to verify', { verifyNames: ['b.internal'] }, 'name-mismatch'],
    ]
    for (const [what, change, verdict] of rows) {
      it(`are bound to their trust: ${what} means ${verdict}, and only a stolen session would hide it`, async () => {
        await using backend = await startTlsBackend({ identity: leaf, maxVersion: version })
        const trusted = trustOf(version, {})
        assert.equal(await connect(backend.port, trusted), 'verified')
        assert.equal(await connect(backend.port, trusted), 'resumed')

        const changed = trustOf(version, change)
        assert.equal(await connect(backend.port, changed), verdict)

        // The binding broken by hand: this is what the runtime makes of a session that crosses snapshots, and so what the
        // line above would be if they were kept anywhere else than in their TargetTrust. (tls-on-node section 4)
        const stolen = trusted.session(Date.now())
        assert.ok(stolen)
        changed.keepSession(stolen.session, stolen.validUntil)
        assert.equal(await connect(backend.port, changed), 'resumed')
        changed.dropSession()
        assert.equal(await connect(backend.port, changed), verdict)
      })
    }

    it('are given up when what they prove has ended', () => {
      const trust = trustOf(version, {})
      trust.keepSession(Buffer.from('session'), 1000)
      assert.equal(trust.session(999)?.validUntil, 1000)
      assert.equal(trust.session(1000), null)
      assert.equal(trust.session(999), null)
    })

    it('are neither kept nor used where resumption is off', async () => {
      await using backend = await startTlsBackend({ identity: leaf, maxVersion: version })
      const trust = trustOf(version, { resumption: false })
      assert.equal(await connect(backend.port, trust), 'verified')
      assert.equal(trust.session(Date.now()), null)
      assert.equal(await connect(backend.port, trust), 'verified')
    })
  })
}

describe('an exception in a plan that nobody has replaced in time', () => {
  const exception = (skip: 'chain' | 'name', until: number | null): TlsException => ({
    skip,
    owner: 'test',
    reason: 'test',
    until,
  })
  const past = Date.now() - 1
  const future = Date.now() + 60_000
  const rows: readonly [string, Partial<TargetTlsPlan>, string][] = [
    ['a chain exception in force', { skipChain: true, exceptions: [exception('chain', future)] }, 'verified'],
    ['a chain exception without end', { skipChain: true, exceptions: [exception('chain', null)] }, 'verified'],
    ['a chain exception that has ended', { skipChain: true, exceptions: [exception('chain', past)] }, 'unknown-issuer'],
    ['a flag without an exception', { skipChain: true }, 'unknown-issuer'],
    ['an exception without the flag', { exceptions: [exception('chain', future)] }, 'unknown-issuer'],
    [
      'a chain exception that has ended beside a name exception in force',
      { skipChain: true, skipName: true, exceptions: [exception('chain', past), exception('name', future)] },
      'unknown-issuer',
    ],
  ]
  for (const [what, change, ends] of rows) {
    it(`${what}: ${ends}`, async () => {
      await using backend = await startTlsBackend({ identity: leaf })
      const trust = trustOf('TLSv1.3', { anchors: [rootB.certificatePem], ...change })
      assert.equal(await connect(backend.port, trust), ends)
      assert.equal(backend.seen.length, ends === 'verified' ? 1 : 0)
    })
  }

  it('of the name ends as well', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    const named = (until: number): TargetTrust =>
      trustOf('TLSv1.3', { verifyNames: ['b.internal'], skipName: true, exceptions: [exception('name', until)] })
    assert.equal(await connect(backend.port, named(future)), 'verified')
    assert.equal(await connect(backend.port, named(past)), 'name-mismatch')
  })
})
