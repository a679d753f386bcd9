import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from '../../../src/admin/api.ts'
import { type Client, client, imported, passThrough, zip } from './asset-support.ts'

const octets = 'application/octet-stream'
const inTest = (revision: number | string): string => `/v1/o/acme/e/test/apis/x/revisions/${revision}/deployments`

/** Proxy `x` with a revision for each base path. */
async function withRevisions(...basePaths: readonly string[]): Promise<Client> {
  const api = await client()
  for (const basePath of basePaths) await imported(api, 'x', passThrough(basePath))
  return api
}

const deployed = async (api: Client, env = 'test'): Promise<readonly string[]> =>
  (await api.services.read((view) => view.names('api-deployment', `acme/${env}/apis/x`))).toSorted()

const state = { configuration: { basePath: '/', steps: [] }, name: '1', state: 'deployed' }

/** `server` and `findings` are checked where they are the point. */
function withoutServers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutServers)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([name]) => name !== 'server' && name !== 'findings')
  return Object.fromEntries(entries.map(([name, each]) => [name, withoutServers(each)]))
}

test('deploy and undeploy answer with the deployment bean, and the status of each server is its state', async () => {
  await using api = await withRevisions('/x')
  const up = await api.post(inTest(1), undefined, 'action=deploy&override=true&delay=60')
  assert.equal(up.status, 200)
  const bean = {
    aPIProxy: 'x',
    configuration: { basePath: '/', steps: [] },
    environment: 'test',
    name: '1',
    organization: 'acme',
    revision: '1',
  }
  assert.deepEqual(withoutServers(up.json), { ...bean, state: 'deployed' })
  const [server] = up.json['server'] as readonly Record<string, unknown>[]
  assert.deepEqual([server?.['status'], server?.['type']], ['deployed', ['message-processor']])
  assert.match(String(server?.['uUID']), /^[0-9a-f-]{36}$/)
  assert.deepEqual((await api.get(inTest(1))).json, up.json)
  const down = await api.del(inTest(1))
  assert.deepEqual([down.status, withoutServers(down.json)], [200, { ...bean, state: 'undeployed' }])
  assert.deepEqual(
    (down.json['server'] as readonly Record<string, unknown>[]).map((each) => each['status']),
    ['undeployed'],
  )
})

const shapes: readonly (readonly [what: string, path: string, expected: unknown, before: unknown])[] = [
  [
    'D1, of a proxy',
    '/v1/o/acme/apis/x/deployments',
    { environment: [{ name: 'test', revision: [state] }], name: 'x', organization: 'acme' },
    { environment: [], name: 'x', organization: 'acme' },
  ],
  [
    'D2, of a revision',
    '/v1/o/acme/apis/x/revisions/1/deployments',
    { aPIProxy: 'x', environment: [{ ...state, name: 'test' }], name: '1', organization: 'acme' },
    { aPIProxy: 'x', environment: [], name: '1', organization: 'acme' },
  ],
  [
    'D4, of an environment',
    '/v1/o/acme/e/test/deployments',
    { aPIProxy: [{ name: 'x', revision: [state] }], name: 'test', organization: 'acme' },
    { aPIProxy: [], name: 'test', organization: 'acme' },
  ],
  [
    'D5, of an organization',
    '/v1/o/acme/deployments?includeServerStatus=true',
    {
      environment: [
        { aPIProxy: [], name: 'prod' },
        { aPIProxy: [{ name: 'x', revision: [state] }], name: 'test' },
      ],
      name: 'acme',
    },
    {
      environment: [
        { aPIProxy: [], name: 'prod' },
        { aPIProxy: [], name: 'test' },
      ],
      name: 'acme',
    },
  ],
]

for (const [what, path, expected, before] of shapes) {
  test(`the shape ${what}, is the same before, while and after something is deployed`, async () => {
    await using api = await withRevisions('/x')
    assert.deepEqual((await api.get(path)).json, before)
    await api.post(inTest(1))
    const { status, json } = await api.get(path)
    assert.deepEqual([status, withoutServers(json)], [200, expected])
    await api.del(inTest(1))
    assert.deepEqual((await api.get(path)).json, before)
  })
}

test('the shape D3, of a proxy in an environment, is an error where nothing of it is deployed', async () => {
  await using api = await withRevisions('/x')
  const path = '/v1/o/acme/e/test/apis/x/deployments'
  const none = await api.get(path)
  assert.deepEqual([none.status, none.json['code']], [400, 'distribution.ApplicationNotDeployed'])
  assert.notEqual(none.json['message'], '')
  await api.post(inTest(1))
  const { status, json } = await api.get(path)
  const expected = { environment: 'test', name: 'x', organization: 'acme', revision: [state] }
  assert.deepEqual([status, withoutServers(json)], [200, expected])
})

