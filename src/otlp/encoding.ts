import type { KeyValue } from './messages.ts'
import { lengthPrefix, readMessage, writeMessage } from './protobuf.ts'
import { resourceSchema, type Signal, scopeSchema, signals } from './schema.ts'

/** Who says it: the same in every request. */
export interface Origin {
  readonly resource: { readonly attributes: readonly KeyValue[] }
  readonly scope: { readonly name: string; readonly version: string }
}

/**
 * Records are encoded when they come, so that a queue's bytes are known, and put together to a request when it is sent
 * (OTLP specification, "Binary Protobuf Encoding" and "JSON Protobuf Encoding").
 */
export interface Encoding {
  readonly contentType: string
  record(signal: Signal, message: object): Buffer
  /** Records, or what this has made of some, to one piece. */
  join(pieces: readonly Buffer[]): Buffer
  request(signal: Signal, origin: Origin, pieces: readonly Buffer[]): Buffer
  /** What a 200 refused in part; null: nothing. Throws where the body is malformed. */
  partialSuccess(signal: Signal, body: Buffer): PartialSuccess | null
  /** The text of the Status that answers a failure; ''. Throws where the body is malformed. */
  failure(body: Buffer): string
}

export interface PartialSuccess {
  readonly rejected: number
  readonly message: string
}

export const jsonEncoding: Encoding = {
  contentType: 'application/json',
  record: (_signal, message) => Buffer.from(JSON.stringify(message)),
  join: (pieces) => kept(separated(pieces)),
  request(signal, { resource, scope }, pieces) {
    const [resources, scopes, records] = signals[signal].names
    const head = `{"${resources}":[{"resource":${JSON.stringify(resource)},"${scopes}":[{"scope":${JSON.stringify(scope)},"${records}":[`
    return Buffer.concat([Buffer.from(head), ...separated(pieces), Buffer.from(']}]}]}')])
  },
  partialSuccess(signal, body) {
    const partial = member(parse(body), 'partialSuccess')
    const rejected = Number(member(partial, signals[signal].rejected) ?? 0)
    const message = member(partial, 'errorMessage')
    return partialOf(rejected, typeof message === 'string' ? message : '')
  },
  failure(body) {
    const message = member(parse(body), 'message')
    return typeof message === 'string' ? message : ''
  },
}

export const protobufEncoding: Encoding = {
  contentType: 'application/x-protobuf',
  record: (signal, message) => within(2, [writeMessage(signals[signal].schema, message)]),
  join: kept,
  request(_signal, { resource, scope }, pieces) {
    const ofScope = within(2, [within(1, [writeMessage(scopeSchema, scope)]), ...pieces])
    return within(1, [within(1, [writeMessage(resourceSchema, resource)]), ofScope])
  },
  partialSuccess(_signal, body) {
    const partial = readMessage(body).get(1)
    if (!(partial instanceof Uint8Array)) return null
    const fields = readMessage(partial)
    return partialOf(Number(fields.get(1) ?? 0), textOf(fields.get(2)))
  },
  // google.rpc.Status: code 1, message 2.
  failure: (body) => textOf(readMessage(body).get(2)),
}

function separated(pieces: readonly Buffer[]): readonly Buffer[] {
  return pieces.flatMap((piece, index) => (index === 0 ? [piece] : [comma, piece]))
}

const comma = Buffer.from(',')

/** In memory of its own: of the runtime's pool, what waits in a queue would hold more than it has. */
function kept(pieces: readonly Buffer[]): Buffer {
  const whole = Buffer.allocUnsafeSlow(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) at += piece.copy(whole, at)
  return whole
}

function within(number: number, pieces: readonly Buffer[]): Buffer {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  return Buffer.concat([lengthPrefix(number, length), ...pieces])
}

function partialOf(rejected: number, message: string): PartialSuccess | null {
  const count = Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0
  return count === 0 && message === '' ? null : { rejected: count, message }
}

/** An answer may have no body at all. */
function parse(body: Buffer): unknown {
  return body.length === 0 ? {} : JSON.parse(body.toString())
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value ? Reflect.get(value, name) : undefined
}

function textOf(value: number | Uint8Array | undefined): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : ''
}
