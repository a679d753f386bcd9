import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Refusal, refusals } from '../../src/wire/h1/refusal.ts'
import { incomplete, RequestHead } from '../../src/wire/h1/request-head.ts'
import { ResponseHead } from '../../src/wire/h1/response-head.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { limits } from './message.ts'
import { mutate, randomChunkedBody, randomCuts, randomRequest, roomy } from './random-messages.ts'
import { decodeInPieces, forwardedHead, reading, referenceDecode, requestGrammar, responseGrammar } from './reading.ts'
import { requestBodyCases } from './request-body-cases.ts'
import { requestFieldCases } from './request-field-cases.ts'
import { requestLineCases } from './request-line-cases.ts'
import { responseCases } from './response-cases.ts'

/** Per codec. Always the same inputs in the same order, as many of them as the time allows. */
/** Whatever the machine: what is asserted of the tally holds from there on. */
const leastRounds = 1500
const budgetMs = 900

const known: ReadonlySet<unknown> = new Set(Object.values(refusals))
const requests = [...requestLineCases, ...requestFieldCases].map((each) => each.bytes)
const responses = responseCases.map((each) => each.reply + each.late)
const bodies = requestBodyCases.map((each) => each.bytes.slice(each.bytes.indexOf('\r\n\r\n') + 4))

describe('mutated messages', () => {
  it('request heads: never an exception, one outcome for all splits, and one reading of what is taken', () => {
    const head = new RequestHead()
    const second = new RequestHead()
    const short = requests.filter((text) => text.length < 1500)
    const tally = forAWhile((random) => {
      const text = mutate(random, random.chance(0.5) ? randomRequest(random).text : random.pick(short), requests)
      const bytes = Buffer.from(text, 'latin1')
      const result = checkSplits(random, bytes, (end) => head.read(bytes, 0, end, limits))
      if (typeof result !== 'number') return result
      assert.match(text.slice(0, result), requestGrammar)
      head.read(bytes, 0, result, limits)
      const forwarded = Buffer.from(forwardedHead(head), 'latin1')
      assert.equal(second.read(forwarded, 0, forwarded.length, roomy), forwarded.length)
      assert.deepEqual(reading(second), reading(head))
      return result
    })
    assert.ok(tally.taken > 50 && tally.refused > 200, JSON.stringify(tally))
  })

  it('response heads: never an exception, one outcome for all splits', () => {
    const head = new ResponseHead()
    const short = responses.filter((text) => text.length < 1500)
    const tally = forAWhile((random) => {
      const text = mutate(random, random.pick(short), [...responses, ...requests])
      const bytes = Buffer.from(text, 'latin1')
      const result = checkSplits(random, bytes, (end) => head.read(bytes, 0, end, 4096))
      if (typeof result === 'number') assert.match(text.slice(0, result), responseGrammar)
      return result
    })
    assert.ok(tally.taken > 50 && tally.refused > 200, JSON.stringify(tally))
  })

  it('chunked bodies: the decoder and a reading by regular expressions agree, in any pieces', () => {
    const short = bodies.filter((text) => text.length < 1500)
    const tally = forAWhile((random) => {
      const text = mutate(random, random.chance(0.5) ? randomChunkedBody(random).text : random.pick(short), bodies)
      const bytes = Buffer.from(text, 'latin1')
      const cuts = randomCuts(random, bytes.length)
      const inPieces = decodeInPieces(bytes, cuts, true)
      const atOnce = decodeInPieces(bytes, [bytes.length], true)
      assert.deepEqual([inPieces.end, inPieces.complete], [atOnce.end, atOnce.complete])
      if (typeof atOnce.end !== 'number') assert.ok(known.has(atOnce.end))
      else assert.equal(inPieces.text, atOnce.text)
      const data = decodeInPieces(bytes, cuts, false)
      assert.deepEqual([data.end, data.complete], [atOnce.end, atOnce.complete])

      const reference = referenceDecode(text)
      assert.equal(atOnce.complete, reference !== null, 'both take it, or none does')
      if (reference !== null) {
        assert.deepEqual([atOnce.text, data.text, atOnce.end], [reference.reframed, reference.data, reference.end])
        assert.equal(data.bodyBytes, reference.data.length)
        const again = Buffer.from(atOnce.text, 'latin1')
        assert.equal(
          decodeInPieces(again, [again.length], true).text,
          atOnce.text,
          'what is passed on is passed on again',
        )
      }
      return typeof atOnce.end === 'number' && !atOnce.complete ? incomplete : atOnce.end
    })
    assert.ok(tally.taken > 50 && tally.refused > 200, JSON.stringify(tally))
  })
})

type Result = number | typeof incomplete | Refusal

/** The outcome for the whole, having checked that every prefix has it too or is incomplete. */
function checkSplits(random: Random, bytes: Buffer, read: (end: number) => Result): Result {
  const whole = read(bytes.length)
  if (typeof whole === 'number') assert.ok(whole > 0 && whole <= bytes.length)
  else if (whole !== incomplete) assert.ok(known.has(whole))
  for (const end of random.chance(0.1) ? everyEnd(bytes.length) : randomCuts(random, bytes.length)) {
    const part = read(end)
    if (part !== incomplete) assert.equal(part, whole, `after ${end} bytes`)
    else if (typeof whole === 'number') assert.ok(end < whole, `still incomplete after ${end} of ${whole} bytes`)
  }
  return whole
}

function everyEnd(length: number): readonly number[] {
  return Array.from({ length }, (_, index) => index + 1)
}

function forAWhile(round: (random: Random) => Result): { taken: number; refused: number; incomplete: number } {
  const tally = { taken: 0, refused: 0, incomplete: 0 }
  const until = performance.now() + budgetMs
  for (let seed = 1; seed <= leastRounds || performance.now() < until; seed++) {
    let result: Result
    try {
      result = round(seededRandom(seed))
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
    if (typeof result === 'number') tally.taken++
    else if (result === incomplete) tally.incomplete++
    else tally.refused++
  }
  return tally
}
