import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { opensslName } from '../../../src/compat/apigee/ssl-info-versions.ts'
import type { ManagedPlan } from '../../../src/config/managed-view.ts'
import type { SslInfo } from '../../../src/state/kinds.ts'
import { outcomeOf } from '../../dial/dial-once.ts'
import { startTlsBackend } from '../../support/tls-backend.ts'
import { type Chain, make, type Made, makeChain } from '../../trust/pki.ts'
import { codes, compiled, deployment, keystore, onlyTarget, onlyTls, said, sslInfo, type Stored } from './runtime.ts'

let chain: Chain
let client: Made
let other: Made

before(async () => {
  chain = await makeChain()
  client = await make('CN=client', { issuer: chain.root, dns: ['client.test'] })
  other = await make('CN=Other Root', { ca: true })
})

/** A target at an https URL, with the inside of an SSLInfo. */
function planned(inside: string, stored: Stored = {}, apigee: object = {}, url = 'https://backend.test'): ManagedPlan {
  const targets = { default: `<URL>${url}</URL><SSLInfo><Enabled>true</Enabled>${inside}</SSLInfo>` }
  const keystores = stored.keystores ?? [keystore('ts1', { root: chain.root.pem })]
  return compiled({ ...stored, keystores, deployments: [deployment({ targets })] }, { apigee })
}

const trusting = (name: string): string => `<TrustStore>${name}</TrustStore>`

describe('a TrustStore', () => {
  it('is found by its name or by a reference, white space aside', () => {
    const references = { tsRef: 'ts1' }
    for (const name of ['ts1', 'ref://tsRef', '\n  ref://tsRef\n']) {
      const { anchors, partialChain, skipChain, exceptions } = onlyTls(planned(trusting(name), { references }))
      assert.deepEqual([anchors, partialChain, skipChain, exceptions], [[chain.root.pem], false, false, []], name)
    }
  })

  const unknown: readonly (readonly [name: string, references: Record<string, string>, why: RegExp])[] = [
    ['ts9', {}, /TrustStore ts9: there is no store "ts9" in environment test/],
    ['ref://none', {}, /there is no reference "none" in environment test/],
    ['ref://r', { r: 'gone' }, /reference "r" names the store "gone", which environment test does not have/],
  ]
  for (const [name, references, why] of unknown) {
    it(`that leads nowhere is refused: ${name} ${JSON.stringify(references)}`, () => {
      const { problems } = planned(trusting(name), { references })
      assert.deepEqual(codes(problems), ['trust-store-unknown'])
      assert.match(problems[0]?.message ?? '', why)
    })
  }

  it('takes the first certificate of an alias with a key, as Java does, and every one of an alias without', () => {
    const keystores = [keystore('ts1', { own: { chain: other.pem + chain.root.pem, key: other.key } })]
    assert.deepEqual(onlyTls(planned(trusting('ts1'), { keystores })).anchors, [other.pem])
    const both = [keystore('ts1', { roots: other.pem + chain.root.pem })]
    assert.equal(onlyTls(planned(trusting('ts1'), { keystores: both })).anchors.length, 2)
  })

  it('shares one list among its targets, so that a worker gets it once and makes one context of it', () => {
    const plan = compiled({
      keystores: [keystore('ts1', { root: chain.root.pem })],
      deployments: ['a', 'b'].map((api) =>
        deployment({
          api,
          basePath: `/${api}`,
          targets: { default: `<URL>https://${api}.test</URL><SSLInfo>${trusting('ts1')}</SSLInfo>` },
        }),
      ),
    })
    const [one, two] = plan.targets.map(({ tls }) => tls?.anchors)
    assert.ok(one !== undefined && one === two)
  })

  it('that has expired, or has a weak key, is told about once', async () => {
    const old = await make('CN=Old', { ca: true, notBefore: new Date(0), notAfter: new Date(1_000_000) })
    const keystores = [keystore('ts1', { root: old.pem })]
    const targets = { default: `<URL>https://a.test</URL><SSLInfo>${trusting('ts1')}</SSLInfo>` }
    const deployments = ['a', 'b'].map((api) => deployment({ api, basePath: `/${api}`, targets }))
    const { findings } = compiled({ keystores, deployments })
    assert.deepEqual(
      findings.map(({ code, object }) => `${code} ${object}`),
      ['expired acme/test/keystores/ts1'],
    )
  })
})

