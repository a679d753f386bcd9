import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { createIntermediate, createLeaf, createRoot, pemOf } from '../../src/pki/make.ts'
import { startTestGateway } from '../support/gateway.ts'
import { type SeenRequest, startTlsBackend } from '../support/tls-backend.ts'
import { type Answer, get, startLabGateway } from './lab-gateway.ts'

const rootA = await createRoot({ commonName: 'Root A' })
const rootB = await createRoot({ commonName: 'Root B' })
const issuing = await createIntermediate(rootA, { commonName: 'Issuing A' })
const leaf = await createLeaf(issuing, { names: ['a.internal', 'b.internal', '127.0.0.1'] })
const client = await createLeaf(rootB, { names: ['gateway.internal'], purposes: ['clientAuth'] })

const files = {
  'a.pem': rootA.certificatePem,
  'b.pem': rootB.certificatePem,
  'client.pem': client.chainPem,
  'client.key': client.keyPem,
}
const trustStores = { a: { sources: [{ file: './a.pem' }] }, b: { sources: [{ file: './b.pem' }] } }
const versions = ['TLSv1.2', 'TLSv1.3'] as const

function codeOf(answer: Answer): string {
  return answer.status === 200 ? 'ok' : (JSON.parse(answer.body) as { code: string }).code
}

/** I2, and tls-on-node section 13, items 1 and 2. */
describe('targets with one host and port and different trust share nothing', () => {
  const kinds = {
    right: { tls: { trust: ['a'] }, ends: 'ok' },
    twin: { tls: { trust: ['a'] }, ends: 'ok' },
    'other-root': { tls: { trust: ['b'] }, ends: 'missing-root' },
    'other-name': { tls: { trust: ['a'], subjectAltNames: ['elsewhere.internal'] }, ends: 'name-mismatch' },
    identified: {
      tls: { trust: ['a'], clientCertificate: { certificate: './client.pem', key: './client.key' } },
      ends: 'ok',
    },
    unchecked: {
      tls: {
        trust: ['b'],
        exceptions: ['chain', 'name'].map((skip) => ({ skip, owner: 'test', reason: 'test' })),
      },
      ends: 'ok',
    },
  } as const
  type Kind = keyof typeof kinds

  for (const version of versions) {
    for (const resumption of [true, false]) {
      it(`${version}, resumption ${resumption ? 'on' : 'off'}`, async () => {
        const counts = new Map<string, number>()
        await using backend = await startTlsBackend({
          identity: leaf,
          requestCert: true,
          rejectUnauthorized: false,
          // Closed after every second request, so that there are pooled ones to steal and sessions to resume.
          answer(request, response) {
            request.resume()
            const { url = '' } = request
            counts.set(url, (counts.get(url) ?? 0) + 1)
            if ((counts.get(url) ?? 0) % 2 === 0) response.setHeader('connection', 'close')
            response.end('ok')
          },
        })
        const names = Object.keys(kinds) as Kind[]
        await using gateway = await startTestGateway(
          {
            trustStores,
            targets: Object.fromEntries(
              names.map((name) => [
                name,
                {
                  url: `${backend.url}/${name}`,
                  tls: {
                    serverName: 'a.internal',
                    minVersion: version,
                    maxVersion: version,
                    resumption,
                    ...kinds[name].tls,
                  },
                },
              ]),
            ),
            proxies: Object.fromEntries(names.map((name) => [name, { basePath: `/${name}`, target: name }])),
          },
          { files },
        )
        const port = gateway.gateway.ports['http'] ?? 0
        for (let round = 0; round < 6; round++) {
          for (const name of names)
            assert.equal(codeOf(await get(port, `/${name}`)), kinds[name].ends, `${name}, round ${round}`)
        }
        const seenBy = (name: Kind): readonly SeenRequest[] => backend.seen.filter(({ url }) => url === `/${name}`)
        for (const name of names) {
          const seen = seenBy(name)
          assert.equal(seen.length, kinds[name].ends === 'ok' ? 6 : 0, name)
          assert.ok(seen.every(({ protocol }) => protocol === version))
          assert.ok(seen.every((request) => request.client === (name === 'identified' ? 'gateway.internal' : '')))
          const expected = [false, false, resumption, resumption, resumption, resumption].slice(0, seen.length)
          assert.deepEqual(
            seen.map(({ resumed }) => resumed),
            expected,
            name,
          )
        }
        // No connection carried requests of two targets.
        for (const { connection, url } of backend.seen) {
          assert.ok(backend.seen.every((other) => other.connection !== connection || other.url === url))
        }
      })
    }
  }
})

