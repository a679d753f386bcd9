import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { endTap, storyOf } from '../../src/dial/story-of.ts'
import type { ConnectionStory } from '../../src/dial/story.ts'
import { Tap } from '../../src/dial/tap.ts'
import type { Fault } from '../../src/faults/fault.ts'
import { startLab } from '../../src/lab/lab.ts'
import { type Scenario, type ScenarioName, scenarioNames, scenarios } from '../../src/lab/scenarios.ts'
import { verdictCodes } from '../../src/verdict/codes.ts'
import { planFor } from '../lab/dial-backend.ts'
import { dialOnce, serverPlan } from './dial-once.ts'

const lab = await startLab()
after(() => lab.close())

/** Handshakes that end after the certificates were shown, for another reason than these. */
const endsAfterChain: ReadonlySet<ScenarioName> = new Set<ScenarioName>([
  'client-certificate-required-tls12',
  'client-certificate-rejected-tls12',
  'malformed-certificate',
  'malformed-trailing-bytes',
  'malformed-intermediate',
])
/** What OpenSSL says to a certificate that it cannot read; the runtime tells nobody that it did. */
const ourAlerts: Partial<Record<ScenarioName, number>> = {
  'malformed-certificate': 42,
  'malformed-trailing-bytes': 50,
  'malformed-intermediate': 42,
}
/** Refused after the handshake, which itself goes well. */
const late: ReadonlySet<ScenarioName> = new Set<ScenarioName>(['client-certificate-required'])

async function told(name: ScenarioName, captured: boolean): Promise<{ story: ConnectionStory; fault: Fault | null }> {
  const backend = lab.backend(name)
  const plan = serverPlan({ host: backend.host, port: backend.port, tls: planFor(backend, lab.trust.bundlePem) })
  // Some backends are there to be waited for.
  const timeouts = { ...plan.timeouts, connectMs: 400, handshakeMs: 400 }
  const { dialed, fault, opening } = await dialOnce({ ...plan, timeouts }, captured ? { tap: new Tap() } : {})
  endTap(opening)
  const story = storyOf(opening, fault)
  dialed?.socket.destroy()
  return { story, fault }
}

const verdictOf = (name: ScenarioName): string =>
  late.has(name) ? 'trusted' : (scenarios[name] as Scenario).expect.trafficVerdict

describe('a captured handshake tells the whole story', () => {
  for (const name of scenarioNames) {
    it(name, async () => {
      const { story, fault } = await told(name, true)
      const { expect } = scenarios[name] as Scenario
      const verdict = verdictOf(name)
      assert.equal(story.failure?.verdict ?? 'trusted', verdict)
      assert.deepEqual(
        story.failure,
        fault && {
          verdict: fault.verdict,
          kind: fault.kind,
          summary: fault.summary,
          phase: fault.evidence['phase'],
        },
      )
      const { stage } = verdictCodes[fault?.verdict ?? 'trusted']
      const before = stage === 'dns' || stage === 'connect'
      assert.equal(story.tls === null, before)
      assert.equal(story.connectMs === null, before)
      assert.equal(story.address === '', before)
      assertNoSecrets(story)
      const { tls } = story
      if (tls === null) return
      assert.deepEqual([tls.captured, tls.resumed, tls.verdict], [true, false, verdict])
      assert.equal(tls.offered.serverName, lab.backend(name).serverName)
      assert.equal(tls.offered.versions.at(-1), (scenarios[name] as Scenario).target?.maxVersion ?? 'TLSv1.3')
      assert.ok(tls.offered.ciphers.includes('TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'))
      assert.ok(tls.offered.groups.includes('x25519'))
      assert.ok(tls.offered.signatureAlgorithms.includes('ecdsa_secp256r1_sha256'))
      assert.deepEqual(tls.offered.alpn, ['http/1.1'])
      const judged = stage !== 'handshake'
      assert.deepEqual(
        tls.chain.map(({ pem }) => pem),
        judged || endsAfterChain.has(name) ? served(name) : [],
      )
      if (judged) assert.ok(tls.chosen !== null && tls.chosen.cipher !== '' && tls.chosen.group !== '')
      assert.equal(tls.ms === null, !judged)
      assert.deepEqual(tls.alert && [tls.alert.from, tls.alert.code], alertOf(name, expect.alert))
      assert.equal(tls.clientCertificateAsked, name.startsWith('client-certificate'))
    })
  }
})

describe('without a capture the story has what the runtime knows', () => {
  const some: readonly ScenarioName[] = [
    'ok',
    'ok-tls12',
    'ok-hello-retry',
    'missing-root',
    'missing-intermediate',
    'name-mismatch',
    'name-mismatch-tls12',
    'expired-tls12',
    'staple-revoked',
    'crl-missing',
    'handshake-closed',
    'plain-http',
    'peer-alert',
    'refused',
  ]
  for (const name of some) {
    it(name, async () => {
      const { story, fault } = await told(name, false)
      assert.equal(story.failure?.verdict ?? 'trusted', verdictOf(name))
      assertNoSecrets(story)
      const { tls } = story
      if (tls === null) {
        assert.equal(name, 'refused')
        return
      }
      const { stage } = verdictCodes[fault?.verdict ?? 'trusted']
      assert.equal(tls.captured, false)
      assert.deepEqual(
        tls.chain.map(({ pem }) => pem),
        stage === 'handshake' ? [] : served(name),
      )
      if (stage === 'handshake') {
        assert.equal(tls.chosen, null)
        assert.equal(tls.alert?.code, (scenarios[name] as Scenario).expect.alert)
        return
      }
      assert.equal(tls.chosen?.version, name.includes('tls12') ? 'TLSv1.2' : 'TLSv1.3')
      const group = name.includes('tls12')
        ? /^x25519$/
        : name === 'ok-hello-retry'
          ? /^secp384r1$/
          : /^x25519|MLKEM768$/
      assert.match(tls.chosen?.group ?? '', group)
    })
  }
})

function served(name: ScenarioName): readonly string[] {
  return (lab.backend(name).servedPem ?? '').split(/(?=-----BEGIN)/).filter((pem) => pem !== '')
}

function alertOf(name: ScenarioName, expected: number | undefined): readonly [string, number] | null {
  const ours = ourAlerts[name]
  if (ours !== undefined) return ['gateway', ours]
  // The runtime tells of a closed connection, and the bytes have the number.
  if (name === 'peer-alert-unregistered') return ['backend', 121]
  return expected === undefined || late.has(name) ? null : ['backend', expected]
}

/** I7: names of the key log's lines, what their secrets look like, and private keys. */
function assertNoSecrets(story: ConnectionStory): void {
  const text = JSON.stringify(story)
  assert.doesNotMatch(text, /PRIVATE KEY|_SECRET|TRAFFIC|CLIENT_RANDOM/)
  assert.doesNotMatch(text, /[0-9a-f]{64}/)
}
