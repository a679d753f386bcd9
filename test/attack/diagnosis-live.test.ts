import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { describe, it } from 'node:test'
import { createSecureContext, createServer } from 'node:tls'
import { pemOf } from '../../src/pki/make.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { tlv } from '../x509/der-make.ts'
import { certificate, ecSigner, extension, name, oid, utc } from '../x509/signed-make.ts'

const signer = ecSigner()
const key = signer.key.export({ type: 'pkcs8', format: 'pem' })
const authority = extension('2.5.29.19', tlv(0x30, tlv(0x01, '\xff')), true)
const rootPem = pemOf(
  certificate({
    signer,
    subject: name('Root'),
    issuer: name('Root'),
    extensions: [authority],
  }),
)
const expired = { notAfter: utc('250101000000Z') }
const altNames = (...names: readonly string[]): Buffer =>
  extension('2.5.29.17', tlv(0x30, ...names.map((each) => tlv(0x82, each))))
const leafOf = (change: Partial<Parameters<typeof certificate>[0]> = {}): string =>
  pemOf(
    certificate({ signer, subject: name('a.test'), issuer: name('Root'), extensions: [altNames('a.test')], ...change }),
  )

/** More than a request's line ever needs. */
const maxLine = 12 * 1024
/** What ends a line or moves a cursor. */
// oxlint-disable-next-line no-control-regex
const moves = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/u

// What turns the rest of a line round.
const turns = /[\u202a-\u202e\u2066-\u2069]/u

describe('a certificate made to harm whoever explains it', () => {
  const critical = Array.from({ length: 5000 }, (_, index) => extension(`1.2.3.${index}`, Buffer.from([5, 0]), true))
  for (const [what, served, verdict] of [
    ['a subject of 60 KiB', leafOf({ ...expired, subject: name('A'.repeat(60_000)) }), 'expired'],
    ['an issuer of 4,000 parts', leafOf({ issuer: name(...parts(4000)) }), 'unknown-issuer'],
    ['5,000 unknown critical extensions', leafOf({ extensions: critical }), 'unknown-critical-extension'],
    ['8,000 purposes', leafOf({ extensions: [altNames('a.test'), purposes(8000)] }), 'wrong-purpose'],
    ['3,000 names', leafOf({ extensions: [altNames(...parts(3000))] }), 'name-mismatch'],
    [
      'lines, colours and turns in its subject',
      leafOf({ ...expired, subject: name(utf8('a\r\n{"type":"access"}\u001b[2J\u0085\u009b31m\u2028\u202egro.knab')) }),
      'expired',
    ],
  ] as const) {
    it(`is explained in lines of bounded length, with nothing forged: ${what}`, async () => {
      await using backend = await tlsBackend(() => served)
      await using gateway = await gatewayFor(backend.port)
      assert.equal((await ask(gateway)).code, verdict)
      const lines = await gateway.logLines('postern.log', (line) => line.includes('"type":"diagnosed"'))
      const later = await ask(gateway)
      assert.equal(later.code, verdict)
      const all = [...lines, ...(await gateway.logLines('postern.log', (line) => line.includes(`"id":"${later.id}"`)))]
      for (const line of all) {
        const { type } = JSON.parse(line) as { type: string }
        if (['diagnosed', 'request-failed', 'access', 'warning'].includes(type)) {
          assert.ok(line.length <= maxLine, `a line of type ${type} has ${line.length} characters`)
        }
        assert.doesNotMatch(line, moves)
        if (type === 'diagnosed') assert.doesNotMatch(line, turns)
      }
      // The line of the request has the explanation in it, and not only the room that it would have taken.
      const failed = all.findLast((line) => line.includes('"type":"request-failed"')) ?? ''
      assert.match(failed, /"diagnosed":true/)
    })
  }
})

describe('a backend that shows another certificate each time', () => {
  it('gets no request blamed on a certificate that the request did not meet', async () => {
    const wrong = [leafOf(expired), leafOf({ extensions: [altNames('b.test')] })]
    let turn = 0
    await using backend = await tlsBackend(() => wrong[turn++ % 2] as string)
    await using gateway = await gatewayFor(backend.port)
    for (let count = 0; count < 20; count++) await ask(gateway)
    const failures = await failuresOf(gateway, 20)
    const shown = new Set(failures.map(({ verdict, leaf }) => `${verdict} ${leaf}`))
    assert.equal(new Set(failures.map(({ leaf }) => leaf)).size, 2)
    // Each of the two always failed in its own way.
    assert.equal(shown.size, 2, [...shown].join('\n'))
    for (const { leaf, guilty } of failures) assert.ok(guilty === undefined || guilty === leaf)
  })

  it('gets no request blamed on an issuer of another path of the same leaf', async () => {
    const leaf = leafOf({ issuer: name('I') })
    const ca = (subject: string, issuer: string, change: Partial<typeof expired> = {}): string =>
      leafOf({ subject: name(subject), issuer: name(issuer), extensions: [authority], ...change })
    const paths = [leaf + ca('I', 'Root', expired), leaf + ca('I', 'J') + ca('J', 'Root', expired)]
    let turn = 0
    await using backend = await tlsBackend(() => paths[turn++ % 2] as string)
    await using gateway = await gatewayFor(backend.port)
    for (let count = 0; count < 20; count++) await ask(gateway)
    const failures = await failuresOf(gateway, 20)
    const diagnosed = failures.filter(({ guilty }) => guilty !== undefined)
    assert.equal(new Set(failures.map(({ path }) => path)).size, 2)
    for (const path of new Set(diagnosed.map((each) => each.path))) {
      assert.equal(new Set(diagnosed.filter((each) => each.path === path).map(({ guilty }) => guilty)).size, 1)
    }
    const blamed = new Set(diagnosed.map(({ path, guilty }) => `${guilty} ${path}`))
    assert.equal(blamed.size, new Set(diagnosed.map(({ guilty }) => guilty)).size, [...blamed].join('\n'))
  })

  it('gets a few probes and no more, and its requests no later answers for it', async () => {
    let serial = 1
    await using backend = await tlsBackend(() =>
      leafOf({ ...expired, serial: Buffer.from([1, serial++ & 0x7f, serial & 0x7f]) }),
    )
    await using gateway = await gatewayFor(backend.port)
    for (let count = 0; count < 60; count++) assert.equal((await ask(gateway)).code, 'expired')
    // Once in five seconds: this takes less, on any machine that runs it at all.
    assert.ok(backend.connections <= 60 + 4, `${backend.connections} connections for 60 requests`)
    assert.equal(backend.received, 0)
  })
})

