import { latin1 } from '../bytes.ts'
import type { FieldSink, HpackDecoder } from './hpack-decoder.ts'
import type { H2Refusal } from './refusals.ts'

/** Decodes a block to [name, value, name, value, ...], as sent and in order; for tests, tools and whoever is in no hurry. */
export function decodeFields(decoder: HpackDecoder, buf: Buffer, start: number, end: number): string[] | H2Refusal {
  const sink = new ListSink()
  return decoder.decode(buf, start, end, sink) ?? sink.list
}

class ListSink implements FieldSink {
  readonly list: string[] = []

  field(_kind: number, text: Buffer, nameStart: number, nameEnd: number, valueEnd: number): boolean {
    this.list.push(latin1(text, nameStart, nameEnd), latin1(text, nameEnd + 2, valueEnd))
    return false
  }
}
