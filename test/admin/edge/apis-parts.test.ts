import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readZip } from '../../../src/core/zip.ts'
import { type Client, client, imported, passThrough, proxyEndpoint, targetEndpoint, zip } from './asset-support.ts'

const xml = 'application/xml'
const octets = 'application/octet-stream'
const revision = '/v1/o/acme/apis/x/revisions/1'

async function bare(): Promise<Client> {
  const api = await client()
  const root = await zip({ 'x.xml': '<APIProxy name="x"/>' })
  await api.post('/v1/o/acme/apis?action=import&validate=false&name=x', octets, root)
  return api
}

test('a revision is made of its parts the way apigeetool does it', async () => {
  await using api = await bare()
  const parts = [
    [`resources?type=jsc&name=f.js`, octets, 'var a'],
    [`resources?type=node&name=lib/deep.js`, octets, 'var b'],
    [`policies`, xml, '<AssignMessage name="Stamp"><AssignTo type="request"/></AssignMessage>'],
    [`targets?name=default`, xml, targetEndpoint('default', 'https://b.example/v1')],
    [`proxies?name=default`, xml, proxyEndpoint('default', '/x')],
  ] as const
  for (const [path, type, body] of parts) {
    assert.equal((await api.post(`${revision}/${path}`, type, body)).status, 201, path)
  }
  const lists = ['policies', 'proxies', 'targets', 'resources'].map(
    async (list) => (await api.get(`${revision}/${list}`)).json,
  )
  assert.deepEqual(await Promise.all(lists), [
    ['Stamp'],
    ['default'],
    ['default'],
    ['jsc://f.js', 'node://lib/deep.js'],
  ])
  const bundle = await readZip((await api.get(`${revision}?format=bundle`)).bytes)
  assert.deepEqual(
    [...bundle.keys()],
    [
      'apiproxy/policies/Stamp.xml',
      'apiproxy/proxies/default.xml',
      'apiproxy/resources/jsc/f.js',
      'apiproxy/resources/node/lib/deep.js',
      'apiproxy/targets/default.xml',
      'apiproxy/x.xml',
    ],
  )
})

test('the bean of a proxy endpoint has what apigeetool prints addresses from', async () => {
  await using api = await bare()
  const step =
    '<PreFlow name="PreFlow"><Request><Step><Name>A</Name><Condition>request.verb = "GET"</Condition></Step></Request></PreFlow>'
  await api.post(
    `${revision}/proxies?name=default`,
    xml,
    proxyEndpoint('default', '/x').replace('<PreFlow name="PreFlow"/>', step),
  )
  const { json } = await api.get(`${revision}/proxies/default`)
  assert.deepEqual(json, {
    connection: {
      basePath: '/x',
      connectionType: 'httpConnection',
      properties: { property: [] },
      virtualHost: ['default'],
    },
    connectionType: 'httpConnection',
    description: '',
    faultRules: [],
    flows: [],
    name: 'default',
    postFlow: { name: 'PostFlow', request: { children: [] }, response: { children: [] } },
    preFlow: {
      name: 'PreFlow',
      request: { children: [{ step: { condition: 'request.verb = "GET"', name: 'A' } }] },
      response: { children: [] },
    },
    routeRule: [{ empty: false, name: 'default', targetEndpoint: 'default' }],
    routeRuleNames: ['default'],
    type: 'Proxy',
  })
})

test('the bean of a target endpoint has its URL and SSLInfo, under the names of Edge', async () => {
  await using api = await bare()
  const ssl = '<SSLInfo><Enabled>true</Enabled><TrustStore>ref://t</TrustStore></SSLInfo></HTTPTargetConnection>'
  const text = targetEndpoint('default', 'https://b.example/v1').replace('</HTTPTargetConnection>', ssl)
  await api.post(`${revision}/targets?name=default`, xml, text)
  const { json } = await api.get(`${revision}/targets/default`)
  const { connection, name, type } = json as Record<string, unknown>
  assert.deepEqual([name, type], ['default', 'Target'])
  assert.deepEqual(connection, {
    connectionType: 'httpConnection',
    properties: { property: [] },
    sSLInfo: {
      ciphers: [],
      clientAuthEnabled: 'false',
      enabled: 'true',
      ignoreValidationErrors: false,
      protocols: [],
      trustStore: 'ref://t',
    },
    uRL: 'https://b.example/v1',
  })
})