describe('who is dialed, who is asked for, who is verified and who is addressed are four settings', () => {
  it('serverName is the SNI and the verified name; Host is the target or the client, as the proxy says', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    const tls = (more: object): object => ({ url: backend.url, tls: { trust: ['a'], ...more } })
    await using gateway = await startTestGateway(
      {
        trustStores,
        targets: {
          named: tls({ serverName: 'b.internal' }),
          address: tls({}),
          'wrong-name': tls({ serverName: 'c.internal' }),
          'sni-apart': tls({ serverName: 'c.internal', subjectAltNames: ['x.internal', 'b.internal'] }),
          'none-allowed': tls({ serverName: 'a.internal', subjectAltNames: ['x.internal', 'y.internal'] }),
          'address-allowed': tls({ serverName: 'c.internal', subjectAltNames: ['127.0.0.1'] }),
        },
        proxies: {
          named: { basePath: '/named', target: 'named' },
          kept: { basePath: '/kept', target: 'named', host: 'keep' },
          address: { basePath: '/address', target: 'address' },
          'wrong-name': { basePath: '/wrong-name', target: 'wrong-name' },
          'sni-apart': { basePath: '/sni-apart', target: 'sni-apart' },
          'none-allowed': { basePath: '/none-allowed', target: 'none-allowed' },
          'address-allowed': { basePath: '/address-allowed', target: 'address-allowed' },
        },
      },
      { files },
    )
    const ask = async (name: string): Promise<unknown> => {
      const before = backend.seen.length
      const code = codeOf(await get(gateway.gateway.ports['http'] ?? 0, `/${name}`, { Host: 'api.example.test' }))
      const [seen] = backend.seen.slice(before)
      return seen === undefined ? code : [code, seen.serverName, seen.headers['host']]
    }
    const dialed = `127.0.0.1:${backend.port}`
    assert.deepEqual(await ask('named'), ['ok', 'b.internal', dialed])
    assert.deepEqual(await ask('kept'), ['ok', 'b.internal', 'api.example.test'])
    assert.deepEqual(await ask('address'), ['ok', '', dialed], 'no SNI for an address (RFC 6066 section 3)')
    assert.deepEqual(await ask('wrong-name'), 'name-mismatch')
    assert.deepEqual(await ask('sni-apart'), ['ok', 'c.internal', dialed])
    assert.deepEqual(await ask('none-allowed'), 'name-mismatch')
    assert.deepEqual(await ask('address-allowed'), ['ok', 'c.internal', dialed])
  })
})

describe('client certificates', () => {
  it('mend the scenarios that want one, in TLS 1.3 and TLS 1.2', async () => {
    const scenarios = ['client-certificate-required', 'client-certificate-required-tls12'] as const
    await using setup = await startLabGateway({
      lab: { scenarios },
      files: (lab) => ({ 'client.pem': lab.clientIdentity.certificatePem, 'client.key': lab.clientIdentity.keyPem }),
      tls: { clientCertificate: { certificate: './client.pem', key: './client.key' } },
    })
    for (const scenario of scenarios) {
      assert.equal((await get(setup.port, `/native/${scenario}/`)).status, 200, scenario)
      assert.equal(setup.lab.counters(scenario).requests, 1)
    }
  })

  it('that the backend does not know are rejected by it, and the fault says whose they are', async () => {
    const scenarios = ['client-certificate-required'] as const
    await using setup = await startLabGateway({
      lab: { scenarios },
      files: () => ({ 'client.pem': client.chainPem, 'client.key': client.keyPem }),
      tls: { clientCertificate: { certificate: './client.pem', key: './client.key' } },
    })
    const answer = await get(setup.port, `/native/${scenarios[0]}/`)
    assert.equal(answer.status, 502)
    await setup.lab.settled(scenarios[0])
    assert.equal(setup.lab.counters(scenarios[0]).requestBytes, 0)
  })

  it('bring no anchor, even where their file holds the root of a backend', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    const { gateway, answer } = await oneTarget(backend.url, {
      trust: ['b'],
      clientCertificate: { certificate: './client-with-root.pem', key: './client.key' },
    })
    await using _ = gateway
    assert.equal(codeOf(await answer()), 'missing-root')
    assert.equal(backend.seen.length, 0)
  })

  async function oneTarget(
    url: string,
    tls: object,
  ): Promise<{ gateway: AsyncDisposable; answer: () => Promise<Answer> }> {
    const gateway = await startTestGateway(
      {
        trustStores,
        targets: { backend: { url, tls } },
        proxies: { backend: { basePath: '/', target: 'backend' } },
      },
      {
        files: {
          ...files,
          'client-with-root.pem': client.chainPem + rootA.certificatePem,
        },
      },
    )
    return { gateway, answer: () => get(gateway.gateway.ports['http'] ?? 0, '/') }
  }
})

