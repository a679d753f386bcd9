import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { seededRandom } from '../support/random.ts'
import { limits } from '../wire/message.ts'
import { randomCuts, roomy } from '../wire/random-messages.ts'
import { requestCorpus, requests, tokens } from './h1-grammar.ts'
import { type Message, type Reading, readRequests } from './h1-reading.ts'
import { mayBeRefused } from './llhttp-differences.ts'
import { mutated } from './mutations.ts'
import { type NodeReading, startNodeRequestReader } from './node-http.ts'
import { Disagreement, type Target } from './target.ts'

const maxBytes = 30_000

/** Requests as a client may send them: Node's server must see the same messages, from the client's bytes and from ours. */
export const h1Requests: Target = {
  name: 'h1-requests',
  inputs: fc
    .tuple(mutated(requests, tokens, requestCorpus), fc.nat(0xffff))
    .map(([bytes, knob]) => ({ parts: [bytes.subarray(0, maxBytes)], knob })),
  async start() {
    const node = await startNodeRequestReader()
    return {
      async check({ parts, knob }) {
        const bytes = Buffer.concat(parts)
        const reading = readRequests(bytes, [bytes.length], roomy)
        checkSplits(bytes, knob, reading)
        if (reading.messages.length === 0) return 'no message'
        const sent = bytes.subarray(0, upgradeEnd(reading, bytes))
        compare('as sent', reading, await node.read(sent), sent)
        const forwarded = Buffer.from(reading.forwarded.join(''), 'latin1')
        const again = readRequests(forwarded, [forwarded.length], roomy)
        if (again.messages.length !== reading.messages.length || again.end !== 'end') {
          throw new Disagreement('what is forwarded is not read again by the gateway', { reading, again })
        }
        compare('as forwarded', again, await node.read(forwarded), forwarded)
        return `${reading.messages.length} compared`
      },
      [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
    }
  },
}

function checkSplits(bytes: Buffer, knob: number, whole: Reading): void {
  const random = seededRandom(knob)
  for (let round = 0; round < 2; round++) {
    const cuts = randomCuts(random, bytes.length)
    checkSame(whole, readRequests(bytes, cuts, roomy), cuts)
  }
  const small = readRequests(bytes, [bytes.length], limits)
  const cuts = randomCuts(random, bytes.length)
  checkSame(small, readRequests(bytes, cuts, limits), cuts)
}

function checkSame(whole: Reading, split: Reading, cuts: readonly number[]): void {
  if (!isDeepStrictEqual(whole, split)) throw new Disagreement('a split changes the outcome', { cuts, whole, split })
}

function compare(when: string, reading: Reading, node: NodeReading, bytes: Buffer): void {
  const seen = node.messages
  let end = 0
  for (const [index, message] of reading.messages.entries()) {
    if (end === bytes.length) return
    const other = seen[index]
    end += reading.sizes[index] as number
    if (other === undefined) {
      if (mayBeRefused(node.error, message, bytes.toString('latin1', 0, end), when === 'as forwarded')) return
      throw new Disagreement(`${when}: taken, refused by Node with ${node.error || 'nothing'}`, { message, node })
    }
    checkMessage(when, message, when === 'as sent' ? { ...other, start: originForm(other.start) } : other)
  }
  if (seen.length > reading.messages.length && !isStricter(reading)) {
    throw new Disagreement(`${when}: Node sees more messages`, { reading, seen })
  }
}

/**
 * Where a message asks for an upgrade, or may: whether the gateway ignores it or not, Node's server reads nothing behind
 * it, and does not end the connection.
 */
function upgradeEnd({ messages, sizes }: Reading, bytes: Buffer): number {
  let end = 0
  for (const [index, { fields }] of messages.entries()) {
    end += sizes[index] as number
    if (fields.some(([name]) => name.toLowerCase() === 'upgrade')) return end
  }
  return /upgrade/i.test(bytes.toString('latin1', end)) ? end : bytes.length
}

/** Absolute form as the gateway forwards it (RFC 9112 section 3.2.2). */
function originForm(start: string): string {
  return start.replace(/ https?:\/\/[^/?]+/i, ' ').replace(/ (?=\?|$)/, ' /')
}

/** Node's reading of what the gateway refused does no harm: the connection has ended. */
function isStricter({ end }: Reading): boolean {
  return end !== 'end' && end !== 'incomplete'
}

export function checkMessage(when: string, ours: Message, theirs: Message): void {
  for (const part of ['start', 'fields', 'data', 'trailers'] as const) {
    if (!isDeepStrictEqual(ours[part], theirs[part])) {
      throw new Disagreement(`${when}: ${part} differ`, { ours: ours[part], theirs: theirs[part] })
    }
  }
}
