import { isDeepStrictEqual } from 'node:util'
import { decodeFields } from '../../src/wire/h2/field-list.ts'
import { HpackDecoder } from '../../src/wire/h2/hpack-decoder.ts'
import { type H2Refusal, type H2RefusalName, h2Refusals } from '../../src/wire/h2/refusals.ts'
import { RequestFieldReader } from '../../src/wire/h2/request-fields.ts'
import type { Field } from '../wire-h2/blocks.ts'
import { frame, join, T } from '../wire-h2/frame-cases.ts'
import { pairs } from '../wire-h2/random-fields.ts'
import { blocks } from './h2-grammar.ts'
import { type Node2Reading, startNode2Reader } from './node-http2.ts'
import { Disagreement, type Target } from './target.ts'

const limits = { tableBytes: 4096, listBytes: 500_000, fieldCount: 10_000, pathBytes: 100_000, connectProtocol: false }
const maxBlock = 16_000
const compressionError = 9

/** Messages that the gateway refuses and nghttp2 takes: each is the gateway's to be stricter about (I8). */
const stricter: Partial<Record<H2RefusalName, string>> = {
  name: 'nghttp2 leaves out a regular field with a bad name and goes on; RFC 9113 section 8.2.1 calls the message malformed',
  value: 'as name',
  path: 'nghttp2 takes bytes over 0x7e, and characters that no URI has',
  pathForm: 'nghttp2 takes any :path for some methods',
  scheme: 'any scheme may be in a request; a gateway has two',
  authority: 'nghttp2 checks the characters, the gateway the form host[:port]',
  hostDiffers: 'RFC 9113 section 8.3.1 lets a server take it; two readers would differ',
  expect: 'RFC 9110 section 10.1.1 allows 417 for what is not known',
  method: 'nghttp2 has no limit for its length',
  connectMethod: 'a gateway is no proxy',
  listTooLarge: 'the limit of this target is lower',
  tooManyFields: 'as listTooLarge',
}

/** Messages that the gateway takes and nghttp2 resets. */
const looser: readonly { readonly applies: (fields: readonly Field[]) => boolean; readonly why: string }[] = [
  {
    applies: (fields) => fields.some(([name, value]) => name === 'content-length' && Number(value) > 0),
    why: 'END_STREAM comes with the head: whoever counts the body refuses it, not the reader of fields (RFC 9113 section 8.1.1)',
  },
]

/** The fields of requests against nghttp2, on real connections. */
export const hpackNghttp2: Target = {
  name: 'hpack-nghttp2',
  inputs: blocks('request').map((parts) => ({ parts: parts.map((part) => part.subarray(0, maxBlock)), knob: 0 })),
  async start() {
    const node = await startNode2Reader()
    return {
      async check({ parts }) {
        const frames = parts.map((block, index) => frame(T.headers, 5, 2 * index + 1, block))
        return compare(parts, await node.read(join(...frames)))
      },
      [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
    }
  },
}

function compare(parts: readonly Buffer[], node: Node2Reading): string {
  const decoder = new HpackDecoder(limits)
  const requests = new RequestFieldReader(limits)
  for (const [index, block] of parts.entries()) {
    const id = 2 * index + 1
    const fields = decodeFields(decoder, block, 0, block.length)
    const verdict = requests.read(block, 0, block.length)
    const seen = node.requests.get(id)
    if (verdict?.scope === 'connection') {
      if (node.goaway === compressionError) return 'both end the connection'
      throw new Disagreement(`the connection is refused: ${nameOf(verdict)}; not by nghttp2 (${node.goaway})`, {
        id,
        node,
      })
    }
    if (verdict === null && seen === undefined) {
      const sent = pairs(fields as string[])
      if (looser.some(({ applies }) => applies(sent))) continue
      throw new Disagreement(`taken, nghttp2 resets (${node.resets.get(id)}, ${node.goaway})`, { id, sent })
    }
    if (verdict !== null && seen !== undefined && stricter[nameOf(verdict)] === undefined) {
      throw new Disagreement(`refused: ${nameOf(verdict)}; nghttp2 takes it`, { id, seen })
    }
    if (verdict === null && seen !== undefined && !isDeepStrictEqual(pairs(fields as string[]), seen)) {
      throw new Disagreement('the fields differ', { id, ours: fields, seen })
    }
  }
  if (!node.whole) throw new Disagreement(`nghttp2 ends the connection (${node.goaway})`)
  return 'both read everything'
}

function nameOf(refusal: H2Refusal): H2RefusalName {
  return Object.entries(h2Refusals).find(([, known]) => known === refusal)?.[0] as H2RefusalName
}
