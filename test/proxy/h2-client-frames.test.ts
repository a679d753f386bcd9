import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { errorCodeName, errorCodes } from '../../src/wire/h2/error-codes.ts'
import { clientPreface, flags, frameTypes } from '../../src/wire/h2/frames.ts'
import { startTestGateway } from '../support/gateway.ts'
import { block, type Field } from '../wire-h2/blocks.ts'
import { ok, startBackend } from './backend.ts'
import { fieldOf, frameOf, H2Peer, request } from './h2-client-peer.ts'

/* HTTP/2 clients frame by frame: what is wrong, what is abuse, and what ends what. */

const backend = await startBackend((asked, _peer) => (asked.start.includes('/silent') ? null : ok('answer')))
const hand = await startBackend()
const listener = { address: '127.0.0.1', port: 0, h2c: true }
const gateway = await startTestGateway({
  listeners: [
    {
      ...listener,
      name: 'http',
      limits: { streams: 20, bodyBytes: '1KiB', headerBytes: '2KiB', headerCount: 40, requestLineBytes: '1KiB' },
    },
    {
      ...listener,
      name: 'impatient',
      timeouts: { head: '300ms', bodyIdle: '300ms', keepAlive: '300ms' },
    },
  ],
  targets: { b: { url: `http://127.0.0.1:${backend.port}` }, hand: { url: `http://127.0.0.1:${hand.port}` } },
  proxies: { b: { basePath: '/', target: 'b' }, hand: { basePath: '/hand', target: 'hand' } },
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
  await hand[Symbol.asyncDispose]()
})
const connect = (name = 'http'): Promise<H2Peer> => H2Peer.connect(gateway.gateway.ports[name] ?? 0)

/** The access line of a request, by its path. */
async function lineOf(path: string): Promise<Record<string, unknown>> {
  const wanted = `"path":"${path}"`
  const lines = await gateway.logLines('postern.log', (line) => line.includes(wanted))
  return JSON.parse(lines.find((line) => line.includes(wanted)) ?? '{}') as Record<string, unknown>
}

describe('the settings', () => {
  it('say the limits of the listener', async () => {
    const client = await connect()
    await client.next('settings')
    assert.equal(client.settings.maxConcurrentStreams, 20)
    assert.equal(client.settings.maxHeaderListSize, 2048)
    assert.equal(client.settings.enableConnectProtocol, true)
    const { increment } = await client.next('window')
    assert.ok(client.settings.initialWindowSize > 65_535 && increment > client.settings.initialWindowSize)
    client.destroy()
  })
})

/** A request that is malformed for what it says is reset and never forwarded; the connection goes on. */
const malformed: readonly (readonly [what: string, fields: (path: string) => readonly Field[], says: RegExp])[] = [
  ['a connection field', (path) => request('GET', path, ['connection', 'close']), /connection-specific/],
  ['Transfer-Encoding', (path) => request('POST', path, ['transfer-encoding', 'chunked']), /connection-specific/],
  ['TE: gzip', (path) => request('GET', path, ['te', 'gzip']), /TE other than trailers/],
  ['a name in upper case', (path) => request('GET', path, ['X-Upper', '1']), /lower case/],
  ['a value with CR LF', (path) => request('GET', path, ['x', 'a\r\nb: c']), /control byte/],
  ['Host that differs', (path) => request('GET', path, ['host', 'other.test']), /Host differs/],
  ['a length for no body', (path) => request('POST', path, ['content-length', '3']), /Content-Length/],
  ['two lengths', (path) => request('POST', path, ['content-length', '0'], ['content-length', '0']), /Content-Length/],
  [
    'a tunnel with a length',
    (path) => [...connectFields(path), ['content-length', '0']],
    /CONNECT with Content-Length/,
  ],
]

function connectFields(path: string, protocol = 'websocket'): readonly Field[] {
  return [...request('CONNECT', path), [':protocol', protocol]].sort(
    ([a], [b]) => Number(b[0] === ':') - Number(a[0] === ':'),
  ) as readonly Field[]
}

