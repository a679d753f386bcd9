import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectH2 } from 'node:http2'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { proxyPlan, targetPlan } from '../proxy/planned-gateway.ts'
import { order, slots, startRecordingRig } from '../proxy/recording-rig.ts'

/*
 * The same requests with nobody watching, with debug sessions on them, and with a trace: backend and client get the same
 * bytes (I8). What may differ is named: ids, ports of connections, and of a trace its two fields.
 */

const big = 'y'.repeat(300_000)
const chunked = (...parts: readonly string[]): string =>
  `${parts.map((part) => `${part.length.toString(16)};ext="a;b"\r\n${part}\r\n`).join('')}0\r\n`

/** By path: what the backend answers once it has the whole request. */
const answers: Readonly<Record<string, string>> = {
  '/plain': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nok',
  '/empty': 'HTTP/1.1 204 No Content\r\nX-A:  spaced  \r\n\r\n',
  '/same': 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
  '/chunks': `HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${chunked('one', 'two', big)}X-Sum: 7\r\n\r\n`,
  '/large': `HTTP/1.1 200 OK\r\nContent-Length: ${big.length}\r\n\r\n${big}`,
  '/close': `HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil it closes`,
  '/binary': `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\u001f\u008b\u0000\u00ff`,
  '/hints': 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nh',
  '/short': 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc',
  '/bad-chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n',
  '/garbage': '\u0000\u0001 no http\r\n\r\n',
  '/gone': '',
  '/error': 'HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno',
  '/two-lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
  '/upgrade': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n',
}
const closing = new Set(['/close', '/short', '/bad-chunk', '/garbage', '/gone', '/two-lengths'])

const received: string[] = []
const sockets = new Set<Socket>()
const backend = createServer((socket) => {
  sockets.add(socket)
  let text = ''
  let upgraded = false
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    if (upgraded) {
      socket.write(chunk)
      return
    }
    text += chunk.toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    if (end === -1) return
    const head = text.slice(0, end)
    const whole = /transfer-encoding: chunked/i.test(head)
      ? /(?:^|\n)0\r\n(?:[^\r\n]+\r\n)*\r\n$/.test(text.slice(end + 2))
      : text.length - end - 4 >= Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
    if (!whole) {
      if (/expect: 100-continue/i.test(head) && text.length === end + 4) socket.write('HTTP/1.1 100 Continue\r\n\r\n')
      return
    }
    const path = /^\S+ (\/[^\s?]*)/.exec(head)?.[1] ?? ''
    received.push(text)
    text = ''
    upgraded = path === '/upgrade'
    socket.write(Buffer.from(answers[path] ?? answers['/plain'] ?? '', 'latin1'))
    if (closing.has(path)) socket.end()
  })
})
backend.listen(0, '127.0.0.1')
await once(backend, 'listening')
const parts = {
  targets: [targetPlan('t', [(backend.address() as AddressInfo).port])],
  proxies: [proxyPlan({ kind: 'target', target: 't' }, { key: 'p', name: 'p', basePath: '/' })],
}
const rig = await startRecordingRig(parts)
after(async () => {
  await rig[Symbol.asyncDispose]()
  for (const socket of sockets) socket.destroy()
  backend.close()
})

interface Shape {
  readonly name: string
  readonly bytes: readonly string[]
}

const get = (path: string, ...lines: readonly string[]): string =>
  ['GET /PATH HTTP/1.1', 'Host: h', ...lines, 'Connection: close', '', ''].join('\r\n').replace('/PATH', path)
const send = (path: string, body: string, ...lines: readonly string[]): readonly string[] => [
  ['POST /PATH HTTP/1.1', 'Host: h', ...lines, 'Connection: close', '', ''].join('\r\n').replace('/PATH', path),
  body,
]

const shapes: readonly Shape[] = [
  ...Object.keys(answers).flatMap((path) => [
    ...(path === '/upgrade' ? [] : [{ name: `GET ${path}`, bytes: [get(`${path}?q=1&token=s`)] }]),
    ...(path === '/upgrade'
      ? []
      : [
          {
            name: `POST ${path}, chunked`,
            bytes: send(path, `${chunked('body', big)}X-T: 1\r\n\r\n`, 'Transfer-Encoding: chunked', 'Trailer: X-T'),
          },
        ]),
  ]),
  { name: 'HEAD', bytes: [get('/large').replace('GET', 'HEAD')] },
  { name: 'a large body', bytes: send('/plain', big, `Content-Length: ${big.length}`) },
  { name: 'a body in pieces', bytes: [...send('/plain', 'a', 'Content-Length: 3'), 'b', 'c'] },
  { name: 'a client that waits', bytes: send('/plain', 'abc', 'Content-Length: 3', 'Expect: 100-continue') },
  {
    name: 'odd headers',
    bytes: [
      get('/plain', 'X-A:', 'x-a:  2 ', 'X-B: \u00e4\u00ff', 'Cookie: a=1', 'Cookie: b=2', 'Authorization: Basic eA=='),
    ],
  },
  { name: 'an odd target', bytes: [get('/plain/%2e%2F;a=1//x?y=%zz&&=\'"')] },
  { name: 'a bad head', bytes: ['GET / HTTP/1.1\r\nHost: h\r\nBad Header: 1\r\n\r\n'] },
  {
    name: 'two framings',
    bytes: ['POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  },
  { name: 'a bad chunk', bytes: send('/plain', '3\r\nabc\r\nzz\r\n', 'Transfer-Encoding: chunked') },
  { name: 'HTTP/1.0', bytes: ['GET /plain HTTP/1.0\r\nHost: h\r\n\r\n'] },
  {
    name: 'an upgrade',
    bytes: ['GET /upgrade HTTP/1.1\r\nHost: h\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n', 'to and fro'],
  },
]

/** What the client got in all. */
async function exchange({ name, bytes }: Shape): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: rig.port, allowHalfOpen: true })
  let text = ''
  socket.on('error', () => {})
  const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  socket.on('end', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    if (name === 'an upgrade' && text.endsWith('to and fro')) socket.destroy()
  })
  await once(socket, 'connect')
  for (const [at, piece] of bytes.entries()) {
    if (at > 0 && name === 'an upgrade')
      while (!text.includes('101')) await new Promise((resolve) => setTimeout(resolve, 2))
    else if (at > 0) await new Promise((resolve) => setTimeout(resolve, 10))
    socket.write(Buffer.from(piece, 'latin1'))
  }
  await ended
  return text
}

