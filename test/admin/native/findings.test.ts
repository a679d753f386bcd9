import assert from 'node:assert/strict'
import { test } from 'node:test'
import { oneTarget } from '../../support/admin-client.ts'
import { adminPassword, startManagedGateway } from '../../support/managed-gateway.ts'
import { nativeClient } from './native-client.ts'

test('a deployment that nobody serves says so in its answer, and so do later questions', async () => {
  await using running = await startManagedGateway()
  const { api } = running
  const native = nativeClient(running)
  const files = oneTarget('orders', '<URL>http://127.0.0.1:9</URL>')
  const onSecure = files['proxies/default.xml']?.replace('>default</VirtualHost>', '>secure</VirtualHost>') ?? ''
  await api.importBundle('good', oneTarget('good', '<URL>http://127.0.0.1:9</URL>'))
  await api.importBundle('orders', { ...files, 'proxies/default.xml': onSecure })
  const good = JSON.parse((await api.deploy('good', 1)).body) as Told
  assert.deepEqual(good.findings, [])
  const answer = JSON.parse((await api.deploy('orders', 1)).body) as Told
  const expected = [
    'endpoint-not-served warning acme/test/apis/orders/1, proxy endpoint default',
    'virtual-host-not-served warning acme/test/virtualhosts/secure',
  ]
  const shown = (findings: Told['findings']): readonly string[] =>
    findings.map(({ code, severity, object }) => `${code} ${severity} ${object}`).sort()
  assert.deepEqual(shown(answer.findings), expected)
  assert.match(answer.findings.map(({ message }) => message).join(), /none serves its virtual hosts: secure/)
  const read = async (path: string): Promise<never> => JSON.parse((await api.bytes(path)).toString()) as never
  const one: Told = await read('/e/test/apis/orders/revisions/1/deployments')
  const inEnvironment: { revision: [Told] } = await read('/e/test/apis/orders/deployments')
  const ofRevision: { environment: [Told] } = await read('/apis/orders/revisions/1/deployments')
  const ofProxy: { environment: [{ revision: [Told] }] } = await read('/apis/orders/deployments')
  for (const { findings } of [
    one,
    inEnvironment.revision[0],
    ofRevision.environment[0],
    ofProxy.environment[0].revision[0],
  ]) {
    assert.deepEqual(shown(findings), expected)
  }
  const all = await native.send('GET /api/organizations/acme/findings')
  for (const each of expected) assert.ok(shown(all.json.findings).includes(each), each)
  await native.send('POST /api/users', { name: 'ann', password: adminPassword, roles: { acme: 'viewer' } })
  const as = { as: `ann:${adminPassword}` }
  assert.equal((await native.send('GET /api/organizations/acme/findings', undefined, as)).status, 200)
  assert.equal((await native.send('GET /api/organizations/acm/findings', undefined, as)).status, 403)
  assert.deepEqual((await native.send('GET /api/organizations/acm/findings')).json, { findings: [] })
})

interface Told {
  readonly findings: readonly {
    readonly code: string
    readonly severity: string
    readonly object: string
    readonly message: string
  }[]
}
