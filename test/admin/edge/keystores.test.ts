import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { describe, it } from 'node:test'
import { keystoreRoutes } from '../../../src/admin/edge/keystores.ts'
import { codeOf } from '../../../src/core/errors.ts'
import { writeZip } from '../../../src/core/zip.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { fixture } from '../../trust/material-support.ts'
import { apiCall } from '../support.ts'
import { chainPem, form, issuing, keystoreClient, leaf, renewed, root, stranger } from './keystore-support.ts'

const facts = parseCertificate(leaf.certificate)
const jar = await writeZip([
  ['META-INF/descriptor.properties', Buffer.from('certFile=c.pem\nkeyFile=k.pem\n')],
  ['c.pem', Buffer.from(chainPem)],
  ['k.pem', Buffer.from(leaf.keyPem)],
])

describe('a keystore', () => {
  it('is created, listed, shown and deleted with the same bean', async () => {
    await using client = await keystoreClient()
    const bean = { aliases: [], certs: [], keys: [], name: 'ks-1' }
    const created = await client.send('POST keystores', { name: 'ks-1', unknown: 1 })
    assert.deepEqual([created.status, created.json], [201, bean])
    assert.deepEqual((await client.send('GET keystores', undefined, undefined, 'viewer')).json, ['ks-1'])
    assert.deepEqual((await client.send('GET keystores/ks-1')).json, bean)
    const deleted = await client.send('DELETE keystores/ks-1')
    assert.deepEqual([deleted.status, deleted.json], [200, bean])
    assert.deepEqual((await client.send('GET keystores')).json, [])
  })

  it('is created with the XML of old clients', async () => {
    await using client = await keystoreClient()
    assert.equal((await client.send('POST keystores', '<KeyStore name="ks1"/>', 'text/xml')).status, 201)
    assert.deepEqual((await client.send('GET keystores')).json, ['ks1'])
  })

  it('is refused where it is there already, has a bad name, or the place is unknown', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ks1' })
    const twice = await client.send('POST keystores', { name: 'ks1' })
    assert.deepEqual(
      [twice.status, twice.json],
      [
        409,
        {
          code: 'messaging.config.beans.KeyStoreAlreadyExists',
          message: 'Keystore ks1 already exists in environment test',
          contexts: [],
        },
      ],
    )
    for (const name of ['a b', 'a/b', '', '..', 'ü', 'a'.repeat(256), 7, null, undefined]) {
      assert.equal((await client.send('POST keystores', { name })).status, 400, String(name))
    }
    for (const what of [
      'GET keystores/no',
      'DELETE keystores/no',
      'GET keystores/no/aliases',
      'GET keystores/no/certs',
    ]) {
      const { status, json } = await client.send(what)
      assert.deepEqual(
        [status, (json as { code: string }).code],
        [404, 'messaging.config.beans.KeyStoreNotFound'],
        what,
      )
    }
    const elsewhere = await client.send('GET ../no/keystores')
    assert.equal((elsewhere.json as { code: string }).code, 'messaging.config.beans.EnvironmentDoesNotExist')
  })

  it('is not deleted while somebody uses it', async () => {
    await using client = await keystoreClient()
    await withKey(client)
    assert.equal(
      (await client.send('POST references', { name: 'r', refers: 'ks1', resourceType: 'KeyStore' })).status,
      201,
    )
    const used = await client.send('DELETE keystores/ks1')
    assert.deepEqual(
      [used.status, used.json],
      [409, { code: 'messaging.config.beans.KeyStoreInUse', message: 'ks1 is used by reference r', contexts: [] }],
    )
    await client.send('DELETE references/r')
    const info = { enabled: 'true', clientAuthEnabled: 'true', keyStore: 'ks1', keyAlias: 'a1' }
    assert.equal(
      (await client.send('POST targetservers', { name: 't', host: 'h', port: 1, sSLInfo: info })).status,
      201,
    )
    assert.match((await client.send('DELETE keystores/ks1')).text, /ks1 is used by target server t/)
    assert.match((await client.send('DELETE keystores/ks1/aliases/a1')).text, /AliasInUse/)
    assert.match((await client.send('DELETE keystores/ks1/certs/a1-cert')).text, /AliasInUse/)
    await client.send('DELETE targetservers/t')
    assert.equal((await client.send('DELETE keystores/ks1')).status, 200)
  })

  it('may be changed by an operator, and only seen by a viewer', async () => {
    await using client = await keystoreClient()
    await withKey(client)
    for (const what of [
      'POST keystores',
      'DELETE keystores/ks1',
      'POST keystores/ks1/aliases?alias=x',
      'PUT keystores/ks1/aliases/a1',
      'DELETE keystores/ks1/aliases/a1',
      'POST keystores/ks1/certs?alias=x',
      'DELETE keystores/ks1/certs/a1-cert',
      'POST keystores/ks1/keys?alias=x',
    ]) {
      assert.equal((await client.send(what, undefined, undefined, 'viewer')).status, 403, what)
    }
    assert.equal((await client.send('GET keystores/ks1/aliases/a1', undefined, undefined, 'viewer')).status, 200)
  })
})

