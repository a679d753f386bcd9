import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { lines } from './message.ts'
import { marker, type ResponseCase, responseCases, responseHeaderBytes } from './response-cases.ts'
import { type BackendRequest, type ScriptedBackend, startScriptedBackend } from './scripted-backend.ts'
import { openClient, type WireClient } from './wire-client.ts'

describe('malformed responses, sent by a running backend', () => {
  let backend: ScriptedBackend
  let gateway: TestGateway
  let port: number
  /** The case that the backend plays next, and where it did. */
  let playing: { readonly each: ResponseCase; readonly played: (request: BackendRequest) => void } | null = null
  const faults = new Map<string, ResponseCase>()

  before(async () => {
    backend = await startScriptedBackend((request) => {
      if (!request.head.includes(' /case ') || playing === null) {
        request.socket.write(`HTTP/1.1 200 OK\r\nX-Connection: ${request.connection}\r\nContent-Length: 4\r\n\r\ngood`)
        return
      }
      request.socket.write(playing.each.reply, 'latin1')
      playing.played(request)
    })
    gateway = await startTestGateway({
      targets: { backend: { url: `http://127.0.0.1:${backend.port}`, limits: { responseHeaderBytes } } },
      proxies: { base: { basePath: '/', target: 'backend' } },
    })
    port = Number(new URL(gateway.origin).port)
  })
  after(async () => {
    await gateway[Symbol.asyncDispose]()
    await backend[Symbol.asyncDispose]()
  })

  it('the table names each case once, and there are enough of them', () => {
    assert.equal(new Set(responseCases.map((each) => each.name)).size, responseCases.length)
    assert.ok(responseCases.filter((each) => each.outcome !== 'whole').length >= 40)
  })

  for (const each of responseCases) {
    it(`${each.name}: ${each.outcome}${each.kind === null ? '' : ` (${each.kind})`}`, async () => {
      using client = await openClient(port)
      const request = await play(each, client)
      const received = await checkOutcome(each, client)
      assert.ok(!received.includes(marker), `nothing of it reaches the client: ${JSON.stringify(received)}`)
      if (each.outcome === 'refused') faults.set(idOf(received), each)
      if (each.name === 'a status line without its last space' || each.name === '32 informational responses') {
        assert.equal(await goodConnection(), request.connection, 'the connection serves the next request')
      } else {
        if (!request.socket.closed) await once(request.socket, 'close')
        assert.notEqual(await goodConnection(), request.connection, 'the next request goes over another connection')
      }
    })
  }

  it('the same in pieces of one byte', async () => {
    for (const each of responseCases.filter(
      (each) => each.outcome === 'refused' && each.reply !== '' && each.reply.length < 300,
    )) {
      using client = await openClient(port)
      const request = await play({ ...each, reply: '', ending: 'wait' }, client)
      for (const byte of each.reply) {
        if (request.socket.destroyed || request.socket.readableEnded) break
        await new Promise((resolve) => request.socket.write(byte, 'latin1', resolve))
      }
      finish(each, request)
      const received = await checkOutcome(each, client)
      assert.ok(!received.includes(marker), each.name)
      faults.set(idOf(received), each)
    }
  })

  it('a bad chunk in the same write as its head never makes a whole response', async () => {
    for (const each of responseCases.filter((each) => each.outcome === 'cut' && each.late !== '')) {
      using client = await openClient(port)
      await play({ ...each, reply: each.reply + each.late, late: '', outcome: 'refused' }, client)
      const { rest } = await client.end()
      assert.doesNotMatch(rest, /\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n$/, each.name)
    }
  })

  it('the access log names the fault of each', async () => {
    assert.ok(faults.size >= 100)
    await gateway.logLines('postern.log', (text) => {
      const record = JSON.parse(text) as Record<string, unknown>
      const each = record['type'] === 'access' ? faults.get(String(record['id'])) : undefined
      if (each === undefined) return false
      const fault = record['fault'] as Record<string, unknown>
      assert.equal(record['status'], 502, each.name)
      assert.equal(fault['kind'], each.kind, each.name)
      assert.equal(fault['party'], 'backend', each.name)
      assert.ok(String(fault['summary']).includes(each.says), `${each.name}: ${String(fault['summary'])}`)
      faults.delete(String(record['id']))
      return faults.size === 0
    })
  })

  it('the access log names the fault of each response that was cut, with the status that the client saw', async () => {
    const cut = responseCases.filter((each) => each.outcome === 'cut')
    const found: unknown[] = []
    await gateway.logLines('postern.log', (text) => {
      const record = JSON.parse(text) as { type: string; status: number; fault?: { kind: string; summary: string } }
      if (record.type === 'access' && record.status === 200 && record.fault !== undefined) found.push(record.fault)
      return found.length === cut.length
    })
    for (const [index, each] of cut.entries()) {
      const { kind, summary } = found[index] as { kind: string; summary: string }
      assert.equal(kind, each.kind, each.name)
      assert.ok(summary.includes(each.says), `${each.name}: ${summary}`)
    }
  })

  it('a pipelined request does not get the second response that a backend smuggled behind the first', async () => {
    using client = await openClient(port)
    const good = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n'
    playing = { each: { ...firstCase(), reply: `${good}ok${good}no` }, played: () => {} }
    client.send(`${lines('GET /case HTTP/1.1', 'Host: a')}${lines('GET /next HTTP/1.1', 'Host: a')}`)
    assert.match(await client.response(), /ok$/)
    assert.match(await client.response(), /good$/)
  })

  it('bytes on an idle connection end it, and the next request does not see them', async () => {
    const unsolicited = [
      'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nLEAK',
      'HTTP/1.1 408 Request Timeout\r\n\r\n',
      '\r\n',
    ]
    for (const bytes of unsolicited) {
      using client = await openClient(port)
      const reply = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
      const request = await play({ ...firstCase(), reply, ending: 'wait' }, client)
      assert.match(await client.response(), /ok$/)
      request.socket.write(bytes)
      await once(request.socket, 'close')
      assert.notEqual(await goodConnection(), request.connection)
    }
  })

  /** Sends the request that makes the backend play this case; returns once it has. */
  async function play(each: ResponseCase, client: WireClient): Promise<BackendRequest> {
    const { promise, resolve } = Promise.withResolvers<BackendRequest>()
    const atOnce = each.outcome !== 'cut' && each.late === ''
    playing = {
      each,
      played: (request) => {
        // The gateway sends a request again when a used connection dies before any answer; that one dies as well.
        if (atOnce) finish(each, request)
        resolve(request)
      },
    }
    client.send(lines(`${each.method} /case HTTP/1.1`, 'Host: a.test'))
    const request = await promise
    if (each.outcome === 'cut') await client.seen('\r\n\r\n')
    if (each.late !== '') {
      if (each.outcome === 'whole') await client.seen('ok')
      request.socket.write(each.late, 'latin1')
    }
    if (!atOnce) finish(each, request)
    return request
  }

  /** @returns everything that the client got of it */
  async function checkOutcome(each: ResponseCase, client: WireClient): Promise<string> {
    if (each.outcome === 'cut') {
      const { rest } = await client.end()
      assert.match(rest, /^HTTP\/1\.1 200 OK\r\n/)
      assert.doesNotMatch(rest, /\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n$/, 'the client can tell that it is not whole')
      return rest
    }
    let received = ''
    let response = await client.response(each.method)
    for (; response.startsWith('HTTP/1.1 103 '); response = await client.response(each.method)) received += response
    received += response
    if (each.outcome === 'refused') {
      assert.match(response, /^HTTP\/1\.1 502 Bad Gateway\r\n/)
      assert.match(response, /"code":"response-/)
    } else {
      assert.match(response, /^HTTP\/1\.1 [23]\d\d /)
    }
    client.send(lines('GET /good HTTP/1.1', 'Host: a.test'))
    assert.match(await client.response(), /good$/, "the client's own connection goes on")
    return received
  }

  async function goodConnection(): Promise<number> {
    using client = await openClient(port)
    client.send(lines('GET /good HTTP/1.1', 'Host: a.test'))
    return Number(/\r\nX-Connection: (\d+)\r\n/.exec(await client.response())?.[1])
  }
})

function finish(each: ResponseCase, request: BackendRequest): void {
  if (each.ending === 'end') request.socket.end()
  if (each.ending === 'reset') request.socket.resetAndDestroy()
}

function idOf(received: string): string {
  return /\r\nX-Request-ID: (\S+)\r\n/.exec(received)?.[1] ?? ''
}

function firstCase(): ResponseCase {
  const [first] = responseCases
  assert.ok(first !== undefined)
  return first
}
