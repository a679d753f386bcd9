import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readZip, writeZip } from '../../../src/core/zip.ts'
import { client, imported, passThrough, proxyEndpoint, zip } from './asset-support.ts'

const octets = 'application/octet-stream'

test('an import answers 201 with the revision bean', async () => {
  await using api = await client()
  const bean = await imported(api, 'orders', {
    ...passThrough('/orders'),
    'policies/Stamp.xml': '<AssignMessage name="Stamp"/>',
    'resources/jsc/x.js': 'var a',
  })
  const { createdAt, createdBy, lastModifiedAt, lastModifiedBy, manifestVersion, ...rest } = bean
  assert.deepEqual([createdBy, lastModifiedBy, createdAt === lastModifiedAt], ['admin', 'admin', true])
  assert.match(String(manifestVersion), /^SHA-512:[0-9a-f]{128}$/)
  assert.deepEqual(rest, {
    basepaths: ['/orders'],
    configurationVersion: { majorVersion: 4, minorVersion: 0 },
    contextInfo: 'Revision 1 of application orders, in organization acme',
    description: 'Through',
    displayName: 'Pass',
    entityMetaDataAsProperties: { bundle_type: 'zip', createdBy: 'admin', lastModifiedBy: 'admin', subType: 'null' },
    name: 'orders',
    policies: ['Stamp'],
    proxies: ['default'],
    proxyEndpoints: ['default'],
    resourceFiles: { resourceFile: [{ name: 'x.js', type: 'jsc' }] },
    resources: ['jsc://x.js'],
    revision: '1',
    sharedFlows: [],
    spec: '',
    targetEndpoints: ['default'],
    targetServers: [],
    targets: ['default'],
    type: 'Application',
  })
  const again = await api.get('/v1/o/acme/apis/orders/revisions/1')
  assert.deepEqual([again.status, again.json], [200, bean])
})

test('a shared flow is imported the same way, from its own root folder', async () => {
  await using api = await client()
  const files = { 'f.xml': '<SharedFlowBundle name="f"/>', 'sharedflows/default.xml': '<SharedFlow name="default"/>' }
  const target = '/v1/o/acme/sharedflows?action=import&name=f'
  const answer = await api.post(target, octets, await zip(files, 'sharedflowbundle'))
  assert.equal(answer.status, 201)
  const { entryPoint, sharedFlows, basepaths } = answer.json as Record<string, unknown>
  assert.deepEqual([entryPoint, sharedFlows, basepaths], ['default', ['default'], undefined])
  assert.deepEqual((await api.get('/v1/o/acme/sharedflows')).json, ['f'])
  assert.deepEqual((await api.get('/v1/o/acme/apis')).json, [])
  assert.deepEqual((await api.get('/v1/o/acme/sharedflows/f/revisions/1/sharedflows')).json, ['default'])
})

test('a bundle may come as the part "file" of a form', async () => {
  await using api = await client()
  const bytes = await zip(passThrough('/orders'))
  const body = Buffer.concat([
    Buffer.from('--b1\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'),
    bytes,
    Buffer.from('\r\n--b1--\r\n'),
  ])
  const type = 'multipart/form-data; boundary="b1"'
  const answer = await api.post('/v1/o/acme/apis?action=import&name=orders', type, body)
  assert.equal(answer.status, 201)
  const none = Buffer.from('--b1\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b1--\r\n')
  const refused = await api.post('/v1/o/acme/apis?action=import&name=other', type, none)
  assert.deepEqual([refused.status, refused.json['code']], [400, 'messaging.config.beans.InvalidBundle'])
})

test('without a name in the query the root document names the proxy', async () => {
  await using api = await client()
  const answer = await api.post('/v1/o/acme/apis?action=import', octets, await zip(passThrough('/orders')))
  assert.deepEqual([answer.status, answer.json['name']], [201, 'p'])
})

test('the number of a revision is the highest there is plus one, also after a deletion and after a refused import', async () => {
  await using api = await client()
  const files = passThrough('/orders')
  for (const expected of ['1', '2', '3']) assert.equal((await imported(api, 'orders', files))['revision'], expected)
  await api.del('/v1/o/acme/apis/orders/revisions/3')
  assert.equal((await imported(api, 'orders', files))['revision'], '3')
  await api.del('/v1/o/acme/apis/orders/revisions/1')
  const target = '/v1/o/acme/apis?action=import&name=orders'
  assert.equal((await api.post(target, octets, 'no zip')).status, 400)
  assert.equal((await imported(api, 'orders', files))['revision'], '4')
  assert.deepEqual((await api.get('/v1/o/acme/apis/orders/revisions')).json, ['2', '3', '4'])
  assert.deepEqual((await api.get('/v1/o/acme/apis/orders')).json['revision'], ['2', '3', '4'])
})

