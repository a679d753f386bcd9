import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { writeZip } from '../../../src/core/zip.ts'
import { createSelfSigned } from '../../../src/pki/make.ts'
import { fixture } from '../../trust/material-support.ts'
import { basic, password } from '../support.ts'
import { chainPem, expired, form, issuing, keystoreClient, leaf, root, stranger } from './keystore-support.ts'

interface Refusal {
  readonly title: string
  readonly query?: string
  readonly parts: Readonly<Record<string, string | Uint8Array>>
  readonly status?: number
  readonly code: string
}

const { certificatePem, keyPem } = leaf
const secret = 'an3vil-secret'
const sealed = leaf.keys.privateKey
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: secret })
  .toString()
const jar = (files: Readonly<Record<string, string>>) =>
  writeZip(Object.entries(files).map(([name, content]) => [name, Buffer.from(content)] as const))
const p12 = fixture('openssl-legacy.p12')

/** Of more than 50 KB, and sound. */
const tooMuch = `${'# a comment\n'.repeat(4500)}${certificatePem}`

const refusals: readonly Refusal[] = [
  { title: 'a key where the certificate should be', parts: { certFile: keyPem }, code: 'material-key-as-certificate' },
  {
    title: 'a key among the certificates',
    parts: { certFile: chainPem + keyPem },
    code: 'material-key-as-certificate',
  },
  {
    title: 'a certificate where the key should be',
    parts: { certFile: certificatePem, keyFile: certificatePem },
    code: 'material-certificate-as-key',
  },
  {
    title: 'the key of another certificate',
    parts: { certFile: chainPem, keyFile: stranger.keyPem },
    code: 'material-key-mismatch',
  },
  { title: 'a certificate that has expired', parts: { certFile: expired.certificatePem }, code: 'material-expired' },
  {
    title: 'a certificate that is cut off',
    parts: { certFile: certificatePem.slice(0, 400) },
    code: 'material-truncated',
  },
  {
    title: 'a key that is cut off',
    parts: { certFile: certificatePem, keyFile: keyPem.slice(0, 400) },
    code: 'material-truncated',
  },
  {
    title: 'a wrong password',
    parts: { certFile: certificatePem, keyFile: sealed, password: 'not-it' },
    code: 'material-password-wrong',
  },
  { title: 'no password', parts: { certFile: certificatePem, keyFile: sealed }, code: 'material-password-missing' },
  { title: 'an empty file', parts: { certFile: '' }, code: 'material-empty' },
  { title: 'a form without the file', parts: { other: certificatePem }, code: 'material-missing' },
  { title: '51 KB of PEM', parts: { certFile: tooMuch }, status: 413, code: 'material-too-large' },
  { title: 'random bytes', parts: { certFile: Buffer.from('80ff00fe01aa', 'hex') }, code: 'material-unknown' },
  { title: 'an HTML page', parts: { certFile: '<!doctype html><html></html>' }, code: 'material-html' },
  {
    title: 'two keys',
    parts: { certFile: certificatePem, keyFile: keyPem + stranger.keyPem },
    code: 'material-several-keys',
  },
  {
    title: 'a store where PEM is announced',
    parts: { certFile: p12, password: 'changeit' },
    code: 'material-format',
  },
  {
    title: 'PEM where a store is announced',
    query: 'format=pkcs12',
    parts: { file: chainPem },
    code: 'material-format',
  },
  {
    title: 'PKCS#12 and a wrong password',
    query: 'format=pkcs12',
    parts: { file: p12, password: 'not-it' },
    code: 'material-password-wrong',
  },
  { title: 'PKCS#12 and no password', query: 'format=pkcs12', parts: { file: p12 }, code: 'material-password-missing' },
  {
    title: 'PKCS#12 that is cut off',
    query: 'format=pkcs12',
    parts: { file: p12.subarray(0, 999), password: 'changeit' },
    code: 'material-truncated',
  },
  {
    title: 'PKCS#12 without a certificate',
    query: 'format=pkcs12',
    parts: { file: fixture('secret-java.p12'), password: 'changeit' },
    code: 'material-no-certificate',
  },
  {
    title: 'a Java key store and a wrong password',
    query: 'format=jks',
    parts: { file: fixture('key.jks'), password: 'not-it' },
    code: 'material-password-wrong',
  },
  { title: 'JCEKS', query: 'format=jks', parts: { file: fixture('key.jceks') }, code: 'material-jceks' },
  {
    title: 'a zip bomb',
    query: 'format=keycertjar',
    parts: { file: await jar({ a: '0'.repeat(9_000_000) }) },
    code: 'zip-too-large',
  },
  {
    title: 'many small bombs',
    query: 'format=keycertjar',
    parts: { file: await jar(Object.fromEntries('abcdefgh'.split('').map((name) => [name, '0'.repeat(200_000)]))) },
    code: 'zip-bomb',
  },
  { title: 'a zip-slip', query: 'format=keycertjar', parts: { file: slipped() }, code: 'zip-unsafe-name' },
  {
    title: 'a jar without a descriptor',
    query: 'format=keycertjar',
    parts: { file: await jar({}) },
    code: 'material-jar',
  },
  {
    title: 'a chain without blank lines, where they were asked for',
    query: 'format=keycertfile&ignoreNewlineValidation=true',
    parts: { certFile: chainPem },
    code: 'material-newline',
  },
  { title: 'an unknown format', query: 'format=pem', parts: { certFile: chainPem }, code: 'bad-value' },
  {
    title: 'a switch that is neither true nor false',
    query: 'ignoreExpiryValidation=maybe',
    parts: { certFile: chainPem },
    code: 'bad-value',
  },
]