describe('an alias', () => {
  it('is shown as Edge shows it, each certificate of the chain', async () => {
    await using client = await keystoreClient()
    const created = await withKey(client)
    assert.equal(created.status, 201)
    const shown = await client.send('GET keystores/ks1/aliases/a1')
    assert.deepEqual(shown.json, created.json)
    const { alias, certsInfo, keyName } = shown.json as unknown as {
      alias: string
      certsInfo: { certInfo: Record<string, unknown>[]; certName: string }
      keyName: string
    }
    assert.deepEqual([alias, certsInfo.certName, keyName], ['a1', 'a1-cert', 'a1-key'])
    assert.deepEqual(certsInfo.certInfo[0], {
      basicConstraints: 'CA:FALSE',
      expiryDate: facts.notAfter,
      isValid: 'Yes',
      issuer: 'CN=Issuing CA',
      publicKey: 'RSA Public Key, 2048 bits',
      serialNumber: facts.serialBytes.toString('hex').match(/../g)?.join(':'),
      sigAlgName: 'SHA256withECDSA',
      subject: 'CN=leaf.test',
      subjectAlternativeNames: ['leaf.test', '127.0.0.1'],
      validFrom: facts.notBefore,
      version: 3,
    })
    assert.deepEqual(
      certsInfo.certInfo.map(({ subject, basicConstraints, publicKey }) => [subject, basicConstraints, publicKey]),
      [
        ['CN=leaf.test', 'CA:FALSE', 'RSA Public Key, 2048 bits'],
        ['CN=Issuing CA', 'CA:TRUE', 'EC Public Key, 256 bits'],
        ['CN=Root, O=Acme', 'CA:TRUE', 'EC Public Key, 256 bits'],
      ],
    )
    assert.deepEqual((await client.send('GET keystores/ks1')).json, {
      aliases: [{ aliasName: 'a1', cert: 'a1-cert', key: 'a1-key' }],
      certs: ['a1-cert'],
      keys: ['a1'],
      name: 'ks1',
    })
  })

  it('of certificates alone has no key, in any order they have', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ts1' })
    const certFile = root.certificatePem + issuing.certificatePem
    const { status, json } = await client.send(
      'POST keystores/ts1/aliases?alias=ca&format=keycertfile',
      form({ certFile }),
    )
    assert.equal(status, 201)
    assert.ok(!('keyName' in (json as object)))
    assert.deepEqual((await client.send('GET keystores/ts1')).json, {
      aliases: [{ aliasName: 'ca', cert: 'ca-cert' }],
      certs: ['ca-cert'],
      keys: [],
      name: 'ts1',
    })
    const pem = await client.send('GET keystores/ts1/aliases/ca/certificate')
    assert.equal(pem.text, `${root.certificatePem}\n${issuing.certificatePem}`)
    assert.match(pem.type, /^text\/plain/)
  })

  it('is created by what apigee-edge-js really sends, with and without a password', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ks1' })
    const sealed = leaf.keys.privateKey.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 's3cret',
    })
    for (const [alias, key, keyPassword] of [
      ['plain', leaf.keyPem, undefined],
      ['sealed', sealed, 's3cret'],
      ['none', undefined, undefined],
    ] as const) {
      const { body, type } = importCert(chainPem, key, keyPassword)
      const { status, json } = await client.send(
        `POST keystores/ks1/aliases?alias=${alias}&format=keycertfile`,
        body,
        type,
      )
      assert.equal(status, 201, JSON.stringify(json))
      assert.equal('keyName' in (json as object), key !== undefined)
    }
    assert.deepEqual((await client.send('GET keystores/ks1/aliases')).json, ['none', 'plain', 'sealed'])
  })

  for (const [title, query, parts] of [
    ['PKCS#12, as OpenSSL 1 wrote it', 'format=pkcs12', { file: fixture('openssl-legacy.p12'), password: 'changeit' }],
    ['a Java key store', 'format=jks', { file: fixture('key.jks'), password: 'changeit' }],
    [
      'PKCS#12 and a password in the query',
      'format=pkcs12&password=changeit',
      { file: fixture('openssl-rc2-128.p12') },
    ],
    [
      'a jar',
      'format=keycertjar',
      {
        file: jar,
      },
    ],
  ] as const) {
    it(`is created from ${title}`, async () => {
      await using client = await keystoreClient()
      await client.send('POST keystores', { name: 'ks1' })
      const { status, json, text } = await client.send(`POST keystores/ks1/aliases?alias=a1&${query}`, form(parts))
      assert.equal(status, 201, text)
      assert.equal((json as { keyName: string }).keyName, 'a1-key')
      await assertStoredPair(client)
    })
  }

  it('is created from a truststore of Java', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ts1' })
    const parts = form({ file: fixture('trust.jks'), password: 'changeit' })
    const { status, json } = await client.send('POST keystores/ts1/aliases?alias=a1&format=jks', parts)
    assert.equal(status, 201)
    assert.equal((json as { certsInfo: { certInfo: unknown[] } }).certsInfo.certInfo.length, 2)
  })

  for (const [title, body] of [
    [
      'apigee-edge-js',
      {
        alias: 'a1',
        subject: { commonName: 'self.test' },
        sig_alg: 'SHA256withRSA',
        key_size: 2048,
        cert_validity_in_days: 30,
      },
    ],
    [
      'the Maven plugin',
      {
        alias: 'a1',
        keySize: '2048',
        sigAlg: 'SHA384withRSA',
        subject: {
          countryCode: 'DE',
          state: 'Bayern',
          locality: 'München',
          org: 'Acme, Inc.',
          orgUnit: 'API',
          commonName: 'self.test',
          email: 'a@b.test',
        },
        subjectAlternativeDNSNames: { subjectAlternativeName: ['self.test', '*.self.test', '10.0.0.1'] },
        certValidityInDays: '365',
      },
    ],
  ] as const) {
    it(`is made with a certificate of its own, as ${title} asks`, async () => {
      await using client = await keystoreClient()
      await client.send('POST keystores', { name: 'ks1' })
      const { status, json, text } = await client.send('POST keystores/ks1/aliases?format=selfsignedcert', body)
      assert.equal(status, 201, text)
      const made = await assertStoredPair(client)
      assert.ok(made.verify(made.publicKey))
      const [info] = (json as { certsInfo: { certInfo: Record<string, unknown>[] } }).certsInfo.certInfo
      if (title === 'apigee-edge-js') {
        assert.deepEqual([info?.['subject'], info?.['sigAlgName']], ['CN=self.test', 'SHA256withRSA'])
        assert.equal((info?.['expiryDate'] as number) - (info?.['validFrom'] as number), 30 * 86_400_000)
        return
      }
      const subject = 'EMAILADDRESS=a@b.test, CN=self.test, OU=API, O="Acme, Inc.", L=München, ST=Bayern, C=DE'
      assert.deepEqual([info?.['subject'], info?.['issuer']], [subject, subject])
      assert.equal(info?.['sigAlgName'], 'SHA384withRSA')
      assert.deepEqual(info?.['subjectAlternativeNames'], ['self.test', '*.self.test', '10.0.0.1'])
      assert.deepEqual(parseCertificate(made.raw).defects, [])
    })
  }

  it('gets a new certificate with PUT, under the key that it has', async () => {
    await using client = await keystoreClient()
    await withKey(client)
    const path = 'keystores/ks1/aliases/a1'
    const wrong = await client.send(`PUT ${path}`, form({ certFile: stranger.certificatePem }))
    assert.deepEqual([wrong.status, (wrong.json as { code: string }).code], [400, 'material-key-mismatch'])
    const good = await client.send(
      `PUT ${path}?ignoreExpiryValidation=true`,
      form({ certFile: renewed.certificatePem }),
    )
    assert.equal(good.status, 200)
    assert.equal((await client.send(`GET ${path}/certificate`)).text, renewed.certificatePem)
    await assertStoredPair(client)
    const both = form({ certFile: stranger.certificatePem, keyFile: stranger.keyPem })
    assert.equal((await client.send(`PUT ${path}`, both)).status, 200)
    await assertStoredPair(client)
    const keyless = form({ file: fixture('trust.jks') })
    assert.match((await client.send(`PUT ${path}?format=jks`, keyless)).text, /material-no-key/)
    assert.equal((await client.send('PUT keystores/ks1/aliases/no', form({ certFile: chainPem }))).status, 404)
  })

  it('keeps what somebody else stored while a PUT was read', async () => {
    await using client = await keystoreClient()
    await withKey(client)
    const route = keystoreRoutes.find(({ method, path }) => method === 'PUT' && path.endsWith('/aliases/:alias'))
    const params = { org: 'acme', env: 'test', keystore: 'ks1', alias: 'a1' }
    const call = apiCall({ method: 'PUT', params, body: renewed.certificatePem, services: client.services })
    const body = async () => {
      const both = form({ certFile: stranger.certificatePem, keyFile: stranger.keyPem })
      assert.equal((await client.send('PUT keystores/ks1/aliases/a1', both)).status, 200)
      return call.body()
    }
    await assert.rejects(async () => route?.handle({ ...call, body }), { code: 'alias-changed', status: 409 })
    await assertStoredPair(client)
    assert.ok(route !== undefined && (await route.handle(call).catch(codeOf)) === 'material-key-mismatch')
  })

  it('counts up the generation of its keystore with each change, and with nothing else', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ks1' })
    assert.equal(await client.generation('ks1'), 1)
    await client.send('POST keystores/ks1/aliases?alias=a1&format=keycertfile', form({ certFile: leaf.certificatePem }))
    assert.equal(await client.generation('ks1'), 2)
    await client.send('POST keystores/ks1/aliases?alias=a1&format=keycertfile', form({ certFile: leaf.certificatePem }))
    await client.send('GET keystores/ks1/aliases/a1')
    assert.equal(await client.generation('ks1'), 2)
    await client.send('PUT keystores/ks1/aliases/a1', form({ certFile: renewed.certificatePem }))
    assert.equal(await client.generation('ks1'), 3)
    const gone = await client.send('DELETE keystores/ks1/aliases/a1')
    assert.deepEqual([gone.status, (gone.json as { alias: string }).alias], [200, 'a1'])
    assert.equal(await client.generation('ks1'), 4)
    assert.equal((await client.send('DELETE keystores/ks1/aliases/a1')).status, 404)
  })

  it('signs a request for a new certificate', async () => {
    await using client = await keystoreClient()
    await withKey(client)
    const { status, text } = await client.send('GET keystores/ks1/aliases/a1/csr')
    assert.equal(status, 200)
    assert.match(text, /^-----BEGIN CERTIFICATE REQUEST-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE REQUEST-----\n$/)
    await client.send('POST keystores/ks1/aliases?alias=ca', form({ certFile: root.certificatePem }))
    const without = await client.send('GET keystores/ks1/aliases/ca/csr')
    assert.deepEqual([without.status, (without.json as { code: string }).code], [400, 'alias-without-key'])
  })
})