test('revisions are in order of their numbers, not of their texts', async () => {
  await using api = await client()
  for (let count = 0; count < 11; count++) await imported(api, 'orders', passThrough('/orders'))
  const numbers = Array.from({ length: 11 }, (_, index) => String(index + 1))
  assert.deepEqual((await api.get('/v1/o/acme/apis/orders/revisions')).json, numbers)
})

test('an export has the files of the import, whatever the client says it accepts, and is the same zip each time', async () => {
  await using api = await client()
  const files = { ...passThrough('/orders'), 'resources/jsc/x.js': 'var a' }
  await imported(api, 'orders', files)
  const target = '/v1/o/acme/apis/orders/revisions/1?format=bundle'
  const [first, second] = [
    await api.get(target, { accept: 'application/json' }),
    await api.get(target, { accept: '*/*' }),
  ]
  assert.deepEqual([first.status, first.type], [200, 'application/octet-stream'])
  assert.deepEqual(first.bytes, second.bytes)
  const texts = [...(await readZip(first.bytes))].map(([path, bytes]) => [path, bytes.toString()])
  assert.deepEqual(
    Object.fromEntries(texts),
    Object.fromEntries(Object.entries(files).map(([p, t]) => [`apiproxy/${p}`, t])),
  )
  const back = await api.post('/v1/o/acme/apis?action=import&name=copy', octets, first.bytes)
  assert.equal(back.status, 201)
})

test('an empty proxy is made by its name alone, and its export has a root document', async () => {
  await using api = await client()
  const made = await api.post('/v1/o/acme/apis', 'application/json', '{"name":"bare"}')
  assert.deepEqual([made.status, made.json['revision'], made.json['proxies']], [201, '1', []])
  const bundle = await readZip((await api.get('/v1/o/acme/apis/bare/revisions/1?format=bundle')).bytes)
  assert.deepEqual([...bundle.keys()], ['apiproxy/bare.xml'])
  assert.match(String(bundle.get('apiproxy/bare.xml')), /<APIProxy revision="1" name="bare"\/>/)
  const twice = await api.post('/v1/o/acme/apis', 'application/json', '{"name":"bare"}')
  assert.deepEqual([twice.status, twice.json['code']], [409, 'messaging.config.beans.ApplicationAlreadyExists'])
})

test('validating keeps nothing, and tells what is wrong', async () => {
  await using api = await client()
  const good = await api.post('/v1/o/acme/apis?action=validate&name=x', octets, await zip(passThrough('/x')))
  assert.equal(good.status, 200)
  const without = {
    ...passThrough('/x'),
    'proxies/default.xml': proxyEndpoint('default', '/x').replace('<PostFlow name="PostFlow"/>', badStep),
  }
  const bad = await api.post('/v1/o/acme/apis?action=validate&name=x', octets, await zip(without))
  assert.equal(bad.status, 400)
  assert.match(String(bad.json['message']), /apiproxy\/proxies\/default\.xml line \d+: .*condition/)
  assert.deepEqual((await api.get('/v1/o/acme/apis')).json, [])
})

test('with validate=true a bundle with errors is refused, without it is kept for later', async () => {
  await using api = await client()
  const files = {
    ...passThrough('/x'),
    'proxies/default.xml': proxyEndpoint('default', '/x').replace('<PostFlow name="PostFlow"/>', badStep),
  }
  const target = '/v1/o/acme/apis?action=import&name=x'
  assert.equal((await api.post(`${target}&validate=true`, octets, await zip(files))).status, 400)
  assert.deepEqual((await api.get('/v1/o/acme/apis')).json, [])
  assert.equal((await api.post(`${target}&validate=false`, octets, await zip(files))).status, 201)
})

test('with validate=true a policy that is missing is an error, one that cannot be run here is not', async () => {
  await using api = await client()
  const step = '<PostFlow name="PostFlow"><Request><Step><Name>A</Name></Step></Request></PostFlow>'
  const endpoint = proxyEndpoint('default', '/x').replace('<PostFlow name="PostFlow"/>', step)
  const files = { ...passThrough('/x'), 'proxies/default.xml': endpoint }
  const target = '/v1/o/acme/apis?action=import&name=x&validate=true'
  const missing = await api.post(target, octets, await zip(files))
  assert.equal(missing.status, 400)
  assert.match(missing.json['message'], /apiproxy\/proxies\/default\.xml line 1: .*the policy A/)
  const there = await zip({ ...files, 'policies/A.xml': '<Quota name="A"/>' })
  assert.equal((await api.post(target, octets, there)).status, 201)
  const problems = (await api.post('/v1/o/acme/apis?action=validate&name=x', octets, there)).json['problems']
  assert.deepEqual(
    (problems as readonly Record<string, unknown>[]).map(({ code }) => code),
    ['step-not-supported'],
  )
})

