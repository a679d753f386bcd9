import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { decodeFields } from '../../src/wire/h2/field-list.ts'
import { FrameReader } from '../../src/wire/h2/frame-reader.ts'
import { finishHeaders, frameHeaderBytes } from '../../src/wire/h2/frames.ts'
import { HpackDecoder } from '../../src/wire/h2/hpack-decoder.ts'
import {
  encodedLines,
  encodeField,
  encodeLines,
  encodePath,
  encodeRequestStart,
  encodeStatus,
  fieldBound,
  linesBound,
} from '../../src/wire/h2/hpack-encoder.ts'
import { seededRandom } from '../support/random.ts'
import type { Field } from '../wire-h2/blocks.ts'
import { settings } from '../wire-h2/frame-cases.ts'
import { pairs } from '../wire-h2/random-fields.ts'
import { RecordingVisitor } from '../wire-h2/recording-visitor.ts'
import { referenceDecode, ReferenceTable } from './hpack-reference.ts'
import { checker, Disagreement, type Target } from './target.ts'

const name = fc.oneof(
  { weight: 3, arbitrary: fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...['Host', 'Connection', 'keep-alive', 'Proxy-Connection', 'Transfer-Encoding', 'Upgrade', 'HTTP2-Settings'],
      ...[
        'TE',
        'te',
        'Cookie',
        'set-cookie',
        'Authorization',
        'Proxy-Authorization',
        'Content-Length',
        'ACCEPT',
        'Via',
      ],
    ),
  },
  // Around the edge of the prefix of a length, and of the encoder's own short cuts.
  { weight: 1, arbitrary: fc.integer({ min: 40, max: 400 }).map((length) => 'N'.repeat(length)) },
)
const value = fc.oneof(
  { weight: 4, arbitrary: fc.stringMatching(/^[\t -~\x80-\xff]{0,20}$/) },
  { weight: 1, arbitrary: fc.constantFrom('', 'trailers', 'Trailers', 'gzip, trailers', 'trailers;q=1') },
  { weight: 1, arbitrary: fc.integer({ min: 100, max: 300 }).map((length) => 'v'.repeat(length)) },
  { weight: 1, arbitrary: fc.constantFrom(16_300, 20_000, 70_000).map((length) => 'v'.repeat(length)) },
)
const lines = fc
  .array(
    fc.tuple(name, fc.constantFrom('', ' ', '\t', ' \t '), value, fc.constantFrom('', ' ', '\t')).map((parts) => {
      const [n, before, v, after] = parts
      return `${n}:${before}${v}${after}\r\n`
    }),
    { maxLength: 10 },
  )
  .map((list) => Buffer.from(list.join(''), 'latin1'))

/** What the encoders write is read back as what was said, within the room they asked for. The input is header lines. */
export const h2Encoders: Target = {
  name: 'h2-encoders',
  inputs: fc.tuple(lines, fc.nat(0xffff)).map(([bytes, knob]) => ({ parts: [bytes], knob })),
  start: () =>
    checker(({ parts, knob }) => {
      const text = Buffer.concat(parts).toString('latin1')
      // A minimized input may be no lines any more.
      if (!/^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*$/.test(text)) return 'no lines'
      checkLines(text, knob)
      checkFields(expectedFields(text), knob)
      return 'checked'
    }),
}

function checkLines(text: string, knob: number): void {
  const random = seededRandom(knob)
  const expected = expectedFields(text)
  const bound = linesBound(text)
  const at = random.below(20)
  const out = Buffer.alloc(at + bound + 50, guard)
  const end = encodeLines(out, at, text)
  if (end > at + bound || !isGuard(out, 0, at) || !isGuard(out, end, out.length)) {
    throw new Disagreement('lines take more room than they asked for', { text, used: end - at, bound })
  }
  const block = out.subarray(at, end)
  if (!encodedLines(text).equals(block)) throw new Disagreement('encodedLines differs', { text })
  same('lines', referenceDecode(new ReferenceTable(0), 0, block), expected)
  const decoder = new HpackDecoder({ tableBytes: 0, listBytes: 1_000_000, fieldCount: 1000 })
  const fields = decodeFields(decoder, block, 0, block.length)
  same('lines, read by our decoder', Array.isArray(fields) ? pairs(fields) : fields, expected)
  checkFrames(Buffer.from(block), random.pick([16_384, 16_384, 20_000, 100, 7]), random.chance(0.5))
}

