import { frameTypes, writeFrameHeader } from '../../src/wire/h2/frames.ts'
import type { H2RefusalName } from '../../src/wire/h2/refusals.ts'
import { block, hex } from './blocks.ts'

export function frame(type: number, frameFlags: number, streamId: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const out = Buffer.alloc(9 + payload.length)
  payload.copy(out, writeFrameHeader(out, 0, payload.length, type, frameFlags, streamId))
  return out
}

export function join(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts)
}

export const T = frameTypes
export const settings = frame(T.settings, 0, 0)
export const text = (value: string): Buffer => Buffer.from(value, 'latin1')
const fields = block(['a', 'b'])
const fieldsHex = fields.toString('hex')
const setting = (id: number, value: number): Buffer => frame(T.settings, 0, 0, setting6(id, value))

function setting6(id: number, value: number): Buffer {
  const entry = Buffer.alloc(6)
  entry.writeUInt16BE(id, 0)
  entry.writeUInt32BE(value, 2)
  return entry
}

export interface FrameCase {
  readonly sentence: string
  /** After the first SETTINGS. */
  readonly bytes: Buffer
  /** Events in the words of recording-visitor.ts. */
  readonly events: readonly string[]
  /** The refusal of the connection; null: none. */
  readonly refusal: H2RefusalName | null
}

const maxFrameSize = 16_384
export const blockLimits = { blockBytes: 20_000, continuations: 4 }

