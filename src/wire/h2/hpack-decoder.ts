import { latin1 } from '../bytes.ts'
import { F } from '../h1/fields.ts'
import { isWord } from '../h1/values.ts'
import { DynamicTable, entryOverhead } from './dynamic-table.ts'
import {
  badName,
  badValue,
  fieldKind,
  firstPseudo,
  isCleanValue,
  isConnectionField,
  isLowerToken,
  unknownPseudo,
} from './field-kinds.ts'
import { badString, cursor, integer, overflow, readInteger, readString, truncated } from './hpack-strings.ts'
import { type H2Refusal, h2Refusals } from './refusals.ts'
import { type StaticEntry, staticCount, staticEntries } from './static-entries.ts'

export interface FieldLimits {
  /** Our SETTINGS_HEADER_TABLE_SIZE. */
  readonly tableBytes: number
  /** Most bytes of a field section, each field counting name + value + 32 (RFC 9113 section 6.5.2). */
  readonly listBytes: number
  readonly fieldCount: number
}

/** Takes the fields of one section, in order. */
export interface FieldSink {
  /**
   * One field that is well formed and may stand where it stands: text[nameStart, nameEnd) is the name, two bytes after
   * that begins the value, up to valueEnd. The bytes are good until the return.
   *
   * @returns whether the field's line becomes part of the decoder's `lines`, or why the message is refused
   */
  field(kind: number, text: Buffer, nameStart: number, nameEnd: number, valueEnd: number): boolean | H2Refusal
}

/**
 * Decodes the field blocks of one direction of one connection (RFC 7541). Fields are put together as HTTP/1.1 header lines
 * in one buffer for all decoders, so nothing is allocated per field.
 *
 * A message refused for what it says (scope `stream`) is decoded to its end, without output: the dynamic table has to
 * stay the same as the peer's. That also is what makes a header bomb cheap: past the limits a reference to a large entry
 * costs one comparison. (I10)
 */
export class HpackDecoder {
  /** Whether the last block means the same whenever and on whatever connection it comes, and may be remembered. */
  pure = false
  /** Of the last field section: bytes as `listBytes` counts them, and fields. */
  listBytes = 0
  fieldCount = 0
  readonly #limits: FieldLimits
  readonly #table: DynamicTable
  #linesEnd = 0
  #regular = false
  #refusal: H2Refusal | null = null

  constructor(limits: FieldLimits) {
    this.#limits = limits
    this.#table = new DynamicTable(limits.tableBytes)
    // Lines kept never exceed listBytes; after them there is room for any field that the table or the list may take.
    const room = limits.listBytes + Math.max(limits.listBytes, limits.tableBytes) + 64
    if (scratch.length < room) scratch = Buffer.allocUnsafeSlow(room)
  }

  /** Entries of the dynamic table, and its size; for tests and for what a connection is said to hold. */
  get table(): { readonly count: number; readonly size: number } {
    return this.#table
  }

  /** The lines that the sink kept of the block decoded last, each with its CRLF. To be read before any other decode. */
  lines(): string {
    return this.#linesEnd === 0 ? '' : latin1(scratch, 0, this.#linesEnd)
  }

