import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createH2c } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Resolver } from '../../src/dial/resolver.ts'
import { TargetTrust } from '../../src/dial/target-trust.ts'
import { openFullBacklog } from '../../src/lab/full-backlog.ts'
import { createLeaf, createRoot, type Identity } from '../../src/pki/make.ts'
import { ServerCheck } from '../../src/proxy/balance/server-check.ts'
import type { CheckFailure } from '../../src/proxy/balance/server-state.ts'
import type { HealthPlan, HttpCheckPlan, ServerPlan, TargetTlsPlan } from '../../src/proxy/plan.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { freePort, startH2Backend, startRawBackend } from './backends.ts'
import { healthPlan, serverPlan } from './plans.ts'

let root: Identity
let otherRoot: Identity
let leaf: Identity
const resolver = new Resolver()

before(async () => {
  root = await createRoot({ commonName: 'Check Test CA' })
  otherRoot = await createRoot({ commonName: 'Other CA' })
  leaf = await createLeaf(root, { names: ['backend.test'] })
})
after(() => resolver.close())

const get: HttpCheckPlan = {
  kind: 'http',
  method: 'GET',
  path: '/healthz?full=1',
  host: 'shop.test',
  statuses: [
    [200, 299],
    [401, 401],
  ],
  headers: '',
  body: '',
  expectHeaders: [],
}

describe('a TCP check', () => {
  test('passes where a connection can be had, and closes it', async () => {
    await using backend = await startRawBackend((socket) => socket.resume())
    assert.equal(await check({ port: backend.port }), null)
    await until(() => backend.connections === 1 && backend.open === 0)
  })

  test('fails where nobody listens', async () => {
    const port = await freePort()
    const failure = await check({ port })
    assert.equal(failure?.verdict, 'connection-refused')
    assert.match(failure.summary, new RegExp(`127\\.0\\.0\\.1:${port}`))
  })

  test('of an https server is a verified connection', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    assert.equal(await check(secure(backend.port)), null)
    assert.equal(backend.seen.length, 0)
  })

  test('is refused by an unknown issuer, a wrong name and a server without TLS, with the verdict that traffic gets', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    await using plain = await startRawBackend((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const untrusted = await check(secure(backend.port, { anchors: [otherRoot.certificatePem] }))
    const misnamed = await check(secure(backend.port, { verifyNames: ['other.test'] }))
    const spoken = await check(secure(plain.port))
    assert.deepEqual(
      [untrusted, misnamed, spoken].map((failure) => failure?.verdict),
      ['unknown-issuer', 'name-mismatch', 'not-tls'],
    )
    assert.match(misnamed?.summary ?? '', /the certificate is for backend\.test, expected other\.test/)
  })

  test('that does not connect ends with the time of the check, and says that it was connecting', async () => {
    const dropping = await openFullBacklog(0)
    try {
      for (const server of [{ port: dropping.port }, secure(dropping.port)]) {
        assert.equal((await check(server, { timeoutMs: 50 }))?.verdict, 'connect-timeout')
      }
    } finally {
      await dropping.close()
    }
  })

  test('that stays in its handshake ends with the time of the check', async () => {
    await using backend = await startRawBackend((socket) => socket.resume())
    const failure = await check(secure(backend.port), { timeoutMs: 50 })
    assert.equal(failure?.verdict, 'handshake-timeout')
    await until(() => backend.open === 0)
  })
})