describe('a TrustStore without a root (apigee-edge.md 2.3)', () => {
  const stores = (): readonly (readonly [string, Stored])[] => [
    [
      'with the leaf and the intermediate',
      { keystores: [keystore('ts1', { a: chain.leaf.pem, b: chain.intermediate.pem })] },
    ],
    ['with the intermediate', { keystores: [keystore('ts1', { b: chain.intermediate.pem })] }],
    ['with nothing', { keystores: [keystore('ts1', {})] }],
  ]

  it('is deployed, refuses every connection, and is told about by what it lacks', async () => {
    await using backend = await startTlsBackend({
      identity: { chainPem: chain.leaf.pem + chain.intermediate.pem, keyPem: chain.leaf.key },
    })
    for (const [what, stored] of stores()) {
      const plan = planned(trusting('ts1'), stored, {}, backend.url)
      const [server] = onlyTarget(plan).servers
      assert.deepEqual([server?.tls?.anchors, server?.tls?.skipChain], [[], false], what)
      assert.equal(await outcomeOf(server ?? assert.fail()), 'missing-root', what)
      const [finding, ...others] = plan.findings
      assert.deepEqual([finding?.code, finding?.severity, others], ['trust-store-without-anchor', 'error', []], what)
      const lacks = what === 'with nothing' ? /holds no certificate/ : /add the root "CN=Test Root, O=Postern, C=DE"/
      assert.match(finding?.message ?? '', lacks)
    }
  })

  it('accepts under partialChain what its certificates have issued, as Java does', async () => {
    await using backend = await startTlsBackend({
      identity: { chainPem: chain.leaf.pem + chain.intermediate.pem, keyPem: chain.leaf.key },
    })
    for (const [what, stored] of stores()) {
      const [server] = onlyTarget(planned(trusting('ts1'), stored, { partialChain: true }, backend.url)).servers
      const expected = what === 'with nothing' ? 'missing-root' : `127.0.0.1:${backend.port}`
      assert.equal(await outcomeOf(server ?? assert.fail()), expected, what)
    }
  })

  it('helps with its intermediates where a backend sends none', async () => {
    await using backend = await startTlsBackend({ identity: { chainPem: chain.leaf.pem, keyPem: chain.leaf.key } })
    const outcome = async (aliases: Record<string, string>): Promise<string> => {
      const plan = planned(trusting('ts1'), { keystores: [keystore('ts1', aliases)] }, {}, backend.url)
      return outcomeOf(onlyTarget(plan).servers[0] ?? assert.fail())
    }
    assert.equal(await outcome({ root: chain.root.pem, int: chain.intermediate.pem }), `127.0.0.1:${backend.port}`)
    assert.equal(await outcome({ root: chain.root.pem }), 'unknown-issuer')
  })
})

describe('without a TrustStore and without platform roots', () => {
  it('a target is refused, not run with whatever there is', () => {
    const targets = { default: '<URL>https://a.test</URL>' }
    const nowhere = { files: ['/nonexistent/roots.pem'], directories: [] }
    const plan = compiled({ deployments: [deployment({ targets })] }, {}, { systemPlaces: nowhere })
    assert.deepEqual(codes(plan.problems), ['no-system-roots'])
    assert.match(plan.problems[0]?.message ?? '', /looked at .*roots\.pem/)
  })
})

describe('names', () => {
  const rows: readonly (readonly [
    sentence: string,
    url: string,
    inside: string,
    sni: string | null,
    names: string[],
  ])[] = [
    ['are those of the URL', 'https://a.test:8443', '', 'a.test', ['a.test']],
    ['are no SNI where the URL has an address', 'https://127.0.0.1', '', null, ['127.0.0.1']],
    ['are no SNI where the URL has an IPv6 address', 'https://[::1]:8443', '', null, ['::1']],
    [
      'come from CommonName, for the certificate alone',
      'https://a.test',
      '<CommonName wildcardMatch="false">B.test</CommonName>',
      'a.test',
      ['b.test'],
    ],
    [
      'do not come from a pattern',
      'https://a.test',
      '<CommonName wildcardMatch="true">*.test</CommonName>',
      'a.test',
      ['a.test'],
    ],
  ]
  for (const [sentence, url, inside, sni, names] of rows) {
    it(sentence, () => {
      const { serverName, verifyNames, skipName } = onlyTls(planned(trusting('ts1') + inside, {}, {}, url))
      assert.deepEqual([serverName, verifyNames, skipName], [sni, names, false])
    })
  }
})

