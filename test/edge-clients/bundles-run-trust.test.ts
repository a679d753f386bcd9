import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { after, before, describe, it } from 'node:test'
import { createLeaf, createRoot, createSelfSigned, type Identity, pemOf } from '../../src/pki/make.ts'
import { oneTarget } from '../support/admin-client.ts'
import { type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'
import { startTlsBackend, type TlsBackend, type TlsBackendOptions } from '../support/tls-backend.ts'
import { openForeign } from '../foreign/stacks.ts'
import { ask, type Asked, refusal, short, until } from './bundles-rig.ts'

/* SSLInfo of deployed bundles against backends that deserve trust and that do not (apigee-edge.md section 2). */

const handshakeFailed = '503 messaging.adaptors.http.flow.SslHandshakeFailed'
const pkix =
  'SSL Handshake failed sun.security.validator.ValidatorException: PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target'

const backends = {} as Record<'good' | 'public' | 'misnamed' | 'selfSigned' | 'asking' | 'tls12' | 'tls13', TlsBackend>
let directory: string
let leaf: Identity
let clients: Identity
let strict: ManagedTestGateway
let edge: ManagedTestGateway

before(async () => {
  const [good, system, clientRoot] = await Promise.all(
    ['Good Root', 'System Root', 'Client Root'].map((commonName) => createRoot({ commonName })),
  )
  if (good === undefined || system === undefined || clientRoot === undefined) throw new Error('three roots')
  clients = clientRoot
  const names = ['127.0.0.1', 'localhost']
  leaf = await createLeaf(good, { names })
  const start = (identity: Identity, more: Partial<TlsBackendOptions> = {}): Promise<TlsBackend> =>
    startTlsBackend({
      identity,
      answer: (request, response) => {
        const socket = request.socket as TLSSocket
        const client = String(socket.getPeerCertificate().subject?.CN ?? 'nobody')
        response.end(`${socket.getProtocol()} ${socket.getCipher().standardName} ${client}`)
      },
      ...more,
    })
  backends.good = await start(leaf)
  backends.public = await start(await createLeaf(system, { names }))
  backends.misnamed = await start(await createLeaf(good, { names: ['other.example'] }))
  backends.selfSigned = await start(await createSelfSigned({ names }))
  backends.asking = await start(leaf, { requestCert: true, rejectUnauthorized: true, ca: clients.certificatePem })
  backends.tls12 = await start(leaf, { maxVersion: 'TLSv1.2' })
  backends.tls13 = await start(leaf, { minVersion: 'TLSv1.3' })
  directory = await mkdtemp(join(tmpdir(), 'postern-roots-'))
  const roots = join(directory, 'system.pem')
  await writeFile(roots, system.certificatePem)
  const options = { env: { SSL_CERT_FILE: roots } }
  strict = await startManagedGateway({ faults: 'apigee' }, options)
  edge = await startManagedGateway({ faults: 'apigee', apigee: { compat: 'edge' } }, options)
  const client = await createLeaf(clients, { names: ['me.example'], commonName: 'me', purposes: ['clientAuth'] })
  const stranger = await createLeaf(good, { names: ['you.example'], commonName: 'you', purposes: ['clientAuth'] })
  for (const { api } of [strict, edge]) {
    for (const store of ['good', 'unrelated', 'keys']) await api.keystore(store)
    await api.alias('good', 'root', pemOf(good.certificate))
    await api.alias('unrelated', 'root', pemOf(clients.certificate))
    await api.alias('keys', 'me', client.chainPem, client.keyPem)
    await api.alias('keys', 'you', stranger.chainPem, stranger.keyPem)
    await api.reference('good-ref', 'good')
    await api.reference('keys-ref', 'keys', 'KeyStore')
  }
})

after(async () => {
  await strict?.[Symbol.asyncDispose]()
  await edge?.[Symbol.asyncDispose]()
  for (const backend of Object.values(backends)) await backend[Symbol.asyncDispose]()
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
})

let deployments = 0

/** A bundle of its own for each, as its SSLInfo is what matters. */
async function deploy(
  { api }: ManagedTestGateway,
  backend: { readonly port: number },
  sslInfo: string,
  host = '127.0.0.1',
): Promise<string> {
  const name = `p${++deployments}`
  const inside = sslInfo === '' ? '' : `<SSLInfo><Enabled>true</Enabled>${sslInfo}</SSLInfo>`
  await api.importBundle(name, oneTarget(name, `<URL>https://${host}:${backend.port}/b</URL>${inside}`))
  await api.deploy(name, 1)
  return name
}

const askFor = (
  gateway: ManagedTestGateway,
  name: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Asked> => ask(gateway.port, `/${name}/x`, { headers })

/** `200`, or the fault. */
const outcome = (answer: Asked): string => (answer.status === 200 ? '200' : short(answer))

const good = '<TrustStore>good</TrustStore>'
const ignore = '<IgnoreValidationErrors>true</IgnoreValidationErrors>'
const showing = (alias: string, store = 'keys'): string =>
  `<ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>${store}</KeyStore><KeyAlias>${alias}</KeyAlias>`

type Row = readonly [sentence: string, backend: keyof typeof backends, sslInfo: string, expected: string]

const whatever: readonly Row[] = [
  ['the store that anchors it', 'good', good, '200'],
  ['the store by its reference', 'good', '<TrustStore>\n  ref://good-ref\n</TrustStore>', '200'],
  ['an unrelated store', 'good', '<TrustStore>unrelated</TrustStore>', handshakeFailed],
  ["a store, not the system's roots beside it", 'public', good, handshakeFailed],
  ['a self-signed certificate with a store', 'selfSigned', good, handshakeFailed],
  ['another name', 'misnamed', good, handshakeFailed],
  ["Enforce without a store: the system's roots", 'public', '<Enforce>true</Enforce>', '200'],
  ['Enforce without a store, and a root of nobody', 'good', '<Enforce>true</Enforce>', handshakeFailed],
  ['Enforce wins over IgnoreValidationErrors', 'selfSigned', `<Enforce>true</Enforce>${ignore}`, handshakeFailed],
]

const tables: Readonly<Record<'strict' | 'edge', readonly Row[]>> = {
  strict: [
    ...whatever,
    ["no SSLInfo: the system's roots", 'public', '', '200'],
    ['no SSLInfo, and a root of nobody', 'good', '', handshakeFailed],
    ["no TrustStore: the system's roots", 'public', '<ClientAuthEnabled>false</ClientAuthEnabled>', '200'],
    ['IgnoreValidationErrors is not honoured', 'selfSigned', ignore, handshakeFailed],
    ['IgnoreValidationErrors with a store neither', 'selfSigned', good + ignore, handshakeFailed],
  ],
  edge: [
    ...whatever,
    ['no SSLInfo: the name alone', 'selfSigned', '', '200'],
    ['no SSLInfo, and another name', 'misnamed', '', handshakeFailed],
    ['no TrustStore: the name alone', 'good', '<ClientAuthEnabled>false</ClientAuthEnabled>', '200'],
    ['IgnoreValidationErrors: the name alone', 'selfSigned', ignore, '200'],
    ['IgnoreValidationErrors with a store: the name alone', 'selfSigned', good + ignore, '200'],
    ['IgnoreValidationErrors, and another name', 'misnamed', ignore, handshakeFailed],
  ],
}

for (const compat of ['strict', 'edge'] as const) {
  describe(`SSLInfo with apigee.compat: ${compat}`, () => {
    for (const [sentence, backend, sslInfo, expected] of tables[compat]) {
      it(sentence, async () => {
        const gateway = compat === 'strict' ? strict : edge
        const requests = backends[backend].seen.length
        assert.equal(outcome(await askFor(gateway, await deploy(gateway, backends[backend], sslInfo))), expected)
        assert.equal(backends[backend].seen.length - requests, expected === '200' ? 1 : 0, 'I1')
      })
    }
  })
}

describe('an exception of `compat: edge`', () => {
  it('is in /status, the gauge, the log and the findings, and gone with the deployment', async () => {
    const name = await deploy(edge, backends.selfSigned, ignore)
    const target = `acme/test/${name}/1/default`
    const { targets } = edge.gateway.status() as {
      targets: readonly { name: string; exceptions: readonly { skip: string; owner: string; reason: string }[] }[]
    }
    const [exception] = targets.find((each) => each.name === target)?.exceptions ?? []
    assert.deepEqual([exception?.skip, exception?.owner], ['chain', 'apigee compat: edge'])
    assert.match(exception?.reason ?? '', /SSLInfo has IgnoreValidationErrors/)
    const gauge = `postern_upstream_tls_exceptions{target="${target}",skip="chain"} 1`
    assert.ok(edge.gateway.metricsText().includes(gauge))
    const finding = edge.gateway
      .findings()
      .find(({ code, object }) => code === 'target-weakened' && object.includes(`/${name}/`))
    assert.match(finding?.message ?? '', /its chain is not: SSLInfo has IgnoreValidationErrors/)
    const logged = async (): Promise<boolean> =>
      (await readFile(edge.logFile, 'utf8'))
        .split('\n')
        .some((line) => line.includes('"exception-in-force"') && line.includes(target))
    await until(logged, 'the event')
    await edge.api.send('DELETE', `/e/test/apis/${name}/revisions/1/deployments`)
    assert.ok(!edge.gateway.metricsText().includes(gauge))
  })

  it('is there for every server of a LoadBalancer that has one, and for no other', async () => {
    const server = (port: number, sSLInfo: object): object => ({ host: '127.0.0.1', port, isEnabled: true, sSLInfo })
    await edge.api.targetServer('sound', server(backends.good.port, { enabled: 'true', trustStore: 'good' }))
    await edge.api.targetServer(
      'weak',
      server(backends.selfSigned.port, { enabled: 'true', ignoreValidationErrors: true }),
    )
    await edge.api.importBundle(
      'mixed',
      oneTarget('mixed', '<LoadBalancer><Server name="sound"/><Server name="weak"/></LoadBalancer>'),
    )
    await edge.api.deploy('mixed', 1)
    const { targets } = edge.gateway.status() as {
      targets: readonly { name: string; exceptions: readonly { reason: string }[] }[]
    }
    const { exceptions = [] } = targets.find((each) => each.name === 'acme/test/mixed/1/default') ?? {}
    assert.deepEqual(
      exceptions.map(({ reason }) => reason),
      ['acme/test/apis/mixed/1, target default, target server weak: SSLInfo has IgnoreValidationErrors'],
    )
    assert.ok(
      edge.gateway
        .metricsText()
        .includes('postern_upstream_tls_exceptions{target="acme/test/mixed/1/default",skip="chain"} 1'),
    )
  })

  it('is not there with `strict`, which says that it was asked for', async () => {
    const name = await deploy(strict, backends.good, good + ignore)
    assert.equal(outcome(await askFor(strict, name)), '200')
    const finding = strict.gateway.findings().find(({ object }) => object.includes(`/${name}/`))
    assert.deepEqual(
      [finding?.code, finding?.message],
      [
        'ignore-validation-errors',
        'SSLInfo has IgnoreValidationErrors, which is not honoured: chain and name are verified',
      ],
    )
    assert.ok(!strict.gateway.metricsText().includes('postern_upstream_tls_exceptions{'))
  })
})

describe('what clients are told of a refused backend', () => {
  it('is the PKIX text for its chain', async () => {
    const answer = await askFor(strict, await deploy(strict, backends.good, '<TrustStore>unrelated</TrustStore>'))
    assert.equal(answer.faultstring, pkix)
  })

  for (const [host, text] of [
    ['localhost', 'No subject alternative DNS name matching localhost found.'],
    ['127.0.0.1', 'No subject alternative names matching IP address 127.0.0.1 found'],
  ] as const) {
    it(`names ${host}, which its certificate does not have`, async () => {
      const answer = await askFor(strict, await deploy(strict, backends.misnamed, good, host))
      assert.equal(short(answer), handshakeFailed)
      assert.ok(
        [pkix, `SSL Handshake failed java.security.cert.CertificateException: ${text}`].includes(answer.faultstring),
        answer.faultstring,
      )
    })
  }
})

describe('CommonName', () => {
  it('is the name that is expected instead of the host', async () => {
    const named = (name: string, wild = false): string =>
      `${good}<CommonName${wild ? ' wildcardMatch="true"' : ''}>${name}</CommonName>`
    for (const [backend, name, expected] of [
      ['misnamed', 'other.example', '200'],
      ['misnamed', 'another.example', handshakeFailed],
      ['good', 'other.example', handshakeFailed],
    ] as const) {
      const answer = await askFor(strict, await deploy(strict, backends[backend], named(name)))
      assert.equal(outcome(answer), expected, `${backend} as ${name}`)
    }
  })
})

describe('a store that is named by a flow variable', () => {
  let name: string
  before(async () => {
    name = await deploy(strict, backends.good, '<TrustStore>{request.header.x-store}</TrustStore>')
  })

  for (const [sentence, headers, expected] of [
    ['one that trusts it', { 'x-store': 'good' }, '200'],
    ['a reference', { 'x-store': 'ref://good-ref' }, '200'],
    ['one that does not', { 'x-store': 'unrelated' }, handshakeFailed],
  ] as const) {
    it(sentence, async () => assert.equal(outcome(await askFor(strict, name, headers)), expected))
  }

  for (const [sentence, headers] of [
    ['one that is not there', { 'x-store': 'nobody' }],
    ['one that has no certificates to trust', { 'x-store': 'keys' }],
    ['none', {}],
  ] as const) {
    it(`${sentence}: a fault, and nothing is connected`, async () => {
      const connections = backends.good.connections
      const answer = await askFor(strict, name, headers)
      assert.equal(answer.status, 500)
      assert.notEqual(answer.code, '')
      assert.equal(backends.good.connections, connections)
    })
  }

  it('can be chosen once it is there, with the answer that made it', async () => {
    assert.equal((await askFor(strict, name, { 'x-store': 'later' })).status, 500)
    await strict.api.keystore('later')
    const { body } = await strict.api.send('GET', '/e/test/keystores/good/aliases/root/certificate')
    await strict.api.alias('later', 'root', body)
    assert.equal(outcome(await askFor(strict, name, { 'x-store': 'later' })), '200')
  })
})

describe('two-way TLS', () => {
  it('shows the certificate of KeyStore and KeyAlias, by name or reference', async () => {
    for (const store of ['keys', 'ref://keys-ref']) {
      const answer = await askFor(strict, await deploy(strict, backends.asking, good + showing('me', store)))
      assert.match(short(answer), /^200 TLSv1\.3 \S+ me$/, store)
    }
  })

  const lacking = [
    ['a certificate that the backend does not know', good + showing('you')],
    ['none', good],
    ['none, as ClientAuthEnabled is false', good + showing('me').replace('>true<', '>false<')],
  ] as const

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const [sentence, sslInfo] of lacking) {
      it(`fails with ${sentence}, as its alert says, over ${version}`, async () => {
        await using server = await openForeign('openssl', {
          chainPem: leaf.chainPem,
          keyPem: leaf.keyPem,
          clientCa: clients.certificatePem,
          versions: [version],
        })
        const answer = await askFor(strict, await deploy(strict, server, sslInfo))
        assert.match(short(answer), /^503 messaging\.adaptors\.http\.flow\.(?:ServiceUnavailable|SslHandshakeFailed)$/)
        // OpenSSL of TLS 1.2 has one alert for whatever it does not like.
        const verdicts = sslInfo.includes('you')
          ? /client-certificate-rejected/
          : /client-certificate-required|peer-alert/
        const line = async (): Promise<string> =>
          (await readFile(strict.logFile, 'utf8')).split('\n').find((each) => each.includes(`"/p${deployments}/x"`)) ??
          ''
        await until(async () => (await line()) !== '', 'the line')
        assert.match(await line(), verdicts)
      })
    }
  }

  it('reaches nobody where the backend closes the connection without an alert', async () => {
    for (const [sentence, sslInfo] of lacking) {
      const seen = backends.asking.seen.length
      const answer = await askFor(strict, await deploy(strict, backends.asking, sslInfo))
      assert.ok(answer.status === 502 || answer.status === 503, `${sentence}: ${short(answer)}`)
      assert.equal(backends.asking.seen.length, seen)
    }
  })

  it('is shown to nobody who does not ask', async () => {
    const answer = await askFor(strict, await deploy(strict, backends.good, good + showing('me')))
    assert.match(short(answer), /^200 TLSv1\.3 \S+ nobody$/)
  })
})

