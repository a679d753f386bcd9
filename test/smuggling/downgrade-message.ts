import { literal, type Field } from '../wire-h2/blocks.ts'
import type { H2RefusalName } from '../../src/wire/h2/refusals.ts'

/** One request over HTTP/2, on stream 1. Fields are encoded as they stand here, byte for byte. */
export interface StreamMessage {
  readonly name: string
  readonly fields: readonly Field[]
  /** DATA frames; null: END_STREAM is on HEADERS. */
  readonly data: readonly DataFrame[] | null
  readonly trailers: readonly Field[] | null
  /** The name of the byte layer's refusal; `stream`: refused for what no field block shows by itself; null: it is forwarded. */
  readonly refusal: H2RefusalName | 'stream' | 404 | null
  /** What the backend reads; without the marker on stream 3. */
  readonly forwarded: readonly string[]
}

export interface DataFrame {
  readonly text: string
  readonly padding?: number
}

export const method: Field = [':method', 'GET']
export const post: Field = [':method', 'POST']
export const scheme: Field = [':scheme', 'http']
export const path: Field = [':path', '/base/x']
export const authority: Field = [':authority', 'api.test']
export const good: readonly Field[] = [method, scheme, path, authority]

/** Everything of a message that is HPACK, byte for byte and without a dynamic table. */
export function blockOf(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map((field) => literal(field)))
}

export function length(value: number): Field {
  return ['content-length', String(value)]
}

export function taken(
  name: string,
  fields: readonly Field[],
  data: readonly string[] | null,
  ...forwarded: readonly string[]
): StreamMessage {
  return { name, fields, data: data?.map((text) => ({ text })) ?? null, trailers: null, refusal: null, forwarded }
}

export function bad(
  name: string,
  refusal: StreamMessage['refusal'],
  fields: readonly Field[],
  data: readonly string[] | null = null,
): StreamMessage {
  return { ...taken(name, fields, data), refusal }
}

export function padded(
  name: string,
  fields: readonly Field[],
  data: readonly DataFrame[],
  refusal: StreamMessage['refusal'],
  ...forwarded: readonly string[]
): StreamMessage {
  return { name, fields, data, trailers: null, refusal, forwarded }
}

export function withTrailers(
  name: string,
  data: readonly string[],
  trailers: readonly Field[],
  refusal: StreamMessage['refusal'],
): StreamMessage {
  const forwarded = refusal === null ? [`POST /base/x api.test ${data.join('')}`] : []
  return { ...taken(name, [post, scheme, path, authority], data, ...forwarded), trailers, refusal }
}

export function badTrailers(name: string, refusal: H2RefusalName, trailers: readonly Field[]): StreamMessage {
  return withTrailers(name, ['hello'], trailers, refusal)
}

export function replaced(name: string, change: (value: string) => string): readonly Field[] {
  return good.map((field) => (field[0] === name ? [name, change(field[1])] : field))
}
