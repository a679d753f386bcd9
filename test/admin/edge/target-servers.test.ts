import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entityClient } from './entity-support.ts'

const plain = { host: 'a.b.com', isEnabled: true, name: 't', port: 8080 }
const empty = {
  ciphers: [],
  clientAuthEnabled: 'false',
  enabled: 'true',
  ignoreValidationErrors: false,
  protocols: [],
}

/** What is sent, and what comes back of it. */
const accepted: readonly (readonly [title: string, sent: Record<string, unknown>, shown: Record<string, unknown>])[] = [
  ['port and flags of apigee-edge-js', plain, plain],
  ['port and flags of apigeetool, which are text', { ...plain, port: '8080', isEnabled: 'true' }, plain],
  ['a disabled one', { ...plain, isEnabled: 'FALSE' }, { ...plain, isEnabled: false }],
  ['one without a port', { name: 't', host: 'h' }, { host: 'h', isEnabled: true, name: 't', port: 80 }],
  [
    'one without a port and with TLS',
    { name: 't', host: 'h', sSLInfo: { enabled: 'true' } },
    { host: 'h', isEnabled: true, name: 't', port: 443, sSLInfo: empty },
  ],
  ['an IPv6 address', { ...plain, host: '[2001:db8::1]' }, { ...plain, host: '2001:db8::1' }],
  ['a protocol of its own', { ...plain, protocol: 'http2' }, { ...plain, protocol: 'HTTP2' }],
  ['properties that mean nothing here', { ...plain, something: { else: 1 } }, plain],
  [
    'TLS that is switched off',
    { ...plain, sSLInfo: { enabled: false } },
    { ...plain, sSLInfo: { ...empty, enabled: 'false' } },
  ],
  [
    'the whole of SSLInfo, names as written and trimmed',
    {
      ...plain,
      sSLInfo: {
        enabled: true,
        clientAuthEnabled: 'true',
        keyStore: 'ref://ksRef',
        keyAlias: 'a1',
        trustStore: '\n  ref://tsRef\n',
        ignoreValidationErrors: 'true',
        ciphers: ['TLS_RSA_WITH_AES_128_CBC_SHA', 'ECDHE-RSA-AES128-GCM-SHA256'],
        protocols: ['TLSv1.2'],
        commonName: { value: '*.example.com', wildcardMatch: 'true' },
        enforce: true,
      },
    },
    {
      ...plain,
      sSLInfo: {
        ciphers: ['TLS_RSA_WITH_AES_128_CBC_SHA', 'ECDHE-RSA-AES128-GCM-SHA256'],
        clientAuthEnabled: 'true',
        commonName: { value: '*.example.com', wildcardMatch: true },
        enabled: 'true',
        enforce: true,
        ignoreValidationErrors: true,
        keyAlias: 'a1',
        keyStore: 'ref://ksRef',
        protocols: ['TLSv1.2'],
        trustStore: 'ref://tsRef',
      },
    },
  ],
]

for (const [title, sent, shown] of accepted) {
  test(`${title} is taken and given back`, async () => {
    await using client = await entityClient()
    const made = await client.send('POST E/targetservers', sent)
    assert.deepEqual([made.status, made.json], [201, shown])
    assert.deepEqual((await client.send('GET E/targetservers/t')).json, shown)
    const again = await client.send('PUT E/targetservers/t', made.json)
    assert.deepEqual([again.status, again.json], [200, shown], 'what is shown can be sent')
  })
}

test('elements that mean nothing here are noted with the stored SSLInfo', async () => {
  await using client = await entityClient()
  const sSLInfo = { enabled: true, crlStore: 'c', certAlias: '', keyHsm: 'h' }
  await client.send('POST E/targetservers', { ...plain, sSLInfo })
  const found = await client.services.read((view) => view.get('target-server', 'acme/test', 't'))
  assert.deepEqual(found?.body.sslInfo?.ignored, ['CRLStore', 'KeyHsm'])
})

const refused: readonly (readonly [title: string, sent: Record<string, unknown>, message: RegExp])[] = [
  ['no host', { name: 't', port: 8080 }, /^host is needed/],
  ['a URL for a host', { ...plain, host: 'https://a.b.com' }, /^host must be a DNS name/],
  ['a host with a port', { ...plain, host: 'a.b.com:80' }, /^host /],
  ['no name', { host: 'h' }, /target server: a name is needed/],
  ['port 0', { ...plain, port: 0 }, /^port must be a port/],
  ['port 65536', { ...plain, port: '65536' }, /^port /],
  ['a port with a fraction', { ...plain, port: 80.5 }, /^port /],
  ['a flag that is neither', { ...plain, isEnabled: 'yes' }, /^isEnabled must be true or false/],
  ['a protocol nobody knows', { ...plain, protocol: 'QUIC' }, /^protocol /],
  ['SSLInfo that is text', { ...plain, sSLInfo: 'on' }, /^sSLInfo must be an object/],
  [
    'an unclear switch of verification',
    { ...plain, sSLInfo: { ignoreValidationErrors: 'maybe' } },
    /^sSLInfo.ignoreValidationErrors must be true or false/,
  ],
  [
    'client authentication without a key',
    { ...plain, sSLInfo: { enabled: true, clientAuthEnabled: true, keyStore: 'ks' } },
    /keyStore and keyAlias are needed/,
  ],
  ['a reference to an alias', { ...plain, sSLInfo: { enabled: true, keyAlias: 'ref://a' } }, /^sSLInfo.keyAlias /],
  ['a reference without a name', { ...plain, sSLInfo: { trustStore: 'ref://' } }, /^sSLInfo.trustStore /],
  ['ciphers that are no list', { ...plain, sSLInfo: { ciphers: 'ALL' } }, /^sSLInfo.ciphers must be an array/],
]

for (const [title, sent, message] of refused) {
  test(`${title} is refused, in a new one and in a change`, async () => {
    await using client = await entityClient()
    const made = await client.send('POST E/targetservers', sent)
    assert.equal(made.status, 400)
    assert.match((made.json as { message: string }).message, message)
    assert.deepEqual((await client.send('GET E/targetservers')).json, [])
    if (sent['name'] === undefined) return
    await client.send('POST E/targetservers', plain)
    assert.equal((await client.send('PUT E/targetservers/t', sent)).status, 400)
    assert.deepEqual((await client.send('GET E/targetservers/t')).json, plain)
  })
}

test('an unknown target server is missed in the words that clients compare', async () => {
  await using client = await entityClient()
  for (const what of ['GET E/targetservers/x', 'PUT E/targetservers/x', 'DELETE E/targetservers/x']) {
    const answer = await client.send(what, { ...plain, name: 'x' })
    assert.equal(answer.status, 404, what)
    assert.deepEqual(
      answer.json,
      {
        code: 'messaging.config.beans.TargetServerDoesNotExist',
        message: 'Target server x does not exist in environment test',
        contexts: [],
      },
      what,
    )
  }
})

test('a target server is deleted, and belongs to one environment', async () => {
  await using client = await entityClient()
  await client.send('POST E/targetservers', plain)
  assert.equal((await client.send('POST E/targetservers', plain)).status, 409)
  assert.deepEqual((await client.send('GET P/environments/prod/targetservers')).json, [])
  const gone = await client.send('DELETE E/targetservers/t')
  assert.deepEqual([gone.status, gone.json], [200, plain])
  assert.deepEqual((await client.send('GET E/targetservers')).json, [])
})
