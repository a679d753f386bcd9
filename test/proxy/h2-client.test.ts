import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2'
import { pipeline } from 'node:stream/promises'
import { after, describe, it } from 'node:test'
import { bodyHash, bodyStream, hashOf } from './body-stream.ts'
import { answerOf, ask, backends, type Handler, listeners, startH2Rig } from './h2-client-rig.ts'

/* HTTP/2 clients of the runtime (nghttp2), with backends of both protocols behind the gateway. */

let written = 0
let taken = 0

const handler: Handler = (request, response) => {
  const path = request.url ?? '/'
  const bytes = Number(path.slice(path.lastIndexOf('/') + 1))
  if (path === '/echo') {
    response.writeHead(200, { trailer: 'x-sum' })
    request.pipe(response, { end: false })
    request.on('end', () => {
      response.addTrailers({ 'x-sum': request.trailers['x-sum'] ?? 'none' })
      response.end()
    })
  } else if (path === '/headers') {
    request.resume()
    response.end(JSON.stringify({ method: request.method, headers: request.headers, raw: request.rawHeaders }))
  } else if (path === '/hints') {
    response.writeEarlyHints({ link: '</a.css>; rel=preload' })
    response.end('after the hints')
  } else if (path === '/length') {
    response.writeHead(200, { 'content-length': 1234 })
    response.end(request.method === 'HEAD' ? undefined : 'x'.repeat(1234))
  } else if (path.startsWith('/status/')) {
    request.resume()
    response.writeHead(bytes)
    response.end()
  } else if (path.startsWith('/bytes/')) {
    response.writeHead(200, { 'content-length': bytes })
    bodyStream(bytes).pipe(response)
  } else if (path === '/hash') {
    hashOf(request).then(
      (hash) => response.end(JSON.stringify(hash)),
      () => {},
    )
  } else if (path === '/flood') {
    const block = Buffer.alloc(16_384)
    const fill = (): void => {
      do written += block.length
      while (response.write(block))
    }
    response.on('drain', fill)
    fill()
  } else if (path === '/stuck') {
    request.once('readable', () => request.read(1))
  } else if (path === '/slow-taker') {
    request.on('data', (piece: Buffer) => {
      taken += piece.length
      request.pause()
    })
  } else {
    request.resume()
    response.end('fine')
  }
}

const rig = await startH2Rig(handler)
after(() => rig[Symbol.asyncDispose]())

const sessions = new Map<string, ClientHttp2Session>()
function session(listener: (typeof listeners)[number]): ClientHttp2Session {
  let client = sessions.get(listener)
  if (client === undefined) sessions.set(listener, (client = rig.client(listener)))
  return client
}

/** Waits until `count` stands still over several looks: nothing more moves. */
async function settled(count: () => number): Promise<number> {
  let last = -1
  for (let same = 0; same < 5; ) {
    await new Promise((resolve) => setTimeout(resolve, 40))
    same = count() === last ? same + 1 : 0
    last = count()
  }
  return last
}

