import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { describe, it } from 'node:test'
import { incomplete, RequestHead } from '../../src/wire/h1/request-head.ts'
import { ResponseHead } from '../../src/wire/h1/response-head.ts'
import { seededRandom } from '../support/random.ts'
import { mutate, randomChunkedBody, randomCuts, randomRequest, roomy } from './random-messages.ts'
import { decodeInPieces, forwardedHead, referenceDecode } from './reading.ts'
import { requestFieldCases } from './request-field-cases.ts'
import { requestLineCases } from './request-line-cases.ts'

describe('random messages', () => {
  it('a good request is read as it was written, in any pieces', () => {
    const head = new RequestHead()
    for (let seed = 1; seed <= 1500; seed++) {
      const random = seededRandom(seed)
      const { text, ...written } = randomRequest(random)
      const bytes = Buffer.from(text, 'latin1')
      for (const end of randomCuts(random, bytes.length)) {
        const result = head.read(bytes, 0, end, roomy)
        assert.equal(result, end === bytes.length ? end : incomplete, `seed ${seed}: ${JSON.stringify(text)}`)
      }
      const { method, target, minor, host, contentLength, chunked, keepAlive, lines } = head
      assert.deepEqual(
        { method, target, minor, host, contentLength, chunked, keepAlive, lines },
        written,
        `seed ${seed}: ${JSON.stringify(text)}`,
      )
    }
  })

  it('the fields of a good request make a good response as well', () => {
    const head = new ResponseHead()
    for (let seed = 1; seed <= 500; seed++) {
      const random = seededRandom(seed)
      const request = randomRequest(random)
      const fields = request.text.slice(request.text.indexOf(' HTTP/1.') + 11)
      const bytes = Buffer.from(`HTTP/1.${request.minor} 200 OK\r\n${fields}`, 'latin1')
      for (const end of randomCuts(random, bytes.length)) {
        const result = head.read(bytes, 0, end, 65_536)
        assert.equal(result, end === bytes.length ? end : incomplete, `seed ${seed}: ${JSON.stringify(fields)}`)
      }
      const { minor, contentLength, chunked, keepAlive } = request
      assert.deepEqual(
        { minor: head.minor, contentLength: head.contentLength, chunked: head.chunked, keepAlive: head.keepAlive },
        { minor, contentLength, chunked, keepAlive },
        `seed ${seed}`,
      )
    }
  })

  it('a good chunked body is passed on as it was written, in any pieces', () => {
    for (let seed = 1; seed <= 800; seed++) {
      const random = seededRandom(seed)
      const body = randomChunkedBody(random)
      assert.deepEqual(referenceDecode(body.text), { reframed: body.reframed, data: body.data, end: body.text.length })
      const bytes = Buffer.from(`${body.text}GET /`, 'latin1')
      for (const [reframe, text] of [
        [true, body.reframed],
        [false, body.data],
      ] as const) {
        assert.deepEqual(
          decodeInPieces(bytes, randomCuts(random, bytes.length), reframe),
          { text, bodyBytes: body.data.length, end: body.text.length, complete: true },
          `seed ${seed}: ${JSON.stringify(body.text)}`,
        )
      }
    }
  })

  it("what is forwarded, Node's own parser reads alike or refuses", async () => {
    const head = new RequestHead()
    const corpus = [...requestLineCases, ...requestFieldCases]
      .map((each) => each.bytes)
      .filter((text) => text.length < 1000)
    let alike = 0
    await using node = await startNodeReader()
    for (let seed = 1; seed <= 400; seed++) {
      const random = seededRandom(seed)
      const written = randomRequest(random)
      const text = seed % 2 === 0 ? written.text : mutate(random, written.text, corpus)
      const bytes = Buffer.from(text, 'latin1')
      if (typeof head.read(bytes, 0, bytes.length, roomy) !== 'number' || head.contentLength > 5000) continue
      const forwarded = forwardedHead(head)
      const chunks = randomChunkedBody(random)
      const data = head.chunked ? chunks.data : 'x'.repeat(Math.max(0, head.contentLength))
      const read = await node.read(`${forwarded}${head.chunked ? chunks.reframed : data}`)
      if (read === null) continue
      alike++
      const expected = { method: head.method, target: head.target, fields: fieldsOf(forwarded), data }
      assert.deepEqual(read, expected, `seed ${seed}: ${JSON.stringify(forwarded)}`)
    }
    assert.ok(alike > 100, `enough of them were read by both: ${alike}`)
  })
})

interface NodeReading {
  readonly method: string
  readonly target: string
  readonly fields: readonly (readonly [string, string])[]
  readonly data: string
}

interface NodeReader extends AsyncDisposable {
  /** How Node reads exactly one request in these bytes; null where it refuses. Fails when it sees more than one. */
  read(text: string): Promise<NodeReading | null>
}

async function startNodeReader(): Promise<NodeReader> {
  const seen: NodeReading[] = []
  const server = createServer((request, response) => {
    void readingOf(request).then((reading) => {
      seen.push(reading)
      response.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    async read(text) {
      seen.length = 0
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
      let answer = ''
      socket.on('data', (bytes: Buffer) => (answer += bytes.toString('latin1')))
      // The end of the sending side: Node answers what is whole and closes.
      socket.end(Buffer.from(text, 'latin1'))
      await once(socket, 'close')
      assert.ok(seen.length <= 1, `Node sees more than one request in ${JSON.stringify(text)}`)
      const [first] = seen
      if (first !== undefined) assert.doesNotMatch(answer, /HTTP\/1\.1 400/, 'nothing is left over')
      return first ?? null
    },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

async function readingOf(request: IncomingMessage): Promise<NodeReading> {
  let data = ''
  for await (const bytes of request) data += (bytes as Buffer).toString('latin1')
  const fields: [string, string][] = []
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    fields.push([request.rawHeaders[at] ?? '', request.rawHeaders[at + 1] ?? ''])
  }
  return { method: request.method ?? '', target: request.url ?? '', fields, data }
}

/** Names and values of a head's lines, white space around the values aside. */
function fieldsOf(head: string): readonly (readonly [string, string])[] {
  return head
    .split('\r\n')
    .slice(1, -2)
    .map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')] as const
    })
}