describe('a malformed request', () => {
  for (const [index, [what, fields, says]] of malformed.entries()) {
    it(`with ${what} is reset, logged and not forwarded`, async () => {
      const path = `/malformed-${index}`
      const client = await connect()
      client.headers(1, fields(path))
      const { reset, status } = await client.response(1)
      assert.deepEqual({ reset, status }, { reset: errorCodes.protocolError, status: 0 })
      client.get(3, '/after')
      assert.equal((await client.response(3)).status, 200)
      client.destroy()
      const line = await lineOf(path)
      assert.equal(line['status'], 400)
      assert.match(JSON.stringify(line['fault']), says)
      assert.equal(
        backend.requests.some((seen) => seen.start.includes(path)),
        false,
      )
    })
  }
})

/** Refusals that a client can act on are answered. */
const answered: readonly (readonly [what: string, fields: readonly Field[], status: number])[] = [
  ['a path beyond the limit', request('GET', `/long-${'p'.repeat(1100)}`), 414],
  ['more fields than the limit', request('GET', '/many', ...Array.from({ length: 41 }, (): Field => ['x', ''])), 431],
  ['fields beyond the limit', request('GET', '/large', ['x', 'v'.repeat(2100)]), 431],
  [
    'CONNECT',
    [
      [':method', 'CONNECT'],
      [':authority', 'gateway.test'],
    ],
    501,
  ],
  ['an expectation', request('GET', '/expecting', ['expect', 'a miracle']), 417],
  ['a tunnel of another protocol', connectFields('/udp', 'connect-udp'), 501],
  ['a scheme of another listener', request('GET', '/scheme').map(([n, v]) => [n, n === ':scheme' ? 'https' : v]), 400],
  ['dot segments that lead out', request('GET', '/hand/../..'), 400],
]

describe('a request that is refused for', () => {
  for (const [what, fields, status] of answered) {
    it(`${what} is answered with ${status}`, async () => {
      const client = await connect()
      client.headers(1, fields)
      const response = await client.response(1)
      assert.equal(response.status, status)
      assert.equal(response.ended, true)
      assert.equal(Number(fieldOf(response.fields, 'content-length')), response.body.length)
      client.get(3, '/after')
      assert.equal((await client.response(3)).status, 200)
      client.destroy()
    })
  }

  it('a body beyond the limit is answered with 413, and the rest of it not wanted', async () => {
    const client = await connect()
    client.headers(1, request('POST', '/too-much'), false)
    client.data(1, 'x'.repeat(1025))
    await client.next('reset')
    const response = await client.response(1)
    assert.deepEqual([response.status, response.ended, response.reset], [413, true, errorCodes.noError])
    // What was on its way is no fault; the trailers end what is remembered of the stream.
    client.data(1, 'more')
    client.headers(1, [['x-sum', '1']])
    client.get(3, '/after-413')
    assert.equal((await client.response(3)).status, 200)
    client.destroy()
  })
})

describe('cookies in many pieces', () => {
  it('are one line, to the limit of lines and to the backend', async () => {
    const client = await connect()
    client.get(1, '/crumbs', ...Array.from({ length: 45 }, (_, i): Field => ['cookie', `${i}`]))
    assert.equal((await client.response(1)).status, 200)
    const seen = backend.requests.find((asked) => asked.start.includes('/crumbs'))
    assert.equal(seen?.lines.filter((line) => line.startsWith('cookie: 0; 1; 2; ')).length, 1)
    client.destroy()
  })
})

/** Bodies that are not as long as they said. `sent`: what a backend may have seen of them at most. */
const lengths: readonly (readonly [what: string, length: string, pieces: readonly string[], end: boolean])[] = [
  ['ends early', '10', ['12345'], true],
  ['goes on', '5', ['12345', '6'], false],
  ['goes on in the same frame', '5', ['123456'], false],
  ['has bytes where it said none', '0', ['1'], false],
  ['ends with trailers too early', '10', ['12345', 'TRAILERS'], true],
]

