import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { describe, it } from 'node:test'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import { ocspResponse } from '../../src/lab/ocsp-response.ts'
import { revocationList } from '../../src/lab/revocation-list.ts'
import { createIntermediate, createLeaf, createRoot, type Identity } from '../../src/pki/make.ts'
import type { ServerPlan, TargetTlsPlan } from '../../src/proxy/plan.ts'
import { closed, dialOnce, serverPlan, tlsPlan } from './dial-once.ts'

const now = new Date()
const root = await createRoot({ commonName: 'Corp Root', now })
const issuing = await createIntermediate(root, { commonName: 'Corp Issuing', now })
const name = 'billing.test'
const leaf = await createLeaf(issuing, { names: [name], now })
const other = await createLeaf(issuing, { names: ['other.test'], now })
const hour = 3_600_000

interface Backend extends AsyncDisposable {
  readonly port: number
  /** Bytes of requests, decrypted. */
  readonly received: number
  staple: Buffer | null
  /** How often it was asked for a staple. */
  readonly asked: number
}

async function startBackend(version: 'TLSv1.2' | 'TLSv1.3', identity: Identity = leaf): Promise<Backend> {
  let received = 0
  let asked = 0
  const open = new Set<TLSSocket>()
  const server = createServer(
    // The runtime's servers staple nothing after a HelloRetryRequest.
    { cert: identity.chainPem, key: identity.keyPem, minVersion: version, maxVersion: version, ecdhCurve: 'X25519' },
    (socket) => {
      open.add(socket)
      socket.on('data', (bytes) => (received += bytes.length)).on('error', () => socket.destroy())
    },
  )
  server.on('tlsClientError', () => {})
  const backend: Backend = {
    staple: null,
    get port() {
      return (server.address() as AddressInfo).port
    },
    get received() {
      return received
    },
    get asked() {
      return asked
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  server.on('OCSPRequest', (_leaf: Buffer, _issuer: Buffer, answer: (error: null, staple: Buffer | null) => void) => {
    asked += 1
    answer(null, backend.staple)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return backend
}

const planWith = (revocation: TargetTlsPlan['revocation'], change: Partial<TargetTlsPlan> = {}): TargetTlsPlan =>
  tlsPlan(root.certificatePem, name, { revocation, ...change })
const serverOf = ({ port }: Backend, tls: TargetTlsPlan): ServerPlan => serverPlan({ port, scheme: 'https', tls })
const lists = (...crls: readonly string[]): TargetTlsPlan['revocation'] => ({ mode: 'crl', crls })
const required = { mode: 'staple-required' } as const

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  describe(`a target that requires a staple, ${version}`, () => {
    const staples: readonly { what: string; staple: Buffer | null; says: RegExp | null; evidence?: object }[] = [
      { what: 'a good one', staple: ocspResponse(leaf.certificate, issuing, 'good', now), says: null },
      {
        what: 'none',
        staple: null,
        says: /^127\.0\.0\.1:\d+: revocation-unknown: Whether "billing\.test" was revoked is not known: .* the backend sent none$/,
        evidence: { source: 'staple', state: 'missing', issuer: 'Corp Issuing' },
      },
      {
        what: 'one that has ended',
        staple: ocspResponse(leaf.certificate, issuing, 'good', now, -2),
        says: /revocation-unknown: .* of no use: it ended \d{4}-/,
        evidence: { source: 'staple', state: 'stale' },
      },
      {
        what: 'one that has ended a minute ago, which no clock excuses',
        staple: ocspResponse(leaf.certificate, issuing, 'good', now, -1 / 60),
        says: /revocation-unknown: .* of no use: it ended \d{4}-/,
        evidence: { source: 'staple', state: 'stale' },
      },
      {
        what: 'one that says revoked',
        staple: ocspResponse(leaf.certificate, issuing, 'revoked', now),
        says: /revoked: "billing\.test" \(serial [0-9A-F]+\) was revoked by "Corp Issuing" at \d{4}-.* staples$/,
        evidence: { source: 'staple', state: 'revoked' },
      },
      {
        what: 'one of another certificate',
        staple: ocspResponse(other.certificate, issuing, 'good', now),
        says: /revocation-unknown: .* of no use: it is about another certificate/,
        evidence: { source: 'staple', state: 'unusable' },
      },
      {
        what: 'one that somebody else signed',
        staple: ocspResponse(leaf.certificate, root, 'good', now),
        says: /revocation-unknown: .* of no use/,
        evidence: { state: 'unusable' },
      },
      {
        what: 'bytes',
        staple: Buffer.from('no OCSP response'),
        says: /revocation-unknown: .* of no use: it cannot be read/,
        evidence: { state: 'unusable' },
      },
    ]
    for (const { what, staple, says, evidence = {} } of staples) {
      it(`gets ${what}: ${says === null ? 'trusted' : 'refused, and nothing was sent'}`, async () => {
        await using backend = await startBackend(version)
        backend.staple = staple
        const { dialed, fault } = await dialOnce(serverOf(backend, planWith(required)))
        if (dialed !== null) await closed(dialed.socket)
        assert.equal(backend.asked, 1)
        assert.equal(backend.received, 0)
        if (says === null) {
          assert.equal(fault, null)
          return
        }
        assert.match(fault?.summary ?? 'no fault', says)
        assert.deepEqual([fault?.party, fault?.kind], ['backend', 'tls-untrusted'])
        for (const [key, value] of Object.entries(evidence)) assert.equal(fault?.evidence[key], value, key)
      })
    }

    it('ends its connections with the response', async () => {
      await using backend = await startBackend(version)
      backend.staple = ocspResponse(leaf.certificate, issuing, 'good', now, 3)
      const { dialed } = await dialOnce(serverOf(backend, planWith(required)))
      const end = Math.floor((now.getTime() + 3 * hour) / 1000) * 1000
      assert.equal(dialed?.validUntil, end)
      if (dialed !== null) await closed(dialed.socket)
    })

    it('resumes no session, in which none is shown', async () => {
      await using backend = await startBackend(version)
      backend.staple = ocspResponse(leaf.certificate, issuing, 'good', now)
      const server = serverOf(backend, planWith(required, { resumption: true }))
      const trust = new TargetTrust(server.tls as TargetTlsPlan)
      for (let turn = 0; turn < 3; turn++) {
        const { dialed } = await dialOnce(server, { trust })
        assert.equal(dialed?.resumed, false)
        if (dialed === null) continue
        // Tickets of TLS 1.3 come after the handshake.
        await new Promise((resolve) => setTimeout(resolve, 20))
        await closed(dialed.socket)
      }
      assert.equal(backend.asked, 3)
    })
  })

  it(`a target without asks for none, ${version}`, async () => {
    await using backend = await startBackend(version)
    for (const revocation of [{ mode: 'off' } as const, lists(listOf(root), listOf(issuing))]) {
      const { dialed } = await dialOnce(serverOf(backend, planWith(revocation)))
      assert.notEqual(dialed, null)
      if (dialed !== null) await closed(dialed.socket)
    }
    assert.equal(backend.asked, 0)
  })
}

it('a chain exception in force leaves out the staple, which nobody could verify', async () => {
  await using backend = await startBackend('TLSv1.3')
  const exceptions = [{ skip: 'chain', owner: 'tests', reason: 'test', until: null }] as const
  const skipped = planWith(required, { skipChain: true, exceptions })
  const { dialed } = await dialOnce(serverOf(backend, skipped))
  assert.notEqual(dialed, null)
  if (dialed !== null) await closed(dialed.socket)
})

function listOf(issuer: Identity, change: Partial<Parameters<typeof revocationList>[1]> = {}): string {
  return revocationList(issuer, { now, ...change })
}

describe('a target that goes by lists', () => {
  it('ends its connections with the first list of the path, and with no other', async () => {
    await using backend = await startBackend('TLSv1.3')
    const elsewhere = await createRoot({ commonName: 'Elsewhere', now })
    const at = (hours: number): number => Math.floor((now.getTime() + hours * hour) / 1000) * 1000
    const cases: readonly (readonly [readonly string[], number])[] = [
      [[listOf(root, { until: 9 }), listOf(issuing, { until: 5 }), listOf(elsewhere, { until: 1 })], at(5)],
      [[listOf(root, { until: 4 }), listOf(issuing, { until: 5 })], at(4)],
      // The newest counts, as it does for OpenSSL.
      [[listOf(root, { until: 9 }), listOf(issuing, { until: 8, from: -3 }), listOf(issuing, { until: 5 })], at(5)],
    ]
    for (const [crls, until] of cases) {
      const { dialed, fault } = await dialOnce(serverOf(backend, planWith(lists(...crls))))
      assert.equal(dialed?.validUntil, until, fault?.summary)
      if (dialed !== null) await closed(dialed.socket)
    }
  })

  it('says whose list is missing or over, what is revoked, and who mends it', async () => {
    await using backend = await startBackend('TLSv1.3')
    const good = listOf(root)
    const forger = await createIntermediate(root, { commonName: 'Corp Issuing', now, subjectKeyId: false })
    const forged = listOf(forger, { revoked: [leaf.certificate] })
    const cases: readonly (readonly [string, readonly string[], RegExp, object])[] = [
      [
        'revoked leaf',
        [good, listOf(issuing, { revoked: [leaf.certificate] })],
        /: revoked: "billing\.test" \(serial [0-9A-F]+\) was revoked by "Corp Issuing" at \d{4}-[-\dT:]+Z \(keyCompromise\)$/,
        { state: 'revoked', reason: 'keyCompromise', party: 'backend', verdict: 'revoked' },
      ],
      [
        'revoked CA',
        [listOf(root, { revoked: [issuing.certificate] }), listOf(issuing)],
        /: revoked: "Corp Issuing" \(serial [0-9A-F]+\) was revoked by "Corp Root"/,
        { state: 'revoked', party: 'backend', verdict: 'revoked' },
      ],
      [
        'a revocation is told before a list that is missing',
        [listOf(issuing, { revoked: [leaf.certificate] })],
        /: revoked: "billing\.test"/,
        { state: 'revoked', party: 'backend', verdict: 'revoked' },
      ],
      [
        'no list of the issuing CA',
        [good],
        /: revocation-unknown: Whether "billing\.test" was revoked is not known: no revocation list of "Corp Issuing" is held$/,
        { state: 'missing', issuer: 'Corp Issuing', party: 'gateway', verdict: 'revocation-unknown' },
      ],
      [
        'no list of the root',
        [listOf(issuing)],
        /"Corp Issuing" was revoked is not known: no revocation list of "Corp Root" is held$/,
        { state: 'missing', issuer: 'Corp Root', party: 'gateway', verdict: 'revocation-unknown' },
      ],
      [
        'a list that is over',
        [good, listOf(issuing, { from: -9, until: -5 })],
        /the revocation list of "Corp Issuing" ended \d{4}-[-\dT:]+Z$/,
        { state: 'stale', party: 'gateway', verdict: 'revocation-unknown' },
      ],
      [
        'a list that somebody else signed, whatever is on it',
        [good, forged],
        /the revocation list of "Corp Issuing" is not signed with the key of that CA$/,
        { state: 'unusable', party: 'gateway', verdict: 'revocation-unknown' },
      ],
      [
        'a list of tomorrow',
        [good, listOf(issuing, { from: 20, until: 50 })],
        /the revocation list of "Corp Issuing" is not valid before \d{4}-[-\dT:]+Z$/,
        { state: 'not-yet-valid', party: 'gateway', verdict: 'revocation-unknown' },
      ],
    ]
    for (const [what, crls, says, expected] of cases) {
      const { dialed, fault } = await dialOnce(serverOf(backend, planWith(lists(...crls))))
      if (dialed !== null) await closed(dialed.socket)
      assert.match(fault?.summary ?? 'no fault', says, what)
      const found = { ...fault?.evidence, party: fault?.party, verdict: fault?.verdict }
      for (const [key, value] of Object.entries(expected)) assert.equal(Reflect.get(found, key), value, what)
    }
    assert.equal(backend.received, 0)
  })

  it('calls a missing root a missing root, although its list is missing too', async () => {
    await using backend = await startBackend('TLSv1.3')
    const elsewhere = await createRoot({ commonName: 'Elsewhere', now })
    const plan = planWith(lists(listOf(elsewhere)), { anchors: [elsewhere.certificatePem] })
    const { fault } = await dialOnce(serverOf(backend, plan))
    assert.deepEqual([fault?.verdict, fault?.evidence['runtimeCode']], ['missing-root', 'UNABLE_TO_GET_CRL'])
  })

  it('shares a context with what goes by the same lists, and with nothing else', () => {
    const same = lists(listOf(root), listOf(issuing))
    const first = new TargetTrust(planWith(same))
    assert.ok(first.sharesContextWith({ ...first.plan, verifyNames: ['other.test'] }))
    assert.ok(!first.sharesContextWith({ ...first.plan, revocation: lists(listOf(root)) }))
    assert.ok(!first.sharesContextWith({ ...first.plan, revocation: { mode: 'off' } }))
    const unchecked = new TargetTrust({ ...first.plan, revocation: { mode: 'off' } })
    assert.ok(unchecked.sharesContextWith({ ...first.plan, revocation: required }))
  })
})
