import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLeaf, createRoot } from '../../../src/pki/make.ts'
import { type EntityClient, entityClient, putKeystore, stamps } from './entity-support.ts'

const now = Date.UTC(2026, 0, 1)
const day = 86_400_000
const authority = await createRoot({ commonName: 'Root', now: new Date(now - 400 * day) })
const certificate = async (from: number, to: number): Promise<string> =>
  (await createLeaf(authority, { names: ['api.example.com'], notBefore: new Date(from), notAfter: new Date(to) }))
    .certificatePem
const good = await certificate(now - day, now + day)
const expired = await certificate(now - 2 * day, now - 1)

/** Keystore `ks` with the aliases `good`, `expired` and `keyless`; `ref://r` leads to it, `ref://broken` nowhere. */
async function withStores(): Promise<EntityClient> {
  const client = await entityClient(now)
  await client.put(async (tx) => {
    await putKeystore(tx, 'ks', {
      good: { pem: good, hasKey: true },
      expired: { pem: expired, hasKey: true },
      keyless: { pem: good, hasKey: false },
    })
    for (const [name, refers] of [
      ['r', 'ks'],
      ['broken', 'gone'],
    ] as const) {
      await tx.put('reference', 'acme/test', name, {
        body: { ...stamps, refers, resourceType: 'KeyStore', description: '' },
      })
    }
  })
  return client
}

const tls = { enabled: true, keyStore: 'ks', keyAlias: 'good' }
const host = { name: 'v', port: 443, hostAliases: ['api.example.com'], sSLInfo: tls }

const shown = {
  hostAliases: ['api.example.com'],
  interfaces: [],
  name: 'v',
  port: '443',
  propagateTLSInformation: { clientProperties: false, connectionProperties: false },
  properties: { property: [] },
  sSLInfo: {
    ciphers: [],
    clientAuthEnabled: 'false',
    enabled: 'true',
    ignoreValidationErrors: false,
    keyAlias: 'good',
    keyStore: 'ks',
    protocols: [],
  },
}

const xml = `<?xml version="1.0"?>
<VirtualHost name="v">
  <Port>443</Port><!-- of the router -->
  <HostAliases><HostAlias>API.example.com</HostAlias></HostAliases>
  <Interfaces/>
  <SSLInfo><KeyAlias>good</KeyAlias><Enabled>true</Enabled><KeyStore>
    ks
  </KeyStore><ClientAuthEnabled>false</ClientAuthEnabled><Ciphers/><Protocols/></SSLInfo>
</VirtualHost>`

const accepted: readonly (readonly [title: string, sent: unknown, changes: Record<string, unknown>, type?: string])[] =
  [
    ['port 443', host, {}],
    ['a port in text', { ...host, port: '443' }, {}],
    ['no port', { ...host, port: undefined }, {}],
    ['XML', xml, {}, 'application/xml'],
    [
      'a keystore by reference',
      { ...host, sSLInfo: { ...tls, keyStore: 'ref://r' } },
      { sSLInfo: { ...shown.sSLInfo, keyStore: 'ref://r' } },
    ],
    [
      'clients with certificates',
      { ...host, sSLInfo: { ...tls, clientAuthEnabled: true, trustStore: 'ks' } },
      { sSLInfo: { ...shown.sSLInfo, clientAuthEnabled: 'true', trustStore: 'ks' } },
    ],
    ['no TLS and no port', { name: 'v', hostAliases: [] }, { port: '80', hostAliases: [], sSLInfo: undefined }],
    [
      'host names with ports, wildcards and addresses',
      { ...host, hostAliases: ['A.example.com:9001', '*.b.example', '10.0.0.1', 'a.example.com'] },
      { hostAliases: ['a.example.com', '*.b.example', '10.0.0.1'] },
    ],
    [
      'properties and what is told of TLS',
      {
        ...host,
        properties: { property: [{ name: 'proxy_read_timeout', value: 60 }] },
        propagateTLSInformation: { connectionProperties: 'true' },
        interfaces: ['eth0'],
      },
      {
        properties: { property: [{ name: 'proxy_read_timeout', value: '60' }] },
        propagateTLSInformation: { clientProperties: false, connectionProperties: true },
        interfaces: ['eth0'],
      },
    ],
  ]

for (const [title, sent, changes, type] of accepted) {
  test(`a virtual host with ${title} is taken and given back`, async () => {
    await using client = await withStores()
    const made = await client.send('POST E/virtualhosts', sent, type)
    const expected = JSON.parse(JSON.stringify({ ...shown, ...changes })) as unknown
    assert.deepEqual([made.status, made.json], [201, expected])
    assert.deepEqual((await client.send('GET E/virtualhosts/v')).json, expected)
    const again = await client.send('PUT E/virtualhosts/v', made.json)
    assert.deepEqual([again.status, again.json], [200, expected], 'what is shown can be sent')
  })
}

