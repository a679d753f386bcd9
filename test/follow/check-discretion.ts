import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { ConnectionStory } from '../../src/dial/story.ts'
import type { VerdictCode } from '../../src/verdict/codes.ts'
import type { Case } from './cases.ts'
import type { Found } from './evidence.ts'
import type { Rig } from './rig.ts'
import { propertyOf } from './traced.ts'

/** Certificate by certificate, in its order; none where the handshake did not come so far. */
export function checkChain({ lab }: Rig, { scenario, expect }: Case, { traced }: Found): void {
  const stories = traced.recorded.steps.flatMap((step): readonly (ConnectionStory | null)[] =>
    step.type === 'connected' || step.type === 'connect-failed' ? [step.story] : [],
  )
  assert.equal(stories.length, 1)
  const seen = stories[0]?.tls?.chain.map(({ sha256 }) => sha256.replaceAll(':', '').toUpperCase()) ?? []
  assert.deepEqual(seen, fingerprintsOf(servedOf({ lab }, { scenario, expect })))
  for (const [way, points] of Object.entries(traced.shown)) {
    for (const [at, fingerprint] of seen.entries()) {
      const told = propertyOf(points, `postern.tls.chain.${at}.sha256`) ?? ''
      assert.equal(told.replaceAll(':', '').toUpperCase(), fingerprint, way)
    }
    assert.equal(propertyOf(points, `postern.tls.chain.${seen.length}.sha256`), null, way)
  }
}

/** PEM of what a client that comes to see it is shown. */
export function servedOf({ lab }: Pick<Rig, 'lab'>, { scenario, expect }: Pick<Case, 'scenario' | 'expect'>): string {
  return beforeCertificate.has(expect.verdict) ? '' : (lab.backend(scenario).servedPem ?? '')
}

/** Handshakes that end with an answer to the ClientHello. */
const beforeCertificate: ReadonlySet<VerdictCode> = new Set(['protocol-version', 'no-shared-cipher', 'peer-alert'])

/** I6. The playbook's sentence and the native profile's code are all that a client hears of the cause. */
export function checkDiscretion({ lab }: Rig, { scenario, code, profile, expect }: Case, { traced }: Found): void {
  if (code === '') return
  const { answer, recorded } = traced
  const text = JSON.stringify(answer)
  const { port, host, servedPem } = lab.backend(scenario)
  const leaf = servedPem === null ? null : /BEGIN CERTIFICATE-----\s*(\S{40})/.exec(servedPem)
  const secrets = [
    'lab.test',
    `:${port}`,
    host,
    'CERTIFICATE-----',
    'PRIVATE',
    recorded.fault?.summary ?? '',
    recorded.backend?.snapshot ?? '',
    expect.guilty ?? '',
    leaf?.[1] ?? '',
    ...(profile === 'native' || expect.verdict === 'trusted' ? [] : [expect.verdict]),
  ]
  for (const secret of secrets) {
    if (secret !== '') assert.equal(text.includes(secret), false, `${JSON.stringify(secret)} is disclosed: ${text}`)
  }
}

function fingerprintsOf(pem: string): readonly string[] {
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g)].map(([, base64 = '']) =>
    createHash('sha256').update(Buffer.from(base64, 'base64')).digest('hex').toUpperCase(),
  )
}
