import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { decodeFields } from '../../src/wire/h2/field-list.ts'
import { FrameReader } from '../../src/wire/h2/frame-reader.ts'
import { type FieldLimits, HpackDecoder } from '../../src/wire/h2/hpack-decoder.ts'
import { type H2Refusal, h2Refusals } from '../../src/wire/h2/refusals.ts'
import { RequestFieldReader } from '../../src/wire/h2/request-fields.ts'
import { ResponseFieldReader } from '../../src/wire/h2/response-fields.ts'
import { type Random, seededRandom } from '../support/random.ts'
import type { Field } from '../wire-h2/blocks.ts'
import { frame, join, settings, T } from '../wire-h2/frame-cases.ts'
import { pairs } from '../wire-h2/random-fields.ts'
import { RecordingVisitor } from '../wire-h2/recording-visitor.ts'
import { blocks } from './h2-grammar.ts'
import { referenceDecode, ReferenceTable, sizeOf } from './hpack-reference.ts'
import { type Checker, Disagreement, type Target } from './target.ts'

/** The decoder against a second one: same fields, same refusals, same table; also when a block comes in many frames. */
export const hpackBlocks: Target = {
  name: 'hpack-blocks',
  inputs: fc
    .tuple(fc.oneof(blocks('request'), blocks('response')), fc.nat(0xffff))
    .map(([parts, knob]) => ({ parts, knob })),
  start(): Promise<Checker> {
    const remembering = new ResponseFieldReader({ ...limitsOf(seededRandom(0)), tableBytes: 0 }, 64)
    return Promise.resolve({
      check({ parts, knob }) {
        for (const block of parts) checkRemembered(remembering, block)
        return checkBlocks(parts, seededRandom(knob))
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    })
  },
}

function limitsOf(random: Random): FieldLimits {
  return {
    tableBytes: random.pick([4096, 4096, 4096, 4096, 4096, 4096, 0, 100, 70_000]),
    listBytes: random.pick([100_000, 100_000, 16_384, 300]),
    fieldCount: random.pick([10_000, 10_000, 100, 5]),
  }
}

function checkBlocks(parts: readonly Buffer[], random: Random): string {
  const limits = limitsOf(random)
  const decoder = new HpackDecoder(limits)
  const requests = new RequestFieldReader({ ...limits, pathBytes: 1000, connectProtocol: random.chance(0.5) })
  const table = new ReferenceTable(limits.tableBytes)
  const framed = new FramedDecoder(limits, random)
  let taken = 0
  for (const block of parts) {
    const fields = decodeFields(decoder, block, 0, block.length)
    const expected = referenceDecode(table, limits.tableBytes, block)
    const viaFrames = framed.decode(block)
    if (!isDeepStrictEqual(viaFrames, fields)) {
      throw new Disagreement('split into frames, a block is read differently', { fields, viaFrames })
    }
    const verdict = requests.read(block, 0, block.length)
    if (typeof expected === 'string') {
      if (Array.isArray(fields) || fields.scope !== 'connection') {
        throw new Disagreement(`taken, the reference refuses: ${expected}`, { fields })
      }
      if (verdict !== fields)
        throw new Disagreement('the request reader refuses for another reason', { verdict, fields })
      return `refused: ${expected}`
    }
    const wrong = faultOf(expected, limits)
    if (!Array.isArray(fields)) {
      if (fields.scope === 'connection') throw new Disagreement('refused, the reference does not', { fields, expected })
      if (wrong === null) throw new Disagreement('the message is refused without a reason', { fields, expected })
      if (wrong !== fields) throw new Disagreement('the message is refused for another reason', { fields, wrong })
    } else {
      if (wrong !== null) throw new Disagreement('the message is taken and should not be', { wrong, expected })
      if (!isDeepStrictEqual(pairs(fields), expected)) {
        throw new Disagreement('the fields differ', { fields: pairs(fields), expected })
      }
      taken++
    }
    if (verdict?.scope === 'connection') throw new Disagreement('the request reader ends the connection', verdict)
    if (verdict === null) checkHead(requests, limits)
    for (const { size, count } of [decoder.table, requests.decoder.table]) {
      if (size !== table.size || count !== table.entries.length) {
        throw new Disagreement('the tables differ', { size, count, expected: table.entries })
      }
    }
  }
  return taken === parts.length ? 'all taken' : 'some refused'
}

/** Why a message with these fields is refused; RFC 9113 sections 8.2 and 8.3, field by field. */
function faultOf(fields: readonly Field[], limits: FieldLimits): H2Refusal | null {
  let bytes = 0
  let regular = false
  for (const [index, field] of fields.entries()) {
    const [name, value] = field
    bytes += sizeOf(field)
    if (bytes > limits.listBytes) return h2Refusals.listTooLarge
    if (index + 1 > limits.fieldCount) return h2Refusals.tooManyFields
    if (name.startsWith(':')) {
      if (!/^:(?:method|scheme|path|authority|protocol|status)$/.test(name)) return h2Refusals.pseudoUnknown
    } else if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) {
      return h2Refusals.name
    }
    if (!/^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/.test(value)) {
      return h2Refusals.value
    }
    if (name.startsWith(':')) {
      if (regular) return h2Refusals.pseudoLate
      continue
    }
    regular = true
    if (/^(?:connection|keep-alive|proxy-connection|transfer-encoding|upgrade)$/.test(name)) {
      return h2Refusals.connectionField
    }
    if (name === 'te' && value.toLowerCase() !== 'trailers') return h2Refusals.te
  }
  return null
}