  /** Decodes the block buf[start, end). @returns null, or why the message or the connection is refused */
  decode(buf: Buffer, start: number, end: number, sink: FieldSink): H2Refusal | null {
    this.pure = true
    this.listBytes = 0
    this.fieldCount = 0
    this.#linesEnd = 0
    this.#regular = false
    this.#refusal = null
    let at = start
    while (at < end) {
      const byte = buf[at] as number
      if (byte >= 0x80) {
        let index = byte & 0x7f
        at++
        if (index === 0x7f) {
          at = readInteger(buf, at, end, 0x7f)
          if (at < 0) return failure(at)
          index = integer
        }
        const wrong = this.#indexed(index, sink)
        if (wrong !== null) return wrong
      } else if ((byte & 0xe0) === 0x20) {
        at = readInteger(buf, at + 1, end, 0x1f, byte & 0x1f)
        if (at < 0) return failure(at)
        if (this.fieldCount > 0) return h2Refusals.tableSizeLate
        if (integer > this.#table.limit) return h2Refusals.tableSize
        this.#table.resize(integer)
        if (this.#table.limit > 0) this.pure = false
      } else {
        at = this.#literal(buf, at, end, sink)
        if (at < 0) return failure(at)
      }
    }
    return this.#refusal
  }

  #indexed(index: number, sink: FieldSink): H2Refusal | null {
    if (index <= staticCount) {
      if (index === 0) return h2Refusals.indexZero
      const entry = staticEntries[index] as StaticEntry
      const { line } = entry
      this.#take(sink, entry.kind, 0, line, 0, entry.nameEnd, line.length - 2)
      return null
    }
    const table = this.#table
    if (!table.find(index - staticCount - 1)) return h2Refusals.index
    this.pure = false
    this.#take(sink, table.kind, table.flaws, table.bytes, table.start, table.nameEnd, table.valueEnd)
    return null
  }

  /** @returns the offset after the field, or a code for `failure` */
  #literal(buf: Buffer, start: number, end: number, sink: FieldSink): number {
    const byte = buf[start] as number
    const incremental = byte >= 0x40
    // Never-indexed fields are secrets by their sender's word (RFC 7541 section 7.1.3): not remembered here either.
    if (byte >= 0x10) this.pure &&= incremental && this.#table.limit === 0
    const prefix = incremental ? 0x3f : 0x0f
    let at = readInteger(buf, start + 1, end, prefix, byte & prefix)
    if (at < 0) return at
    const index = integer
    const out = scratch
    const room = out.length - 4
    const nameStart = this.#linesEnd
    let write = nameStart
    let kind: number
    let flaws = 0
    let fits = true
    if (index === 0) {
      write = readString(buf, at, end, out, nameStart, room)
      if (write < 0) {
        if (write !== overflow) return write
        fits = false
        write = nameStart
      }
      at = cursor
      kind = fieldKind(out, nameStart, write)
      if (kind === -1) flaws = unknownPseudo
      else if (kind < firstPseudo && !isLowerToken(out, nameStart, write)) flaws = badName
    } else if (index <= staticCount) {
      const entry = staticEntries[index] as StaticEntry
      const { line, nameEnd } = entry
      for (let i = 0; i < nameEnd; i++) out[write++] = line[i] as number
      kind = entry.kind
    } else {
      const table = this.#table
      if (!table.find(index - staticCount - 1)) return badIndex
      this.pure = false
      const { bytes } = table
      for (let i = table.start; i < table.nameEnd; i++) out[write++] = bytes[i] as number
      kind = table.kind
      flaws = table.flaws & ~badValue
    }
    const nameEnd = write
    out[write++] = 0x3a
    out[write++] = 0x20
    const valueEnd = readString(buf, at, end, out, write, room + 2)
    if (valueEnd < 0) {
      if (valueEnd !== overflow) return valueEnd
      fits = false
    }
    at = cursor
    if (!fits) {
      if (incremental) this.#table.clear()
      this.fieldCount++
      this.#refuse(h2Refusals.listTooLarge)
      return at
    }
    if (!isCleanValue(out, write, valueEnd)) flaws |= badValue
    out[valueEnd] = 0x0d
    out[valueEnd + 1] = 0x0a
    if (incremental) this.#table.insert(out, nameStart, nameEnd, valueEnd, kind, flaws)
    this.#take(sink, kind, flaws, out, nameStart, nameEnd, valueEnd)
    return at
  }

  /** One field, wherever it came from. */
  #take(
    sink: FieldSink,
    kind: number,
    flaws: number,
    text: Buffer,
    nameStart: number,
    nameEnd: number,
    valueEnd: number,
  ): void {
    this.fieldCount++
    this.listBytes += valueEnd - nameStart - 2 + entryOverhead
    if (this.#refusal !== null) return
    const wrong = this.#judge(kind, flaws, text, nameEnd + 2, valueEnd)
    if (wrong !== null) {
      this.#refuse(wrong)
      return
    }
    const verdict = sink.field(kind, text, nameStart, nameEnd, valueEnd)
    if (verdict === true) {
      let write = this.#linesEnd
      const stop = valueEnd + 2
      if (text !== scratch) for (let i = nameStart; i < stop; i++) scratch[write++] = text[i] as number
      else write = stop
      this.#linesEnd = write
    } else if (verdict !== false) {
      this.#refuse(verdict)
    }
  }

  #judge(kind: number, flaws: number, text: Buffer, valueStart: number, valueEnd: number): H2Refusal | null {
    if (this.listBytes > this.#limits.listBytes) return h2Refusals.listTooLarge
    if (this.fieldCount > this.#limits.fieldCount) return h2Refusals.tooManyFields
    if (flaws !== 0) {
      if ((flaws & unknownPseudo) !== 0) return h2Refusals.pseudoUnknown
      return (flaws & badName) !== 0 ? h2Refusals.name : h2Refusals.value
    }
    if (kind >= firstPseudo) return this.#regular ? h2Refusals.pseudoLate : null
    this.#regular = true
    if (isConnectionField[kind] === 1) return h2Refusals.connectionField
    return kind === F.te && !isWord(text, valueStart, valueEnd, 'trailers') ? h2Refusals.te : null
  }

  #refuse(refusal: H2Refusal): void {
    this.#refusal ??= refusal
    this.#linesEnd = 0
    this.pure = false
  }
}

const badIndex = -10

function failure(code: number): H2Refusal {
  if (code === truncated) return h2Refusals.blockEnd
  if (code === badString) return h2Refusals.huffman
  return code === badIndex ? h2Refusals.index : h2Refusals.integer
}

/** Decoding never waits, so all decoders of a thread put their lines together in one place. */
let scratch = Buffer.allocUnsafeSlow(65_536)