describe('certificates by their names', () => {
  it('are listed and shown as the playbook prints them', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'myCompanyTruststore' })
    const at = 'keystores/myCompanyTruststore/certs'
    const sent = await client.send(`POST ${at}?alias=serverCert`, chainPem, 'application/octet-stream')
    assert.deepEqual([sent.status, sent.text], [204, ''])
    assert.deepEqual((await client.send(`GET ${at}`)).json, ['serverCert'])
    const { json } = await client.send(`GET ${at}/serverCert`)
    const { certInfo, ...rest } = json as { certInfo: { subject: string; issuer: string }[] }
    assert.deepEqual(rest, { certName: 'serverCert' })
    assert.deepEqual(
      certInfo.map(({ subject, issuer }) => ({ subject, issuer })),
      [
        { subject: 'CN=leaf.test', issuer: 'CN=Issuing CA' },
        { subject: 'CN=Issuing CA', issuer: 'CN=Root, O=Acme' },
        { subject: 'CN=Root, O=Acme', issuer: 'CN=Root, O=Acme' },
      ],
    )
    assert.match((await client.send(`GET ${at}/serverCert/export`)).text, /^-----BEGIN CERTIFICATE-----\n/)
    assert.equal((await client.send(`DELETE ${at}/serverCert`)).status, 200)
    const gone = await client.send(`GET ${at}/serverCert`)
    assert.deepEqual(
      [gone.status, (gone.json as { code: string }).code],
      [404, 'messaging.config.beans.CertificateNotFound'],
    )
  })

  it('are found by the name of the alias too', async () => {
    await using client = await keystoreClient()
    await withKey(client)
    assert.deepEqual((await client.send('GET keystores/ks1/certs')).json, ['a1-cert'])
    const byCertificate = await client.send('GET keystores/ks1/certs/a1-cert')
    assert.deepEqual((await client.send('GET keystores/ks1/certs/a1')).json, byCertificate.json)
  })

  it('come with a key in a jar', async () => {
    await using client = await keystoreClient()
    await client.send('POST keystores', { name: 'ks1' })
    const file = await writeZip([
      ['META-INF/descriptor.properties', Buffer.from('certFile=c.pem\nkeyFile=k.pem\n')],
      ['c.pem', Buffer.from(chainPem)],
      [
        'k.pem',
        Buffer.from(
          leaf.keys.privateKey.export({
            type: 'pkcs8',
            format: 'pem',
            cipher: 'aes-128-cbc',
            passphrase: 'pw12',
          }) as string,
        ),
      ],
    ])
    const refused = await client.send('POST keystores/ks1/keys?alias=a1', form({ file, password: 'other' }))
    assert.equal((refused.json as { code: string }).code, 'material-password-wrong')
    assert.equal((await client.send('POST keystores/ks1/keys?alias=a1', form({ file, password: 'pw12' }))).status, 204)
    await assertStoredPair(client)
    assert.deepEqual((await client.send('GET keystores/ks1')).json, {
      aliases: [{ aliasName: 'a1', cert: 'a1-cert', key: 'a1-key' }],
      certs: ['a1-cert'],
      keys: ['a1'],
      name: 'ks1',
    })
  })
})

