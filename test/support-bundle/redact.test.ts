import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createRoot } from '../../src/pki/make.ts'
import { configShown } from '../../src/support/config-shown.ts'
import { secretsOfKey } from '../../src/support/key-secrets.ts'
import { noRedactions, type RedactionRule, redactor } from '../../src/support/redact.ts'

const plain = redactor(noRedactions)

const hidden: readonly (readonly [text: string, shown: string, rule: RedactionRule])[] = [
  ['Authorization: Basic YTpiYg==', 'Authorization: *****', 'header'],
  ['  "proxy-authorization: Bearer x"', '  "proxy-authorization: *****"', 'header'],
  ["-H 'Cookie: a=b; c=d'", "-H 'Cookie: *****'", 'header'],
  ['["Set-Cookie","a=b"]', '["Set-Cookie","*****"]', 'header'],
  ['[\n  "x-api-key",\n  "a\\"b"\n]', '[\n  "x-api-key",\n  "*****"\n]', 'header'],
  ['{"name":"Authorization","value":"abc"}', '{"name":"Authorization","value":"*****"}', 'header'],
  ['<Header name="Authorization">Digest a</Header>', '<Header name="Authorization">*****</Header>', 'header'],
  ['{"password": "hunter2"}', '{"password": "*****"}', 'field'],
  ['{"accessToken":"a\\\\"}', '{"accessToken":"*****"}', 'field'],
  ['<ConsumerSecret>abc</ConsumerSecret>', '<ConsumerSecret>*****</ConsumerSecret>', 'field'],
  ['GET /a?b=1&api_key=xyz HTTP/1.1', 'GET /a?b=1&api_key=***** HTTP/1.1', 'parameter'],
  ['/a?access%5Ftoken=xyz', '/a?access%5Ftoken=*****', 'parameter'],
  ['<a href="/x?a=1&amp;token=xyz">', '<a href="/x?a=1&amp;token=*****">', 'parameter'],
  ['https://user:pa:ss@host/x', 'https://*****@host/x', 'url'],
  ['said Basic dXNlcjpwYXNz and went', 'said Basic ***** and went', 'token'],
  ['Bearer abcdefgh1234', 'Bearer *****', 'token'],
  ['x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln y', 'x ***** y', 'token'],
  [
    '-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nrest',
    '(private key) *****\nrest',
    'private-key',
  ],
  ['-----BEGIN PRIVATE KEY-----\nabc', '(private key) *****', 'private-key'],
  [
    '"-----BEGIN PRIVATE KEY-----\\nabc=\\n-----END PRIVATE KEY-----\\n", 1',
    '"(private key) *****\\n", 1',
    'private-key',
  ],
]

const shown: readonly string[] = [
  'Basic Constraints: critical',
  'Bearer certificate',
  'The key usage of the token issuer',
  '"authorization": null, "authorityKeyId": "AB"',
  '<SessionId>abc</SessionId>',
  '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
  'Authorization: *****',
  '-H "Authorization: $AUTHORIZATION"',
  '/a?b=1&q=2',
  'mail to a@b.example',
  'password:\n  env: PROXY_PASSWORD',
]

describe('what is hidden', () => {
  for (const [text, expected, rule] of hidden) {
    it(`${JSON.stringify(text)} by rule ${rule}`, () => {
      const told = plain(text)
      assert.equal(told.text, expected)
      assert.deepEqual(told.counts, { [rule]: 1 })
      assert.deepEqual(plain(told.text), { text: told.text, counts: {} }, 'it is hidden once')
    })
  }

  for (const text of shown) {
    it(`${JSON.stringify(text)} stays`, () => assert.deepEqual(plain(text), { text, counts: {} }))
  }

  it('secrets that the gateway knows, however they are written', () => {
    const redact = redactor({ ...noRedactions, secrets: ['p/ss wörd+1'] })
    for (const text of [
      'p/ss wörd+1',
      encodeURIComponent('p/ss wörd+1'),
      Buffer.from('p/ss wörd+1').toString('base64url'),
    ]) {
      assert.equal(redact(`a ${text} b`).text, 'a ***** b', text)
    }
    assert.equal(redactor({ ...noRedactions, secrets: ['short'] })('short').text, 'short', 'a word like others')
  })

  it('numbers of a private key in what surrounds them in Base64, and nothing of its certificate', async () => {
    const { keyPem, certificatePem } = await createRoot({ commonName: 'Root', organization: 'Acme' })
    const redact = redactor({ ...noRedactions, secrets: secretsOfKey(keyPem) })
    const der = Buffer.from(keyPem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
    for (const before of ['', 'a', 'ab']) {
      const text = Buffer.concat([Buffer.from(before), der]).toString('base64')
      assert.ok(redact(text).text.length < text.length - 30, before)
    }
    assert.deepEqual(redact(certificatePem), { text: certificatePem, counts: {} })
  })

  it('names of other organizations, whole, and masked values where nothing has masked them yet', () => {
    const redact = redactor({ secrets: [], masked: ['4711'], others: ['rival'] })
    assert.equal(
      redact('rival/test, o/rival and a rivalry').text,
      '(another organization)/test, o/(another organization) and a rivalry',
    )
    assert.equal(redact('id=4711').text, 'id=4711')
    assert.deepEqual(redact('id=4711', true), { text: 'id=*****', counts: { mask: 1 } })
  })

  it('does not take long over what tries to make it so', () => {
    const started = process.cpuUsage()
    for (const part of ['"a":', '["x",', '<a ', '-----BEGIN ', '?a=', 'Basic ', 'a://', 'eyJ'])
      plain(part.repeat(100_000))
    assert.ok(process.cpuUsage(started).user < 5_000_000)
  })
})

describe('a configuration', () => {
  it('is shown without values of headers, user names and comments, and with the places of secrets', () => {
    const text = `# password: x\notlp: { headers: { a: b, c: { env: D } } }\ntargets:\n  t: { egress: { url: "http://p", user: u, password: { env: P } } }\n`
    assert.deepEqual(
      configShown(text)
        ?.trim()
        .split('\n')
        .map((line) => line.trim()),
      [
        'otlp:',
        'headers:',
        'a: "*****"',
        'c:',
        'env: D',
        'targets:',
        't:',
        'egress:',
        'url: http://p',
        'user: "*****"',
        'password:',
        'env: P',
      ],
    )
  })

  it('that is no YAML is not shown', () => assert.equal(configShown('a: [b'), null))
})
