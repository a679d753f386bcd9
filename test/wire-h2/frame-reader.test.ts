import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FrameReader, type FrameReaderOptions } from '../../src/wire/h2/frame-reader.ts'
import { clientPreface } from '../../src/wire/h2/frames.ts'
import { h2Refusals } from '../../src/wire/h2/refusals.ts'
import { seededRandom } from '../support/random.ts'
import { hex } from './blocks.ts'
import { blockLimits, frame, frameCases, join, settings, T, text } from './frame-cases.ts'
import { readPieces, RecordingVisitor } from './recording-visitor.ts'

const fromClient: FrameReaderOptions = { ...blockLimits, fromServer: false }
const fromServer: FrameReaderOptions = { ...blockLimits, fromServer: true }

describe('frames', () => {
  it('the table names each case once', () => {
    assert.equal(new Set(frameCases.map((each) => each.sentence)).size, frameCases.length)
  })

  for (const { sentence, bytes, events, refusal } of frameCases) {
    it(`${sentence}: ${refusal ?? 'taken'}`, () => {
      const expected = { events: ['settings 0', ...events], refusal }
      assert.deepEqual(readPieces(join(settings, bytes), [], fromServer), expected)
      assert.deepEqual(readPieces(join(clientPreface, settings, bytes), [], fromClient), expected)
    })
  }

  it('each cut into two says the same', () => {
    for (const { sentence, bytes, events, refusal } of frameCases) {
      const whole = join(clientPreface, settings, bytes)
      const expected = { events: ['settings 0', ...events], refusal }
      for (let cut = 1; cut < Math.min(whole.length, 400); cut++) {
        assert.deepEqual(readPieces(whole, [cut], fromClient), expected, `${sentence}, cut at ${cut}`)
      }
    }
  })

  it('single bytes and random pieces say the same', () => {
    const random = seededRandom(6)
    for (const { sentence, bytes, events, refusal } of frameCases) {
      const whole = join(settings, bytes)
      const expected = { events: ['settings 0', ...events], refusal }
      const single = whole.length < 500 ? Array.from({ length: whole.length - 1 }, (_, index) => index + 1) : []
      const pieces = [...new Set(Array.from({ length: 12 }, () => random.below(whole.length)))].sort((a, b) => a - b)
      for (const cuts of [single, pieces]) assert.deepEqual(readPieces(whole, cuts, fromServer), expected, sentence)
    }
  })

  it('after a refusal nothing is read, and the refusal stays', () => {
    const visitor = new RecordingVisitor()
    const reader = new FrameReader(visitor, fromServer)
    const bad = join(settings, frame(T.ping, 0, 1, Buffer.alloc(8)), frame(T.data, 0, 1, text('x')))
    assert.equal(reader.feed(bad, 0, bad.length), h2Refusals.streamNotZero)
    assert.equal(reader.feed(settings, 0, settings.length), h2Refusals.streamNotZero)
    assert.deepEqual(visitor.events, ['settings 0'])
  })

  it('a visitor that stops the reader hears no more', () => {
    const visitor = new (class extends RecordingVisitor {
      override ping(buf: Buffer, at: number): void {
        super.ping(buf, at)
        reader.stop()
      }
    })()
    const reader: FrameReader = new FrameReader(visitor, fromServer)
    const bytes = join(settings, frame(T.ping, 0, 0, text('12345678')), frame(T.data, 0, 1, text('x')))
    assert.equal(reader.feed(bytes, 0, bytes.length), null)
    assert.equal(reader.feed(bytes, 0, bytes.length), null)
    assert.deepEqual(visitor.events, ['settings 0', 'ping 12345678'])
  })

  it('DATA does not wait for the rest of its frame', () => {
    const visitor = new RecordingVisitor()
    const reader = new FrameReader(visitor, fromServer)
    const bytes = join(settings, frame(T.data, 1, 1, text('hello')))
    reader.feed(bytes, 0, bytes.length - 3)
    assert.deepEqual(visitor.events, ['settings 0', 'data 1 he 2'])
    reader.feed(bytes, bytes.length - 3, bytes.length)
    assert.deepEqual(visitor.events, ['settings 0', 'data 1 hello 5 end'])
    assert.equal(visitor.pieces, 2)
    assert.equal(reader.frames, 2)
  })
})

describe('the start of a connection', () => {
  it('a client begins with the preface', () => {
    for (let at = 0; at < clientPreface.length; at++) {
      const bad = Buffer.from(clientPreface)
      bad[at] = (bad[at] as number) ^ 0x20
      assert.deepEqual(readPieces(join(bad, settings), [], fromClient), { events: [], refusal: 'preface' })
      assert.deepEqual(readPieces(bad, [at], fromClient), { events: [], refusal: 'preface' })
    }
    assert.deepEqual(readPieces(text('GET / HTTP/1.1\r\n\r\n'), [], fromClient).refusal, 'preface')
    assert.deepEqual(readPieces(settings, [], fromClient).refusal, 'preface')
  })

  it('a server does not', () => {
    assert.deepEqual(readPieces(settings, [], fromServer).refusal, null)
    assert.notEqual(readPieces(join(clientPreface, settings), [], fromServer).refusal, null)
  })

  it('the first frame is SETTINGS, and no acknowledgement', () => {
    for (const first of [
      frame(T.ping, 0, 0, Buffer.alloc(8)),
      frame(T.settings, 1, 0),
      frame(T.headers, 5, 1),
      frame(0xbe, 0, 0),
    ]) {
      assert.deepEqual(readPieces(first, [], fromServer), { events: [], refusal: 'firstFrame' })
      assert.deepEqual(readPieces(join(clientPreface, first), [], fromClient), { events: [], refusal: 'firstFrame' })
    }
  })

  it('only a client may allow push', () => {
    const push = frame(T.settings, 0, 0, hex('0002 00000001'))
    assert.deepEqual(readPieces(push, [], fromServer), { events: [], refusal: 'enablePush' })
    assert.deepEqual(readPieces(join(clientPreface, push), [], fromClient), { events: ['settings 0'], refusal: null })
    const none = frame(T.settings, 0, 0, hex('0002 00000000'))
    assert.deepEqual(readPieces(none, [], fromServer), { events: ['settings 0'], refusal: null })
  })

  it('what the peer announced is kept', () => {
    const reader = new FrameReader(new RecordingVisitor(), fromServer)
    const bytes = frame(
      T.settings,
      0,
      0,
      hex('0001 00000000 0003 00000064 0004 00100000 0005 00010000 0006 00004000 0008 00000001'),
    )
    assert.equal(reader.feed(bytes, 0, bytes.length), null)
    assert.deepEqual(Object.fromEntries(Object.entries(reader.peer)), {
      headerTableSize: 0,
      enablePush: true,
      maxConcurrentStreams: 100,
      initialWindowSize: 0x10_0000,
      maxFrameSize: 65_536,
      maxHeaderListSize: 16_384,
      enableConnectProtocol: true,
    })
  })
})
