import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeFields } from '../../src/wire/h2/field-list.ts'
import { clientPreface } from '../../src/wire/h2/frames.ts'
import { HpackDecoder } from '../../src/wire/h2/hpack-decoder.ts'
import { encodedLines } from '../../src/wire/h2/hpack-encoder.ts'
import { type H2Refusal, h2Refusals } from '../../src/wire/h2/refusals.ts'
import { type H2RequestHead, RequestFieldReader } from '../../src/wire/h2/request-fields.ts'
import { ResponseFieldReader } from '../../src/wire/h2/response-fields.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { block, type Field, indexed, integer, literal } from './blocks.ts'
import { blockLimits, frameCases, join, settings } from './frame-cases.ts'
import { pairs, randomFields } from './random-fields.ts'
import { readPieces } from './recording-visitor.ts'

/** Per codec. Always the same inputs in the same order, as many of them as the time allows. */
/** Whatever the machine: what is asserted of the tally holds from there on. */
const leastRounds = 1500
const budgetMs = 700

const known: ReadonlySet<unknown> = new Set(Object.values(h2Refusals))
const limits = { tableBytes: 4096, listBytes: 16_384, fieldCount: 100 }

describe('mutated HTTP/2', () => {
  it('field blocks: never an exception, one outcome each time, and one reading of what is taken', () => {
    const cached = new ResponseFieldReader({ ...limits, tableBytes: 0 }, 64)
    const tally = forAWhile((random) => {
      const blocks = Array.from({ length: 1 + random.below(3) }, () => mutate(random, randomBlock(random)))
      const [one, two] = [new HpackDecoder(limits), new HpackDecoder(limits)]
      const requests = new RequestFieldReader({ ...limits, pathBytes: 1000, connectProtocol: true })
      let outcome: H2Refusal | null = null
      for (const bytes of blocks) {
        const fields = decodeFields(one, bytes, 0, bytes.length)
        const within = join(Buffer.from([0xff]), bytes, Buffer.from([0xff]))
        assert.deepEqual(decodeFields(two, within, 1, within.length - 1), fields)
        const head = requests.read(bytes, 0, bytes.length)
        if (Array.isArray(fields)) checkFields(pairs(fields))
        if (head === null) checkRequest(requests.head)
        else assert.ok(known.has(head))
        assert.deepEqual([requests.decoder.table.size, requests.decoder.table.count], [one.table.size, one.table.count])
        assert.ok(one.table.size <= limits.tableBytes)
        checkCached(cached, bytes)
        if (!Array.isArray(fields)) {
          outcome = fields
          assert.ok(known.has(fields))
          if (fields.scope === 'connection') break
        }
      }
      return outcome
    })
    assert.ok(tally.taken > 100 && tally.refused > 200, JSON.stringify(tally))
  })

  it('frames: never an exception, one outcome for all splits', () => {
    const short = frameCases.filter((each) => each.bytes.length < 200)
    const tally = forAWhile((random) => {
      const parts = Array.from({ length: 1 + random.below(5) }, () => random.pick(short).bytes)
      const fromServer = random.chance(0.5)
      const start = fromServer ? settings : join(clientPreface, settings)
      const bytes = random.chance(0.1)
        ? mutate(random, join(start, ...parts))
        : join(start, mutate(random, join(...parts)))
      const options = { ...blockLimits, fromServer }
      const whole = readPieces(bytes, [], options)
      for (let round = 0; round < 2; round++) {
        const cuts = Array.from({ length: random.below(8) }, () => random.below(bytes.length)).sort((a, b) => a - b)
        const pieces = readPieces(bytes, cuts, options)
        assert.deepEqual(pieces, whole, `cut at ${cuts.join(' ')}`)
      }
      return whole.refusal === null ? null : h2Refusals[whole.refusal as keyof typeof h2Refusals]
    })
    assert.ok(tally.taken > 50 && tally.refused > 200, JSON.stringify(tally))
  })
})