describe('a body that', () => {
  for (const [what, length, pieces, end] of lengths) {
    it(`${what} resets its stream, and no backend takes the request for whole (I8)`, async () => {
      const before = hand.accepted.length
      const client = await connect()
      client.headers(1, request('POST', '/hand/length', ['content-length', length]), false)
      // With nothing to wait for but the end, nothing is forwarded before it.
      const seen = length === '0' ? null : await hand.next()
      await seen?.until('\r\n\r\n')
      for (const [index, piece] of pieces.entries()) {
        const last = end && index === pieces.length - 1
        if (piece === 'TRAILERS') client.headers(1, [['x-sum', '1']])
        else client.data(1, piece, last)
        // What may be passed on has been before the next piece comes.
        await client.settled()
      }
      assert.equal((await client.response(1)).reset, errorCodes.protocolError)
      client.destroy()
      const body = (await seen?.rest()) ?? ''
      assert.ok(body.length < Number(length) || length === '0', JSON.stringify(body))
      assert.equal(hand.accepted.length, before + (seen === null ? 0 : 1))
    })
  }

  it('is as long as it said arrives, with its end in an empty frame', async () => {
    const client = await connect()
    client.headers(1, request('POST', '/hand/whole', ['content-length', '5']), false)
    client.data(1, '12345')
    client.data(1, '', true)
    const seen = await hand.next()
    assert.equal((await seen.request()).body, '12345')
    seen.send(ok('ok', 'Connection: close'))
    assert.equal((await client.response(1)).status, 200)
    client.destroy()
  })

  it('is empty, as it said, and ends later arrives', async () => {
    const client = await connect()
    client.headers(1, request('POST', '/hand/empty', ['content-length', '0']), false)
    client.data(1, '', true)
    const seen = await hand.next()
    assert.equal((await seen.request()).body, '')
    seen.send(ok('ok', 'Connection: close'))
    assert.equal((await client.response(1)).status, 200)
    client.destroy()
  })
})

describe('ids of streams', () => {
  const refused = async (send: (client: H2Peer) => void): Promise<string> => {
    const client = await connect()
    client.get(5, '/first')
    await client.response(5)
    send(client)
    const { code } = await client.next('goaway')
    await client.ended
    return errorCodeName(code)
  }

  it('grow', async () => assert.equal(await refused((client) => client.get(3, '/lower')), 'PROTOCOL_ERROR'))
  it('are odd', async () => assert.equal(await refused((client) => client.get(8, '/even')), 'PROTOCOL_ERROR'))
  it('are used once', async () => {
    const client = await connect()
    client.get(1, '/once')
    await client.response(1)
    client.get(1, '/twice')
    assert.equal((await client.next('goaway')).code, errorCodes.streamClosed)
    client.destroy()
  })
})

describe('streams beyond the limit', () => {
  it('are refused unprocessed, and the others are served', async () => {
    const client = await connect()
    for (let id = 1; id <= 39; id += 2) client.headers(id, request('POST', '/silent'), false)
    client.get(41, '/beyond')
    assert.equal((await client.response(41)).reset, errorCodes.refusedStream)
    for (let id = 1; id <= 39; id += 2) client.reset(id)
    client.get(43, '/room-again')
    assert.equal((await client.response(43)).status, 200)
    client.destroy()
    assert.equal(
      backend.requests.some((seen) => seen.start.includes('/beyond')),
      false,
    )
  })
})

/** What a client may do now and then, and not without end. Each of these costs us more than it costs the client. */
const floods: readonly (readonly [what: string, more: (client: H2Peer, turn: number) => void])[] = [
  [
    'requests that are taken back at once (CVE-2023-44487)',
    (client, turn) => {
      client.get(1 + 2 * turn, '/silent')
      client.reset(1 + 2 * turn)
    },
  ],
  [
    'requests that we have to reset (CVE-2025-8671)',
    (client, turn) => {
      client.get(1 + 2 * turn, '/silent')
      client.window(1 + 2 * turn, 0)
    },
  ],
  ['malformed requests', (client, turn) => client.headers(1 + 2 * turn, request('GET', '/bad', ['te', 'gzip']))],
  ['PING', (client) => client.ping()],
  ['SETTINGS', (client) => client.frame(frameTypes.settings, 0, 0)],
  [
    'empty DATA',
    (client, turn) => (turn === 0 ? client.headers(1, request('POST', '/silent'), false) : client.data(1, '')),
  ],
  ['PRIORITY', (client) => client.frame(frameTypes.priority, 0, 1, Buffer.from([0, 0, 0, 3, 1]))],
  ['frames of no known type', (client) => client.frame(0x77, 0, 0)],
]

