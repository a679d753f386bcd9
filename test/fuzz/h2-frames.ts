import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import type { FrameReaderOptions } from '../../src/wire/h2/frame-reader.ts'
import { clientPreface } from '../../src/wire/h2/frames.ts'
import { type H2RefusalName, h2Refusals } from '../../src/wire/h2/refusals.ts'
import { seededRandom } from '../support/random.ts'
import { frame, frameCases, join, settings, T } from '../wire-h2/frame-cases.ts'
import { readPieces } from '../wire-h2/recording-visitor.ts'
import { hex } from '../wire-h2/blocks.ts'
import { blocks } from './h2-grammar.ts'
import { mutated } from './mutations.ts'
import { type Node2Reading, startNode2Reader } from './node-http2.ts'
import { SessionModel } from './session-model.ts'
import { Disagreement, type Target } from './target.ts'

const maxBytes = 30_000
/** nghttp2's own limit of CONTINUATION frames. */
const options: FrameReaderOptions = { fromServer: false, blockBytes: 60_000, continuations: 8 }

const streamIds = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom(1, 1, 1, 3, 5, 7) },
  { weight: 1, arbitrary: fc.constantFrom(0, 2, 0x7fff_ffff) },
)
const flagBits = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(0, 4, 5, 1) }, { weight: 1, arbitrary: fc.nat(255) })
const payload = (most: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength: most }).map((bytes) => Buffer.from(bytes))
const sized = (size: number): fc.Arbitrary<Buffer> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => Buffer.from(bytes)) },
    { weight: 1, arbitrary: payload(2 * size) },
  )
const setting = fc.oneof(
  { weight: 1, arbitrary: sized(6) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 9 }), fc.constantFrom(0, 1, 2, 100, 16_384, 65_535, 0x7fff_ffff, 0xffff_ffff))
      .map(([id, value]) => hex(`${id.toString(16).padStart(4, '0')}${value.toString(16).padStart(8, '0')}`)),
  },
)
const requestBlock = fc.oneof(
  { weight: 8, arbitrary: fc.constant(hex('828684410161')) },
  { weight: 1, arbitrary: blocks('request').map(([first]) => (first as Buffer).subarray(0, 2000)) },
)
const padded = fc
  .tuple(fc.nat(6), payload(20))
  .map(([size, data]) => join(Buffer.from([size]), data, Buffer.alloc(size)))
const zeroOr = (id: fc.Arbitrary<number>): fc.Arbitrary<number> =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: id })

const oneFrame: fc.Arbitrary<Buffer> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.tuple(fc.constantFrom(4, 5), streamIds, requestBlock).map(([f, id, b]) => frame(T.headers, f, id, b)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(0x0c, 0x24, 0x2c, 0x0d), streamIds, requestBlock, fc.nat(4), fc.nat(0x7fff_ffff))
      .map(([f, id, b, padding, depends]) => {
        const priority = (f & 0x20) === 0 ? hex('') : hex(`${depends.toString(16).padStart(8, '0')}10`)
        const [before, after] = (f & 8) === 0 ? [hex(''), hex('')] : [Buffer.from([padding]), Buffer.alloc(padding)]
        return frame(T.headers, f, id, join(before, priority, b, after))
      }),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(streamIds, requestBlock, fc.array(fc.nat(6), { maxLength: 9 }), flagBits)
      .map(([id, b, sizes, f]) => {
        const frames: Buffer[] = []
        let at = 0
        for (const size of sizes) {
          frames.push(frame(frames.length === 0 ? T.headers : T.continuation, f & 1, id, b.subarray(at, at + size)))
          at += size
        }
        return join(...frames, frame(frames.length === 0 ? T.headers : T.continuation, 4, id, b.subarray(at)))
      }),
  },
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom(0, 1), streamIds, payload(40)).map((a) => frame(T.data, ...a)) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom(8, 9), streamIds, padded).map((a) => frame(T.data, ...a)) },
  { weight: 2, arbitrary: fc.tuple(fc.nat(255), streamIds, sized(5)).map((a) => frame(T.priority, ...a)) },
  { weight: 1, arbitrary: fc.tuple(fc.nat(255), streamIds, sized(4)).map((a) => frame(T.rstStream, ...a)) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(zeroOr(streamIds), fc.array(setting, { maxLength: 3 }))
      .map(([id, list]) => frame(T.settings, 0, id, join(...list))),
  },
  { weight: 1, arbitrary: fc.constant(frame(T.settings, 1, 0)) },
  { weight: 2, arbitrary: fc.tuple(fc.nat(1), zeroOr(streamIds), sized(8)).map((a) => frame(T.ping, ...a)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.nat(255), zeroOr(streamIds), fc.constantFrom(1, 100, 0x7fff_ffff, 0, 0x8000_0001))
      .map(([f, id, by]) => frame(T.windowUpdate, f, id, hex(by.toString(16).padStart(8, '0')))),
  },
  { weight: 1, arbitrary: fc.tuple(fc.nat(255), streamIds, sized(4)).map((a) => frame(T.windowUpdate, ...a)) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.integer({ min: 0x0a, max: 255 }), fc.nat(255), fc.nat(9), payload(20))
      .map((a) => frame(...a)),
  },
  { weight: 1, arbitrary: fc.tuple(fc.nat(10), flagBits, streamIds, payload(12)).map((a) => frame(...a)) },
)