for (const [element, connectionType] of [
  ['ScriptTarget', 'scriptConnection'],
  ['HostedTarget', 'hostedTarget'],
] as const) {
  test(`a target endpoint with a ${element} is shown as ${connectionType}`, async () => {
    await using api = await bare()
    const text = `<TargetEndpoint name="default"><${element}><ResourceURL>node://a.js</ResourceURL></${element}></TargetEndpoint>`
    assert.equal((await api.post(`${revision}/targets?name=default`, xml, text)).status, 201)
    assert.deepEqual((await api.get(`${revision}/targets/default`)).json['connection'], { connectionType })
  })
}

test('a policy is given as JSON, or as the document itself for whoever asks for XML', async () => {
  await using api = await bare()
  const text = '<Quota name="Q" enabled="false"><Allow count="3"/></Quota>'
  await api.post(`${revision}/policies`, xml, text)
  const plain = await api.get(`${revision}/policies/Q`)
  assert.deepEqual([plain.status, plain.json], [200, { enabled: false, name: 'Q', policyType: 'Quota' }])
  const document = await api.get(`${revision}/policies/Q`, { accept: 'application/xml' })
  assert.deepEqual([document.type, document.bytes.toString()], ['application/xml', text])
})

test('a policy that comes again takes the place of the one before it, whatever its file is called', async () => {
  await using api = await client()
  await imported(api, 'x', { ...passThrough('/x'), 'policies/odd-name.xml': '<Quota name="Q"/>' })
  await api.post(`${revision}/policies`, xml, '<SpikeArrest name="Q"/>')
  assert.deepEqual((await api.get(`${revision}/policies`)).json, ['Q'])
  assert.equal((await api.get(`${revision}/policies/Q`)).json['policyType'], 'SpikeArrest')
  const gone = await api.del(`${revision}/policies/Q`)
  assert.deepEqual([gone.status, gone.json['name']], [200, 'Q'])
  assert.deepEqual((await api.get(`${revision}/policies`)).json, [])
  assert.equal((await api.del(`${revision}/policies/Q`)).status, 404)
})

test('npm answers that nothing is installed', async () => {
  await using api = await bare()
  const answer = await api.post(`${revision}/npm`, 'application/x-www-form-urlencoded', 'command=install')
  assert.equal(answer.status, 200)
  assert.match(answer.type, /^text\/plain/)
  assert.match(answer.bytes.toString(), /Nothing was installed/)
})

const refused: readonly (readonly [what: string, path: string, type: string, body: string, told: RegExp])[] = [
  ['a policy that is no XML', 'policies', xml, 'hello', /line 1/],
  ['a policy that does not end', 'policies', xml, '<Quota name="Q">', /line 1/],
  ['a policy with a DTD', 'policies', xml, '<!DOCTYPE a [<!ENTITY b "c">]><Quota name="Q">&b;</Quota>', /line 1/],
  [
    'a target endpoint sent as a proxy endpoint',
    'proxies?name=default',
    xml,
    targetEndpoint('default', 'http://a/'),
    /ProxyEndpoint/,
  ],
  ['a proxy endpoint named as a path', 'proxies?name=../x', xml, proxyEndpoint('default', '/'), /name of a file/],
  ['a resource without a type', 'resources?name=x.js', octets, 'x', /type/],
  ['a resource without a name', 'resources?type=jsc', octets, 'x', /path of a resource/],
  ['a resource outside of its folder', 'resources?type=jsc&name=a/../../b', octets, 'x', /path of a resource/],
  ['a resource of a type that is a path', 'resources?type=../policies&name=a.xml', octets, '<A/>', /type/],
]

for (const [what, path, type, body, told] of refused) {
  test(`${what} is refused, and the revision stays as it was`, async () => {
    await using api = await bare()
    const before = await api.get(revision)
    const answer = await api.post(`${revision}/${path}`, type, body)
    assert.equal(answer.status, 400)
    assert.match(answer.json['message'], told)
    assert.deepEqual((await api.get(revision)).json, before.json)
  })
}

for (const part of ['policies/none', 'proxies/none', 'targets/none']) {
  test(`an unknown part is 404 at ${part}`, async () => {
    await using api = await bare()
    assert.equal((await api.get(`${revision}/${part}`)).status, 404)
  })
}

test('a part of a revision that is not there is 404', async () => {
  await using api = await bare()
  const answer = await api.post('/v1/o/acme/apis/x/revisions/2/policies', xml, '<Quota name="Q"/>')
  assert.deepEqual(
    [answer.status, answer.json['code']],
    [404, 'messaging.config.beans.ApplicationRevisionDoesNotExist'],
  )
})