function checkHead({ head, decoder }: RequestFieldReader, limits: FieldLimits): void {
  if (!/^(?:\/[\x21-\x7e]*|\*)$/.test(head.target)) throw new Disagreement('a target that is none', head)
  if (!/^[\w.~:[\]-]+$/.test(head.host)) throw new Disagreement('a host that is none', head)
  if (!/^(?:[!#$%&'*+\-.^_`|~0-9a-z]+: [\t\x20-\x7e\x80-\xff]*\r\n)*$/.test(head.lines)) {
    throw new Disagreement('lines that are none', head)
  }
  if (head.lines.length > limits.listBytes || decoder.fieldCount > limits.fieldCount) {
    throw new Disagreement('more than the limits', head)
  }
}

/** The memory of decoded blocks changes nothing about what is said. */
function checkRemembered(remembering: ResponseFieldReader, block: Buffer): void {
  const plain = new ResponseFieldReader({ ...limitsOf(seededRandom(0)), tableBytes: 0 }, 0)
  const expected = plain.read(block, 0, block.length)
  for (let round = 0; round < 2; round++) {
    const verdict = remembering.read(block, 0, block.length)
    if (verdict !== expected || (expected === null && !isDeepStrictEqual(remembering.head, plain.head))) {
      throw new Disagreement('a remembered block is read differently', { verdict, expected })
    }
  }
}

/** The same blocks, each in HEADERS and CONTINUATION frames that come in pieces. */
class FramedDecoder extends RecordingVisitor {
  readonly #random: Random
  readonly #decoder: HpackDecoder
  readonly #reader: FrameReader
  #fields: string[] | H2Refusal | null = null

  constructor(limits: FieldLimits, random: Random) {
    super()
    this.#random = random
    this.#decoder = new HpackDecoder(limits)
    this.#reader = new FrameReader(this, { fromServer: true, blockBytes: 1_000_000, continuations: 1000 })
    this.#reader.feed(settings, 0, settings.length)
  }

  decode(block: Buffer): string[] | H2Refusal | null {
    const most = this.#random.pick([40, 2000, 16_000].filter((size) => size * 900 > block.length))
    const pieces: Buffer[] = []
    for (let at = 0; at < block.length; ) {
      const size = this.#random.below(most + 1)
      pieces.push(block.subarray(at, at + size))
      at += size
    }
    if (pieces.length > 900) pieces.splice(0, pieces.length, ...chunked(block, 16_000))
    if (pieces.length === 0) pieces.push(block)
    const bytes = join(
      ...pieces.map((piece, index) => {
        return frame(index === 0 ? T.headers : T.continuation, index === pieces.length - 1 ? 4 : 0, 1, piece)
      }),
    )
    this.#fields = null
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + 1 + this.#random.below(this.#random.pick([3, 5000])))
      const refusal = this.#reader.feed(Buffer.from(bytes), at, end)
      if (refusal !== null) throw new Disagreement('good frames are refused', refusal)
      at = end
    }
    return this.#fields
  }

  override headers(_streamId: number, block: Buffer, start: number, end: number): void {
    this.#fields = decodeFields(this.#decoder, block, start, end)
  }
}

function chunked(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
}
