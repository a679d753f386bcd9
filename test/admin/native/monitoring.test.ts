import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLeaf, createRoot } from '../../../src/pki/make.ts'
import { oneTarget } from '../../support/admin-client.ts'
import { startManagedGateway } from '../../support/managed-gateway.ts'
import { startTlsBackend } from '../../support/tls-backend.ts'
import { nativeClient } from './native-client.ts'

/* Investigate over a gateway that runs: what traffic did is in the cell, with the verdict on its backend. */

test('a request that failed is found from the matrix down to the certificate that is missing', async () => {
  const root = await createRoot({ commonName: 'Backend Root' })
  const leaf = await createLeaf(root, { names: ['localhost'] })
  await using backend = await startTlsBackend({ identity: leaf })
  await using running = await startManagedGateway({ diagnosis: { live: true, wait: '5s' } })
  const native = nativeClient(running)
  await running.api.keystore('empty')
  await running.api.alias('empty', 'other', (await createRoot({ commonName: 'Other Root' })).certificatePem)
  const ssl = '<SSLInfo><Enabled>true</Enabled><Enforce>true</Enforce><TrustStore>empty</TrustStore></SSLInfo>'
  await running.api.importBundle('orders', oneTarget('orders', `${ssl}<URL>https://localhost:${backend.port}/</URL>`))
  await running.api.deploy('orders', 1)
  const answer = await fetch(`http://127.0.0.1:${running.port}/orders/1`)
  assert.equal(answer.status, 503)
  await answer.arrayBuffer()
  const base = '/api/organizations/acme/environments/test/monitoring'
  const ask = async (path: string) => (await native.send(`GET ${base}/${path}`)).json
  let matrix = await ask('matrix?rows=verdict&columns=faultSource')
  // Workers tell what they counted about once a second.
  while (matrix.cells.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    matrix = await ask('matrix?rows=verdict&columns=faultSource')
  }
  const verdict = String(matrix.rows.values[0])
  assert.deepEqual([matrix.columns.values, matrix.cells], [['target'], [[1]]])
  const cell = await ask(`cell?verdict=${verdict}`)
  assert.deepEqual(cell.breakdown.faultCode, [
    { value: 'messaging.adaptors.http.flow.SslHandshakeFailed', requests: 1 },
  ])
  const [request] = cell.requests
  assert.equal(request.proxy, 'orders')
  assert.equal(request.verdict, verdict)
  assert.deepEqual(await ask(`requests/${request.id}`), request)
  const [target] = cell.targets
  assert.equal(target.name, request.target)
  const [server] = target.servers
  assert.equal(server.report.verdict.code, verdict)
  assert.equal(server.last.verdict, verdict)
  assert.ok(server.remedy.length > 0)
  assert.equal((await native.send('GET /api/monitoring/health')).json.problem, '')
  const health = await native.send('GET /api/organizations/acme/environments/nowhere/monitoring/cell')
  assert.equal(health.status, 404)
})
