import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { fields, type FieldName, type Treatment } from '../../src/wire/h1/fields.ts'
import { startTestGateway } from '../support/gateway.ts'
import { ok, startBackend } from './backend.ts'
import { ask, fieldOf, get, statusOf } from './peer.ts'

/* Header lines cross the gateway as they came, but for the fields of src/wire/h1/fields.ts. */

let responseLines: readonly string[] = []
const backend = await startBackend(() => ok('ok', ...responseLines))
const gateway = await startTestGateway({
  targets: { b: { url: `http://127.0.0.1:${backend.port}` } },
  proxies: { b: { basePath: '/', target: 'b' } },
})
const port = gateway.gateway.ports['http'] ?? 0
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})

/** Header lines of the request as the backend saw it. */
async function forwarded(...lines: readonly string[]): Promise<readonly string[]> {
  responseLines = []
  assert.equal(statusOf(await ask(port, get('/', ...lines))), 200)
  return backend.requests.at(-1)?.lines ?? []
}

/** Header lines of the response as the client saw it. */
async function returned(...lines: readonly string[]): Promise<readonly string[]> {
  responseLines = lines
  const response = await ask(port, get('/'))
  assert.equal(statusOf(response), 200)
  return response.lines
}

/** A legal value of each field, unlike anything that the gateway would write itself. */
const samples: Readonly<Record<FieldName, string>> = {
  host: 'sample.test',
  'content-length': '2',
  'transfer-encoding': 'chunked',
  connection: 'keep-alive',
  'keep-alive': 'timeout=77',
  'proxy-connection': 'keep-alive',
  te: 'deflate',
  upgrade: 'sample/1',
  'proxy-authorization': 'Basic c2FtcGxl',
  'proxy-authenticate': 'Basic realm="sample"',
  'proxy-authentication-info': 'sample',
  'http2-settings': 'AAMAAABkAAQCAAAAAAIAAAAA',
  expect: '100-continue',
  'user-agent': 'sample/1',
  'x-forwarded-for': '192.0.2.77',
  'x-forwarded-host': 'sample.test',
  'x-forwarded-proto': 'sample',
  'x-forwarded-port': 'sample-port',
  'x-real-ip': '192.0.2.77',
  forwarded: 'for=192.0.2.77',
  'x-request-id': 'sample-id',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  tracestate: 'vendor=sample',
  'x-apigee-message-id': 'sample-id',
}

/** Framing and routing fields cannot simply be added to a request; their own tests are in framing, path and tunnel. */
const elsewhere = {
  request: ['host', 'content-length', 'transfer-encoding'],
  response: ['content-length', 'transfer-encoding'],
}

describe('a field of the table', () => {
  for (const [name, treatment] of Object.entries(fields) as [
    FieldName,
    { request: Treatment; response: Treatment },
  ][]) {
    for (const side of ['request', 'response'] as const) {
      if (elsewhere[side].includes(name)) continue
      const passes = treatment[side] === 'read'
      it(`${name} of a ${side} ${passes ? 'passes' : 'does not pass'}`, async () => {
        const line = `${name.toUpperCase()}: ${samples[name]}`
        const seen = side === 'request' ? await forwarded(line) : await returned(line)
        assert.equal(seen.includes(line), passes, seen.join('\n'))
        if (!passes) assert.equal(seen.filter((other) => other.includes(samples[name])).length, 0, seen.join('\n'))
      })
    }
  }
})

describe('whatever the table says', () => {
  // RFC 9110 section 7.6.1 and what has been abused: a table that let one of these pass would agree with itself above.
  const never = {
    request: ['Keep-Alive', 'Proxy-Connection', 'Proxy-Authorization', 'Upgrade', 'HTTP2-Settings', 'TE', 'X-Real-IP'],
    response: ['Keep-Alive', 'Proxy-Connection', 'Proxy-Authenticate', 'Upgrade', 'X-Request-ID'],
  }
  it('what speaks of one hop stays on it', async () => {
    for (const name of never.request) {
      assert.equal(
        fieldOf({ lines: await forwarded(`${name}: sample`) }, name)?.includes('sample') ?? false,
        false,
        name,
      )
    }
    for (const name of never.response) {
      assert.equal(
        fieldOf({ lines: await returned(`${name}: sample`) }, name)?.includes('sample') ?? false,
        false,
        name,
      )
    }
  })
})