describe('two-way TLS', () => {
  const asking = (keyStore: string, alias: string): string =>
    `${trusting('ts1')}<ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>${keyStore}</KeyStore><KeyAlias>${alias}</KeyAlias>`
  const keystores = (): Stored['keystores'] => [
    keystore('ts1', { root: chain.root.pem }),
    keystore('ks1', {
      a1: { chain: client.pem, key: client.key },
      cert: client.pem,
      wrong: { chain: client.pem, key: other.key },
    }),
  ]

  it('shows the certificate of the alias, named directly or by reference', async () => {
    await using backend = await startTlsBackend({
      identity: { chainPem: chain.leaf.pem + chain.intermediate.pem, keyPem: chain.leaf.key },
      requestCert: true,
      ca: [chain.root.pem],
    })
    const references = { ksRef: 'ks1' }
    for (const name of ['ks1', 'ref://ksRef']) {
      const plan = planned(asking(name, 'a1'), { keystores: keystores() ?? [], references }, {}, backend.url)
      const { tls, servers } = onlyTarget(plan)
      assert.equal(tls?.clientCertificate?.chain, client.pem)
      assert.equal(await outcomeOf(servers[0] ?? assert.fail()), `127.0.0.1:${backend.port}`)
    }
  })

  it('shows none unless ClientAuthEnabled says so', () => {
    const off = asking('ks1', 'a1').replace('true</ClientAuthEnabled>', 'false</ClientAuthEnabled>')
    assert.equal(onlyTls(planned(off, { keystores: keystores() ?? [] })).clientCertificate, null)
  })

  const refused: readonly (readonly [sentence: string, keyStore: string, alias: string, code: string, why: RegExp])[] =
    [
      ['with an unknown store', 'ks9', 'a1', 'key-store-unknown', /there is no store "ks9"/],
      ['with an unknown alias', 'ks1', 'a9', 'key-alias-unknown', /store acme\/test\/ks1 has no alias "a9"/],
      ['with an alias that has no key', 'ks1', 'cert', 'key-alias-unusable', /has no private key/],
      [
        'with a key of another certificate',
        'ks1',
        'wrong',
        'key-alias-unusable',
        /belongs to none of the certificates/,
      ],
      ['with an alias by reference', 'ks1', 'ref://a1', 'key-alias-reference', /KeyAlias/],
    ]
  for (const [sentence, keyStore, alias, code, why] of refused) {
    it(`${sentence} is refused`, () => {
      const { problems } = planned(asking(keyStore, alias), { keystores: keystores() ?? [] })
      assert.deepEqual(codes(problems), [code])
      assert.match(problems[0]?.message ?? '', why)
    })
  }
})

describe('stores named by flow variables', () => {
  const keystores = (): Stored['keystores'] => [
    keystore('eu-trust', { root: chain.root.pem }),
    keystore('us-trust', { root: other.pem }),
    keystore('keys', { a1: { chain: client.pem, key: client.key } }),
  ]

  it('become a target for each store and reference that they can name', () => {
    const stored = { keystores: keystores() ?? [], references: { 'x-store': 'eu-trust' } }
    const plan = planned(trusting('{request.header.region}-trust'), stored)
    const [proxy] = plan.proxies
    assert.deepEqual(proxy?.route, {
      kind: 'chosen',
      by: [{ parts: [{ variable: 'request.header.region' }, '-trust'] }],
      targets: {
        'eu-trust': 'acme/test/orders/1/default[trustStore=eu-trust]',
        'us-trust': 'acme/test/orders/1/default[trustStore=us-trust]',
      },
    })
    assert.deepEqual(
      plan.targets.map(({ tls }) => tls?.anchors),
      [[chain.root.pem], [other.pem]],
    )
    const whole = planned(trusting('{store}'), { keystores: keystores() ?? [], references: { r: 'eu-trust' } })
      .proxies[0]?.route
    assert.ok(whole?.kind === 'chosen')
    assert.deepEqual(Object.keys(whole.targets).sort(), ['eu-trust', 'ref://r', 'us-trust'])
  })

  it('may be key stores and aliases, which are chosen together', () => {
    const inside = `${trusting('eu-trust')}<ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>{ks}</KeyStore><KeyAlias>{alias}</KeyAlias>`
    const [proxy] = planned(inside, { keystores: keystores() ?? [] }).proxies
    assert.ok(proxy?.route.kind === 'chosen')
    assert.deepEqual(Object.keys(proxy.route.targets), ['keys\na1'])
  })

  it('are refused where they leave more choices than can be compiled', () => {
    const many = Array.from({ length: 65 }, (_, index) => keystore(`s${index}`, { root: chain.root.pem }))
    assert.deepEqual(codes(planned(trusting('{x}'), { keystores: many }).problems), ['too-many-choices'])
    assert.deepEqual(planned(trusting('{x}'), { keystores: many.slice(0, 64) }).problems, [])
    assert.deepEqual(planned(trusting('s1{x}'), { keystores: many }).problems, [])
  })

  it('are refused for target servers', () => {
    const targetServers = { a: { host: 'a.test', sslInfo: sslInfo({ trustStore: '{x}' }) } }
    const targets = { default: '<LoadBalancer><Server name="a"/></LoadBalancer>' }
    const plan = compiled({ targetServers, deployments: [deployment({ targets })] })
    assert.deepEqual(codes(plan.problems), ['variable-not-allowed'])
  })

  it('are compiled again when a store is added that they can name', () => {
    const stored = { keystores: keystores() ?? [] }
    const more = { keystores: [...stored.keystores, keystore('new-trust', { root: other.pem })] }
    const counts = [stored, more].map((each) => planned(trusting('{x}-trust'), each).targets.length)
    assert.deepEqual(counts, [2, 3])
  })
})