const refused: readonly (readonly [title: string, sent: unknown, message: RegExp, type?: string])[] = [
  ['an unknown keystore', { ...host, sSLInfo: { ...tls, keyStore: 'none' } }, /keystore none does not exist/],
  ['an unknown alias', { ...host, sSLInfo: { ...tls, keyAlias: 'none' } }, /keystore ks has no alias none/],
  ['an unknown reference', { ...host, sSLInfo: { ...tls, keyStore: 'ref://none' } }, /reference none does not exist/],
  ['a reference that leads nowhere', { ...host, sSLInfo: { ...tls, keyStore: 'ref://broken' } }, /keystore gone /],
  ['an unknown truststore', { ...host, sSLInfo: { ...tls, trustStore: 'none' } }, /trustStore: keystore none/],
  ['an expired certificate', { ...host, sSLInfo: { ...tls, keyAlias: 'expired' } }, /expired 2025-12-31T23:59:59/],
  ['an alias without a key', { ...host, sSLInfo: { ...tls, keyAlias: 'keyless' } }, /without a private key/],
  ['a keystore and no alias', { ...host, sSLInfo: { enabled: true, keyStore: 'ks' } }, /keyAlias is needed/],
  ['an alias and no keystore', { ...host, sSLInfo: { enabled: true, keyAlias: 'good' } }, /keyStore is needed/],
  ['a flow variable', { ...host, sSLInfo: { ...tls, keyStore: '{ks}' } }, /flow variable/],
  [
    'clients to check and nothing to check them by',
    { ...host, sSLInfo: { ...tls, clientAuthEnabled: true } },
    /trustStore is needed/,
  ],
  ['port 0', { ...host, port: 0 }, /^port must be a port/],
  ['port 70000', { ...host, port: '70000' }, /^port must be a port/],
  ['a port that is none', { ...host, port: 'https' }, /^port must be a port/],
  ['a host name that is none', { ...host, hostAliases: ['a b'] }, /^hostAliases\[0\]/],
  ['a URL for a host name', { ...host, hostAliases: ['ok.example', 'https://a'] }, /^hostAliases\[1\]/],
  ['one host name for the list', { ...host, hostAliases: 'a' }, /^hostAliases must be an array/],
  ['a name with a slash', { ...host, name: 'a/b' }, /^virtual host: the name/],
  ['XML of something else', '<KeyStore name="v"/>', /root element is KeyStore/, 'text/xml'],
  ['XML that is cut', '<VirtualHost name="v"><Port>', /not the XML/, 'text/xml'],
  [
    'a document type',
    '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><VirtualHost name="v"><Port>&e;</Port></VirtualHost>',
    /not the XML/,
    'text/xml',
  ],
  [
    'XML without an end in sight',
    `<VirtualHost name="v">${'<A>'.repeat(2000)}${'</A>'.repeat(2000)}</VirtualHost>`,
    /deeper/,
    'text/xml',
  ],
]

for (const [title, sent, message, type] of refused) {
  test(`a virtual host with ${title} is refused`, async () => {
    await using client = await withStores()
    const made = await client.send('POST E/virtualhosts', sent, type)
    assert.equal(made.status, 400)
    assert.match((made.json as { message: string }).message, message)
    assert.deepEqual((await client.send('GET E/virtualhosts')).json, ['default', 'secure'])
  })
}

test('a virtual host is made once, missed when unknown, and deleted', async () => {
  await using client = await withStores()
  assert.equal((await client.send('POST E/virtualhosts', host)).status, 201)
  assert.equal((await client.send('POST E/virtualhosts', host)).status, 409)
  for (const what of [
    'GET E/virtualhosts/x',
    'PUT E/virtualhosts/x',
    'DELETE E/virtualhosts/x',
    'POST E/virtualhosts/x/sslinfo',
  ]) {
    const answer = await client.send(what, {})
    assert.equal(answer.status, 404, what)
    assert.equal((answer.json as { code: string }).code, 'messaging.config.beans.VirtualHostDoesNotExist')
  }
  assert.equal((await client.send('DELETE E/virtualhosts/v')).status, 200)
  assert.deepEqual((await client.send('GET E/virtualhosts')).json, ['default', 'secure'])
})

test('SSLInfo alone can be changed, and is checked as in the whole', async () => {
  await using client = await withStores()
  await client.send('POST E/virtualhosts', host)
  const changed = await client.send('POST E/virtualhosts/v/sslinfo', { ...tls, protocols: ['TLSv1.2'] })
  assert.deepEqual(
    [changed.status, changed.json],
    [200, { ...shown, sSLInfo: { ...shown.sSLInfo, protocols: ['TLSv1.2'] } }],
  )
  assert.equal((await client.send('POST E/virtualhosts/v/sslinfo', { ...tls, keyAlias: 'expired' })).status, 400)
  assert.deepEqual((await client.send('GET E/virtualhosts/v')).json, changed.json)
})
