import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { connect, createServer, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { decodeFields } from '../../src/wire/h2/field-list.ts'
import { FrameReader } from '../../src/wire/h2/frame-reader.ts'
import { clientPreface, finishHeaders, frameHeaderBytes, writeSettingsAck } from '../../src/wire/h2/frames.ts'
import { HpackDecoder } from '../../src/wire/h2/hpack-decoder.ts'
import { encodeLines, encodePath, encodeRequestStart, encodeStatus } from '../../src/wire/h2/hpack-encoder.ts'
import type { H2Refusal } from '../../src/wire/h2/refusals.ts'
import { writeSettings } from '../../src/wire/h2/settings.ts'
import { seededRandom } from '../support/random.ts'
import type { Field } from './blocks.ts'
import { asLines, pairs, randomFields, sorted } from './random-fields.ts'
import { RecordingVisitor } from './recording-visitor.ts'

const requests = 300
const limits = { listBytes: 200_000, fieldCount: 200 }

type HeadersEvent = (streamId: number, fields: readonly string[], endStream: boolean) => void

/** Our end of a connection: decodes what comes, acknowledges SETTINGS, says what field sections it met. */
class OurEnd extends RecordingVisitor {
  readonly reader: FrameReader
  readonly decoder: HpackDecoder
  readonly out = Buffer.alloc(200_000)
  readonly #socket: Socket
  readonly #onHeaders: HeadersEvent

  constructor(socket: Socket, fromServer: boolean, tableBytes: number, onHeaders: HeadersEvent) {
    super()
    this.#socket = socket
    this.#onHeaders = onHeaders
    this.decoder = new HpackDecoder({ ...limits, tableBytes })
    this.reader = new FrameReader(this, { fromServer, blockBytes: 200_000, continuations: 20 })
    const start = writeSettings(this.out, 0, { headerTableSize: tableBytes, maxHeaderListSize: 200_000 })
    if (fromServer) socket.write(clientPreface)
    socket.write(Buffer.from(this.out.subarray(0, start)))
    socket.on('data', (bytes: Buffer) => assert.equal(this.reader.feed(bytes, 0, bytes.length), null))
  }

  /** Sends a field block that `encode` writes. */
  send(streamId: number, endStream: boolean, encode: (out: Buffer, at: number) => number): void {
    const end = encode(this.out, frameHeaderBytes)
    const whole = finishHeaders(this.out, 0, end, streamId, endStream, this.reader.peer.maxFrameSize)
    this.#socket.write(Buffer.from(this.out.subarray(0, whole)))
  }

  override settings(windowShift: number): void {
    super.settings(windowShift)
    this.#socket.write(Buffer.from(this.out.subarray(0, writeSettingsAck(this.out, 0))))
  }

  override headers(
    id: number,
    block: Buffer,
    start: number,
    end: number,
    endStream: boolean,
    refusal: H2Refusal | null,
  ): void {
    assert.equal(refusal, null)
    const fields = decodeFields(this.decoder, block, start, end)
    assert.ok(Array.isArray(fields), JSON.stringify(fields))
    this.#onHeaders(id, fields, endStream)
  }
}

function nodeHeaders(random: ReturnType<typeof seededRandom>, fields: readonly Field[]): http2.OutgoingHttpHeaders {
  const sensitive = fields.map(([name]) => name).filter(() => random.chance(0.1))
  return { ...Object.fromEntries(fields), [http2.sensitiveHeaders]: sensitive }
}

describe('against node:http2, both ways on one connection', () => {
  for (const tableBytes of [4096, 0, 200]) {
    it(`its client and our server, a table of ${tableBytes} bytes`, async () => {
      const random = seededRandom(1 + tableBytes)
      const received = new Map<number, readonly string[]>()
      const answers = new Map<number, { readonly fields: readonly Field[]; readonly trailers: readonly Field[] }>()
      using server = Object.assign(createServer(), { [Symbol.dispose]: () => server.close() })
      server.on('connection', (socket) => {
        socket.setNoDelay(true)
        const ours: OurEnd = new OurEnd(socket, false, tableBytes, (streamId, fields) => {
          received.set(streamId, fields)
          const answer = { fields: randomFields(random), trailers: randomFields(random) }
          answers.set(streamId, answer)
          const status = 200 + random.below(300)
          ours.send(streamId, false, (out, at) =>
            encodeLines(out, encodeStatus(out, at, status), asLines(random, answer.fields)),
          )
          ours.send(streamId, true, (out, at) =>
            encodeLines(out, at, asLines(random, [...answer.trailers, ['x-last', `${status}`]])),
          )
        })
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const authority = `127.0.0.1:${(server.address() as { port: number }).port}`
      const client = http2.connect(`http://${authority}`)
      try {
        for (let count = 0; count < requests; count++) {
          const fields = randomFields(random)
          const path = `/${random.text('abc/%?&=.', 0, 60)}`
          const request = client.request({ ':path': path, ...nodeHeaders(random, fields) }, { endStream: true })
          const trailersCome = once(request, 'trailers')
          const [, , rawHead] = (await once(request, 'response')) as [unknown, unknown, string[]]
          const [, , rawTrailers] = (await trailersCome) as [unknown, unknown, string[]]
          request.resume()
          const id = request.id as number
          const [head, trailers] = [pairs(rawHead), pairs(rawTrailers)]
          assert.deepEqual(
            sorted(pairs(received.get(id) as string[])),
            sorted([...fields, [':method', 'GET'], [':scheme', 'http'], [':authority', authority], [':path', path]]),
          )
          const answer = answers.get(id)
          assert.deepEqual(head.slice(1), answer?.fields)
          assert.equal(head[0]?.[0], ':status')
          assert.deepEqual(trailers, [...(answer?.trailers ?? []), ['x-last', head[0]?.[1]]])
        }
      } finally {
        client.destroy()
      }
    })

    it(`our client and its server, a table of ${tableBytes} bytes`, async () => {
      const random = seededRandom(2 + tableBytes)
      using server = Object.assign(http2.createServer(), { [Symbol.dispose]: () => server.close() })
      const answers = new Map<number, readonly Field[]>()
      const received = new Map<number, readonly string[]>()
      server.on('stream', (stream: http2.ServerHttp2Stream, _headers, _flags, raw: readonly string[]) => {
        const fields = randomFields(random)
        answers.set(stream.id as number, fields)
        received.set(stream.id as number, raw)
        stream.respond({ ':status': 200 + random.below(200), ...nodeHeaders(random, fields) }, { endStream: true })
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const { port } = server.address() as { port: number }
      const socket = connect(port, '127.0.0.1')
      let answered: HeadersEvent = () => {}
      const ours = new OurEnd(socket, true, tableBytes, (...event) => answered(...event))
      try {
        for (let count = 0, id = 1; count < requests; count++, id += 2) {
          const large: readonly Field[] = random.chance(0.02) ? [['x-large', 'v'.repeat(40_000)]] : []
          const fields = [...randomFields(random), ...large]
          const path = `/${random.text('abc/%?&=.', 0, 60)}`
          const method = random.pick(['GET', 'HEAD', 'DELETE', 'PROPFIND'])
          const start = encodeRequestStart(method, 'http', `127.0.0.1:${port}`)
          const answer = new Promise<readonly string[]>((resolve) => {
            answered = (_streamId, list) => resolve(list)
          })
          ours.send(id, true, (out, at) => {
            const afterPath = encodePath(out, at + start.copy(out, at), path)
            return encodeLines(out, afterPath, asLines(random, fields))
          })
          const head = pairs(await answer)
          assert.deepEqual(pairs(received.get(id) as string[]), [
            [':method', method],
            [':scheme', 'http'],
            [':authority', `127.0.0.1:${port}`],
            [':path', path],
            ...fields,
          ])
          const sent = head.filter(([name]) => name !== 'date' && name !== ':status')
          assert.deepEqual(sorted(sent), sorted(answers.get(id) as readonly Field[]))
        }
      } finally {
        socket.destroy()
      }
    })
  }
})
