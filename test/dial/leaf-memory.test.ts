import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { outcomeOf, serverPlan, tlsPlan } from './dial-once.ts'

/* What is remembered of a leaf saves reading it again, and nothing else: each handshake is judged as if it were the first. */

const root = await createRoot({ commonName: 'Root' })
const key = await createLeaf(root, { names: ['a.internal'] })
const forA = await createLeaf(root, { names: ['a.internal'] })
const forB = await createLeaf(root, { names: ['b.internal'], key: key.keys })
const again = await createLeaf(root, { names: ['a.internal'], key: key.keys })
const foreign = await createLeaf(await createRoot({ commonName: 'Other' }), { names: ['a.internal'] })

describe('under one trust', { concurrency: true }, () => {
  it('each leaf is judged by itself, whatever was presented before it', async () => {
    const trust = new TargetTrust(tlsPlan(root.certificatePem, 'a.internal'))
    await using backend = await startTlsBackend({ identity: forA })
    const plan = serverPlan({ port: backend.port, tls: trust.plan })
    const good = `127.0.0.1:${backend.port}`
    const rows = [
      [forA, good],
      [forB, 'name-mismatch'],
      [again, good],
      [foreign, 'unknown-issuer'],
      [forB, 'name-mismatch'],
      [forA, good],
    ] as const
    for (const [identity, outcome] of rows) {
      backend.serve(identity)
      for (let i = 0; i < 3; i++) assert.equal(await outcomeOf(plan, { trust }), outcome)
    }
  })

  it('more leaves than are remembered are judged as well', async () => {
    const trust = new TargetTrust(tlsPlan(root.certificatePem, 'a.internal'))
    await using backend = await startTlsBackend({ identity: forA })
    const plan = serverPlan({ port: backend.port, tls: trust.plan })
    for (let i = 0; i < 12; i++) {
      const name = i % 2 === 0 ? 'a.internal' : 'b.internal'
      backend.serve(await createLeaf(root, { names: [name] }))
      const outcome = name === 'a.internal' ? `127.0.0.1:${backend.port}` : 'name-mismatch'
      assert.equal(await outcomeOf(plan, { trust }), outcome)
    }
  })

  it('a leaf that was good is refused when it has ended', async () => {
    const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2000)
    const short = await createLeaf(root, { names: ['a.internal'], notAfter })
    const trust = new TargetTrust(tlsPlan(root.certificatePem, 'a.internal'))
    await using backend = await startTlsBackend({ identity: short })
    const plan = serverPlan({ port: backend.port, tls: trust.plan })
    const seen = [await outcomeOf(plan, { trust })]
    // RFC 5280 section 4.1.2.5: valid through that second.
    await new Promise((resolve) => setTimeout(resolve, notAfter.getTime() + 1100 - Date.now()))
    seen.push(await outcomeOf(plan, { trust }))
    assert.deepEqual(seen, [`127.0.0.1:${backend.port}`, 'expired'])
  })
})
