import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writeZip } from '../../../src/core/zip.ts'
import { client, passThrough, proxyEndpoint, zip } from './asset-support.ts'

const octets = 'application/octet-stream'

/** What is sent, and what the message must tell. */
const bundles: readonly (readonly [what: string, bytes: () => Promise<Uint8Array>, told: RegExp])[] = [
  ['nothing', async () => Buffer.alloc(0), /Empty bundle/],
  ['text', async () => Buffer.from('hello'), /zip-malformed/],
  ['a zip that is cut off', async () => (await zip(passThrough('/x'))).subarray(0, 300), /zip-malformed/],
  ['an empty zip', async () => writeZip([]), /Unable to read\/find APIProxy contents/],
  [
    'a shared flow',
    async () => zip({ 'f.xml': '<SharedFlowBundle name="f"/>' }, 'sharedflowbundle'),
    /no folder apiproxy/,
  ],
  ['a file of a path outside', async () => slipped(), /zip-unsafe-name/],
  ['a zip bomb', async () => zip({ 'p.xml': '<APIProxy/>', 'resources/jsc/a.js': Buffer.alloc(15e6) }), /zip-bomb/],
  [
    'XML that does not end',
    async () => zip({ 'proxies/default.xml': '<ProxyEndpoint name="default">' }),
    /default\.xml line 1/,
  ],
  [
    'XML with an entity',
    async () => zip({ 'p.xml': '<!DOCTYPE a [<!ENTITY b "c">]><APIProxy name="p">&b;</APIProxy>' }),
    /p\.xml line 1/,
  ],
  [
    'XML that nests too deep',
    async () => zip({ 'policies/a.xml': `<A name="a">${'<b>'.repeat(5000)}${'</b>'.repeat(5000)}</A>` }),
    /a\.xml line 1/,
  ],
]

for (const [what, bytes, told] of bundles) {
  test(`${what} is refused as a bundle, and nothing is kept`, async () => {
    await using api = await client()
    for (const target of ['/v1/o/acme/apis?action=import&name=x', '/v1/o/acme/apis?action=validate&name=x']) {
      const answer = await api.post(target, octets, await bytes())
      assert.deepEqual([answer.status, answer.json['code']], [400, 'messaging.config.beans.InvalidBundle'])
      assert.match(answer.json['message'], told)
    }
    assert.deepEqual((await api.get('/v1/o/acme/apis')).json, [])
  })
}

test('a refused bundle leaves the revision that it was to replace as it was', async () => {
  await using api = await client()
  await api.post('/v1/o/acme/apis?action=import&name=x', octets, await zip(passThrough('/x')))
  const before = await api.get('/v1/o/acme/apis/x/revisions/1')
  assert.equal((await api.post('/v1/o/acme/apis/x/revisions/1', octets, 'no zip')).status, 400)
  assert.deepEqual((await api.get('/v1/o/acme/apis/x/revisions/1')).json, before.json)
})

const requests: readonly (readonly [
  what: string,
  path: string,
  type: string,
  body: string,
  status: number,
  code: RegExp,
])[] = [
  ['an unknown organization', '/v1/o/none/apis?action=import&name=x', octets, '', 404, /OrganizationDoesNotExist$/],
  ['an unknown action', '/v1/o/acme/apis?action=zip&name=x', octets, '', 400, /InvalidAction$/],
  ['a bundle without an action', '/v1/o/acme/apis?name=x', octets, 'PK', 400, /InvalidAction$/],
  ['a JSON body without a name', '/v1/o/acme/apis', 'application/json', '{}', 400, /^bad-name$/],
  ['a name with a slash', '/v1/o/acme/apis', 'application/json', '{"name":"a/b"}', 400, /^bad-name$/],
  ['a body that is no JSON', '/v1/o/acme/apis', 'application/json', '{', 400, /^bad-json$/],
]

for (const [what, path, type, body, status, code] of requests) {
  test(`${what} is refused when a proxy is made`, async () => {
    await using api = await client()
    const answer = await api.post(path, type, body)
    assert.equal(answer.status, status)
    assert.match(answer.json['code'], code)
  })
}

test('a name that the query has wrong is refused, whatever the bundle says', async () => {
  await using api = await client()
  const answer = await api.post('/v1/o/acme/apis?action=import&name=..', octets, await zip(passThrough('/x')))
  assert.deepEqual([answer.status, answer.json['code']], [400, 'bad-name'])
  const good = await api.post(
    '/v1/o/acme/apis?action=import&name=x',
    octets,
    await zip({ 'proxies/default.xml': proxyEndpoint('default', '/') }),
  )
  assert.equal(good.status, 201)
})

for (const path of ['/v1/o/acme/apis/none', '/v1/o/acme/apis/none/revisions', '/v1/o/acme/apis/none/revisions/1']) {
  test(`an unknown proxy is 404 at ${path}`, async () => {
    await using api = await client()
    const answer = await api.get(path)
    assert.deepEqual([answer.status, answer.json['code']], [404, 'messaging.config.beans.ApplicationDoesNotExist'])
  })
}

/** As no tool here writes it: the name is changed in the finished zip, to another of the same length. */
async function slipped(): Promise<Buffer> {
  const bytes = await zip({ 'proxies/default.xml': proxyEndpoint('default', '/x'), 'xx/yy': 'z' })
  return Buffer.from(bytes.toString('latin1').replaceAll('apiproxy/xx/yy', 'apiproxy/../yy'), 'latin1')
}
