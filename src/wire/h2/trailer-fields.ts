import { latin1 } from '../bytes.ts'
import { forbiddenInTrailer } from '../h1/fields.ts'
import { firstPseudo } from './field-kinds.ts'
import type { FieldSink } from './hpack-decoder.ts'
import { type H2Refusal, h2Refusals } from './refusals.ts'

/** Holds a trailer section to what HTTP/1.1's may hold (RFC 9110 section 6.5.1). */
export class TrailerSink implements FieldSink {
  field(kind: number, text: Buffer, nameStart: number, nameEnd: number): boolean | H2Refusal {
    if (kind >= firstPseudo) return h2Refusals.pseudoTrailer
    return forbiddenInTrailer(latin1(text, nameStart, nameEnd)) ? h2Refusals.trailerField : true
  }
}
