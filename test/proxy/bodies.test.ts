import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https'
import { after, describe, it } from 'node:test'
import { pipeline } from 'node:stream/promises'
import { Agent as UndiciAgent, request as undiciRequest } from 'undici'
import { bodyHash, bodyStream, hashOf } from './body-stream.ts'
import { get, Peer, request } from './peer.ts'
import { startTlsGateway } from './tls-gateway.ts'

/* Large bodies pass whole and in little memory; TLS on both sides. */

const large = 64 * 1024 * 1024

const rig = await startTlsGateway((incoming, response) => {
  const url = new URL(incoming.url ?? '/', 'http://b')
  const bytes = Number(url.searchParams.get('bytes') ?? '0')
  switch (url.pathname) {
    case '/down':
      incoming.resume()
      if (url.searchParams.has('length')) response.setHeader('content-length', bytes)
      pipeline(bodyStream(bytes), response).catch(() => {})
      break
    case '/up':
      hashOf(incoming as AsyncIterable<Buffer>).then(
        (seen) => response.end(JSON.stringify(seen)),
        () => response.destroy(),
      )
      break
    case '/echo':
      pipeline(incoming, response).catch(() => {})
      break
    default:
      response.end('ok')
  }
})
const agent = new Agent({ keepAlive: true })
after(async () => {
  agent.destroy()
  await rig[Symbol.asyncDispose]()
})

const base: RequestOptions = { host: '127.0.0.1', port: rig.httpsPort, servername: rig.serverName, ca: rig.ca, agent }

async function download(path: string): Promise<{ sha256: string; bytes: number }> {
  const outgoing = httpsRequest({ ...base, path })
  outgoing.end()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  return hashOf(response as AsyncIterable<Buffer>)
}

async function upload(path: string, bytes: number, headers: Record<string, number> = {}): Promise<IncomingMessage> {
  const outgoing = httpsRequest({ ...base, path, method: 'POST', headers })
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
  const sent = pipeline(bodyStream(bytes), outgoing)
  const [response] = await answered
  sent.catch(() => {})
  return response
}

async function textOf(response: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const chunk of response) text += chunk.toString()
  return text
}

describe('64 MiB', () => {
  const whole = { sha256: bodyHash(large), bytes: large }
  it('come down with a length', async () => {
    assert.deepEqual(await download(`/down?bytes=${large}&length`), whole)
  })
  it('come down in chunks', async () => {
    assert.deepEqual(await download(`/down?bytes=${large}`), whole)
  })
  it('go up with a length', async () => {
    const response = await upload('/up', large, { 'content-length': large })
    assert.deepEqual(JSON.parse(await textOf(response)), whole)
  })
  it('go up in chunks', async () => {
    assert.deepEqual(JSON.parse(await textOf(await upload('/up', large))), whole)
  })
  it('go up and come down at the same time', async () => {
    const before = process.memoryUsage().rss
    let highest = before
    const sampler = setInterval(() => (highest = Math.max(highest, process.memoryUsage().rss)), 20)
    assert.deepEqual(await hashOf(await upload('/echo', large)), whole)
    clearInterval(sampler)
    // Client, gateway and backend share this process, so this bounds all three together; the soak test measures one.
    assert.ok(highest - before < 128 * 1024 * 1024, `${highest - before} bytes`)
  })
  it('go up and come down with undici', async () => {
    const dispatcher = new UndiciAgent({ connect: { ca: rig.ca, servername: rig.serverName } })
    const { body } = await undiciRequest(`https://127.0.0.1:${rig.httpsPort}/echo`, {
      method: 'POST',
      body: bodyStream(large),
      dispatcher,
    })
    assert.deepEqual(await hashOf(body as AsyncIterable<Buffer>), whole)
    await dispatcher.close()
  })
  it('nothing of the next request is lost behind the end of a large piece', async () => {
    const client = await Peer.connectTls({ port: rig.httpsPort, servername: rig.serverName, ca: rig.ca })
    client.send(request('POST', '/up', 'Content-Length: 20000'))
    client.send(Buffer.alloc(10_000, 'a'))
    await new Promise((resolve) => setTimeout(resolve, 50))
    client.send(`${'a'.repeat(10_000)}${get('/down?bytes=5&length')}`)
    assert.equal((JSON.parse((await client.response()).body) as { bytes: number }).bytes, 20_000)
    assert.equal((await client.response()).body.length, 5)
    client.destroy()
  })
  it('in sizes around every buffer', async () => {
    for (const bytes of [1, 4095, 4096, 4097, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 131_072, 1_000_000]) {
      const expected = { sha256: bodyHash(bytes), bytes }
      assert.deepEqual(await download(`/down?bytes=${bytes}&length`), expected, `down, ${bytes}`)
      assert.deepEqual(await download(`/down?bytes=${bytes}`), expected, `down in chunks, ${bytes}`)
      const up = await upload('/up', bytes, { 'content-length': bytes })
      assert.deepEqual(JSON.parse(await textOf(up)), expected, `up, ${bytes}`)
      assert.deepEqual(JSON.parse(await textOf(await upload('/up', bytes))), expected, `up in chunks, ${bytes}`)
    }
  })
})