describe('Protocols and Ciphers', () => {
  const protocol = (...names: readonly string[]): string =>
    `${good}<Protocols>${names.map((name) => `<Protocol>${name}</Protocol>`).join('')}</Protocols>`
  const cipher = (name: string): string => `<Ciphers><Cipher>${name}</Cipher></Ciphers>`

  for (const [sentence, backend, sslInfo, expected] of [
    ['only TLS 1.2, which the backend has', 'good', protocol('TLSv1.2'), /^200 TLSv1\.2 /],
    ['only TLS 1.3, which the backend has', 'good', protocol('TLSv1.3'), /^200 TLSv1\.3 /],
    ['only TLS 1.2, which the backend has not', 'tls13', protocol('TLSv1.2'), /^503 /],
    ['only TLS 1.3, which the backend has not', 'tls12', protocol('TLSv1.3'), /^503 /],
    ['both', 'tls12', protocol('TLSv1.2', 'TLSv1.3'), /^200 TLSv1\.2 /],
    [
      "a cipher by Java's name",
      'tls12',
      good + cipher('TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'),
      /^200 TLSv1\.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 /,
    ],
    [
      'a cipher for keys that the backend has not',
      'tls12',
      good + cipher('TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'),
      /^503 /,
    ],
  ] as const) {
    it(sentence, async () => {
      assert.match(short(await askFor(strict, await deploy(strict, backends[backend], sslInfo))), expected)
    })
  }
})

