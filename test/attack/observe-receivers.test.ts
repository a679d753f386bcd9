import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { post } from '../../src/monitor/alerts/post.ts'
import { openPoster } from '../../src/otlp/post.ts'

/* Receivers of telemetry and of alerts that are hostile: each request to one ends, within its time and its bytes (I10). */

const timeoutMs = 400

function again(socket: Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), 10)
  socket.on('close', () => clearInterval(timer))
}

function endless(socket: Socket, chunk: string): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  }
  socket.on('drain', more)
  more()
}

const table: readonly [what: string, taken: { otlp: boolean; hook: boolean }, answer: (socket: Socket) => void][] = [
  [
    'changes the protocol',
    { otlp: false, hook: false },
    (socket) => socket.write('HTTP/1.1 101 Yes\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello'),
  ],
  [
    'says to go on for ever',
    { otlp: false, hook: false },
    (socket) => again(socket, 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(100)),
  ],
  [
    'never ends its head',
    { otlp: false, hook: false },
    (socket) => (socket.write('HTTP/1.1 200 OK\r\n'), again(socket, 'x: y\r\n')),
  ],
  [
    'never ends its body',
    { otlp: false, hook: false },
    (socket) => (socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n'), again(socket, 'x')),
  ],
  [
    'has a body without an end',
    { otlp: false, hook: true },
    (socket) => (
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
      endless(socket, `10000\r\n${'x'.repeat(65_536)}\r\n`)
    ),
  ],
  [
    'has a head without an end',
    { otlp: false, hook: false },
    (socket) => (socket.write('HTTP/1.1 200 OK\r\nx: '), endless(socket, 'y'.repeat(65_536))),
  ],
  ['says nothing', { otlp: false, hook: false }, () => {}],
  ['sends garbage', { otlp: false, hook: false }, (socket) => socket.write('\u0000garbage\r\n\r\n')],
  ['hangs up', { otlp: false, hook: false }, (socket) => socket.destroy()],
  [
    'hangs up within its body',
    { otlp: false, hook: true },
    (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc'),
  ],
]

/** @returns connections and requests that a server of its own has seen meanwhile */
async function against<T>(answer: (socket: Socket) => void, work: (url: string) => Promise<T>): Promise<T> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).once('data', () => answer(socket))
    socket.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

const signal = new AbortController().signal
const otlpPlan = (endpoint: string) => ({ endpoint, headers: {}, gzip: false, timeoutMs, tls: null }) as never

function toOtlp(url: string) {
  const poster = openPoster(otlpPlan(url), 'application/json')
  return poster.post('/v1/traces', Buffer.from('{}'), signal).finally(() => poster.close())
}

const toHook = (url: string) => post(url, { body: '{}', headers: {} }, { timeoutMs, roots: null, signal })

describe('A receiver that', () => {
  for (const [what, taken, answer] of table) {
    it(`${what} holds up neither telemetry nor alerts`, async () => {
      const told = await against(answer, toOtlp)
      assert.equal(told.kind === 'answered' && told.status === 200, taken.otlp, JSON.stringify(told))
      const posted = await against(answer, toHook)
      assert.equal(posted.problem === null, taken.hook, JSON.stringify(posted))
    })
  }

  it('leads elsewhere is not followed', async () => {
    let asked = 0
    await against(
      () => asked++,
      async (elsewhere) => {
        for (const status of [301, 302, 303, 307, 308]) {
          const redirect = (socket: Socket): void => {
            socket.end(`HTTP/1.1 ${status} Go\r\nLocation: ${elsewhere}/x\r\nContent-Length: 0\r\n\r\n`)
          }
          const told = await against(redirect, toOtlp)
          assert.equal(told.kind === 'answered' ? told.status : 0, status)
          assert.equal((await against(redirect, toHook)).status, status)
        }
      },
    )
    assert.equal(asked, 0)
  })
})