describe('an upload is refused with its reason, and nothing is changed', () => {
  it('each of these', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ks1' })
    for (const { title, query = 'format=keycertfile', parts, status = 400, code } of refusals) {
      const answer = await client.send(`POST keystores/ks1/aliases?alias=a1&${query}`, form(parts))
      assert.deepEqual(
        [answer.status, (answer.json as { code: string }).code],
        [status, code],
        `${title}: ${answer.text}`,
      )
      assert.deepEqual(Object.keys(answer.json), ['code', 'message', 'contexts'], title)
    }
    assert.deepEqual((await client.send('GET keystores/ks1/aliases')).json, [])
    assert.equal(await client.generation('ks1'), 1)
    assert.ok(refusals.length >= 20)
    await assertNothingTold(client)
  })

  it('and what would be taken, is said', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ks1' })
    const rows: readonly (readonly [string, Refusal['parts'], RegExp])[] = [
      ['keycertfile', { certFile: expired.certificatePem }, /expired on .*; ignoreExpiryValidation=true takes it/],
      ['keycertfile', { certFile: chainPem, keyFile: stranger.keyPem }, /^keyFile: the private key .* belongs to none/],
      ['keycertfile', { certFile: certificatePem, keyFile: 'no key' }, /^keyFile: the key file holds no private key/],
      ['keycertfile', { certFile: certificatePem, keyFile: sealed, password: 'x' }, /^keyFile: the password/],
      ['keycertfile', { certFile: keyPem }, /^certFile: /],
      ['keycertfile', { certFile: p12, password: 'changeit' }, /is PKCS#12 .*; format=pkcs12 takes it/],
      ['keycertfile', { certFile: fixture('key.jks') }, /is a Java key store.*; format=jks takes it/],
      ['keycertfile', { certFile: await jar({ a: 'b' }) }, /is a jar.*; format=keycertjar takes it/],
      ['pkcs12', { file: chainPem }, /is PEM.*; format=keycertfile takes it/],
      ['jks', { file: p12 }, /is PKCS#12 .*; format=pkcs12 takes it/],
      ['pkcs12', { file: p12, password: 'not-it' }, /^file: (?!.*format=)/],
    ]
    for (const [format, parts, says] of rows) {
      const answer = await client.send(`POST keystores/ks1/aliases?alias=a1&format=${format}`, form(parts))
      assert.match((answer.json as { message: string }).message, says)
    }
    await assertNothingTold(client)
  })

  it('an alias that is there, that has no name, or a bad one', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ks1' })
    const post = (alias: string) =>
      client.send(`POST keystores/ks1/aliases?format=keycertfile${alias}`, form({ certFile: certificatePem }))
    assert.equal((await post('&alias=a1')).status, 201)
    const twice = await post('&alias=a1')
    assert.deepEqual(
      [twice.status, twice.json],
      [
        409,
        {
          code: 'messaging.config.beans.AliasAlreadyExists',
          message: 'Alias a1 already exists in keystore ks1',
          contexts: [],
        },
      ],
    )
    for (const alias of ['', '&alias=', '&alias=a%2Fb', '&alias=..', '&alias=a%0a', `&alias=${'a'.repeat(129)}`]) {
      const { status, json } = await post(alias)
      assert.deepEqual([status, (json as { code: string }).code], [400, 'bad-name'], alias)
    }
    assert.equal((await post(`&alias=${'a'.repeat(128)}`)).status, 201)
    assert.deepEqual((await client.send('GET keystores/ks1/aliases')).json, ['a1', 'a'.repeat(128)].sort())
  })

  it('a self-signed certificate that nobody should make', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ks1' })
    const good = { alias: 'a1', subject: { commonName: 'x' } }
    for (const wrong of [
      { alias: '' },
      { subject: {} },
      { subject: 'x' },
      { keySize: 512 },
      { keySize: 'big' },
      { sigAlg: 'MD5withRSA' },
      { certValidityInDays: 0 },
      { certValidityInDays: 1e9 },
      { subject: { commonName: 'x', countryCode: 'Germany' } },
      { subject: { commonName: 'x\ny' } },
      { subjectAlternativeDNSNames: { subjectAlternativeName: ['not a name'] } },
      { subjectAlternativeDNSNames: { subjectAlternativeName: Array.from({ length: 101 }, () => 'a.b') } },
    ]) {
      const answer = await client.send('POST keystores/ks1/aliases?format=selfsignedcert', { ...good, ...wrong })
      assert.equal(answer.status, 400, `${JSON.stringify(wrong)}: ${answer.text}`)
    }
    assert.deepEqual((await client.send('GET keystores/ks1/aliases')).json, [])
  })

  it('50 MB, before they are read', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ks1' })
    const socket = connect(Number(new URL(client.origin).port), '127.0.0.1')
    socket.write(
      `POST /v1/o/acme/e/test/keystores/ks1/aliases?alias=a1 HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic('operator')}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 52428800\r\n\r\n--b\r\n`,
    )
    const [answer] = (await once(socket, 'data')) as [Buffer]
    assert.match(answer.toString(), /^HTTP\/1\.1 413 /)
    socket.destroy()
  })
})