describe('an HTTP check', () => {
  test('passes with any status of its ranges and fails with any other', async () => {
    for (const [status, passes] of [
      [200, true],
      [299, true],
      [401, true],
      [300, false],
      [400, false],
      [503, false],
    ] as const) {
      await using backend = await startRawBackend(answering(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`))
      const failure = await check({ port: backend.port }, { check: get })
      assert.equal(failure === null, passes, `${status}`)
      if (failure === null) continue
      assert.equal(failure.verdict, null)
      assert.equal(
        failure.summary,
        `127.0.0.1:${backend.port}: GET /healthz?full=1: answered ${status}, not 200-299, 401`,
      )
    }
  })

  test('asks for what it was told to, over a connection of its own that it closes', async () => {
    let asked = ''
    await using backend = await startRawBackend((socket) => {
      socket.on('data', (bytes: Buffer) => {
        asked += bytes.toString('latin1')
        if (asked.includes('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n')
      })
    })
    assert.equal(await check({ port: backend.port }, { check: { ...get, method: 'POST' } }), null)
    assert.deepEqual(asked.split('\r\n'), [
      'POST /healthz?full=1 HTTP/1.1',
      'Host: shop.test',
      'User-Agent: postern-check',
      'Content-Length: 0',
      'Connection: close',
      '',
      '',
    ])
    await until(() => backend.open === 0)
  })

  test('reads an answer that comes byte by byte, after an informational one', async () => {
    const answer = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n'
    await using backend = await startRawBackend((socket) => {
      socket.setNoDelay(true)
      socket.once('data', () => void dribble(socket, answer))
    })
    assert.equal(await check({ port: backend.port }, { check: get }), null)
  })

  test('fails where the answer is no HTTP, does not come, breaks off, is too long or never final', async () => {
    const informational = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'
    const rows: readonly (readonly [string, (socket: Socket) => void, RegExp])[] = [
      ['SSH', answering('SSH-2.0-OpenSSH_9.2\r\n'), /the answer was refused: /],
      ['silence', (socket) => socket.resume(), /no answer within 60 ms/],
      ['half a head', answering('HTTP/1.1 200 OK\r\nA: '), /no answer within 60 ms/],
      ['a close', (socket) => socket.once('data', () => socket.end()), /the connection was closed/],
      [
        'a reset',
        (socket) => socket.once('data', () => socket.resetAndDestroy()),
        /the connection broke \(.*ECONNRESET/,
      ],
      ['a head without end', answering(`HTTP/1.1 200 OK\r\nA: ${'a'.repeat(20_000)}`), /the answer was refused: /],
      ['hints without end', answering(informational.repeat(600)), /informational responses without end/],
    ]
    for (const [name, use, expected] of rows) {
      await using backend = await startRawBackend(use)
      const failure = await check(
        { port: backend.port },
        { check: get, timeoutMs: name === 'silence' || name === 'half a head' ? 60 : 5000 },
      )
      assert.match(failure?.summary ?? 'passed', expected, name)
      assert.equal(failure?.party, 'backend')
      await until(() => backend.open === 0)
    }
  })

  test('over TLS asks a server that was verified, and no other', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    assert.equal(await check(secure(backend.port), { check: get }), null)
    assert.deepEqual(
      backend.seen.map(({ url, serverName, headers }) => [url, serverName, headers['host']]),
      [['/healthz?full=1', 'backend.test', 'shop.test']],
    )
    const failure = await check(secure(backend.port, { anchors: [otherRoot.certificatePem] }), { check: get })
    assert.equal(failure?.verdict, 'unknown-issuer')
    assert.equal(backend.seen.length, 1)
  })

  test('says that the server wants a certificate, also in TLS 1.3, which says so late', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      await using backend = await startTlsBackend({
        identity: leaf,
        requestCert: true,
        rejectUnauthorized: true,
        ca: [otherRoot.certificatePem],
        maxVersion: version,
      })
      const failure = await check(secure(backend.port), { check: get })
      assert.equal(failure?.verdict, version === 'TLSv1.3' ? 'client-certificate-required' : 'peer-alert', version)
      assert.equal(backend.seen.length, 0)
    }
  })
})

describe('an HTTP check of a server that speaks HTTP/2', () => {
  test('speaks it when ALPN chose it', async () => {
    for (const [status, passes] of [
      [200, true],
      [503, false],
    ] as const) {
      await using backend = await startH2Backend(leaf, (path) => (path === get.path ? status : 404))
      const failure = await check(secure(backend.port, { alpn: ['h2', 'http/1.1'] }), { check: get })
      assert.equal(failure === null, passes, failure?.summary)
      assert.deepEqual(backend.protocols, ['h2 shop.test'])
      await until(() => backend.open === 0)
    }
  })

  test('speaks HTTP/1.1 where ALPN chose that', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    assert.equal(await check(secure(backend.port, { alpn: ['h2', 'http/1.1'] }), { check: get }), null)
  })

  test('speaks it without TLS where that is known', async () => {
    await using backend = await startH2Backend(null, (_, method) => (method === 'HEAD' ? 204 : 500))
    const server = { port: backend.port, h2c: true }
    assert.equal(await check(server, { check: { ...get, method: 'HEAD' } }), null)
    assert.match((await check(server, { check: get }))?.summary ?? '', /answered 500/)
  })

  test('sends a path of any length', async () => {
    const path = `/${'a'.repeat(6000)}`
    await using backend = await startH2Backend(null, (asked) => (asked === path ? 200 : 404))
    assert.equal(await check({ port: backend.port, h2c: true }, { check: { ...get, path } }), null)
  })

  test('answers SETTINGS and PING, for servers that wait for it', async () => {
    await using backend = await startRawBackend((socket) => {
      socket.write(Buffer.from('0000000400000000000000080600000000000102030405060708', 'hex'))
      let heard = ''
      socket.on('data', (bytes: Buffer) => {
        heard += bytes.toString('hex')
        if (!heard.includes('000000040100000000') || !heard.includes('0000080601000000000102030405060708')) return
        socket.write(Buffer.from('00000101050000000188', 'hex'))
      })
    })
    assert.equal(await check({ port: backend.port, h2c: true }, { check: get }), null)
  })

  test('fails on what is no HTTP/2, on a reset stream and on a connection that is given up', async () => {
    const settings = '000000040000000000'
    const rows = [
      ['HTTP/1.1', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n').toString('hex'), /the answer was refused: /],
      ['RST_STREAM', `${settings}00000403000000000100000007`, /the stream was reset with REFUSED_STREAM/],
      ['GOAWAY', `${settings}0000080700000000000000000000000002`, /given up with INTERNAL_ERROR/],
      ['PING without end', settings + '0000080600000000000102030405060708'.repeat(300), /frames without end/],
    ] as const
    for (const [name, bytes, expected] of rows) {
      await using backend = await startRawBackend((socket) => {
        socket.resume()
        socket.write(Buffer.from(bytes, 'hex'))
      })
      const failure = await check({ port: backend.port, h2c: true }, { check: get })
      assert.match(failure?.summary ?? 'passed', expected, name)
    }
  })
})

describe('an HTTP check with more to say', () => {
  const told: HttpCheckPlan = {
    ...get,
    method: 'POST',
    headers: 'X-Check: 1\r\nUser-Agent: monitor/2\r\n',
    body: 'grüße',
  }

  test('sends its headers and body', async () => {
    let asked = ''
    await using backend = await startRawBackend((socket) => {
      socket.on('data', (bytes: Buffer) => {
        asked += bytes.toString()
        if (asked.endsWith('grüße')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
      })
    })
    assert.equal(await check({ port: backend.port }, { check: told }), null)
    assert.deepEqual(asked.split('\r\n'), [
      'POST /healthz?full=1 HTTP/1.1',
      'Host: shop.test',
      'X-Check: 1',
      'User-Agent: monitor/2',
      'Content-Length: 7',
      'Connection: close',
      '',
      'grüße',
    ])
  })

  test('sends them in HTTP/2 as well, up to what a server takes unasked', async () => {
    for (const [length, passes] of [
      [7, true],
      [40_000, true],
      [65_535, true],
      [65_536, false],
    ] as const) {
      const seen: [unknown, unknown, number][] = []
      const server = createH2c()
      server.on('stream', (stream, headers) => {
        let bytes = 0
        stream.on('data', (piece: Buffer) => (bytes += piece.length))
        stream.on('end', () => {
          seen.push([headers['x-check'], headers['content-length'], bytes])
          stream.respond({ ':status': 200, 'x-state': 'up' }, { endStream: true })
        })
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const plan = { ...told, body: 'a'.repeat(length), expectHeaders: [['x-state', 'up']] as const }
      const failure = await check({ port, h2c: true }, { check: plan })
      server.close()
      if (passes) assert.deepEqual([failure, seen], [null, [['1', `${length}`, length]]])
      else assert.match(failure?.summary ?? 'passed', /longer than 65535 bytes/)
    }
  })

  test('asks another port where it is told one, under the same trust', async () => {
    await using backend = await startTlsBackend({ identity: leaf })
    const port = await freePort()
    assert.equal(await check(secure(port), { check: get, port: backend.port }), null)
    const misnamed = await check(secure(port, { verifyNames: ['other.test'] }), { port: backend.port })
    assert.equal(misnamed?.verdict, 'name-mismatch')
    assert.match(misnamed.summary, new RegExp(`127\\.0\\.0\\.1:${backend.port}`))
    const refused = await check(secure(backend.port), { check: get, port })
    assert.equal(refused?.verdict, 'connection-refused')
    assert.match(refused.summary, new RegExp(`127\\.0\\.0\\.1:${port}`))
  })

  test('wants every header that it was told, with its value', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nX-State:  up \r\nX-Role: a\r\nx-role: b\r\nContent-Length: 0\r\n\r\n'
    const rows: readonly (readonly [wanted: HttpCheckPlan['expectHeaders'], expected: RegExp | null])[] = [
      [[], null],
      [[['x-state', 'up']], null],
      [[['x-role', 'b']], null],
      [[['x-role', 'a, b']], null],
      [[['content-length', '0']], null],
      [[['x-state', 'Up']], /answered with "up" where the header x-state must be "Up"/],
      [[['x-stat', 'up']], /answered without it where the header x-stat must be "up"/],
      [
        [
          ['x-state', 'up'],
          ['x-role', 'c'],
        ],
        /answered with "a, b" where the header x-role must be "c"/,
      ],
    ]
    await using backend = await startRawBackend(answering(answer))
    for (const [expectHeaders, expected] of rows) {
      const failure = await check({ port: backend.port }, { check: { ...get, expectHeaders } })
      if (expected === null) assert.equal(failure, null)
      else assert.match(failure?.summary ?? 'passed', expected)
    }
    const unwell = await startRawBackend(answering(answer.replace('200 OK', '500 No')))
    const failure = await check({ port: unwell.port }, { check: { ...get, expectHeaders: [['x-state', 'up']] } })
    assert.match(failure?.summary ?? 'passed', /answered 500/)
    await unwell[Symbol.asyncDispose]()
  })
})

describe('a check that is abandoned', () => {
  test('says nothing any more, before, in and after its dial', async () => {
    await using backend = await startRawBackend((socket) => socket.resume())
    let said = 0
    const options = {
      server: serverPlan('a', { port: backend.port }),
      plan: healthPlan({ check: get }),
      trust: null,
      resolver,
    }
    new ServerCheck({ ...options, done: () => said++ }).abandon()
    const second = new ServerCheck({ ...options, done: () => said++ })
    await until(() => backend.open > 0)
    second.abandon()
    second.abandon()
    await until(() => backend.open === 0)
    assert.equal(said, 0)
  })
})

function check(server: Partial<ServerPlan>, plan: Partial<HealthPlan> = {}): Promise<CheckFailure | null> {
  const whole = serverPlan('a', server)
  const trust = whole.tls === null ? null : new TargetTrust(whole.tls)
  return new Promise((done) => new ServerCheck({ server: whole, plan: healthPlan(plan), trust, resolver, done }))
}

function secure(port: number, change: Partial<TargetTlsPlan> = {}): Partial<ServerPlan> {
  return {
    port,
    scheme: 'https',
    tls: {
      snapshotId: 'test',
      anchors: [root.certificatePem],
      intermediates: [],
      partialChain: false,
      serverName: 'backend.test',
      verifyNames: ['backend.test'],
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: null,
      alpn: ['http/1.1'],
      clientCertificate: null,
      skipChain: false,
      skipName: false,
      exceptions: [],
      resumption: false,
      revocation: { mode: 'off' },
      onTrustChange: 'drain',
      ...change,
    },
  }
}

function answering(text: string): (socket: Socket) => void {
  return (socket) => socket.once('data', () => socket.write(text, 'latin1'))
}

async function dribble(socket: Socket, text: string): Promise<void> {
  for (const byte of text) {
    if (socket.writable) socket.write(byte)
    await turn()
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn()
}