describe('a flood of', () => {
  for (const [what, more] of floods) {
    it(`${what} ends the connection, and others are served on`, async () => {
      const client = await connect()
      await client.next('settings-ack')
      for (
        let turn = 0;
        turn < 20_000 && !client.closed && !client.frames.some(({ type }) => type === 'goaway');
        turn++
      ) {
        more(client, turn)
        if (turn % 50 === 49) await new Promise((resolve) => setImmediate(resolve))
      }
      const { code } = await client.next('goaway')
      assert.equal(code, errorCodes.enhanceYourCalm)
      await client.ended
      const other = await connect()
      other.get(1, '/other')
      assert.equal((await other.response(1)).status, 200)
      other.destroy()
    })
  }

  it('CONTINUATION ends the connection (CVE-2024-27316)', async () => {
    const client = await connect()
    await client.next('settings')
    client.frame(frameTypes.headers, 0, 1, block(...request('GET', '/endless')))
    for (let turn = 0; turn < 100; turn++) client.frame(frameTypes.continuation, 0, 1)
    assert.equal((await client.next('goaway')).code, errorCodes.enhanceYourCalm)
    await client.ended
  })
})

describe('a request that the client takes back', () => {
  it('is ended at its backend, and logged as such', async () => {
    const client = await connect()
    client.get(1, '/hand/taken-back')
    const seen = await hand.next()
    await seen.request()
    client.reset(1)
    await seen.ended
    const line = await lineOf('/hand/taken-back')
    assert.equal((line['fault'] as { kind: string }).kind, 'client-gone')
    client.get(3, '/after')
    assert.equal((await client.response(3)).status, 200)
    client.destroy()
  })

  it('by closing the connection as well', async () => {
    const client = await connect()
    client.get(1, '/hand/left')
    const seen = await hand.next()
    await seen.request()
    client.destroy()
    await seen.ended
    assert.equal(((await lineOf('/hand/left'))['fault'] as { kind: string }).kind, 'client-gone')
  })
})

describe('a response that breaks off', () => {
  it('is reset, with what came before it', async () => {
    const client = await connect()
    client.get(1, '/hand/broken')
    const seen = await hand.next()
    await seen.request()
    seen.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345')
    await client.next('data')
    seen.destroy()
    const response = await client.response(1)
    assert.deepEqual(
      [response.status, response.body, response.ended, response.reset],
      [200, '12345', false, errorCodes.internalError],
    )
    client.get(3, '/after')
    assert.equal((await client.response(3)).status, 200)
    client.destroy()
  })

  it('is whole when the request is not: then the request is not wanted any more', async () => {
    const client = await connect()
    client.headers(1, request('POST', '/hand/early'), false)
    client.data(1, 'some')
    const seen = await hand.next()
    await seen.until('some\r\n')
    seen.send(ok('early', 'Connection: close'))
    await client.next('reset')
    const response = await client.response(1)
    assert.deepEqual([response.body, response.ended, response.reset], ['early', true, errorCodes.noError])
    client.data(1, 'late', true)
    client.get(3, '/after')
    assert.equal((await client.response(3)).status, 200)
    client.destroy()
  })
})