for (const listener of listeners) {
  for (const backend of backends) {
    const client = session(listener)
    const at = (path: string): string => `/${backend}${path}`

    describe(`a client over ${listener} and a backend that speaks ${backend}`, () => {
      it('bodies stream both ways at once', async () => {
        const stream = client.request({ ':method': 'POST', ':path': at('/echo') })
        stream.setEncoding('latin1')
        for (const piece of ['one', 'two', 'three']) {
          stream.write(piece)
          assert.equal(((await once(stream, 'data')) as [string])[0], piece)
        }
        stream.end()
        await once(stream, 'end')
        stream.close()
      })

      it('trailers pass both ways', async () => {
        const stream = client.request(
          { ':method': 'POST', ':path': at('/echo'), te: 'trailers' },
          { waitForTrailers: true },
        )
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }))
        stream.end('body')
        const { body, trailers } = await answerOf(stream)
        assert.equal(body.toString(), 'body')
        assert.equal(trailers['x-sum'], '42')
      })

      it('large bodies arrive unchanged, with and without a length', async () => {
        const bytes = 9_000_001
        for (const length of [undefined, bytes]) {
          const stream = client.request({
            ':method': 'PUT',
            ':path': at('/hash'),
            ...(length === undefined ? {} : { 'content-length': length }),
          })
          const [, { body }] = await Promise.all([pipeline(bodyStream(bytes), stream, { end: true }), answerOf(stream)])
          assert.deepEqual(JSON.parse(body.toString()), { sha256: bodyHash(bytes), bytes })
        }
        const stream = client.request({ ':path': at(`/bytes/${bytes}`) })
        const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
        assert.equal(headers['content-length'], String(bytes))
        assert.deepEqual(await hashOf(stream), { sha256: bodyHash(bytes), bytes })
      })

      it('many requests at once each get their own answer', async () => {
        const answers = await Promise.all(
          Array.from({ length: 100 }, (_, i) =>
            ask(client, { ':method': 'POST', ':path': at('/echo') }, `request ${i} `.repeat(1 + 97 * i)),
          ),
        )
        for (const [i, { body }] of answers.entries()) assert.equal(body.toString(), `request ${i} `.repeat(1 + 97 * i))
      })

      it('1xx responses pass', async () => {
        const hinted = client.request({ ':path': at('/hints') })
        const hints = once(hinted, 'headers') as Promise<[IncomingHttpHeaders & { ':status': number }]>
        const { body } = await answerOf(hinted)
        const [{ ':status': status, link }] = await hints
        assert.deepEqual([status, link, body.toString()], [103, '</a.css>; rel=preload', 'after the hints'])

        const expecting = client.request({ ':method': 'POST', ':path': at('/echo'), expect: '100-continue' })
        await once(expecting, 'continue')
        expecting.end('continued')
        assert.equal((await answerOf(expecting)).body.toString(), 'continued')
      })

      it('HEAD, 204 and 304 have no body', async () => {
        const head = await ask(client, { ':method': 'HEAD', ':path': at('/length') })
        assert.deepEqual([head.headers['content-length'], head.body.length], ['1234', 0])
        for (const status of [204, 304])
          assert.deepEqual(
            await ask(client, { ':path': at(`/status/${status}`) }).then((answer) => [
              answer.status,
              answer.body.length,
            ]),
            [status, 0],
          )
      })

      it('the backend is told what the client said, and who it is', async () => {
        const answer = await ask(client, {
          ':path': at('/headers'),
          cookie: ['a=1', 'b=2', 'c=3'],
          te: 'trailers',
          'x-mine': 'yes',
          'x-forwarded-for': '10.1.2.3',
        })
        const { headers, raw } = JSON.parse(answer.body.toString()) as {
          headers: Record<string, string>
          raw: readonly string[]
        }
        assert.equal(headers['cookie'], 'a=1; b=2; c=3')
        assert.equal(raw.filter((name) => name.toLowerCase() === 'cookie').length, 1)
        assert.equal(headers['te'], 'trailers')
        assert.equal(headers['x-mine'], 'yes')
        assert.equal(headers['via'], '2 postern')
        assert.equal(headers['x-forwarded-for'], '127.0.0.1')
        assert.equal(headers['x-forwarded-proto'], listener)
        assert.match(headers['x-forwarded-host'] ?? '', /^(127\.0\.0\.1|gateway\.test):\d+$/)
        assert.equal(headers['x-request-id'], answer.headers['x-request-id'])
      })

      it('fields of an HTTP/1.1 connection do not reach the client', async () => {
        const { headers } = await ask(client, { ':path': at('/fine') })
        for (const name of ['connection', 'keep-alive', 'transfer-encoding', 'upgrade'])
          assert.equal(headers[name], undefined, name)
        assert.equal(headers['via'], backend === 'h1' ? '1.1 postern' : '2 postern')
      })

      it('a stream that nobody reads stops its backend, and its neighbours go on', async () => {
        written = 0
        const slow = client.request({ ':path': at('/flood') })
        await once(slow, 'response')
        slow.pause()
        const stopped = await settled(() => written)
        // Windows and buffers of three runtimes and two connections.
        assert.ok(stopped < 40_000_000, `${stopped} bytes`)
        for (let i = 0; i < 20; i++) assert.equal((await ask(client, { ':path': at('/fine') })).body.toString(), 'fine')
        assert.equal(await settled(() => written), stopped)
        slow.close(8)
        await once(slow, 'close').catch(() => {})
      })

      it('an upload that no backend reads stops its client, and its neighbours go on', async () => {
        taken = 0
        let sent = 0
        const slow = client.request({ ':method': 'POST', ':path': at('/slow-taker') })
        slow.on('error', () => {})
        const block = Buffer.alloc(16_384)
        const push = (): void => {
          slow.write(block, (error) => {
            if (error != null) return
            sent += block.length
            push()
          })
        }
        push()
        const stopped = await settled(() => sent)
        assert.ok(stopped > 0 && stopped < 40_000_000, `${stopped} bytes`)
        for (let i = 0; i < 20; i++)
          assert.equal((await ask(client, { ':method': 'POST', ':path': at('/echo') }, 'x')).body.toString(), 'x')
        slow.close(8)
      })

      it('a response that is taken back ends at its backend', async () => {
        const stream = client.request({ ':path': at('/flood') })
        await once(stream, 'response')
        stream.close(8)
        written = 0
        await settled(() => written)
        assert.equal((await ask(client, { ':path': at('/fine') })).status, 200)
      })
    })
  }
}

describe('the access log', () => {
  for (const listener of listeners) {
    it(`says what passed (${listener})`, async () => {
      const path = `/h1/echo?from=${listener}`
      const hashed = createHash('sha256').update('unused').digest('hex')
      const { headers } = await ask(
        session(listener),
        { ':method': 'POST', ':path': path, 'user-agent': 'a test', 'x-forwarded-for': '192.0.2.1' },
        hashed,
      )
      const wanted = `"path":"${path}"`
      const lines = await rig.gateway.logLines('postern.log', (line) => line.includes(wanted))
      const line = JSON.parse(lines.find((text) => text.includes(wanted)) ?? '') as Record<string, unknown>
      assert.equal(line['id'], headers['x-request-id'])
      assert.equal(line['protocol'], 'HTTP/2.0')
      assert.equal(line['tls'], listener === 'https' ? 'TLSv1.3' : '')
      assert.equal(line['method'], 'POST')
      assert.equal(line['status'], 200)
      assert.equal(line['userAgent'], 'a test')
      assert.equal(line['forwardedFor'], '192.0.2.1')
      assert.match(String(line['host']), /^(127\.0\.0\.1|gateway\.test):\d+$/)
      assert.match(String(line['client']), /^(127\.0\.0\.1|gateway\.test):\d+$/)
      assert.ok(Number(line['requestBytes']) > hashed.length && Number(line['requestBytes']) < 300)
      const backend = line['backend'] as Record<string, unknown>
      assert.deepEqual([backend['status'], backend['protocol']], [200, 'HTTP/1.1'])
    })
  }
})
