import type { Signal } from '../../src/otlp/schema.ts'

import assert from 'node:assert/strict'
import generated from '@opentelemetry/otlp-transformer/build/src/generated/root.js'

/** A message in the JSON mapping of OTLP: ids in hex, 64-bit integers as text. */
export type Message = Readonly<Record<string, unknown>>

/** What protobufjs generates for a message; its own types do not say what messages there are. */
interface Codec {
  decode(bytes: Uint8Array): object
  encode(message: object): { finish(): Uint8Array }
  fromObject(object: object): object
  toObject(message: object, options: object): Message
}

interface Generated {
  readonly opentelemetry: {
    readonly proto: { readonly collector: Readonly<Record<string, { readonly v1: Readonly<Record<string, Codec>> }>> }
  }
}

const { collector } = (generated as unknown as Generated).opentelemetry.proto

function codecOf(signal: Signal, what: 'Request' | 'Response'): Codec {
  const [folder, name] = { spans: ['trace', 'Trace'], metrics: ['metrics', 'Metrics'], logs: ['logs', 'Logs'] }[signal]
  const codec = collector[folder ?? '']?.v1[`Export${name}Service${what}`]
  if (codec === undefined) throw new Error(`no code is generated for ${signal}`)
  return codec
}

/** By the code that OpenTelemetry generates of its .proto files; nothing of it is ours. */
export function decodeProtobuf(signal: Signal, bytes: Uint8Array): Message {
  const codec = codecOf(signal, 'Request')
  return idsAs('hex', codec.toObject(codec.decode(bytes), shape)) as Message
}

/** Through the same types, which know the names and kinds of all fields; a field that they do not know fails. */
export function decodeJson(signal: Signal, bytes: Uint8Array): Message {
  const codec = codecOf(signal, 'Request')
  const given: unknown = JSON.parse(Buffer.from(bytes).toString())
  const message = codec.fromObject(idsAs('base64', given) as object)
  const read = idsAs('hex', codec.toObject(message, shape)) as Message
  assert.deepEqual(
    withoutEmpty(read),
    withoutEmpty(given),
    'JSON has a field that OTLP does not, or has it in another form',
  )
  return read
}

/** An answer that says how many were refused. */
export function partialSuccess(signal: Signal, rejected: number, errorMessage: string): Buffer {
  const names = { spans: 'rejectedSpans', metrics: 'rejectedDataPoints', logs: 'rejectedLogRecords' }
  const answer = { partialSuccess: { [names[signal]]: rejected, errorMessage } }
  return Buffer.from(codecOf(signal, 'Response').encode(answer).finish())
}

/** A list that one does not set, another may say as empty: both are the same message. */
export function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => !(Array.isArray(field) && field.length === 0))
      .map(([name, field]) => [name, withoutEmpty(field)]),
  )
}

const shape = { longs: String, bytes: String, json: true }
const idFields = new Set(['traceId', 'spanId', 'parentSpanId'])

function idsAs(to: 'hex' | 'base64', value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => idsAs(to, item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, field]): [string, unknown] => {
      if (!idFields.has(name) || typeof field !== 'string') return [name, idsAs(to, field)]
      return [name, Buffer.from(field, to === 'hex' ? 'base64' : 'hex').toString(to)]
    }),
  )
}
