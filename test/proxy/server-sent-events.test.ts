import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect as connectH2 } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { after, describe, it } from 'node:test'
import { EventSource, request } from 'undici'
import { startTestGateway } from '../support/gateway.ts'
import { backendName, root, startH2Backend } from './h2-backend.ts'

/* Server-sent events: each one reaches the client before the next is made, whatever the versions on the two sides. */

/** Writes the next event; the test calls it, so an event that somebody holds back stops the test. */
let next: (event: string) => void = () => {}
let begun = Promise.withResolvers<void>()

const plain = createServer((_request: IncomingMessage, response: ServerResponse) => {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  response.flushHeaders()
  next = (event) => response.write(event)
  begun.resolve()
})
plain.listen(0, '127.0.0.1')
await once(plain, 'listening')
const h2 = await startH2Backend((stream) => {
  stream.respond({ ':status': 200, 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  next = (event) => stream.write(event)
  begun.resolve()
})
const gateway = await startTestGateway(
  {
    listeners: [{ name: 'http', address: '127.0.0.1', port: 0, h2c: true }],
    trustStores: { test: { sources: [{ file: './ca.pem' }] } },
    targets: {
      h1: { url: `http://127.0.0.1:${(plain.address() as AddressInfo).port}` },
      h2: { url: `https://127.0.0.1:${h2.port}`, tls: { trust: ['test'], serverName: backendName, alpn: ['h2'] } },
    },
    proxies: { h1: { basePath: '/h1', target: 'h1' }, h2: { basePath: '/h2', target: 'h2' } },
  },
  { files: { 'ca.pem': root.certificatePem } },
)
after(async () => {
  await gateway[Symbol.asyncDispose]()
  plain.closeAllConnections()
  plain.close()
  await h2[Symbol.asyncDispose]()
})

for (const backend of ['h1', 'h2']) {
  describe(`events of a backend that speaks ${backend}`, () => {
    it('come one by one to a client of HTTP/1.1', async () => {
      begun = Promise.withResolvers()
      const { body } = await request(`${gateway.origin}/${backend}`)
      await begun.promise
      const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>
      for (let i = 0; i < 5; i++) {
        next(`data: ${i}\n\n`)
        assert.equal(String((await chunks.next()).value), `data: ${i}\n\n`)
      }
      body.destroy()
    })

    it('come one by one to a client of HTTP/2', async () => {
      begun = Promise.withResolvers()
      const session = connectH2(gateway.origin)
      const stream = session.request({ ':path': `/${backend}` })
      await begun.promise
      for (let i = 0; i < 5; i++) {
        next(`data: ${i}\n\n`)
        const [chunk] = (await once(stream, 'data')) as [Buffer]
        assert.equal(chunk.toString(), `data: ${i}\n\n`)
      }
      stream.close()
      session.close()
    })

    it('are what an EventSource takes for them', async () => {
      begun = Promise.withResolvers()
      const source = new EventSource(`${gateway.origin}/${backend}`)
      await begun.promise
      const message = once(source, 'message') as Promise<[{ readonly data: string }]>
      await once(source, 'open')
      next('id: 7\ndata: hello\n\n')
      assert.equal((await message)[0].data, 'hello')
      source.close()
    })
  })
}