/** What was taken is what a strict HTTP/1.1 writer could say. */
function checkFields(fields: readonly Field[]): void {
  let regular = false
  let bytes = 0
  for (const [name, value] of fields) {
    assert.match(name, /^(?:[!#$%&'*+\-.^_`|~0-9a-z]+|:(?:authority|method|path|protocol|scheme|status))$/)
    assert.match(value, /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/)
    assert.ok(!(name.startsWith(':') && regular))
    assert.doesNotMatch(name, /^(?:connection|keep-alive|proxy-connection|transfer-encoding|upgrade)$/)
    regular ||= !name.startsWith(':')
    bytes += name.length + value.length + 32
  }
  assert.ok(bytes <= limits.listBytes && fields.length <= limits.fieldCount)
}

function checkRequest(head: H2RequestHead): void {
  assert.match(head.target, /^(?:\/|\*$)[\x21-\x7e]*$/)
  assert.match(head.host, /^[\w.~:[\]-]+$/)
  assert.match(head.lines, /^(?:[!#$%&'*+\-.^_`|~0-9a-z]+: [\t\x20-\x7e\x80-\xff]*\r\n)*$/)
  // What is forwarded says the same when it is read again.
  const again = encodedLines(head.lines)
  const fields = decodeFields(new HpackDecoder(limits), again, 0, again.length)
  assert.ok(Array.isArray(fields))
  assert.equal(
    pairs(fields)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join(''),
    head.lines,
  )
}

/** The memory of decoded blocks changes nothing about what is said. */
function checkCached(cached: ResponseFieldReader, bytes: Buffer): void {
  const plain = new ResponseFieldReader({ ...limits, tableBytes: 0 }, 0)
  const expected = plain.read(bytes, 0, bytes.length)
  for (let round = 0; round < 2; round++) {
    assert.equal(cached.read(bytes, 0, bytes.length), expected)
    if (expected === null) assert.deepEqual(cached.head, plain.head)
  }
}

function randomBlock(random: Random): Buffer {
  const start: readonly Field[] = random.chance(0.5)
    ? [
        [':method', 'GET'],
        [':scheme', 'https'],
        [':path', '/a'],
        [':authority', 'a.example'],
      ]
    : [[':status', random.pick(['200', '204', '103', '404'])]]
  const forms = ['incremental', 'without', 'never'] as const
  const parts = [...start, ...randomFields(random)].map((field) =>
    literal(field, { coded: random.chance(0.5), form: random.pick(forms) }),
  )
  if (random.chance(0.2)) parts.unshift(integer(0x20, 5, random.below(5000)))
  if (random.chance(0.4)) parts.push(indexed(random.below(70)))
  if (random.chance(0.2)) parts.push(literal(['', 'v'], { index: 1 + random.below(70) }))
  return block(...parts)
}

function mutate(random: Random, bytes: Buffer): Buffer {
  let mutated: Buffer = Buffer.from(bytes)
  for (let count = random.below(4); count > 0 && mutated.length > 0; count--) {
    const at = random.below(mutated.length)
    switch (random.below(5)) {
      case 0:
        mutated[at] = random.below(256)
        break
      case 1:
        mutated[at] = (mutated[at] as number) ^ (1 << random.below(8))
        break
      case 2:
        mutated = join(mutated.subarray(0, at), mutated.subarray(at + 1 + random.below(4)))
        break
      case 3:
        mutated = join(
          mutated.subarray(0, at),
          Buffer.from([random.pick([0, 0x0a, 0x0d, 0x20, 0x7f, 0x80, 0xff])]),
          mutated.subarray(at),
        )
        break
      default:
        mutated = mutated.subarray(0, at)
    }
  }
  return mutated
}

function forAWhile(round: (random: Random) => H2Refusal | null): { taken: number; refused: number } {
  const tally = { taken: 0, refused: 0 }
  const until = performance.now() + budgetMs
  for (let seed = 1; seed <= leastRounds || performance.now() < until; seed++) {
    try {
      if (round(seededRandom(seed)) === null) tally.taken++
      else tally.refused++
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
  return tally
}
