import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { issuerFetcher } from '../../src/diagnosis/fetch-issuers.ts'
import { createIntermediate, createRoot } from '../../src/pki/make.ts'

const now = new Date()
const root = await createRoot({ commonName: 'Fetched Root', organization: 'Test', now })
const issuing = await createIntermediate(root, { commonName: 'Fetched Issuing', organization: 'Test', now })

describe('an issuer that a certificate points to', () => {
  for (const [what, body] of [
    ['DER', Buffer.from(issuing.certificate)],
    ['PEM', Buffer.from(issuing.certificatePem)],
  ] as const) {
    it(`is fetched as ${what}`, async () => {
      await using server = await serve((_, response) => response.end(body))
      const { certificates, problem } = await issuerFetcher()(server.url)
      assert.equal(problem, '')
      assert.deepEqual(
        certificates.map(({ pem }) => pem.trim()),
        [issuing.certificatePem.trim()],
      )
    })
  }

  it('is asked for once, without anything that says who asks', async () => {
    await using server = await serve((_, response) => response.end(Buffer.from(issuing.certificate)))
    const fetch = issuerFetcher()
    await Promise.all([fetch(server.url), fetch(server.url)])
    await fetch(server.url)
    assert.equal(server.requests.length, 1)
    assert.deepEqual(server.requests[0], ['GET', ['accept', 'host', 'connection'].sort().join()])
  })

  for (const [what, listener, expected] of [
    ['a redirect', (_, response) => response.writeHead(302, { location: '/elsewhere' }).end(), /answered 302/],
    ['an error', (_, response) => response.writeHead(500).end(), /answered 500/],
    ['no certificate', (_, response) => response.end('hello'), /no certificate/],
    ['more than it may be', (_, response) => response.end(Buffer.alloc(70_000)), /more than 65536 bytes/],
    [
      'a body without end',
      (_, response) => {
        response.write('-----BEGIN')
      },
      /abort|timeout/i,
    ],
    ['a head without end', () => {}, /abort|timeout/i],
  ] satisfies [string, RequestListener, RegExp][]) {
    it(`is given up where the answer is ${what}`, async () => {
      await using server = await serve(listener)
      const { certificates, problem } = await issuerFetcher()(server.url)
      assert.deepEqual(certificates, [])
      assert.match(problem, expected)
      assert.equal(server.requests.length, 1)
    })
  }

  for (const [url, expected] of [
    ['https://127.0.0.1:1/', /only http/],
    ['ldap://127.0.0.1/', /only http/],
    ['file:///etc/passwd', /only http/],
    ['http://user:secret@127.0.0.1:1/', /credentials/],
    ['http://169.254.169.254/latest/meta-data/', /nothing is fetched from/],
    ['http://[::ffff:169.254.169.254]/', /nothing is fetched from/],
    ['http://[64:ff9b::a9fe:a9fe]/', /nothing is fetched from/],
    ['http://2852039166/', /nothing is fetched from/],
    ['http://[fe80::1]/', /nothing is fetched from/],
    ['http://0.0.0.0/', /nothing is fetched from/],
    ['not a url', /Invalid URL/],
  ] as const) {
    it(`is not fetched from ${url}`, async () => {
      const { certificates, problem } = await issuerFetcher()(url)
      assert.deepEqual(certificates, [])
      assert.match(problem, expected)
    })
  }
})

interface IssuerServer extends AsyncDisposable {
  readonly url: string
  /** Method and names of the header fields. */
  readonly requests: readonly (readonly [string, string])[]
}

async function serve(listener: RequestListener): Promise<IssuerServer> {
  const requests: [string, string][] = []
  const server = createServer((request, response) => {
    requests.push([request.method ?? '', Object.keys(request.headers).sort().join()])
    listener(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ca.cer`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
