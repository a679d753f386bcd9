import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NativeGateway } from '../../../src/admin/gateway-view.ts'
import { explainedRoutes } from '../../../src/admin/native/explained.ts'
import { PosternError } from '../../../src/core/errors.ts'
import type { Monitor } from '../../../src/monitor/query.ts'
import { memoryMonitor } from '../../monitor/memory-monitor.ts'
import { basic, idleNative, makeUser, startAdmin } from '../support.ts'

const now = Date.UTC(2026, 6, 1, 12, 0)
const counted = memoryMonitor([
  { at: now, id: 'ours', key: { status: 504, fault: 'response-timeout', party: 'backend' } },
  { at: now, id: 'theirs', key: { organization: 'other' } },
  { at: now, id: 'prod', key: { environment: 'prod' } },
])

async function asking(monitor: Monitor) {
  const native: NativeGateway = {
    ...idleNative,
    stored: { ...idleNative.stored, environments: [{ org: 'acme', env: 'test' }] },
    monitor,
    traces: { ...idleNative.traces, all: () => [] },
  }
  const server = await startAdmin(explainedRoutes(native), { clock: () => now })
  await makeUser(server.services, 'viewer', { acme: 'viewer' })
  await makeUser(server.services, 'other', { other: 'admin' })
  return {
    get: (id: string, as = 'viewer', env = 'test') =>
      fetch(`${server.origin}/api/organizations/acme/environments/${env}/requests/${id}`, {
        headers: { authorization: basic(as) },
      }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

test('a request of the organization and environment is explained to a viewer, another is not there', async () => {
  await using it = await asking(counted)
  const cases: readonly (readonly [id: string, status: number, as?: string, env?: string])[] = [
    ['ours', 200],
    ['ours?format=text', 200],
    ['ours?format=xml', 400],
    ['theirs', 404],
    ['prod', 404],
    ['none', 404],
    ['ours', 404, 'viewer', 'prod'],
    ['ours', 403, 'other'],
    ['ours', 401, 'nobody'],
  ]
  for (const [id, status, as, env] of cases) {
    const answer = await it.get(id, as, env)
    const text = await answer.text()
    assert.equal(answer.status, status, `${id} ${as} ${text}`)
    if (status === 404) assert.doesNotMatch(text, /other|response-timeout/)
  }
  const told = (await (await it.get('ours')).json()) as { remedy: { action: string }[]; report: null }
  assert.match(told.remedy[1]?.action ?? '', /timeouts\.firstByte/)
  assert.equal(told.report, null)
  const page = await it.get('ours?format=text')
  assert.equal(page.headers.get('content-type'), 'text/plain; charset=utf-8')
  assert.match(await page.text(), /^Request ours: response-timeout\n/)
})

test('where the counts do not answer it says so, and not that the request is unknown', async () => {
  const find = () => Promise.reject(new PosternError('monitoring-busy', 'the store of the rollups does not answer'))
  await using it = await asking({ ...counted, find })
  const answer = await it.get('ours')
  assert.equal(answer.status, 503)
  assert.match(await answer.text(), /does not answer/)
})