const corpus = frameCases.map(({ bytes }) => bytes).filter((bytes) => bytes.length < 300)
const tokens = ['00', '01', '04', '05', '08', '09', '24', 'ff', '000000', '00000001', '80000000', 'ffffffff']
  .map(hex)
  .concat(corpus)

/** Frames that a client may send: split invariance, and whether nghttp2 ends the connection over the same bytes. */
export const h2Frames: Target = {
  name: 'h2-frames',
  inputs: fc
    .tuple(
      mutated(
        fc.array(oneFrame, { minLength: 1, maxLength: 8, size: 'max' }).map((list) => Buffer.concat(list)),
        tokens,
        corpus,
        2,
      ),
      fc.nat(0xffff),
    )
    .map(([bytes, knob]) => ({ parts: [bytes.subarray(0, maxBytes)], knob })),
  async start() {
    const node = await startNode2Reader()
    return {
      async check({ parts, knob }) {
        const bytes = Buffer.concat(parts)
        checkSplits(bytes, knob)
        const whole = wholeFrames(bytes)
        return compare(whole, await node.read(whole))
      },
      [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
    }
  },
}

function checkSplits(bytes: Buffer, knob: number): void {
  const random = seededRandom(knob)
  for (const fromServer of [false, true]) {
    const all = join(...(fromServer ? [] : [clientPreface]), settings, bytes)
    const limits = {
      fromServer,
      ...random.pick([
        { blockBytes: 20_000, continuations: 4 },
        { blockBytes: 10, continuations: 1 },
      ]),
    }
    const whole = readPieces(all, [], limits)
    const random8 = Array.from({ length: random.below(9) }, () => random.below(all.length))
    const single = Array.from({ length: Math.min(all.length - 1, 300) }, (_, at) => at + 1)
    for (const cuts of [random8.sort((a, b) => a - b), single]) {
      const pieces = readPieces(all, cuts, limits)
      if (!isDeepStrictEqual(pieces, whole))
        throw new Disagreement('a split changes the outcome', { cuts, whole, pieces })
    }
  }
}

/**
 * The bytes up to the last whole frame that leaves no field block under way, so that a PING may follow; the header of a
 * frame over the maximum is whole enough.
 */
function wholeFrames(bytes: Buffer): Buffer {
  let good = 0
  let inBlock = false
  for (let at = 0; at + 9 <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3)
    const [type, flags] = [bytes[at + 3] as number, bytes[at + 4] as number]
    if (length > 16_384) {
      // nghttp2 does not hold CONTINUATION to the maximum, and would wait for all of it (RFC 9113 section 4.2 says no).
      return bytes.subarray(0, type === T.continuation ? good : at + 9)
    }
    at += 9 + length
    if (at > bytes.length) break
    if (type === T.headers || type === T.continuation) inBlock = (flags & 4) === 0
    if (!inBlock) good = at
  }
  return bytes.subarray(0, good)
}