describe('Protocols and Ciphers', () => {
  const versions = (change: Partial<SslInfo>): readonly unknown[] => {
    const targetServers = { a: { host: 'a.test', sslInfo: sslInfo({ trustStore: 'ts1', ...change }) } }
    const targets = { default: '<LoadBalancer><Server name="a"/></LoadBalancer>' }
    const keystores = [keystore('ts1', { root: chain.root.pem })]
    const {
      problems,
      findings,
      targets: plans,
    } = compiled({ keystores, targetServers, deployments: [deployment({ targets })] })
    const [plan] = plans
    return [plan?.tls?.minVersion, plan?.tls?.maxVersion, plan?.tls?.ciphers, ...codes(problems), ...codes(findings)]
  }
  const rows: readonly (readonly [sentence: string, change: Partial<SslInfo>, expected: readonly unknown[]])[] = [
    ['have the defaults of any target', {}, ['TLSv1.2', 'TLSv1.3', null]],
    ['can be one version', { protocols: ['TLSv1.2'] }, ['TLSv1.2', 'TLSv1.2', null]],
    [
      'leave out what is never spoken',
      { protocols: ['SSLv3', 'SSLv2Hello', 'TLSv1.2'] },
      ['TLSv1.2', 'TLSv1.2', null, 'legacy-protocol', 'legacy-protocol'],
    ],
    [
      'are refused where nothing is left',
      { protocols: ['SSLv3'] },
      [undefined, undefined, undefined, 'protocol-unusable', 'legacy-protocol'],
    ],
    [
      'are refused where OpenSSL would offer nothing',
      { protocols: ['TLSv1'] },
      [undefined, undefined, undefined, 'protocol-unusable'],
    ],
    [
      'say that TLS 1.0 is not offered beside 1.2',
      { protocols: ['TLSv1', 'TLSv1.1', 'TLSv1.2'] },
      ['TLSv1', 'TLSv1.2', null, 'legacy-protocol'],
    ],
    [
      'say that a gap is filled',
      { protocols: ['TLSv1.1', 'TLSv1.3'] },
      ['TLSv1.1', 'TLSv1.3', null, 'protocol-gap', 'legacy-protocol'],
    ],
    [
      'are refused with an unknown version',
      { protocols: ['TLSv2'] },
      [undefined, undefined, undefined, 'protocol-unknown'],
    ],
    [
      'take the names of a JVM',
      { ciphers: ['TLS_AES_128_GCM_SHA256', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'] },
      ['TLSv1.2', 'TLSv1.3', 'TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES256-GCM-SHA384:!aNULL:!eNULL'],
    ],
    [
      'are refused with an unknown suite',
      { ciphers: ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA348'] },
      [undefined, undefined, undefined, 'cipher-unknown'],
    ],
    [
      'are refused with a suite without a verified peer',
      { ciphers: ['aNULL'] },
      [undefined, undefined, undefined, 'cipher-unknown'],
    ],
  ]
  for (const [sentence, change, expected] of rows) it(sentence, () => assert.deepEqual(versions(change), expected))

  it('have OpenSSL names for those of a JVM', () => {
    const names = {
      TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
      TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384: 'ECDHE-ECDSA-AES256-SHA384',
      TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
      SSL_RSA_WITH_3DES_EDE_CBC_SHA: 'DES-CBC3-SHA',
      TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'DHE-RSA-CHACHA20-POLY1305',
      TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8: 'ECDHE-ECDSA-AES256-CCM8',
      TLS_DHE_RSA_WITH_AES_256_CCM: 'DHE-RSA-AES256-CCM',
      TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
      'ECDHE+AESGCM': 'ECDHE+AESGCM',
    }
    assert.deepEqual(Object.keys(names).map(opensslName), Object.values(names))
  })
})

it('elements without a meaning here are named', () => {
  const { findings } = planned(`${trusting('ts1')}<CRLStore>x</CRLStore>`)
  assert.match(said(findings).join(), /CRLStore/)
})
