import type { Schema, Signal } from '../../src/otlp/schema.ts'

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { jsonEncoding, type Origin, protobufEncoding } from '../../src/otlp/encoding.ts'
import { double, unixNano } from '../../src/otlp/messages.ts'
import { readMessage, writeMessage } from '../../src/otlp/protobuf.ts'
import { resourceSchema, scopeSchema, signals } from '../../src/otlp/schema.ts'
import { decodeJson, decodeProtobuf, partialSuccess, withoutEmpty } from './decode.ts'

// The decoder takes text beyond that for negative; of bytes it does not.
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String)
const text = fc.string({ unit: 'binary', maxLength: 40 })

/** Any value of a message, with any of its fields, and of those that exclude each other at most one. */
function messages(schema: Schema): fc.Arbitrary<object> {
  const fields = Object.entries(schema).map(([name, field]) => {
    const one = typeof field.type === 'object' ? messages(field.type) : scalars[field.type]
    const several = fc.array(one as fc.Arbitrary<unknown>, { minLength: 1, maxLength: 3 })
    return [name, field.repeated === true ? several : one] as const
  })
  if (excluding.some((name) => name in schema)) {
    return fc.oneof(...fields.map(([name, value]) => fc.record({ [name]: value })))
  }
  return fc.record(Object.fromEntries(fields), { requiredKeys: [] })
}

/** Of such a message, only one field is set. */
const excluding = ['stringValue']
const scalars = {
  string: text,
  // A field of no bytes is unset, as far as JSON can say.
  bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  bool: fc.boolean(),
  enum: fc.constantFrom(1, 2),
  double: fc.double().map((value) => double(Object.is(value, -0) ? 0 : value)),
  fixed32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  fixed64: uint64,
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
}

const origins: fc.Arbitrary<Origin> = fc.record({
  resource: messages(resourceSchema).map((message) => ({ attributes: [], ...message })),
  scope: fc.record({ name: text, version: text }),
})

describe('what is sent', () => {
  for (const signal of Object.keys(signals) as Signal[]) {
    it(`${signal}: any message comes out of protobuf and of JSON as it went in`, () => {
      // A metric has one kind of points.
      const any = messages(signals[signal].schema).map((message) => onePoint(message as Record<string, unknown>))
      fc.assert(
        fc.property(origins, fc.array(any, { minLength: 1, maxLength: 3 }), (origin, records) => {
          const [resources, scopes, name] = signals[signal].names
          const expected = {
            [resources]: [
              { resource: withoutEmpty(origin.resource), [scopes]: [{ scope: origin.scope, [name]: records }] },
            ],
          }
          for (const [encoding, decode] of [
            [protobufEncoding, decodeProtobuf],
            [jsonEncoding, decodeJson],
          ] as const) {
            const pieces = records.map((record) => encoding.record(signal, record))
            const whole = encoding.request(signal, origin, pieces)
            assert.deepEqual(withoutEmpty(decode(signal, whole)), withoutEmpty(expected))
            // However the records are put together on the way.
            assert.deepEqual(encoding.request(signal, origin, [encoding.join(pieces)]), whole)
          }
        }),
        { numRuns: 100 },
      )
    })
  }

  it('a message longer than the buffer comes out whole', () => {
    const body = { stringValue: 'x'.repeat(3_000_000) }
    const bytes = protobufEncoding.request('logs', { resource: { attributes: [] }, scope: { name: '', version: '' } }, [
      protobufEncoding.record('logs', { body }),
    ])
    assert.match(JSON.stringify(decodeProtobuf('logs', bytes)), /x{3000000}/)
  })

  it('the largest number comes out of protobuf as it is', () => {
    const observedTimeUnixNano = String(2n ** 64n - 1n)
    const bytes = protobufEncoding.request('logs', { resource: { attributes: [] }, scope: { name: '', version: '' } }, [
      protobufEncoding.record('logs', { observedTimeUnixNano }),
    ])
    assert.ok(JSON.stringify(decodeProtobuf('logs', bytes)).includes(`"${observedTimeUnixNano}"`))
  })

  it('a field that OTLP does not have is a mistake, and is not left out', () => {
    assert.throws(() => writeMessage(scopeSchema, { nom: 'x' }), /no field nom/)
  })

  it('a time that is none is no time', () => {
    assert.equal(unixNano(Number.NaN), '0')
    assert.equal(unixNano(1_769_153_186_678.25), '1769153186678250000')
  })
})

describe('what is answered', () => {
  for (const signal of Object.keys(signals) as Signal[]) {
    it(`${signal}: a partial success is read`, () => {
      const answer = protobufEncoding.partialSuccess(signal, partialSuccess(signal, 300, 'too old'))
      assert.deepEqual(answer, { rejected: 300, message: 'too old' })
      const body = JSON.stringify({ partialSuccess: { [signals[signal].rejected]: '300', errorMessage: 'too old' } })
      assert.deepEqual(jsonEncoding.partialSuccess(signal, Buffer.from(body)), answer)
    })

    it(`${signal}: no body, and one that rejects nothing, are a success`, () => {
      for (const encoding of [protobufEncoding, jsonEncoding]) {
        assert.equal(encoding.partialSuccess(signal, Buffer.alloc(0)), null)
      }
      assert.equal(protobufEncoding.partialSuccess(signal, partialSuccess(signal, 0, '')), null)
      assert.equal(jsonEncoding.partialSuccess(signal, Buffer.from('{"partialSuccess":{}}')), null)
    })
  }

  it('bytes of any kind are read or refused, and never hang', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          readMessage(bytes)
        } catch (error) {
          assert.ok(error instanceof RangeError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

function onePoint(metric: Record<string, unknown>): object {
  const kinds = ['gauge', 'sum', 'histogram', 'summary'].filter((kind) => kind in metric)
  return Object.fromEntries(Object.entries(metric).filter(([name]) => !kinds.slice(1).includes(name)))
}