/**
 * Perhaps SETTINGS_NO_RFC7540_PRIORITIES, which nghttp2 knows and holds to 0 or 1, once (RFC 9218 section 2.1). The gateway
 * has no use for priorities and ignores it as it does any setting that it does not know (RFC 9113 section 6.5.2).
 */
function saysPriorities(frames: Buffer): boolean {
  for (let at = 0; at + 9 <= frames.length; at += 9 + frames.readUIntBE(at, 3)) {
    if (frames[at + 3] !== T.settings) continue
    const end = Math.min(frames.length, at + 9 + frames.readUIntBE(at, 3))
    for (let entry = at + 9; entry + 6 <= end; entry += 6) if (frames.readUInt16BE(entry) === 9) return true
  }
  return false
}

const settingsInOrder =
  'of several values in one frame nghttp2 judges the last alone; each is processed, and wrong by itself (RFC 9113 section 6.5.3)'

/** Connections that the gateway ends and nghttp2 does not, by the refusal and the frame that it is of. */
const stricter: Partial<
  Record<H2RefusalName, { readonly applies: (type: number, open: boolean) => boolean; readonly why: string }>
> = {
  streamZero: {
    applies: (type) => type === T.priority,
    why: 'nghttp2 no longer reads PRIORITY; RFC 9113 section 6.3 demands the error',
  },
  padding: {
    applies: (type, open) => type === T.data && !open,
    why: 'nghttp2 skips DATA of a closed stream without a look; RFC 9113 section 6.1 demands the error',
  },
  paddedSize: {
    applies: (type, open) => type === T.data && !open,
    why: 'as padding (RFC 9113 section 4.2)',
  },
  enablePush: { applies: () => true, why: settingsInOrder },
  maxFrameSize: { applies: () => true, why: settingsInOrder },
  initialWindow: { applies: () => true, why: settingsInOrder },
  connectProtocol: {
    applies: () => true,
    why: `${settingsInOrder}; and nghttp2 lets a client take it back (RFC 8441 section 3 does not)`,
  },
}

/**
 * Whether both end the connection, or none does. Not with which code: where a frame is wrong in two ways, each reader finds
 * its own first.
 */
function compare(frames: Buffer, node: Node2Reading): string {
  const model = new SessionModel(options)
  const refusal = model.read(join(clientPreface, settings, frames))
  const { fault } = model
  if (saysPriorities(frames)) return 'not compared: SETTINGS_NO_RFC7540_PRIORITIES'
  if (fault?.ends === 'reading') return `not compared: ${fault.what}`
  if (refusal === null) {
    if (!node.whole && fault === null)
      throw new Disagreement(`nghttp2 ends the connection (${node.goaway}), the reader does not`)
    if (node.whole && fault !== null && fault.ends === 'connection') {
      throw new Disagreement(`nghttp2 lets pass: ${fault.what}`)
    }
    return fault === null ? 'both go on' : `session: ${fault.what}`
  }
  const name = Object.entries(h2Refusals).find(([, known]) => known === refusal)?.[0] as H2RefusalName
  if (node.whole) {
    const { type, streamId } = frameAt(frames, model.frames - 2)
    if (stricter[name]?.applies(type, model.isOpen(streamId)) === true) return `stricter: ${name}`
    throw new Disagreement(`refused: ${name}; nghttp2 goes on`)
  }
  return `both: ${name}`
}

/** Type and stream of one of the frames, counted from 0. */
function frameAt(frames: Buffer, index: number): { readonly type: number; readonly streamId: number } {
  let at = 0
  for (let left = index; left > 0; left--) at += 9 + frames.readUIntBE(at, 3)
  return { type: frames[at + 3] as number, streamId: frames.readUInt32BE(at + 5) & 0x7fff_ffff }
}
