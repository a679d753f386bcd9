import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { connect } from 'node:net'
import { buffer, json, text } from 'node:stream/consumers'
import { after, describe, it } from 'node:test'
import { WebSocket } from 'ws'
import { startLab } from '../../src/lab/lab.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'

const lab = await startLab({ scenarios: ['ok', 'missing-intermediate', 'plain-http'] })
const { host, port, serverName } = lab.backend('ok')
const agent = new Agent({ ca: lab.trust.bundlePem, servername: serverName, keepAlive: true })
after(async () => {
  agent.destroy()
  await lab.close()
})

interface Ask {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: Uint8Array
}

async function ask(path: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<IncomingMessage> {
  const sent = request({ host, port, path, method, headers, agent })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return response
}

describe('a healthy backend of the lab', () => {
  it('describes the request it received', async () => {
    const response = await ask('/a/b?c=d', { method: 'PUT', headers: { 'x-marker': 'm' }, body: Buffer.from('12345') })
    const told = (await json(response)) as Record<string, unknown>
    assert.deepEqual(
      { ...told, headers: null },
      { scenario: 'ok', method: 'PUT', url: '/a/b?c=d', headers: null, bodyBytes: 5 },
    )
    assert.equal((told['headers'] as Record<string, string>)['x-marker'], 'm')
  })

  it('echoes a body of known length and a chunked one', async () => {
    const body = Buffer.alloc(300_000, 'echo ')
    const known = await ask('/echo', { method: 'POST', headers: { 'content-length': String(body.length) }, body })
    assert.equal(known.headers['content-length'], String(body.length))
    assert.ok((await buffer(known)).equals(body))
    const chunked = await ask('/echo', { method: 'POST', headers: { 'transfer-encoding': 'chunked' }, body })
    assert.equal(chunked.headers['content-length'], undefined)
    assert.ok((await buffer(chunked)).equals(body))
  })

  it('sends as many bytes as it is asked for, each telling its place', async () => {
    for (const size of [0, 1, 65_537, 1_000_000]) {
      const bytes = await buffer(await ask(`/bytes/${size}`))
      assert.equal(bytes.length, size)
      assert.ok(bytes.every((byte, at) => byte === (at & 0xff)))
    }
    assert.equal((await buffer(await ask('/bytes/many'))).includes('whole number'), true)
  })

  it('answers a HEAD with the length and no body', async () => {
    const response = await ask('/bytes/1000', { method: 'HEAD' })
    assert.equal(response.headers['content-length'], '1000')
    assert.equal((await buffer(response)).length, 0)
  })

  it('sends chunks, trailers and every final status', async () => {
    const chunked = await ask('/chunked')
    assert.equal(chunked.headers['transfer-encoding'], 'chunked')
    assert.equal(await text(chunked), 'first\nsecond\nthird\n')
    const trailers = await ask('/trailers')
    assert.equal(await text(trailers), 'the trailer follows\n')
    assert.deepEqual({ ...trailers.trailers }, { 'x-lab-checksum': 'b7e23ec2' })
    for (const status of [200, 204, 304, 418, 503]) {
      const response = await ask(`/status/${status}`)
      assert.equal(response.statusCode, status)
      response.resume()
    }
    const refused = await ask('/status/101')
    assert.equal(refused.statusCode, 400)
    refused.resume()
  })

  it('sends a 103 before its answer', async () => {
    const sent = request({ host, port, path: '/early-hints', agent })
    const hinted = once(sent, 'information')
    sent.end()
    const [information] = (await hinted) as [{ statusCode: number; headers: Record<string, string> }]
    assert.equal(information.statusCode, 103)
    assert.match(information.headers['link'] ?? '', /preload/)
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    assert.equal(response.statusCode, 200)
    response.resume()
  })

  it('answers 100 to a client that waits for it', async () => {
    const sent = request({
      host,
      port,
      path: '/echo',
      method: 'POST',
      headers: { expect: '100-continue', 'content-length': '2' },
      agent,
    })
    sent.flushHeaders()
    await once(sent, 'continue')
    sent.end('ok')
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    assert.equal(await text(response), 'ok')
  })

  it('takes its time when asked to, and stops when the client goes away', async () => {
    assert.deepEqual(await json(await ask('/slow?ms=20')), { sleptMs: 20 })
    const sent = request({ host, port, path: '/slow?ms=600000', agent })
    sent.on('error', () => {})
    sent.end()
    await once(sent, 'finish')
    sent.destroy()
  })

  it('echoes WebSocket messages of several sizes, and closes', async () => {
    const socket = new WebSocket(`wss://${host}:${port}/ws`, { agent })
    await once(socket, 'open')
    for (const message of ['', 'hello', 'x'.repeat(125), 'y'.repeat(126), 'z'.repeat(60_000)]) {
      socket.send(message)
      const [echoed, isBinary] = (await once(socket, 'message')) as [Buffer, boolean]
      assert.equal(String(echoed), message)
      assert.equal(isBinary, false)
    }
    socket.ping('are you there')
    assert.equal(String((await once(socket, 'pong'))[0]), 'are you there')
    socket.close(1000, 'done')
    assert.equal((await once(socket, 'close'))[0], 1000)
  })

  it('refuses an upgrade elsewhere', async () => {
    const socket = new WebSocket(`wss://${host}:${port}/other`, { agent })
    const [error] = (await once(socket, 'error')) as [Error]
    assert.match(error.message, /404/)
  })
})

describe('the lab', () => {
  it('serves the issuing CA at the address that leaves name', async () => {
    const leaf = parseCertificate(pemBody(lab.backend('missing-intermediate').servedPem ?? ''))
    const [url = ''] = leaf.aiaUrls.caIssuers
    const [response] = (await once(get(url), 'response')) as [IncomingMessage]
    assert.deepEqual(await buffer(response), pemBody(lab.mends.issuingPem))
  })

  it('does not count a ClientHello as a request, and does count a request in the clear', async () => {
    const backend = lab.backend('plain-http')
    const exchange = async (bytes: Buffer | string) => {
      lab.reset()
      const socket = connect(backend.port, backend.host)
      socket.end(bytes)
      await text(socket)
      await lab.settled('plain-http')
      return lab.counters('plain-http')
    }
    assert.deepEqual(await exchange(Buffer.from('16030100050100000100', 'hex')), {
      connections: 1,
      handshakes: 0,
      requests: 0,
      requestBytes: 0,
    })
    const get = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
    assert.deepEqual(await exchange(get), { connections: 1, handshakes: 0, requests: 1, requestBytes: get.length })
  })

  it('counts connections, handshakes and requests apart, and starts again at reset', async () => {
    lab.reset()
    const own = new Agent({ ca: lab.trust.bundlePem, servername: serverName, keepAlive: true, maxSockets: 1 })
    for (let i = 0; i < 3; i++) {
      const sent = request({ host, port, path: '/', agent: own })
      sent.end()
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      await text(response)
    }
    const { connections, handshakes, requests } = lab.counters('ok')
    assert.deepEqual({ connections, handshakes, requests }, { connections: 1, handshakes: 1, requests: 3 })
    lab.reset()
    assert.deepEqual(lab.counters('ok'), { connections: 0, handshakes: 0, requests: 0, requestBytes: 0 })
    own.destroy()
  })

  it('makes its certificates anew at each start', async () => {
    await using other = await startLab({ scenarios: ['ok'] })
    assert.notEqual(other.trust.bundlePem, lab.trust.bundlePem)
  })

  it('says which scenario it was started without', () => {
    assert.throws(() => lab.backend('slow'), { code: 'LAB_NOT_STARTED' })
  })

  it('starts whole or not at all: a port that is taken closes the others again', async () => {
    const base = 20_000 + randomInt(10_000)
    await using first = await startLab({ scenarios: ['ok-rsa'], ports: base })
    assert.equal(first.backend('ok-rsa').port, base + 1)
    await assert.rejects(startLab({ scenarios: ['ok', 'ok-rsa'], ports: base }), { code: 'EADDRINUSE' })
    await first.close()
    await using second = await startLab({ scenarios: ['ok', 'ok-rsa'], ports: base })
    assert.deepEqual(
      second.backends.map((backend) => backend.port),
      [base, base + 1],
    )
  })
})

function pemBody(pem: string): Buffer {
  return Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
}