describe('fields that Connection nominates', () => {
  it('end here, in a request, wherever they stand and however they are written', async () => {
    const seen = await forwarded(
      'X-One: 1',
      'Connection: x-one, X-TWO',
      'x-two: 2',
      'X-Three: 3',
      'connection: x-four',
      'X-Four: 4',
    )
    assert.equal(
      seen.some((line) => /^x-(one|two|four):/i.test(line)),
      false,
      seen.join('\n'),
    )
    assert.ok(seen.includes('X-Three: 3'))
  })
  it('end here, in a response', async () => {
    const seen = await returned('X-One: 1', 'Connection: x-one, X-TWO', 'x-two: 2', 'X-Three: 3')
    assert.equal(
      seen.some((line) => /^x-(one|two):/i.test(line)),
      false,
      seen.join('\n'),
    )
    assert.ok(seen.includes('X-Three: 3'))
  })
  it('may not be what the request is about', async () => {
    for (const name of ['Host', 'Content-Length', 'Authorization', 'Cookie', 'Content-Type']) {
      const response = await ask(
        port,
        get('/', `Connection: ${name}`, 'Authorization: a', 'Cookie: c', 'Content-Type: t/t'),
      )
      assert.equal(statusOf(response), 400, name)
    }
  })
  it('cannot take away what the gateway says of the client', async () => {
    const seen = await forwarded('Connection: X-Forwarded-For, Via, X-Request-ID')
    assert.equal(fieldOf({ lines: seen }, 'x-forwarded-for'), '127.0.0.1')
    assert.equal(fieldOf({ lines: seen }, 'via'), '1.1 postern')
  })
})

describe('all other lines', () => {
  const lines = [
    'Accept: a',
    'x-Case: MiXeD',
    'Accept: b',
    'X-Empty:',
    'X-Blank:   ',
    'X-Spaces:  inner  space \t',
    'X-NoSpace:tight',
    'X-Latin: caf\xe9 \xff\x80',
    'X-Colons: a:b:c',
    'Cookie: a=1',
    'Cookie: b=2',
    'accept: c',
    "!#$%&'*+-.^_`|~: token",
  ]
  it('reach the backend in their order, repeated ones apart, every byte as it was', async () => {
    const seen = await forwarded(...lines)
    assert.deepEqual(seen.slice(1, 1 + lines.length), lines)
  })
  it('reach the client likewise, each Set-Cookie in a line of its own', async () => {
    const all = [...lines, 'Set-Cookie: a=1; Path=/', 'Set-Cookie: b=2, 3', 'Date: yesterday', 'Server: one']
    const seen = await returned(...all)
    assert.deepEqual(seen.slice(0, all.length), all)
  })
})

describe('Via', () => {
  it('is added after those of earlier hops, in both directions', async () => {
    assert.equal(fieldOf({ lines: await forwarded('Via: 1.0 fred') }, 'via'), '1.0 fred|1.1 postern')
    assert.equal(fieldOf({ lines: await returned('Via: 1.0 fred') }, 'via'), '1.0 fred|1.1 postern')
  })
  it('says the version that was received', async () => {
    await ask(port, 'GET / HTTP/1.0\r\nHost: h\r\n\r\n')
    assert.equal(fieldOf(backend.requests.at(-1) ?? { lines: [] }, 'via'), '1.0 postern')
  })
})

describe('TE', () => {
  it('trailers is said again, for this hop', async () => {
    for (const value of ['trailers', 'Trailers', 'deflate;q=0.5, trailers']) {
      const seen = await forwarded(`TE: ${value}`, 'Connection: TE')
      assert.equal(fieldOf({ lines: seen }, 'te'), 'trailers', value)
      assert.equal(fieldOf({ lines: seen }, 'connection'), 'TE', value)
    }
  })
  it('anything else ends here', async () => {
    for (const value of ['deflate', 'trailersx', 'x-trailers']) {
      const seen = await forwarded(`TE: ${value}`, 'Connection: TE')
      assert.equal(fieldOf({ lines: seen }, 'te'), null, value)
    }
  })
})