export const frameCases: readonly FrameCase[] = [
  // -- DATA -----------------------------------------------------------------------------------------------------------
  taken('DATA', frame(T.data, 0, 1, text('hello')), 'data 1 hello 5'),
  taken('the last DATA', frame(T.data, 1, 1, text('hello')), 'data 1 hello 5 end'),
  taken('empty DATA', frame(T.data, 0, 1), 'data 1  0'),
  taken('empty DATA that ends the stream', frame(T.data, 1, 1), 'data 1  0 end'),
  taken('padded DATA; padding counts for the window', frame(T.data, 9, 1, hex('03 6162 000000')), 'data 1 ab 6 end'),
  taken('DATA of padding alone', frame(T.data, 8, 1, hex('02 0000')), 'data 1  3'),
  taken('DATA with a padding of 0', frame(T.data, 8, 1, hex('00')), 'data 1  1'),
  taken('padding that is not zeros', frame(T.data, 8, 1, hex('01 61 ff')), 'data 1 a 3'),
  taken('flags without meaning', frame(T.data, 0xf6, 1, text('x')), 'data 1 x 1'),
  taken(
    'the largest DATA',
    frame(T.data, 0, 1, Buffer.alloc(maxFrameSize, 'x')),
    `data 1 ${'x'.repeat(maxFrameSize)} ${maxFrameSize}`,
  ),
  refused('DATA of stream 0', frame(T.data, 0, 0, text('x')), 'streamZero'),
  refused('DATA of an even stream', frame(T.data, 0, 2, text('x')), 'evenStream'),
  refused('DATA over the maximum', frame(T.data, 0, 1, Buffer.alloc(maxFrameSize + 1)), 'frameSize'),
  refused('padding as long as the frame', frame(T.data, 8, 1, hex('03 616263')).fill(4, 9, 10), 'padding'),
  refused('padding of more than there is', frame(T.data, 8, 1, hex('ff')), 'padding'),
  refused('padded DATA without a length of padding', frame(T.data, 8, 1), 'paddedSize'),

  // -- HEADERS, CONTINUATION ------------------------------------------------------------------------------------------
  taken('HEADERS', frame(T.headers, 4, 1, fields), `headers 1 ${fieldsHex}`),
  taken('HEADERS that end the stream', frame(T.headers, 5, 1, fields), `headers 1 ${fieldsHex} end`),
  taken('HEADERS without a block', frame(T.headers, 4, 1), 'headers 1 '),
  taken('padded HEADERS', frame(T.headers, 0x0c, 1, join(hex('02'), fields, hex('0000'))), `headers 1 ${fieldsHex}`),
  taken('HEADERS with priority', frame(T.headers, 0x24, 3, join(hex('8000000110'), fields)), `headers 3 ${fieldsHex}`),
  taken(
    'padded HEADERS with priority',
    frame(T.headers, 0x2c, 3, join(hex('01 00000000 00'), fields, hex('00'))),
    `headers 3 ${fieldsHex}`,
  ),
  taken('a reserved bit in the stream', frame(T.headers, 4, 1, fields).fill(0x80, 5, 6), `headers 1 ${fieldsHex}`),
  taken(
    'HEADERS in three frames',
    join(
      frame(T.headers, 1, 1, fields.subarray(0, 1)),
      frame(T.continuation, 0, 1, fields.subarray(1, 3)),
      frame(T.continuation, 4, 1, fields.subarray(3)),
    ),
    `headers 1 ${fieldsHex} end`,
  ),
  taken(
    'an empty HEADERS frame, and one CONTINUATION with all of it',
    join(frame(T.headers, 0, 1), frame(T.continuation, 4, 1, fields)),
    `headers 1 ${fieldsHex}`,
  ),
  taken(
    'END_STREAM has no meaning on CONTINUATION',
    join(frame(T.headers, 0, 1, fields), frame(T.continuation, 5, 1)),
    `headers 1 ${fieldsHex}`,
  ),
  taken(
    'two blocks',
    join(frame(T.headers, 4, 1, fields), frame(T.headers, 0, 3), frame(T.continuation, 4, 3, fields)),
    `headers 1 ${fieldsHex}`,
    `headers 3 ${fieldsHex}`,
  ),
  taken(
    'as many CONTINUATION frames as the limit',
    join(
      frame(T.headers, 0, 1),
      ...Array.from({ length: 3 }, () => frame(T.continuation, 0, 1)),
      frame(T.continuation, 4, 1, fields),
    ),
    `headers 1 ${fieldsHex}`,
  ),
  taken(
    'the same again: each block has the whole limit',
    join(
      ...[1, 3].flatMap((id) => [
        frame(T.headers, 0, id),
        ...Array.from({ length: 3 }, () => frame(T.continuation, 0, id)),
        frame(T.continuation, 4, id, fields),
      ]),
    ),
    `headers 1 ${fieldsHex}`,
    `headers 3 ${fieldsHex}`,
  ),
  taken(
    'a block of the limit',
    join(frame(T.headers, 0, 1, Buffer.alloc(16_000)), frame(T.continuation, 4, 1, Buffer.alloc(4000))),
    `headers 1 ${'00'.repeat(20_000)}`,
  ),
  taken(
    'a stream that depends on itself is refused, its block is not lost',
    frame(T.headers, 0x24, 3, join(hex('0000000310'), fields)),
    `headers 3 ${fieldsHex} refused selfDependency`,
  ),
  taken(
    'the same in two frames',
    join(frame(T.headers, 0x20, 3, hex('8000000310')), frame(T.continuation, 4, 3, fields)),
    `headers 3 ${fieldsHex} refused selfDependency`,
  ),
  refused('HEADERS of stream 0', frame(T.headers, 4, 0, fields), 'streamZero'),
  refused('HEADERS of an even stream', frame(T.headers, 4, 2, fields), 'evenStream'),
  refused('HEADERS over the maximum', frame(T.headers, 4, 1, Buffer.alloc(maxFrameSize + 1)), 'frameSize'),
  refused('HEADERS too short for a priority', frame(T.headers, 0x24, 1, hex('00000000')), 'paddedSize'),
  refused('HEADERS too short for padding and priority', frame(T.headers, 0x2c, 1, hex('0000000000')), 'paddedSize'),
  refused('HEADERS with padding of more than there is', frame(T.headers, 0x0c, 1, hex('03 0000')), 'padding'),
  refused('padding that reaches into the priority', frame(T.headers, 0x2c, 1, hex('01 00000000 00')), 'padding'),
  refused('CONTINUATION alone', frame(T.continuation, 4, 1, fields), 'loneContinuation'),
  refused('CONTINUATION of stream 0', frame(T.continuation, 4, 0, fields), 'loneContinuation'),
  refused(
    'CONTINUATION after the end of a block',
    join(frame(T.headers, 4, 1, fields), frame(T.continuation, 4, 1)),
    'loneContinuation',
    `headers 1 ${fieldsHex}`,
  ),
  refused(
    'CONTINUATION of another stream',
    join(frame(T.headers, 0, 1, fields), frame(T.continuation, 4, 3)),
    'interleaved',
  ),
  refused('DATA inside a block', join(frame(T.headers, 0, 1, fields), frame(T.data, 0, 1, text('x'))), 'interleaved'),
  refused(
    'HEADERS inside a block',
    join(frame(T.headers, 0, 1, fields), frame(T.headers, 4, 1, fields)),
    'interleaved',
  ),
  refused(
    'PING inside a block',
    join(frame(T.headers, 0, 1, fields), frame(T.ping, 0, 0, Buffer.alloc(8))),
    'interleaved',
  ),
  refused('an unknown frame inside a block', join(frame(T.headers, 0, 1, fields), frame(0xbe, 0, 1)), 'interleaved'),
  refused(
    'one CONTINUATION more than the limit',
    join(frame(T.headers, 0, 1), ...Array.from({ length: 5 }, () => frame(T.continuation, 0, 1))),
    'tooManyContinuations',
  ),
  refused(
    'a block over the limit',
    join(frame(T.headers, 0, 1, Buffer.alloc(16_000)), frame(T.continuation, 4, 1, Buffer.alloc(4001))),
    'blockTooLarge',
  ),

  // -- PRIORITY, RST_STREAM -------------------------------------------------------------------------------------------
  taken('PRIORITY is ignored', frame(T.priority, 0, 5, hex('0000000110')), 'ignored 2 5'),
  taken(
    'PRIORITY of a wrong size',
    join(frame(T.priority, 0, 5, hex('00000001')), frame(T.data, 0, 1, text('x'))),
    'stream error 5 prioritySize',
    'data 1 x 1',
  ),
  taken('empty PRIORITY', frame(T.priority, 0, 5), 'stream error 5 prioritySize'),
  taken('PRIORITY on itself', frame(T.priority, 0, 5, hex('8000000510')), 'stream error 5 selfDependency'),
  refused('PRIORITY of stream 0', frame(T.priority, 0, 0, hex('0000000110')), 'streamZero'),
  taken('RST_STREAM', frame(T.rstStream, 0, 1, hex('00000008')), 'reset 1 8'),
  taken('RST_STREAM with a code of no RFC', frame(T.rstStream, 0, 1, hex('ffffffff')), 'reset 1 4294967295'),
  refused('RST_STREAM of stream 0', frame(T.rstStream, 0, 0, hex('00000008')), 'streamZero'),
  refused('RST_STREAM of an even stream', frame(T.rstStream, 0, 2, hex('00000008')), 'evenStream'),
  refused('RST_STREAM of 3 bytes', frame(T.rstStream, 0, 1, hex('000008')), 'rstStreamSize'),

  // -- SETTINGS -------------------------------------------------------------------------------------------------------
  taken('SETTINGS', setting(0x4, 70_000), 'settings 4465'),
  taken('SETTINGS without entries', settings, 'settings 0'),
  taken('unknown settings', setting(0x99, 0xffff_ffff), 'settings 0'),
  taken(
    'the last of equal entries counts',
    frame(T.settings, 0, 0, join(setting6(4, 0), setting6(4, 65_536))),
    'settings 1',
  ),
  taken('an acknowledgement', frame(T.settings, 1, 0), 'settings ack'),
  taken(
    'the edges of maximum frame sizes',
    join(setting(5, 16_384), setting(5, 16_777_215)),
    'settings 0',
    'settings 0',
  ),
  taken('the largest window', setting(4, 0x7fff_ffff), `settings ${0x7fff_ffff - 65_535}`),
  taken('the connect protocol, twice', join(setting(8, 1), setting(8, 1)), 'settings 0', 'settings 0'),
  refused('SETTINGS of a stream', frame(T.settings, 0, 1), 'streamNotZero'),
  refused('SETTINGS of 5 bytes', frame(T.settings, 0, 0, Buffer.alloc(5)), 'settingsSize'),
  refused('an acknowledgement with entries', frame(T.settings, 1, 0, setting6(1, 0)), 'settingsAckSize'),
  refused('a window over 2^31-1', setting(4, 0x8000_0000), 'initialWindow'),
  refused('a maximum frame size under 2^14', setting(5, 16_383), 'maxFrameSize'),
  refused('a maximum frame size over 2^24-1', setting(5, 16_777_216), 'maxFrameSize'),
  refused('push of neither 0 nor 1', setting(2, 2), 'enablePush'),
  refused('the connect protocol neither 0 nor 1', setting(8, 2), 'connectProtocol'),
  refused('the connect protocol taken back', join(setting(8, 1), setting(8, 0)), 'connectProtocol', 'settings 0'),

  // -- PING, GOAWAY, WINDOW_UPDATE, others ----------------------------------------------------------------------------
  taken('PING', frame(T.ping, 0, 0, text('12345678')), 'ping 12345678'),
  taken('an answered PING', frame(T.ping, 1, 0, text('12345678')), 'ping ack 12345678'),
  refused('PING of a stream', frame(T.ping, 0, 1, text('12345678')), 'streamNotZero'),
  refused('PING of 7 bytes', frame(T.ping, 0, 0, text('1234567')), 'pingSize'),
  refused('PING of 9 bytes', frame(T.ping, 1, 0, text('123456789')), 'pingSize'),
  taken('GOAWAY', frame(T.goaway, 0, 0, join(hex('80000005 00000002'), text('why'))), 'goaway 5 2 why'),
  taken('GOAWAY without words', frame(T.goaway, 0, 0, hex('00000000 00000000')), 'goaway 0 0 '),
  taken(
    'GOAWAY with many words',
    frame(T.goaway, 0, 0, join(Buffer.alloc(8), Buffer.alloc(9000, 'w'))),
    `goaway 0 0 ${'w'.repeat(256)}`,
  ),
  refused('GOAWAY of a stream', frame(T.goaway, 0, 1, Buffer.alloc(8)), 'streamNotZero'),
  refused('GOAWAY of 7 bytes', frame(T.goaway, 0, 0, Buffer.alloc(7)), 'goawaySize'),
  taken('WINDOW_UPDATE of the connection', frame(T.windowUpdate, 0, 0, hex('00000001')), 'window 0 1'),
  taken(
    'WINDOW_UPDATE of a stream, with the reserved bit',
    frame(T.windowUpdate, 0, 7, hex('ffffffff')),
    'window 7 2147483647',
  ),
  taken(
    'an increment of 0 for a stream',
    frame(T.windowUpdate, 0, 7, hex('80000000')),
    'stream error 7 windowIncrement',
  ),
  refused(
    'an increment of 0 for the connection',
    frame(T.windowUpdate, 0, 0, hex('00000000')),
    'connectionWindowIncrement',
  ),
  refused('WINDOW_UPDATE of an even stream', frame(T.windowUpdate, 0, 4, hex('00000001')), 'evenStream'),
  refused('WINDOW_UPDATE of 5 bytes', frame(T.windowUpdate, 0, 1, Buffer.alloc(5)), 'windowUpdateSize'),
  refused('PUSH_PROMISE', frame(T.pushPromise, 4, 1, join(hex('00000002'), fields)), 'push'),
  taken(
    'unknown frames, on any stream',
    join(frame(0xbe, 0xff, 0, text('what')), frame(0x0a, 0, 2), frame(T.data, 0, 1, text('x'))),
    'ignored 190 0',
    'ignored 10 2',
    'data 1 x 1',
  ),
  refused('an unknown frame over the maximum', frame(0xbe, 0, 0, Buffer.alloc(maxFrameSize + 1)), 'frameSize'),
]

function taken(sentence: string, bytes: Buffer, ...events: readonly string[]): FrameCase {
  return { sentence, bytes, events, refusal: null }
}

function refused(sentence: string, bytes: Buffer, refusal: H2RefusalName, ...events: readonly string[]): FrameCase {
  return { sentence, bytes, events, refusal }
}