type Client = Awaited<ReturnType<typeof keystoreClient>>

/** Keystore `ks1` with the chain and the key of the leaf as `a1`. */
async function withKey(client: Client) {
  await client.send('POST keystores', { name: 'ks1' })
  const parts = form({ certFile: chainPem, keyFile: leaf.keyPem })
  return client.send('POST keystores/ks1/aliases?alias=a1&format=keycertfile', parts)
}

/** What is stored under `a1` of `ks1` belongs together. */
async function assertStoredPair({ services }: Client): Promise<X509Certificate> {
  const [chain, key, object] = await services.read(async (view) => [
    await view.blob('alias', 'acme/test/ks1', 'a1'),
    await view.secret('alias', 'acme/test/ks1', 'a1'),
    await view.get('alias', 'acme/test/ks1', 'a1'),
  ])
  assert.ok(chain !== null && key !== null && object !== null)
  const certificate = new X509Certificate(chain)
  assert.ok(certificate.checkPrivateKey(createPrivateKey(key)))
  assert.equal(object.body.fingerprints[0], certificate.fingerprint256.replaceAll(':', ''))
  return certificate
}

/** Line by line what apigee-edge-js 0.4.40 makes. */
function importCert(certificate: string, key?: string | Buffer, password?: string): { body: string; type: string } {
  const boundary = 'YYYjm3dwxmx0rm'
  const lines = [
    `--${boundary}`,
    'Content-Disposition: form-data; name="certFile"; filename="file.cert"',
    'Content-Type: application/octet-stream\r\n',
    certificate,
  ]
  if (key !== undefined) {
    lines.push(`--${boundary}`, 'Content-Disposition: form-data; name="keyFile"; filename="file.key"')
    lines.push('Content-Type: application/octet-stream\r\n', String(key))
    if (password !== undefined) {
      lines.push(`--${boundary}`, 'Content-Disposition: form-data; name="password"', password)
    }
  }
  lines.push(`--${boundary}\r\n`)
  return { body: lines.join('\r\n'), type: `multipart/form-data; boundary="${boundary}"` }
}