const plain = (text: string): string =>
  text
    .replaceAll(/([yz])\1{100,}/g, (run, letter: string) => `${letter} ${run.length}`)
    .replaceAll(/^(x-request-id|date|traceparent|tracestate|x-forwarded-port): .*\r\n/gim, '')
    .replaceAll(/"?(?:requestId|request-id|id)"?: ?"[^"]*"/gi, '')
    .replaceAll(/[0-9a-f]{8,}-[0-9A-Za-z-]{4,}/g, 'ID')

async function all(): Promise<ReadonlyMap<string, { client: string; backend: readonly string[] }>> {
  const seen = new Map<string, { client: string; backend: readonly string[] }>()
  for (const shape of shapes) {
    received.length = 0
    const client = plain(await exchange(shape))
    seen.set(shape.name, { client, backend: received.map(plain) })
  }
  return seen
}

async function overH2(): Promise<readonly string[]> {
  received.length = 0
  const session = connectH2(`http://127.0.0.1:${rig.port}`)
  session.on('error', () => {})
  const seen: string[] = []
  for (const path of ['/plain', '/chunks', '/large', '/short', '/gone', '/error', '/hints']) {
    for (const body of ['', 'z'.repeat(100_000)]) {
      const text = await new Promise<string>((resolve) => {
        const stream = session.request({
          ':method': 'POST',
          ':path': path,
          te: 'trailers',
          cookie: ['a=1', 'b=2'],
        })
        let got = ''
        const told = (what: string) => (headers: object) => {
          got += `${what} ${JSON.stringify(headers)}`
        }
        stream.on('response', told('response')).on('trailers', told('trailers')).on('headers', told('headers'))
        stream.on('error', (error) => (got += String(error)))
        stream.on('data', (chunk: Buffer) => (got += chunk.toString('latin1')))
        stream.on('close', () => resolve(got))
        stream.end(body)
      })
      seen.push(plain(text.replaceAll(/"(?:x-request-id|date)":"[^"]*",?/g, '')))
    }
  }
  session.close()
  // How much of a body is in a chunk depends on how the frames come.
  const unframed = received.map((text) => text.replaceAll(/\r\n[0-9a-f]+\r\n(?=z)|(?<=z)\r\n(?:[0-9a-f]+\r\n)?/g, ''))
  return [...seen, ...unframed.map(plain)]
}

describe('A request that is watched is the same request:', () => {
  it('to its backend and to its client, with sessions and with a trace', async () => {
    const alone = await all()
    const aloneH2 = await overH2()
    assert.ok([...alone.values()].filter(({ client }) => client.startsWith('HTTP/1.1 200')).length > 12)
    const watching = [
      order({ proxy: 'p', bodyBytes: 131_072, transactionBytes: 524_288, slots: slots(10_000) }),
      order({ proxy: 'p', session: 's2', statuses: [[599, 599]], bodyBytes: 10, transactionBytes: 100 }),
      order({ proxy: 'p', session: 's3', failuresOnly: true, slots: slots(10_000) }),
    ]
    const modes: readonly [what: string, begin: () => Promise<void>][] = [
      ['sessions', () => rig.order(watching)],
      [
        'a small session',
        () => rig.order([order({ proxy: 'p', bodyBytes: 0, transactionBytes: 1, slots: slots(10_000) })]),
      ],
      [
        'a trace',
        async () => {
          await rig.order([])
          await rig.plan({ ...parts, tracing: { sample: 1, failures: true, spans: true } })
        },
      ],
      ['a trace and sessions', () => rig.order(watching)],
    ]
    for (const [what, begin] of modes) {
      await begin()
      const watched = await all()
      for (const [name, expected] of alone) assert.deepEqual(watched.get(name), expected, `${name} with ${what}`)
      assert.deepEqual(await overH2(), aloneH2, `HTTP/2 with ${what}`)
    }
    assert.ok(rig.recorded.length > shapes.length, `${rig.recorded.length}`)
    for (const { steps, dropped } of rig.recorded) {
      assert.ok(JSON.stringify(steps).length < 1_500_000 && dropped.bytes >= 0)
    }
  })
})