describe('what a client learns of a diagnosis', () => {
  for (const profile of ['native', 'apigee', 'apim']) {
    for (const faultDetail of ['minimal', 'standard']) {
      it(`is nothing of stores, files, names and remedies under ${profile}, ${faultDetail}`, async () => {
        const served = leafOf({ ...expired, subject: name('inner-host-42') })
        await using backend = await tlsBackend(() => served)
        await using gateway = await gatewayFor(backend.port, { faults: profile, faultDetail })
        await ask(gateway)
        await gateway.logLines('postern.log', (line) => line.includes('"type":"diagnosed"'))
        const { text } = await ask(gateway)
        for (const secret of ['inner-host-42', 'corp', gateway.directory, 'postern tls', 'Root', String(backend.port)])
          assert.ok(!text.includes(secret), `${secret} is in ${text}`)
      })
    }
  }
})

/** `name` takes bytes. */
function utf8(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function parts(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `n${index}`)
}

function purposes(count: number): Buffer {
  return extension('2.5.29.37', tlv(0x30, ...Array.from({ length: count }, (_, index) => oid(`1.2.3.${index}`))))
}

function gatewayFor(port: number, more: Readonly<Record<string, unknown>> = {}): Promise<TestGateway> {
  return startTestGateway(
    {
      trustStores: { corp: { sources: [{ file: './root.pem' }] } },
      targets: { backend: { url: `https://127.0.0.1:${port}`, tls: { trust: ['corp'], serverName: 'a.test' } } },
      proxies: { backend: { basePath: '/', target: 'backend' } },
      // Long enough that the first request has the cause on a busy machine as well.
      diagnosis: { live: true, wait: '1s' },
      ...more,
    },
    { files: { 'root.pem': rootPem } },
  )
}

/** One request; all that its client gets. */
async function ask({
  origin,
}: TestGateway): Promise<{ readonly code: string; readonly id: string; readonly text: string }> {
  const response = await fetch(origin)
  const body = await response.text()
  const { code = '' } = /"code":"(?<code>[^"]+)"/.exec(body)?.groups ?? {}
  const text = `${[...response.headers].map(([field, value]) => `${field}: ${value}`).join('\n')}\n${body}`
  return { code, id: response.headers.get('x-request-id') ?? '', text }
}

interface Failure {
  readonly verdict: string
  readonly leaf: string
  /** Of the guilty certificate, where the failure was diagnosed. */
  readonly guilty: string | undefined
  /** Subjects, as the runtime built it. */
  readonly path: string
}

async function failuresOf(gateway: TestGateway, count: number): Promise<readonly Failure[]> {
  let seen = 0
  const lines = await gateway.logLines('postern.log', (line) => isFailure(line) && ++seen % count === 0)
  return lines.filter(isFailure).map((line) => {
    const { fault } = JSON.parse(line) as {
      fault: { code: string; evidence: { leaf: string; path: readonly string[]; guilty?: { sha256: string } } }
    }
    const { leaf, path, guilty } = fault.evidence
    return { verdict: fault.code, leaf, guilty: guilty?.sha256, path: path.join() }
  })
}

const isFailure = (line: string): boolean => line.includes('"type":"request-failed"')

/** Shows what `chain` says at that connection, and counts what it gets besides handshakes. */
async function tlsBackend(
  chain: () => string,
): Promise<{ readonly port: number; readonly connections: number; readonly received: number } & AsyncDisposable> {
  const sockets = new Set<Socket>()
  let connections = 0
  let received = 0
  const server = createServer(
    {
      key,
      cert: rootPem,
      SNICallback: (_name, done) => done(null, createSecureContext({ key, cert: chain() })),
    },
    (socket) => {
      socket.on('error', () => {})
      socket.on('data', (bytes: Buffer) => (received += bytes.length))
    },
  )
  server.on('tlsClientError', () => {})
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections
    },
    get received() {
      return received
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