test('shared flows have the same shapes with their own name and without a base path', async () => {
  await using api = await client()
  const files = { 'f.xml': '<SharedFlowBundle name="f"/>', 'sharedflows/default.xml': '<SharedFlow name="default"/>' }
  await api.post('/v1/o/acme/sharedflows?action=import&name=f', octets, await zip(files, 'sharedflowbundle'))
  const up = await api.post('/v1/o/acme/e/test/sharedflows/f/revisions/1/deployments', undefined, 'override=true')
  const bean = {
    environment: 'test',
    name: '1',
    organization: 'acme',
    revision: '1',
    sharedFlow: 'f',
    state: 'deployed',
  }
  assert.deepEqual([up.status, withoutServers(up.json)], [200, bean])
  const list = [{ name: 'f', revision: [{ name: '1', state: 'deployed' }] }]
  const all = await api.get('/v1/o/acme/e/test/deployments?sharedFlows=true')
  assert.deepEqual(withoutServers(all.json), { aPIProxy: list, name: 'test', organization: 'acme', sharedFlow: list })
  assert.deepEqual((await api.get('/v1/o/acme/e/test/deployments')).json['aPIProxy'], [])
  assert.equal((await api.del('/v1/o/acme/sharedflows/f')).status, 400)
  assert.equal((await api.del('/v1/o/acme/e/test/sharedflows/f/revisions/1/deployments')).status, 200)
  assert.equal((await api.del('/v1/o/acme/sharedflows/f')).status, 200)
})

/** The ways that clients have of saying the same. */
const ways: readonly (readonly [what: string, path: string, body: string])[] = [
  ['a form at the environment', inTest(1), 'action=deploy&override=true'],
  ['a form without an action', inTest(1), 'override=true&delay=8'],
  ['a query and no form', `${inTest(1)}?override=true&delay=8`, ''],
  ['a query at the revision', '/v1/o/acme/apis/x/revisions/1/deployments?action=deploy&env=test', ''],
  ['a form at the proxy', '/v1/o/acme/apis/x/deployments', 'action=deploy&revision=1&env=test'],
  ['a query and a form together', '/v1/o/acme/apis/x/deployments?action=deploy&env=test', 'revision=1'],
]

for (const [what, path, body] of ways) {
  test(`a revision is deployed, and undeployed, by ${what}`, async () => {
    await using api = await withRevisions('/x')
    assert.equal((await api.post(path, undefined, body)).status, 200)
    assert.deepEqual(await deployed(api), ['1'])
    const turned = (text: string): string => text.replace('action=deploy', 'action=undeploy')
    const down =
      turned(path) === path && turned(body) === body
        ? `${path}${path.includes('?') ? '&' : '?'}action=undeploy`
        : turned(path)
    assert.equal((await api.post(down, undefined, turned(body))).status, 200)
    assert.deepEqual(await deployed(api), [])
  })
}

const refused: readonly (readonly [what: string, path: string, body: string, status: number, code: string])[] = [
  [
    'an unknown environment',
    '/v1/o/acme/e/none/apis/x/revisions/1/deployments',
    '',
    404,
    'messaging.config.beans.EnvironmentDoesNotExist',
  ],
  [
    'an unknown proxy',
    '/v1/o/acme/e/test/apis/none/revisions/1/deployments',
    '',
    404,
    'messaging.config.beans.ApplicationDoesNotExist',
  ],
  ['an unknown revision', inTest(7), '', 404, 'messaging.config.beans.ApplicationRevisionDoesNotExist'],
  [
    'a revision that is no number',
    '/v1/o/acme/apis/x/deployments',
    'action=undeploy&revision=NaN&env=test',
    404,
    'messaging.config.beans.ApplicationRevisionDoesNotExist',
  ],
  ['undeploying what is not deployed', inTest(1), 'action=undeploy', 400, 'distribution.RevisionNotDeployed'],
  ['an unknown action', inTest(1), 'action=destroy', 400, 'bad-value'],
  ['no action where there is none by itself', '/v1/o/acme/apis/x/deployments', 'revision=1&env=test', 400, 'bad-value'],
  ['no environment', '/v1/o/acme/apis/x/deployments', 'action=deploy&revision=1', 400, 'bad-value'],
  ['a delay that is no number', inTest(1), 'delay=soon', 400, 'bad-value'],
  ['a delay of a week', inTest(1), 'delay=604800', 400, 'bad-value'],
  ['an override that is neither true nor false', inTest(1), 'override=maybe', 400, 'bad-value'],
  ['a base path with dots', inTest(1), 'basepath=/a/../b', 400, 'bad-value'],
]

