import assert from 'node:assert/strict'
import { test } from 'node:test'
import { client, imported, passThrough } from './asset-support.ts'

/** A proxy with a revision for each base path; then deploys one after the other; what is deployed in the end. */
const sequences: readonly {
  readonly what: string
  readonly basePaths: readonly string[]
  readonly deploys: readonly (readonly [revision: number, form: string, code: string])[]
  readonly left: readonly string[]
}[] = [
  {
    what: 'a revision of the same base path is refused while another is deployed',
    basePaths: ['/a', '/a'],
    deploys: [
      [1, '', ''],
      [2, '', 'distribution.DeploymentPathConflict'],
    ],
    left: ['1 at /'],
  },
  {
    what: 'with override it takes the place of the other',
    basePaths: ['/a', '/a'],
    deploys: [
      [1, '', ''],
      [2, 'override=true&delay=8', ''],
    ],
    left: ['2 at /'],
  },
  {
    what: 'revisions of different base paths are deployed side by side',
    basePaths: ['/v1', '/v2'],
    deploys: [
      [1, '', ''],
      [2, '', ''],
    ],
    left: ['1 at /', '2 at /'],
  },
  {
    what: 'with override only what is in the way gives way',
    basePaths: ['/v1', '/v2', '/v2'],
    deploys: [
      [1, '', ''],
      [2, '', ''],
      [3, 'override=true', ''],
    ],
    left: ['1 at /', '3 at /'],
  },
  {
    what: 'a base path of the deployment goes before those of the bundle',
    basePaths: ['/a', '/a'],
    deploys: [
      [1, 'basepath=/one', ''],
      [2, 'basepath=two/', ''],
    ],
    left: ['1 at /one', '2 at /two'],
  },
  {
    what: 'base paths are the same when their whole paths are',
    basePaths: ['/a/b', '/b'],
    deploys: [
      [1, '', ''],
      [2, 'basepath=/a', 'distribution.DeploymentPathConflict'],
    ],
    left: ['1 at /'],
  },
  {
    what: 'what is deployed already is refused without override',
    basePaths: ['/a'],
    deploys: [
      [1, '', ''],
      [1, '', 'distribution.RevisionAlreadyDeployed'],
    ],
    left: ['1 at /'],
  },
  {
    what: 'what is deployed already is deployed anew with override, at another base path if so said',
    basePaths: ['/a'],
    deploys: [
      [1, '', ''],
      [1, 'override=true&basepath=/b', ''],
    ],
    left: ['1 at /b'],
  },
]

for (const { what, basePaths, deploys, left } of sequences) {
  test(what, async () => {
    await using api = await client()
    for (const basePath of basePaths) await imported(api, 'x', passThrough(basePath))
    for (const [revision, form, code] of deploys) {
      const answer = await api.post(`/v1/o/acme/e/test/apis/x/revisions/${revision}/deployments`, undefined, form)
      assert.deepEqual([answer.status, answer.json['code'] ?? ''], [code === '' ? 200 : 400, code])
    }
    const deployed = await api.services.read((view) => view.list('api-deployment', 'acme/test/apis/x'))
    assert.deepEqual(
      deployed.map(({ name, body }) => `${name} at ${body.basePath}`),
      left,
    )
  })
}

test('an environment knows nothing of what is deployed in another one', async () => {
  await using api = await client()
  await imported(api, 'x', passThrough('/a'))
  await imported(api, 'x', passThrough('/a'))
  for (const [env, revision] of [
    ['test', 1],
    ['prod', 2],
  ] as const) {
    assert.equal((await api.post(`/v1/o/acme/e/${env}/apis/x/revisions/${revision}/deployments`)).status, 200)
  }
})

test('the message of a conflict names path, revision, proxy and environment as Edge does', async () => {
  await using api = await client()
  await imported(api, 'x', passThrough('/a'))
  await imported(api, 'x', passThrough('/a'))
  await api.post('/v1/o/acme/e/test/apis/x/revisions/1/deployments')
  const { json } = await api.post('/v1/o/acme/e/test/apis/x/revisions/2/deployments')
  assert.match(
    json['message'],
    /^Path \/a conflicts with existing deployment path for revision 1 of the APIProxy x in organization acme, environment test/,
  )
})

test('the delay is kept with the deployment, and is that of the gateway where none is named', async () => {
  await using api = await client()
  await imported(api, 'x', passThrough('/a'))
  const delay = async (form: string): Promise<number | null | undefined> => {
    await api.post('/v1/o/acme/e/test/apis/x/revisions/1/deployments', undefined, `override=true${form}`)
    return (await api.services.read((view) => view.get('api-deployment', 'acme/test/apis/x', '1')))?.body.delay
  }
  assert.deepEqual([await delay('&delay=60'), await delay('&delay=0'), await delay('')], [60, 0, null])
})