describe('a client that takes too long', () => {
  it('to finish a field block is told so, and the log has it', async () => {
    const client = await connect('impatient')
    await client.next('settings')
    client.frame(frameTypes.headers, 0, 1, block(...request('GET', '/half')))
    assert.equal((await client.next('goaway')).code, errorCodes.enhanceYourCalm)
    await client.ended
    await gateway.logLines('postern.log', (line) => line.includes('"request-timeout"') && line.includes('"status":408'))
  })

  it('to finish a frame, with a byte now and then, as well', async () => {
    const client = await connect('impatient')
    await client.next('settings')
    const bytes = frameOf(frameTypes.headers, flags.endHeaders | flags.endStream, 1, block(...request('GET', '/drip')))
    for (let at = 0; at < bytes.length && !client.closed; at++) {
      client.send(bytes.subarray(at, at + 1))
      await new Promise((resolve) => setTimeout(resolve, 40))
    }
    assert.ok(client.frames.some((frame) => frame.type === 'goaway'))
    assert.equal(client.soFar(1).status, 0)
    client.destroy()
  })

  it('to send the rest of a body gets 408', async () => {
    const client = await connect('impatient')
    client.headers(1, request('POST', '/hand/pausing'), false)
    client.data(1, 'some')
    await client.next('reset')
    const response = await client.response(1)
    assert.deepEqual([response.status, response.reset], [408, errorCodes.noError])
    client.destroy()
    await (await hand.next()).ended
  })

  it('to begin a body that said it is empty gets 408', async () => {
    const client = await connect('impatient')
    client.headers(1, request('POST', '/hand/never', ['content-length', '0']), false)
    assert.equal((await client.response(1)).status, 408)
    client.destroy()
  })

  it('to grant a window loses the stream, and its neighbours go on', async () => {
    const client = await H2Peer.connect(gateway.gateway.ports['impatient'] ?? 0, { settings: { initialWindowSize: 3 } })
    client.get(1, '/windowless')
    client.get(3, '/windowless')
    await client.until(() => client.soFar(1).body.length === 3 && client.soFar(3).body.length === 3)
    client.window(3, 100)
    assert.equal((await client.response(3)).body, 'answer')
    const response = await client.response(1)
    assert.deepEqual([response.body, response.reset], ['ans', errorCodes.cancel])
    client.destroy()
  })

  it('to grant a window inside a response loses it, and so does its backend', async () => {
    const client = await H2Peer.connect(gateway.gateway.ports['impatient'] ?? 0, { settings: { initialWindowSize: 3 } })
    client.get(1, '/hand/half-read')
    const seen = await hand.next()
    await seen.request()
    seen.send('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome of it')
    const response = await client.response(1)
    assert.deepEqual([response.body, response.reset], ['som', errorCodes.cancel])
    await seen.ended
    client.destroy()
    assert.equal(((await lineOf('/hand/half-read'))['fault'] as { kind: string }).kind, 'client-gone')
  })

  it('to ask for anything is seen off with GOAWAY and no error', async () => {
    const client = await connect('impatient')
    client.get(1, '/one')
    await client.response(1)
    assert.equal((await client.next('goaway')).code, errorCodes.noError)
    const { code, streamId } = await client.next('goaway')
    assert.deepEqual([code, streamId], [errorCodes.noError, 1])
    await client.ended
  })
})

describe('windows', () => {
  it('of the client bound what is sent, and a change of SETTINGS moves them', async () => {
    const client = await H2Peer.connect(gateway.gateway.ports['http'] ?? 0, { settings: { initialWindowSize: 2 } })
    client.get(1, '/narrow')
    await client.until(() => client.soFar(1).body.length === 2)
    await client.settled()
    assert.equal(client.soFar(1).body, 'an')
    client.frame(frameTypes.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 4]))
    await client.until(() => client.soFar(1).body.length === 4)
    client.window(1, 1)
    await client.until(() => client.soFar(1).body.length === 5)
    assert.equal(client.soFar(1).ended, false)
    client.window(1, 1)
    const { body, ended } = await client.response(1)
    assert.deepEqual([body, ended], ['answer', true])
    client.destroy()
  })

  it('that are exceeded reset the stream', async () => {
    const client = await connect()
    await client.next('settings')
    // Bytes of a tunnel that is not agreed upon are held, and nothing is granted for them.
    client.headers(1, connectFields('/hand/exceeded'), false)
    const seen = await hand.next()
    await seen.request()
    const piece = Buffer.alloc(16_384)
    for (let sent = 0; sent <= client.settings.initialWindowSize; sent += piece.length) client.data(1, piece)
    const { reset } = await client.response(1)
    assert.equal(reset, errorCodes.flowControlError)
    assert.equal(client.frames.filter((frame) => frame.type === 'window' && frame.streamId === 1).length, 0)
    await seen.ended
    client.destroy()
  })
})