for (const [what, path, body, status, code] of refused) {
  test(`${what} is refused, and nothing is deployed`, async () => {
    await using api = await withRevisions('/x')
    const answer = await api.post(path, undefined, body)
    assert.deepEqual([answer.status, answer.json['code']], [status, code])
    assert.deepEqual(await deployed(api), [])
  })
}

for (const path of [
  '/v1/o/acme/e/none/apis/x/revisions/1/deployments',
  '/v1/o/acme/e/test/apis/none/revisions/1/deployments',
]) {
  test(`undeploying is 404 at ${path}`, async () => {
    await using api = await withRevisions('/x')
    assert.equal((await api.del(path)).status, 404)
  })
}

test('a deployed revision is read-only, and neither it nor its proxy is deleted', async () => {
  await using api = await withRevisions('/x')
  await api.post(inTest(1))
  const revision = '/v1/o/acme/apis/x/revisions/1'
  const answers = [
    await api.post(`${revision}/policies`, 'application/xml', '<Quota name="Q"/>'),
    await api.post(`${revision}/resources?type=jsc&name=x.js`, octets, 'x'),
    await api.del(revision),
    await api.del('/v1/o/acme/apis/x'),
  ]
  assert.deepEqual(
    answers.map(({ status }) => status),
    [400, 400, 400, 400],
  )
  for (const { json } of answers) assert.match(json['message'], /deployed in environment test/)
  await api.del(inTest(1))
  assert.equal((await api.post(`${revision}/policies`, 'application/xml', '<Quota name="Q"/>')).status, 201)
  assert.equal((await api.del(revision)).status, 200)
})

test('a deployed revision that is replaced whole is deployed anew in the same change', async () => {
  await using api = await withRevisions('/x', '/y')
  await api.post(inTest(1), undefined, 'basepath=/v1&delay=5')
  const at = async (): Promise<{ version: number; body: unknown } | null> =>
    api.services.read((view) => view.get('api-deployment', 'acme/test/apis/x', '1'))
  const before = await at()
  const bundle = await zip(passThrough('/z'))
  assert.equal((await api.post('/v1/o/acme/apis/x/revisions/1', octets, bundle)).status, 200)
  const after = await at()
  assert.ok((after?.version ?? 0) > (before?.version ?? 0))
  const { basePath, delay } = (after?.body ?? {}) as Record<string, unknown>
  assert.deepEqual([basePath, delay], ['/v1', 5])
  await api.post(inTest(2), undefined, 'basepath=/v1')
  const conflict = await api.post('/v1/o/acme/apis/x/revisions/1', octets, await zip(passThrough('/y')))
  assert.deepEqual([conflict.status, conflict.json['code']], [400, 'distribution.DeploymentPathConflict'])
  assert.deepEqual((await api.get('/v1/o/acme/apis/x/revisions/1')).json['basepaths'], ['/z'])
})

test('a change that cannot run is told as a failed deployment, problem by problem', async () => {
  const problems = [
    { code: 'step-not-supported', object: 'acme/test/apis/x/1', message: 'apiproxy/policies/Q.xml:1: the policy Q' },
    { code: 'unknown', object: 'acme/test/apis/x/1, proxy endpoint default', message: 'names nothing' },
    { code: 'unknown', object: 'acme/test/apis/x/11', message: 'is in the way' },
  ]
  await using api = await client((services) => ({
    ...services,
    change: (call, work) =>
      services.change(call, async (tx) => {
        const result = await work(tx)
        if (tx.changed.has('api-deployment')) throw new ApiError(400, 'change-refused', 'no', { problems })
        return result
      }),
  }))
  await imported(api, 'x', passThrough('/x'))
  const { status, json } = await api.post(inTest(1), undefined, 'override=true')
  assert.deepEqual([status, json['code']], [400, 'distribution.DeploymentFailed'])
  assert.equal(
    json['message'],
    'It cannot run, and nothing was changed: apiproxy/policies/Q.xml:1: the policy Q; ' +
      'proxy endpoint default: names nothing; acme/test/apis/x/11: is in the way',
  )
  assert.deepEqual(await deployed(api), [])
})
