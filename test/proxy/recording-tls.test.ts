import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { startH2Backend, root as h2Root } from './h2-backend.ts'
import { ask, get, statusOf } from './peer.ts'
import { plannedServer, proxyPlan, targetPlan } from './planned-gateway.ts'
import { order, startRecordingRig, stepsOf, tlsPlan, typesOf } from './recording-rig.ts'

/* What a recorded request tells of the TLS connection that it got, or did not get. */

const root = await createRoot({ commonName: 'Recording Test CA' })
const other = await createRoot({ commonName: 'Another CA' })
const leaf = await createLeaf(root, { names: ['backend.test'] })
const backend = await startTlsBackend({ identity: leaf })
const h2 = await startH2Backend((stream) => {
  stream.respond({ ':status': 200 })
  stream.end('ok')
})
const target = (name: string, port: number, tls: ReturnType<typeof tlsPlan>) =>
  targetPlan(name, [], { scheme: 'https', tls, servers: [plannedServer(name, port, { tls, scheme: 'https' })] })
const parts = {
  targets: [
    target('good', backend.port, tlsPlan(root.certificatePem)),
    target('bad', backend.port, tlsPlan(other.certificatePem, { snapshotId: 'other' })),
    target('h2', h2.port, tlsPlan(h2Root.certificatePem, { alpn: ['h2'], snapshotId: 'h2' })),
  ],
  proxies: ['good', 'bad', 'h2'].map((name) =>
    proxyPlan({ kind: 'target', target: name }, { name, basePath: `/${name}`, faults: 'apigee' }),
  ),
}
const rig = await startRecordingRig(parts)
after(async () => {
  await rig[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
  await h2[Symbol.asyncDispose]()
})

describe('a debug session', () => {
  for (const name of ['good', 'h2'] as const) {
    it(`sees the handshake of the connection that is opened to ${name} for its request`, async () => {
      await rig.order([order({ proxy: name })])
      assert.equal(statusOf(await ask(rig.port, get(`/${name}/seen`))), 200)
      const [connected] = stepsOf(await rig.of(`/${name}/seen`), 'connected')
      assert.deepEqual([connected?.reused, connected?.story.failure], [false, null])
      const tls = connected?.story.tls
      assert.deepEqual([tls?.captured, tls?.verdict, tls?.chosen?.version], [true, 'trusted', 'TLSv1.3'])
      assert.equal(tls?.offered.serverName, 'backend.test')
      assert.ok((tls?.chain.length ?? 0) > 0)
    })

    it(`is told by a connection to ${name} that was there how it was opened`, async () => {
      await rig.order([order({ proxy: name, headers: [['x-debug', '1']] })])
      await ask(rig.port, get(`/${name}/before`))
      await ask(rig.port, get(`/${name}/again`, 'X-Debug: 1'))
      const [connected] = stepsOf(await rig.of(`/${name}/again`), 'connected')
      assert.equal(connected?.reused, true)
      assert.ok((connected?.uses ?? 0) > 1)
      const tls = connected?.story.tls
      assert.deepEqual([tls?.captured, tls?.verdict], [false, 'trusted'])
      assert.ok((tls?.chain.length ?? 0) > 0)
    })
  }

  it('sees the handshake that failed, and the fault with it', async () => {
    await rig.order([order({ proxy: 'bad' })])
    const response = await ask(rig.port, get('/bad/x'))
    assert.equal(statusOf(response), 503)
    const transaction = await rig.of('/bad/x')
    assert.deepEqual(typesOf(transaction).slice(-5), [
      'connect-failed',
      'fault',
      'response-sent',
      'response-body',
      'ended',
    ])
    const [failed] = stepsOf(transaction, 'connect-failed')
    assert.equal(failed?.fault.kind, 'tls-untrusted')
    assert.equal(failed?.story?.failure?.verdict, failed?.fault.verdict)
    const tls = failed?.story?.tls
    assert.deepEqual([tls?.captured, tls?.verdict, tls?.snapshot], [true, failed?.fault.verdict, 'other'])
    assert.match(tls?.chain[0]?.subject ?? '', /backend\.test/)
    const [sent] = stepsOf(transaction, 'response-sent')
    assert.equal(sent?.code, 'messaging.adaptors.http.flow.SslHandshakeFailed')
    // Plain data, all of it: what was posted reads the same as JSON.
    assert.deepEqual(JSON.parse(JSON.stringify(transaction)), transaction)
  })
})

describe('a failure without a session', () => {
  it('tells the times of its dial', async () => {
    await rig.order([])
    await rig.plan({ ...parts, tracing: { sample: 0, failures: true, spans: true } })
    await ask(rig.port, get('/bad/traced'))
    const { fault, sessions, context } = await rig.of('/bad/traced')
    assert.deepEqual([fault?.kind, sessions], ['tls-untrusted', []])
    assert.equal(context?.traceId.length, 32)
    assert.equal(typeof fault?.evidence['timings'], 'object')
  })
})
