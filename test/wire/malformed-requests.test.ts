import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { nativeTable } from '../../src/faults/native.ts'
import { ChunkedDecoder } from '../../src/wire/h1/chunked.ts'
import { type RefusalName, refusals } from '../../src/wire/h1/refusal.ts'
import { incomplete, RequestHead } from '../../src/wire/h1/request-head.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { bodyBytesLimit, chunked, get, limits, line, post, type RequestCase } from './message.ts'
import { type RecordingBackend, startRecordingBackend } from './recording-backend.ts'
import { requestBodyCases } from './request-body-cases.ts'
import { requestFieldCases } from './request-field-cases.ts'
import { requestLineCases } from './request-line-cases.ts'
import { openClient, type WireClient } from './wire-client.ts'

const headCases = [...requestLineCases, ...requestFieldCases]
const cases = [...headCases, ...requestBodyCases]
/** Found by the exchange, with the head already read. */
const beyondTheHead: readonly RefusalName[] = ['dotSegment', 'bodyTooLarge']

describe('malformed requests, sent to a running gateway', () => {
  let backend: RecordingBackend
  let gateway: TestGateway
  let port: number
  /** Refusals by the id that the client was told, to be found again in the log. */
  const refusedIds = new Map<string, RequestCase>()

  before(async () => {
    backend = await startRecordingBackend()
    gateway = await startTestGateway({
      listeners: [{ name: 'http', address: '127.0.0.1', port: 0, limits: { ...limits, bodyBytes: bodyBytesLimit } }],
      targets: { backend: { url: `http://127.0.0.1:${backend.port}` } },
      proxies: {
        base: { basePath: '/base', target: 'backend' },
        tenants: { basePath: '/tenants/*', target: 'backend', path: 'keep' },
      },
    })
    port = Number(new URL(gateway.origin).port)
  })
  after(async () => {
    await gateway[Symbol.asyncDispose]()
    await backend[Symbol.asyncDispose]()
  })

  // What a failed test left behind is not the next one's.
  beforeEach(() => void backend.take())

  it('the table names each case once, and there are enough of them', () => {
    assert.equal(new Set(cases.map((each) => each.name)).size, cases.length)
    assert.ok(cases.filter((each) => each.refusal !== null).length >= 130)
  })

  for (const each of cases) {
    it(`${each.name}: ${each.status}${each.refusal === null ? '' : ` (${each.refusal})`}`, async () => {
      using client = await openClient(port)
      client.send(each.bytes)
      await checkOutcome(each, client)
      const seen = await seenByBackend()
      if (each.backend === undefined) {
        assert.equal(seen, '', 'not one byte reaches the backend')
      } else {
        for (const text of each.backend.has) assert.ok(seen.includes(text), `the backend got ${JSON.stringify(text)}`)
        for (const text of each.backend.lacks) assert.ok(!seen.includes(text), `the backend got no ${text}`)
      }
    })
  }

  it('one byte at a time, each head has the same outcome', async () => {
    for (const each of headCases.filter((each) => each.bytes.length < 400)) {
      using client = await openClient(port)
      await client.dribble(each.bytes)
      await checkOutcome(each, client)
      const seen = await seenByBackend()
      if (each.backend === undefined) assert.equal(seen, '', each.name)
      for (const text of each.backend?.has ?? []) assert.ok(seen.includes(text), each.name)
    }
  })

  it('one byte at a time, each bad body is refused and its backend never has a whole request', async () => {
    for (const each of requestBodyCases.filter((each) => each.bytes.length < 400)) {
      using client = await openClient(port)
      await client.dribble(each.bytes)
      await checkOutcome(each, client)
      const seen = await seenByBackend()
      if (each.refusal !== null) assert.doesNotMatch(seen, /\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n$/, each.name)
      for (const text of each.backend?.has ?? []) assert.ok(seen.includes(text), each.name)
    }
  })

  it('the access log names what was wrong with each of them', async () => {
    assert.ok(refusedIds.size >= 260)
    const pending = new Map(refusedIds)
    await gateway.logLines('postern.log', (text) => {
      const record = JSON.parse(text) as { id?: string; status?: number; fault?: Record<string, unknown> }
      const each = pending.get(record.id ?? '')
      if (each === undefined || each.refusal === null) return false
      const { kind, summary } = refusals[each.refusal]
      assert.equal(record.status, each.status, each.name)
      assert.deepEqual(record.fault, { code: kind, kind, party: 'client', summary }, each.name)
      pending.delete(record.id ?? '')
      return pending.size === 0
    })
  })

  it('a good request before a bad one on the same connection is answered, the bad one refused', async () => {
    using client = await openClient(port)
    client.send(`${get('X-Nr: 1')}${get('X-Nr : 2')}${get('X-Nr: 3')}`)
    assert.match(await client.response(), /^HTTP\/1\.1 200 /)
    assert.match(await client.response(), /^HTTP\/1\.1 400 /)
    assert.deepEqual(await client.end(), { rest: '', how: 'end' })
    const seen = await seenByBackend()
    assert.match(seen, /^GET \/x HTTP\/1\.1\r\n(?:[^\r\n]+\r\n)+\r\n$/)
    assert.match(seen, /\r\nX-Nr: 1\r\n/)
  })

  it('what follows a body is the next request, and nothing of the body is', async () => {
    using client = await openClient(port)
    client.send(post(['Content-Length: 31'], line('GET /base/smuggled HTTP/1.1').slice(0, 31)))
    client.send(chunked('3\r\nGET\r\n0\r\n\r\n'))
    client.send(get('X-Nr: 3'))
    for (let nr = 0; nr < 3; nr++) assert.match(await client.response(), /^HTTP\/1\.1 200 /)
    assert.equal((await seenByBackend()).match(/(?:GET|POST) \/x HTTP\/1\.1\r\n/g)?.length, 3)
  })

  it('connections that dribble at the same time do not mix', async () => {
    const numbers = Array.from({ length: 20 }, (_, index) => index)
    const clients = await Promise.all(numbers.map(() => openClient(port)))
    const messages = numbers.map((nr) =>
      post([`X-Nr: ${`<${nr}>`.repeat(9)}`, 'Content-Length: 9'], `body ${nr}`.padEnd(9, '.')),
    )
    await Promise.all(clients.map((client, nr) => client.dribble(messages[nr]?.slice(0, -9) ?? '')))
    for (const [nr, client] of clients.entries()) client.send(messages[nr]?.slice(-9) ?? '')
    for (const client of clients) assert.match(await client.response(), /^HTTP\/1\.1 200 /)
    const seen = await seenByBackend()
    for (const nr of numbers) {
      assert.ok(seen.includes(`\r\nX-Nr: ${`<${nr}>`.repeat(9)}\r\n`), `head ${nr}`)
      assert.ok(seen.includes(`body ${nr}`.padEnd(9, '.')), `body ${nr}`)
    }
    for (const client of clients) client[Symbol.dispose]()
  })

  it('a body that ends before its length is no request: the backend is cut off', async () => {
    for (const bytes of [post(['Content-Length: 6'], 'hello'), chunked('5\r\nhello\r\n0\r\n'), get().slice(0, -2)]) {
      using client = await openClient(port)
      client.send(bytes)
      client.finish()
      const { rest } = await client.end()
      assert.equal(rest, '')
      assert.doesNotMatch(await seenByBackend(), /hello!|0\r\n\r\n$/)
    }
  })

  async function checkOutcome(each: RequestCase, client: WireClient): Promise<void> {
    const response = await client.response()
    assert.match(response, new RegExp(`^HTTP/1\\.1 ${each.status} `), each.name)
    if (each.refusal !== null) {
      assert.equal(each.status, nativeTable[refusals[each.refusal].kind].status, each.name)
      const id = /\r\nX-Request-ID: (\S+)\r\n/.exec(response)?.[1]
      assert.ok(id !== undefined, each.name)
      refusedIds.set(id, each)
    }
    if (each.closed) {
      assert.match(response, /\r\nConnection: close\r\n/, each.name)
      assert.deepEqual(await client.end(), { rest: '', how: 'end' }, each.name)
    } else {
      assert.doesNotMatch(response, /\r\nConnection: close\r\n/, each.name)
      client.send(get('X-Nr: again'))
      assert.match(await client.response(), /^HTTP\/1\.1 200 /, `${each.name}: the connection goes on`)
    }
  }

  /**
   * What the backend got since the last call, but for the good requests of the tests themselves. A further good request
   * on a connection of its own is the proof that nothing more is on its way.
   */
  async function seenByBackend(): Promise<string> {
    using client = await openClient(port)
    client.send(line('GET /base/barrier HTTP/1.1').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    assert.match(await client.response(), /^HTTP\/1\.1 200 /)
    const ours =
      /GET \/(?:barrier HTTP\/1\.1\r\n(?:[^\r\n]+\r\n)+|x HTTP\/1\.1\r\nHost: [^\r\n]+\r\nX-Nr: again\r\n(?:[^\r\n]+\r\n)+)\r\n/g
    return backend.take().replace(ours, '')
  }
})

describe('malformed requests, read by the parsers', () => {
  const head = new RequestHead()
  const read = (bytes: Buffer, end: number) => head.read(bytes, 0, end, limits)

  for (const each of headCases) {
    it(`${each.name}: the same at every split`, () => {
      const bytes = Buffer.from(each.bytes, 'latin1')
      const whole = read(bytes, bytes.length)
      const outcome = each.refusal === null || beyondTheHead.includes(each.refusal) ? 'taken' : refusals[each.refusal]
      if (outcome === 'taken') assert.equal(whole, bytes.indexOf('\r\n\r\n', 2) + 4)
      else assert.equal(whole, outcome)
      // A long message is mostly filling, so not every split of it is worth a reading.
      const step = bytes.length > 1500 ? 61 : 1
      for (let end = 0; end < bytes.length; end += step) {
        const part = Buffer.from(bytes.subarray(0, end))
        const result = read(part, end)
        if (result !== incomplete) assert.equal(result, whole, `after ${end} bytes`)
      }
    })
  }

  for (const each of requestBodyCases) {
    it(`${each.name}: the decoder says so at every split`, () => {
      const bytes = Buffer.from(each.bytes, 'latin1')
      const bodyStart = read(bytes, bytes.length)
      assert.ok(typeof bodyStart === 'number')
      const outcome = each.refusal === null || beyondTheHead.includes(each.refusal) ? 'taken' : refusals[each.refusal]
      const step = bytes.length > 1500 ? 61 : 1
      for (const reframe of [true, false]) {
        assert.equal(decoded(bytes, [bodyStart, bytes.length], reframe), outcome)
        for (let split: number = bodyStart; split <= bytes.length; split += step) {
          assert.equal(decoded(bytes, [bodyStart, split, bytes.length], reframe), outcome, `split at ${split}`)
        }
        const everyByte: number[] = Array.from(
          { length: bytes.length - bodyStart + 1 },
          (_, index) => bodyStart + index,
        )
        assert.equal(decoded(bytes, everyByte, reframe), outcome, 'one byte at a time')
      }
    })
  }

  function decoded(bytes: Buffer, cuts: readonly number[], reframe: boolean): unknown {
    const decoder = new ChunkedDecoder()
    decoder.reset(reframe)
    for (let cut = 1; cut < cuts.length; cut++) {
      const end = cuts[cut] ?? 0
      const result = decoder.decode(bytes, cuts[cut - 1] ?? 0, end)
      if (typeof result !== 'number') return result
      assert.equal(result, end)
    }
    return decoder.complete ? 'taken' : 'incomplete'
  }
})
