import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Scenario, scenarios } from '../../src/lab/scenarios.ts'
import { type VerdictCode, verdictCodes } from '../../src/verdict/codes.ts'

/** Verdicts that no backend of the lab has, and why a server cannot bring them about. */
const notByServers: Partial<Record<VerdictCode, string>> = {
  'connection-reset':
    'A server can reset only what it accepted, and by then the ClientHello is on its way: see handshake-reset.',
  distrusted: 'Needs a list of what is distrusted on the side of the gateway.',
  'empty-trust-store': 'What the gateway trusts is its own configuration, which refuses an empty store.',
  'policy-violation': 'Policies are not asked for by a TLS handshake; see policy-required for who would refuse it.',
  'too-complex': 'The runtime takes the first path that it finds and never gives up: see maze and many-paths.',
}

describe('the scenarios of the lab', () => {
  const shown = new Set(Object.values<Scenario>(scenarios).map(({ expect }) => expect.verdict))

  it('show every verdict that a server can bring about', () => {
    for (const code of Object.keys(verdictCodes) as VerdictCode[]) {
      assert.notEqual(shown.has(code), code in notByServers, code)
    }
  })

  it('show what the certificates of a chain can have wrong in TLS 1.2 too', () => {
    const twins = Object.keys(scenarios).filter((name) => name.endsWith('-tls12'))
    assert.ok(twins.length >= 10, twins.join(', '))
  })

  it('plant one fault each: what is refused names one party, what is trusted none', () => {
    for (const [name, { expect }] of Object.entries<Scenario>(scenarios)) {
      const { stage } = verdictCodes[expect.verdict]
      if (stage === 'verified') assert.deepEqual([expect.party, expect.guilty], ['backend', null], name)
      else if (stage === 'identity') assert.notEqual(expect.guilty, null, name)
      else if (stage !== 'chain') assert.equal(expect.guilty, null, name)
    }
  })
})