describe('an SSLInfo that cannot be', () => {
  for (const [sentence, sslInfo, text] of [
    ['a store that is not there', '<TrustStore>nothing</TrustStore>', /target default: TrustStore nothing: .*nothing/],
    [
      'a reference that is not there',
      '<TrustStore>ref://nothing</TrustStore>',
      /target default: TrustStore ref:\/\/nothing: .*nothing/,
    ],
    ['an alias that is not there', good + showing('nobody'), /target default: .*acme\/test\/keys.* no alias .*nobody/],
    ['an alias without a key', good + showing('root', 'good'), /target default: .*root/],
    [
      'no KeyAlias',
      `${good}<ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>keys</KeyStore>`,
      /apiproxy\/targets\/default\.xml:1: ClientAuthEnabled is true without a KeyStore and a KeyAlias/,
    ],
    ['a cipher of nobody', `${good}<Ciphers><Cipher>ROT13</Cipher></Ciphers>`, /target default: .*ROT13/],
    ['a protocol of nobody', `${good}<Protocols><Protocol>TLSv9</Protocol></Protocols>`, /target default: .*TLSv9/],
  ] as const) {
    it(`${sentence}: refused at deploy, with object and place`, async () => {
      const refused = await refusal(deploy(strict, backends.good, sslInfo))
      assert.equal(refused.status, 400)
      assert.match(refused.message, /distribution\.DeploymentFailed/)
      assert.match(refused.message, text)
      const { status } = await ask(strict.port, `/p${deployments}/x`)
      assert.equal(status, 404)
    })
  }
})