describe('an extended CONNECT', () => {
  it('becomes an upgrade at an HTTP/1.1 backend, and bytes pass both ways', async () => {
    const client = await connect()
    client.headers(
      1,
      [...connectFields('/hand/ws'), ['sec-websocket-version', '13'], ['sec-websocket-key', 'mine']],
      false,
    )
    const seen = await hand.next()
    const asked = await seen.request()
    assert.equal(asked.start, 'GET /ws HTTP/1.1')
    const key = /^sec-websocket-key: (.*)$/im.exec(asked.lines.join('\n'))?.[1] ?? ''
    assert.equal(asked.lines.filter((line) => /^sec-websocket-key/i.test(line)).length, 1)
    assert.notEqual(key, 'mine')
    const { webSocketAccept } = await import('../../src/proxy/websocket.ts')
    seen.send(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${webSocketAccept(key)}\r\nX-Kept: 1\r\n\r\nfirst`,
    )
    const head = await client.next('headers')
    assert.equal(fieldOf(head.fields, ':status'), '200')
    assert.equal(fieldOf(head.fields, 'x-kept'), '1')
    for (const name of ['sec-websocket-accept', 'connection', 'upgrade', 'content-length'])
      assert.equal(fieldOf(head.fields, name), null, name)
    await client.until(() => client.soFar(1).body === 'first')
    client.data(1, 'from the client')
    assert.equal(await seen.exactly(15), 'from the client')
    seen.send('from the backend')
    await client.until(() => client.soFar(1).body.endsWith('from the backend'))
    client.data(1, 'bye', true)
    assert.equal(await seen.exactly(3), 'bye')
    assert.equal(await seen.ended, 'end')
    seen.send('last')
    seen.end()
    const { body, ended } = await client.response(1)
    assert.ok(body.endsWith('last') && ended)
    client.destroy()
    const line = await lineOf('/hand/ws')
    assert.deepEqual([line['status'], line['method'], line['fault']], [200, 'CONNECT', undefined])
  })

  it('that the backend turns down gets its answer', async () => {
    const client = await connect()
    client.headers(1, connectFields('/hand/no'), false)
    const seen = await hand.next()
    await seen.request()
    seen.send('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno')
    await client.next('reset')
    const { status, body, reset } = await client.response(1)
    assert.deepEqual([status, body, reset], [403, 'no', errorCodes.noError])
    client.destroy()
  })

  it('that the backend takes for a request of its own is none to the client', async () => {
    const client = await connect()
    client.headers(1, connectFields('/hand/page'), false)
    const seen = await hand.next()
    await seen.request()
    seen.send(ok('<html>'))
    const { status, reset } = await client.response(1)
    assert.deepEqual([status, reset], [502, 0])
    await seen.ended
    client.destroy()
    assert.equal(((await lineOf('/hand/page'))['fault'] as { kind: string }).kind, 'response-malformed')
  })

  it('that the client resets ends the connection to the backend', async () => {
    const client = await connect()
    client.headers(1, connectFields('/hand/reset'), false)
    const seen = await hand.next()
    const asked = await seen.request()
    const key = /^sec-websocket-key: (.*)$/im.exec(asked.lines.join('\n'))?.[1] ?? ''
    const { webSocketAccept } = await import('../../src/proxy/websocket.ts')
    seen.send(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${webSocketAccept(key)}\r\n\r\n`,
    )
    await client.next('headers')
    client.reset(1)
    await seen.ended
    client.destroy()
  })
})

describe('bytes one by one', () => {
  it('make the same request', async () => {
    const client = await H2Peer.connect(gateway.gateway.ports['http'] ?? 0, { settings: null, silent: true })
    const bytes = Buffer.concat([
      clientPreface,
      frameOf(frameTypes.settings, 0, 0, Buffer.alloc(0)),
      frameOf(frameTypes.headers, 0, 1, block(...request('POST', '/dribbled')).subarray(0, 10)),
      frameOf(frameTypes.continuation, flags.endHeaders, 1, block(...request('POST', '/dribbled')).subarray(10)),
      frameOf(frameTypes.data, flags.endStream | flags.padded, 1, Buffer.from('\x03body\0\0\0', 'latin1')),
    ])
    for (const byte of bytes) {
      client.send(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal((await client.response(1)).status, 200)
    client.destroy()
    assert.equal(backend.requests.find((seen) => seen.start.includes('/dribbled'))?.body, 'body')
  })
})
