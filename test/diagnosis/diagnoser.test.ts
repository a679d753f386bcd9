import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import type { RemedyBase } from '../../src/diagnosis/diagnose.ts'
import { openDiagnoser } from '../../src/diagnosis/diagnoser.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import type { TargetTlsPlan } from '../../src/proxy/plan.ts'
import { bareContext } from '../../src/verdict/remedy-context.ts'
import { serverPlan } from '../support/server-plan.ts'
import { startTlsBackend } from '../support/tls-backend.ts'

/* Diagnoses of one run share what is dear to make. What is shared must never carry the trust of one to another (I1). */

const root = await createRoot({ commonName: 'Diagnoser Root' })
const elsewhere = await createRoot({ commonName: 'Elsewhere Root' })
const backend = await startTlsBackend({ identity: await createLeaf(root, { names: ['a.test'] }) })
after(() => backend[Symbol.asyncDispose]())

const base: TargetTlsPlan = {
  snapshotId: 'a',
  anchors: [root.certificatePem],
  intermediates: [],
  partialChain: false,
  serverName: 'a.test',
  verifyNames: ['a.test'],
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: null,
  alpn: ['http/1.1'],
  clientCertificate: null,
  skipChain: false,
  skipName: false,
  exceptions: [],
  resumption: true,
  revocation: { mode: 'off' },
  onTrustChange: 'drain',
}
const {
  missing: _missing,
  acceptableIssuers: _issuers,
  facts: _facts,
  now: _now,
  ...bare
} = bareContext('127.0.0.1', 1, 0)
const context: RemedyBase = bare

describe('a diagnoser', () => {
  it('judges each server by its own anchors and names, however many it is asked about at once', async () => {
    const controller = new AbortController()
    const settings = { known: [], fetchIssuers: false, mode: 'runtime', time: null, signal: controller.signal } as const
    const diagnoser = openDiagnoser(settings)
    try {
      const plans: [TargetTlsPlan, string][] = [
        [base, 'trusted'],
        [{ ...base, verifyNames: ['b.test'] }, 'name-mismatch'],
        [{ ...base, anchors: [elsewhere.certificatePem] }, 'missing-root'],
        [{ ...base, anchors: [...base.anchors] }, 'trusted'],
        [{ ...base, maxVersion: 'TLSv1.2' }, 'trusted'],
      ]
      const asked = Array.from({ length: 4 }, () => plans).flat()
      const seen = await Promise.all(
        asked.map(([tls]) => diagnoser.diagnose(serverPlan({ port: backend.port, tls }), context)),
      )
      assert.deepEqual(
        seen.map(({ verdict }) => verdict.code),
        asked.map(([, code]) => code),
      )
      assert.deepEqual(
        seen.map(({ disagreement }) => disagreement),
        asked.map(() => ''),
      )
      assert.deepEqual(
        seen.slice(0, 5).map(({ probe }) => probe.handshake?.version),
        ['TLSv1.3', 'TLSv1.3', 'TLSv1.3', 'TLSv1.3', 'TLSv1.2'],
      )
    } finally {
      diagnoser.close()
    }
  })

  it('gives up when it is told to', async () => {
    const controller = new AbortController()
    const settings = { known: [], fetchIssuers: false, mode: 'runtime', time: null, signal: controller.signal } as const
    const diagnoser = openDiagnoser(settings)
    const asked = diagnoser.diagnose(serverPlan({ port: backend.port, tls: base }), context)
    controller.abort()
    await assert.rejects(asked)
    diagnoser.close()
  })
})

describe('a trust that shares a context', () => {
  const first = new TargetTrust(base)

  it('is of the same anchors and settings', () => {
    const sibling = new TargetTrust({ ...base, verifyNames: ['b.test'], serverName: 'b.test' }, first)
    assert.equal(sibling.context, first.context)
    for (const other of [
      { ...base, anchors: [...base.anchors] },
      { ...base, intermediates: [] },
      { ...base, partialChain: true },
      { ...base, minVersion: 'TLSv1.3' },
      { ...base, maxVersion: 'TLSv1.2' },
      { ...base, ciphers: 'DEFAULT@SECLEVEL=0' },
      { ...base, clientCertificate: { chain: '', key: '' } },
    ] as TargetTlsPlan[]) {
      assert.throws(() => new TargetTrust(other, first), /one kind of trust/)
    }
  })

  it('has no session of its sibling', () => {
    first.keepSession(Buffer.from('session'), Number.POSITIVE_INFINITY)
    const sibling = new TargetTrust({ ...base, verifyNames: ['b.test'] }, first)
    assert.deepEqual([first.session(0)?.session.toString(), sibling.session(0)], ['session', null])
  })
})