describe('an upload is taken', () => {
  it('expired where that is said, and not valid yet without a word', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ks1' })
    const parts = form({ certFile: expired.certificatePem, keyFile: expired.keyPem })
    const path = 'POST keystores/ks1/aliases?alias=old&format=keycertfile'
    const { status, json } = await client.send(`${path}&ignoreExpiryValidation=true`, parts)
    assert.equal(status, 201)
    const { certsInfo } = json as { certsInfo: { certInfo: { isValid: string; expiryDate: number }[] } }
    assert.deepEqual(
      [certsInfo.certInfo[0]?.isValid, certsInfo.certInfo[0]?.expiryDate],
      ['No', Date.parse('2021-01-01T00:00:00Z')],
    )
    const later = await createSelfSigned({ names: ['later.test'], notBefore: new Date(Date.now() + 86_400_000) })
    const early = await client.send('POST keystores/ks1/aliases?alias=new', form({ certFile: later.certificatePem }))
    assert.equal(early.status, 201)
    assert.match(early.text, /"isValid": "No"/)
  })

  it('as a chain in the wrong order, which is put right where a key tells', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ks1' })
    const certFile = root.certificatePem + issuing.certificatePem + certificatePem
    await client.send('POST keystores/ks1/aliases?alias=a1', form({ certFile, keyFile: keyPem }))
    assert.equal(
      (await client.send('GET keystores/ks1/aliases/a1/certificate')).text,
      chainPem.replaceAll('-----\n-----', '-----\n\n-----'),
    )
  })

  it('from curl, with files and a password', { skip: hasCurl() ? false : 'skipped: no curl' }, async () => {
    await using client = await keystoreClient()
    const folder = mkdtempSync(join(tmpdir(), 'postern-curl-'))
    try {
      writeFileSync(join(folder, 'chain.pem'), chainPem)
      writeFileSync(join(folder, 'key.pem'), sealed, { mode: 0o600 })
      const curl = async (...args: readonly string[]): Promise<string> => {
        const all = ['-sS', '-u', `operator:${password}`, '-w', '%{http_code}', ...args]
        return (await promisify(execFile)('curl', all, { cwd: folder })).stdout
      }
      const at = `${client.origin}/v1/organizations/acme/environments/test/keystores`
      await curl('-X', 'POST', '-H', 'Content-Type: text/xml', '-d', '<KeyStore name="ks1"/>', at)
      const files = ['-F', 'certFile=@chain.pem', '-F', 'keyFile=@key.pem', '-F', `password=${secret}`]
      assert.match(await curl(...files, `${at}/ks1/aliases?alias=a1&format=keycertfile`), /201$/)
      assert.equal(await curl('-v', '-X', 'GET', `${at}/ks1/certs`), '[\n  "a1-cert"\n]\n200')
      const shown = await curl('-v', '-X', 'GET', `${at}/ks1/certs/a1-cert`)
      assert.match(shown, /"issuer": "CN=Issuing CA",/)
      assert.match(shown, /"subject": "CN=leaf\.test",/)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('and no answer, audit entry or stored body ever has a key or a password', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ks1' })
    const parts = form({ certFile: chainPem, keyFile: sealed, password: secret })
    await client.send('POST keystores/ks1/aliases?alias=a1', parts)
    const inQuery = `POST keystores/ks1/aliases?alias=a2&password=${secret}`
    assert.equal((await client.send(inQuery, form({ certFile: chainPem, keyFile: sealed }))).status, 201)
    await client.send(inQuery, form({ certFile: chainPem, keyFile: sealed }))
    for (const path of [
      '',
      '/aliases',
      '/aliases/a1',
      '/aliases/a1/certificate',
      '/aliases/a1/csr',
      '/certs/a1-cert/export',
    ]) {
      assert.equal((await client.send(`GET keystores/ks1${path}`)).status, 200, path)
    }
    await client.send('PUT keystores/ks1/aliases/a1', form({ certFile: certificatePem, keyFile: keyPem }))
    await client.send('DELETE keystores/ks1/aliases/a1')
    await client.send('DELETE keystores/ks1')
    await assertNothingTold(client)
  })
})

/** I7: in nothing that was answered, nor in the audit trail. */
async function assertNothingTold(client: Awaited<ReturnType<typeof keystoreClient>>): Promise<void> {
  const told = client.heard() + JSON.stringify(await client.services.store.audits({}))
  assert.ok(told.length > 100)
  for (const needle of [secret, 'PRIVATE KEY', 'changeit', 'not-it', ...linesOf(keyPem), ...linesOf(sealed)]) {
    assert.ok(!told.includes(needle), needle)
  }
}

const linesOf = (pem: string): readonly string[] => pem.split('\n').slice(1, -2)

function hasCurl(): boolean {
  return spawnSync('curl', ['--version']).error === undefined
}

/** A zip of one empty file `../a`, which no writer makes. */
function slipped(): Buffer {
  const name = Buffer.from('../a')
  const facts = Buffer.alloc(26)
  facts.writeUInt16LE(name.length, 22)
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), facts, name])
  const tail = Buffer.alloc(14)
  const central = Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.alloc(2), facts, tail, name])
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(local.length, 16)
  return Buffer.concat([local, central, end])
}