test('a revision is replaced by another bundle, whole', async () => {
  await using api = await client()
  await imported(api, 'orders', { ...passThrough('/orders'), 'policies/Old.xml': '<AssignMessage name="Old"/>' })
  const answer = await api.post('/v1/o/acme/apis/orders/revisions/1', octets, await zip(passThrough('/new')))
  assert.equal(answer.status, 200)
  const { basepaths, policies, revision } = answer.json as Record<string, unknown>
  assert.deepEqual([basepaths, policies, revision], [['/new'], [], '1'])
  assert.equal(
    (await api.post('/v1/o/acme/apis/orders/revisions/2', octets, await zip(passThrough('/new')))).status,
    404,
  )
})

test('a deleted proxy leaves nothing behind', async () => {
  await using api = await client()
  await imported(api, 'orders', passThrough('/orders'))
  await imported(api, 'ordersx', passThrough('/ordersx'))
  const gone = await api.del('/v1/o/acme/apis/orders')
  assert.deepEqual([gone.status, gone.json['name']], [200, 'orders'])
  const missing = await api.get('/v1/o/acme/apis/orders')
  assert.deepEqual(
    [missing.status, missing.json],
    [
      404,
      {
        code: 'messaging.config.beans.ApplicationDoesNotExist',
        message: 'APIProxy named orders does not exist in organization acme',
        contexts: [],
      },
    ],
  )
  const left = await api.services.read((view) => view.below('api-file', 'acme/apis'))
  assert.deepEqual([...new Set(left.map(({ scope }) => scope))], ['acme/apis/ordersx/1'])
  assert.equal((await imported(api, 'orders', passThrough('/orders')))['revision'], '1')
})

test('a list has the names from startKey on, at most count of them', async () => {
  await using api = await client()
  for (const name of ['c', 'a', 'b']) await imported(api, name, passThrough(`/${name}`))
  const listed = async (query: string): Promise<unknown> => (await api.get(`/v1/o/acme/apis${query}`)).json
  assert.deepEqual(await listed(''), ['a', 'b', 'c'])
  assert.deepEqual(await listed('?startKey=b'), ['b', 'c'])
  assert.deepEqual(await listed('?count=2&startKey=a'), ['a', 'b'])
})

test('what is in a zip beside the root folder is left out', async () => {
  await using api = await client()
  const files: [string, Uint8Array][] = Object.entries(passThrough('/x')).map(([p, t]) => [
    `apiproxy/${p}`,
    Buffer.from(t),
  ])
  const bytes = await writeZip([...files, ['README.md', Buffer.from('read me')]])
  assert.equal((await api.post('/v1/o/acme/apis?action=import&name=x', octets, bytes)).status, 201)
  const kept = await readZip((await api.get('/v1/o/acme/apis/x/revisions/1?format=bundle')).bytes)
  assert.deepEqual([...kept.keys()].sort(), files.map(([path]) => path).sort())
})

test('lists and beans that were asked for once read no file', async () => {
  let reads = 0
  await using api = await client((services) => ({
    ...services,
    read: (work) => services.read((view) => work({ ...view, blob: (...place) => (reads++, view.blob(...place)) })),
  }))
  await imported(api, 'orders', passThrough('/orders'))
  const revision = '/v1/o/acme/apis/orders/revisions/1'
  const paths = [
    '/v1/o/acme/apis',
    '/v1/o/acme/apis/orders',
    revision,
    `${revision}/proxies/default`,
    `${revision}/targets`,
  ]
  for (const path of paths) await api.get(path)
  const first = reads
  assert.ok(first > 0)
  for (const path of paths) assert.equal((await api.get(path)).status, 200)
  assert.equal(reads, first)
  await api.post(`${revision}/policies`, 'application/xml', '<AssignMessage name="A"/>')
  assert.deepEqual((await api.get(revision)).json['policies'], ['A'])
  assert.ok(reads > first)
})

/** Wrong in itself: a condition that cannot be read. */
const badStep =
  '<PostFlow name="PostFlow"><Request><Step><Name>A</Name><Condition>a = </Condition></Step></Request></PostFlow>'