describe('protocol settings of a target', () => {
  const settings = {
    'max TLS 1.2': { tls: { maxVersion: 'TLSv1.2' }, ends: ['TLSv1.2', null] },
    'min TLS 1.3': { tls: { minVersion: 'TLSv1.3' }, ends: ['TLSv1.3', null] },
    'one TLS 1.2 suite': {
      tls: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' },
      ends: ['TLSv1.2', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'],
    },
    'one TLS 1.3 suite': {
      tls: { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' },
      ends: ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'],
    },
    'a suite that the backend cannot use': {
      // Its certificate is ECDSA.
      tls: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
      ends: ['peer-alert', null],
    },
  } as const

  for (const [what, { tls, ends }] of Object.entries(settings)) {
    it(what, async () => {
      await using backend = await startTlsBackend({ identity: leaf })
      await using gateway = await startTestGateway(
        {
          trustStores,
          targets: { backend: { url: backend.url, tls: { trust: ['a'], ...tls } } },
          proxies: { backend: { basePath: '/', target: 'backend' } },
        },
        { files },
      )
      const answer = await get(gateway.gateway.ports['http'] ?? 0, '/')
      if (answer.status !== 200) {
        assert.deepEqual([codeOf(answer), null], ends)
        return
      }
      const isHandshake = (line: string): boolean => line.includes('"type":"handshake"')
      const [line = ''] = (await gateway.logLines('postern.log', isHandshake)).filter(isHandshake)
      const { protocol, cipher } = JSON.parse(line) as { protocol: string; cipher: string }
      assert.deepEqual([protocol, ends[1] === null ? null : cipher], ends)
    })
  }

  it('a backend below the lowest version is refused as such', async () => {
    await using backend = await startTlsBackend({ identity: leaf, maxVersion: 'TLSv1.2' })
    await using gateway = await startTestGateway(
      {
        trustStores,
        targets: { backend: { url: backend.url, tls: { trust: ['a'], minVersion: 'TLSv1.3' } } },
        proxies: { backend: { basePath: '/', target: 'backend' } },
      },
      { files },
    )
    assert.equal(codeOf(await get(gateway.gateway.ports['http'] ?? 0, '/')), 'protocol-version')
    assert.equal(backend.seen.length, 0)
  })
})

describe('a changed trust', () => {
  for (const version of versions) {
    it(`never resumes a session of the old one, and another snapshot is another pool (${version})`, async () => {
      await using backend = await startTlsBackend({
        identity: leaf,
        answer(request, response) {
          request.resume()
          response.setHeader('connection', 'close')
          response.end('ok')
        },
      })
      await using gateway = await startTestGateway(
        {
          trustStores: { changing: { sources: [{ file: './trust.pem' }] } },
          targets: {
            backend: {
              url: backend.url,
              tls: { trust: ['changing'], minVersion: version, maxVersion: version, resumption: true },
            },
          },
          proxies: { backend: { basePath: '/', target: 'backend' } },
        },
        { files: { 'trust.pem': rootA.certificatePem } },
      )
      const port = gateway.gateway.ports['http'] ?? 0
      const trust = async (pem: string): Promise<string> => {
        await writeFile(join(gateway.directory, 'trust.pem'), pem)
        await gateway.gateway.reload()
        return (gateway.gateway.status()['targets'] as { snapshot: string }[])[0]?.snapshot ?? ''
      }
      const ask = async (): Promise<readonly [string, boolean | null]> => {
        const before = backend.seen.length
        const code = codeOf(await get(port, '/'))
        return [code, backend.seen[before]?.resumed ?? null]
      }
      assert.deepEqual(await ask(), ['ok', false])
      assert.deepEqual(await ask(), ['ok', true])
      const withB = await trust(rootB.certificatePem)
      assert.deepEqual(await ask(), ['missing-root', null])
      const withBoth = await trust(pemOf(rootA.certificate, rootB.certificate))
      assert.deepEqual(await ask(), ['ok', false])
      assert.deepEqual(await ask(), ['ok', true])
      // The order of a bundle is no change of trust: the session lives on.
      assert.equal(await trust(pemOf(rootB.certificate, rootA.certificate)), withBoth)
      assert.deepEqual(await ask(), ['ok', true])
      assert.equal(await trust(rootB.certificatePem), withB, 'equal trust has an equal id')
      assert.deepEqual(await ask(), ['missing-root', null])
    })
  }
})