/** The block in HEADERS and CONTINUATION, read back. */
function checkFrames(block: Buffer, maxFrameSize: number, endStream: boolean): void {
  const frames = Math.max(1, Math.ceil(block.length / maxFrameSize))
  const out = Buffer.alloc(block.length + (frames + 3) * frameHeaderBytes, guard)
  const at = 5
  block.copy(out, at + frameHeaderBytes)
  const end = finishHeaders(out, at, at + frameHeaderBytes + block.length, 7, endStream, maxFrameSize)
  if (end !== at + block.length + frames * frameHeaderBytes || !isGuard(out, 0, at) || !isGuard(out, end, out.length)) {
    throw new Disagreement('frames are not as long as they should be', { length: block.length, maxFrameSize, end })
  }
  const visitor = new RecordingVisitor()
  const reader = new FrameReader(visitor, {
    fromServer: true,
    blockBytes: 1_000_000,
    continuations: 100_000,
    maxFrameSize,
  })
  reader.feed(settings, 0, settings.length)
  const refusal = reader.feed(out, at, end)
  const expected = ['settings 0', `headers 7 ${block.toString('hex')}${endStream ? ' end' : ''}`]
  if (refusal !== null || !isDeepStrictEqual(visitor.events, expected) || reader.frames !== frames + 1) {
    throw new Disagreement('frames are not read as they were written', { refusal, maxFrameSize, length: block.length })
  }
}

/** The writers of one field each, with the fields' texts as paths, methods and authorities. */
function checkFields(fields: readonly Field[], knob: number): void {
  const status = 100 + (knob % 500)
  for (const [fieldName, fieldValue] of fields) {
    const bound = fieldBound(fieldName, fieldValue)
    const out = Buffer.alloc(bound + 20, guard)
    const end = encodeField(out, 3, fieldName, fieldValue)
    if (end > 3 + bound || !isGuard(out, end, out.length))
      throw new Disagreement('a field over its bound', { fieldName })
    same('field', referenceDecode(new ReferenceTable(0), 0, out.subarray(3, end)), [[fieldName, fieldValue]])

    const start = encodeRequestStart(fieldName, 'https', fieldValue)
    const path = Buffer.alloc(fieldBound(':path', fieldValue))
    const pathEnd = encodePath(path, 0, fieldValue)
    const statusEnd = encodeStatus(out, 0, status)
    same(
      'pseudo-header fields',
      referenceDecode(
        new ReferenceTable(0),
        0,
        Buffer.concat([start, path.subarray(0, pathEnd), out.subarray(0, statusEnd)]),
      ),
      [
        [':method', fieldName],
        [':scheme', 'https'],
        [':authority', fieldValue],
        [':path', fieldValue],
        [':status', `${status}`],
      ],
    )
  }
}

/** What these lines say in HTTP/2 (RFC 9113 section 8.2). */
function expectedFields(text: string): readonly Field[] {
  return text
    .split('\r\n')
    .slice(0, -1)
    .map((line): Field => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]
    })
    .filter(([fieldName, fieldValue]) =>
      fieldName === 'te' ? fieldValue.toLowerCase() === 'trailers' : !notSent.has(fieldName),
    )
}

const notSent: ReadonlySet<string> = new Set([
  ...['host', 'connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings'],
])

const guard = 0xa5

function isGuard(bytes: Buffer, start: number, end: number): boolean {
  return bytes.subarray(start, end).every((byte) => byte === guard)
}

function same(what: string, read: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(read, expected)) throw new Disagreement(`${what}: read back differently`, { read, expected })
}
