import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { seededRandom } from '../support/random.ts'
import { randomCuts } from '../wire/random-messages.ts'
import { responseCorpus, responses, tokens } from './h1-grammar.ts'
import { type Reading, readResponses } from './h1-reading.ts'
import { checkMessage } from './h1-requests.ts'
import { mayBeRefused } from './llhttp-differences.ts'
import { mutated } from './mutations.ts'
import { type NodeReading, startNodeResponseReader } from './node-http.ts'
import { Disagreement, type Target } from './target.ts'

const maxBytes = 30_000
const roomy = 100_000
const small = 200

/** Responses as a backend may send them: Node's client must see the same ones. */
export const h1Responses: Target = {
  name: 'h1-responses',
  inputs: fc
    .tuple(mutated(responses, tokens, responseCorpus), fc.nat(0xffff))
    .map(([bytes, knob]) => ({ parts: [bytes.subarray(0, maxBytes)], knob })),
  async start() {
    const node = await startNodeResponseReader()
    return {
      async check({ parts, knob }) {
        const bytes = Buffer.concat(parts)
        const method = knob % 4 === 0 ? 'HEAD' : 'GET'
        const reading = readResponses(bytes, [bytes.length], roomy, method)
        const random = seededRandom(knob)
        for (const limit of [roomy, roomy, small]) {
          const whole = readResponses(bytes, [bytes.length], limit, method)
          const cuts = randomCuts(random, bytes.length)
          const split = readResponses(bytes, cuts, limit, method)
          if (!isDeepStrictEqual(whole, split)) {
            throw new Disagreement('a split changes the outcome', { limit, cuts, whole, split })
          }
        }
        // 101 is refused here: no upgrade was asked for.
        if (reading.end !== 'close') return 'not whole'
        // What follows belongs to no request: the gateway drops it with the connection, Node answers it with an error.
        const size = reading.sizes.reduce((sum, each) => sum + each, 0)
        const whole = bytes.subarray(0, size)
        compare(reading, await node.read(whole, method), whole.toString('latin1'))
        return `${reading.messages.length} compared`
      },
      [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
    }
  },
}

function compare(reading: Reading, node: NodeReading, raw: string): void {
  for (const [index, message] of reading.messages.entries()) {
    const other = node.messages[index]
    if (other === undefined && mayBeRefused(node.error, message, raw, false)) return
    if (other === undefined)
      throw new Disagreement(`taken, refused by Node with ${node.error || 'nothing'}`, { message, node })
    checkMessage('response', message, other)
  }
  if (node.messages.length > reading.messages.length)
    throw new Disagreement('Node sees more responses', { reading, node })
}
