import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { issuerFetcher } from '../../src/diagnosis/fetch-issuers.ts'

describe('a certificate that points to where nobody should connect', () => {
  for (const [what, url] of [
    ['a link-local address', 'http://169.254.169.254/latest/'],
    ['the same as one number', 'http://2852039166/'],
    ['the same in octal', 'http://0251.0376.0251.0376/'],
    ['the same in hexadecimal', 'http://0xa9fea9fe/'],
    ['the same in wide digits', 'http://①⑥⑨.254.169.254/'],
    ['the same with a dot behind it', 'http://169.254.169.254./'],
    ['the same mapped into IPv6', 'http://[::ffff:169.254.169.254]/'],
    ['the same as an IPv4-compatible address', 'http://[::169.254.169.254]/'],
    ['the same behind NAT64', 'http://[64:ff9b::a9fe:a9fe]/'],
    ['the same behind a local NAT64', 'http://[64:ff9b:1::a9fe:a9fe]/'],
    ['the same behind 6to4', 'http://[2002:a9fe:a9fe::1]/'],
    ['the same behind Teredo', 'http://[2001:0:a9fe:a9fe::1]/'],
    ['a link-local address of IPv6', 'http://[fe80::1]/'],
    ['a site-local address of IPv6', 'http://[fec0::1]/'],
    ['no address', 'http://[::]/'],
    ['this host', 'http://0/'],
    ['everybody', 'http://255.255.255.255/'],
    ['the metadata of a cloud at 100.100.100.200', 'http://100.100.100.200/latest/meta-data/'],
    ['the metadata of a cloud at 168.63.129.16', 'http://168.63.129.16/machine'],
    ['the metadata of a cloud at 192.0.0.192', 'http://192.0.0.192/latest/'],
    ['the metadata of a cloud under fd00:ec2', 'http://[fd00:ec2::254]/latest/'],
    ['the metadata of a cloud under fd20:ce', 'http://[fd20:ce::254]/'],
  ] as const) {
    it(`is not followed to ${what}`, async () => {
      const { certificates, problem } = await issuerFetcher()(url)
      assert.deepEqual(certificates, [])
      assert.match(problem, /is an address that nothing is fetched from/)
    })
  }

  for (const [what, url, problem] of [
    ['a user', 'http://user@127.0.0.1:1/', /credentials/],
    ['a password alone', 'http://:secret@127.0.0.1:1/', /credentials/],
    ['a file', 'file:///etc/passwd', /only http/],
    ['another scheme', 'gopher://127.0.0.1:1/', /only http/],
    ['nothing', '', /Invalid URL/],
  ] as const) {
    it(`is not followed where it names ${what}`, async () => {
      assert.match((await issuerFetcher()(url)).problem, problem)
    })
  }
})

describe('a server of issuers that means harm', () => {
  for (const [what, say, expected] of [
    [
      'changes the protocol',
      (socket) => socket.write('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
      /answered 101/,
    ],
    ['says that more is to come, over and over', (socket) => flood(socket), /interim answers/],
    ['hangs up without a word', (socket) => socket.end(), /hang up|closed/],
    ['resets the connection', (socket) => socket.resetAndDestroy(), /ECONNRESET/],
    ['has a head without end', (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}`), /Header/i],
  ] satisfies [string, (socket: Socket) => void, RegExp][]) {
    it(`is left where it ${what}`, async () => {
      await using server = await rawHttp(say)
      const startedAt = performance.now()
      const { certificates, problem } = await issuerFetcher()(server.url)
      assert.deepEqual(certificates, [])
      assert.match(problem, expected)
      // The limit of time is 2 s: this is about not having to wait for it.
      assert.ok(performance.now() - startedAt < 1500)
    })
  }

  it('cannot put a line or an escape sequence into what is said of it', async () => {
    await using server = await rawHttp((socket) => socket.end('HTTP/1.1 500 \u001b[31mred\r\n\r\n'))
    assert.equal((await issuerFetcher()(server.url)).problem, 'answered 500')
  })
})

function flood(socket: Socket): void {
  const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(100)
  const timer = setInterval(() => socket.write(interim), 1)
  socket.on('close', () => clearInterval(timer))
}

async function rawHttp(say: (socket: Socket) => void): Promise<{ readonly url: string } & AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => say(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ca.crt`,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}
