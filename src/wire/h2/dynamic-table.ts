/** Bytes that an entry counts beyond its name and value (RFC 7541 section 4.1). */
export const entryOverhead = 32

const numbersPerEntry = 4

/**
 * The dynamic table of one decoder (RFC 7541 section 2.3.2). The text of all entries lies in one ring of twice the table's
 * size, the rest in one array of numbers, so a connection costs two objects however many entries it has, and none before
 * its first. (I10) An entry's text is `name: value CRLF`, in one piece: four bytes over name and value, far less than the
 * 32 that are counted, so the ring always has a free piece for an entry that the table may hold.
 */
export class DynamicTable {
  /** Text of the entries. */
  bytes: Buffer = none
  /** Of the entry found last. */
  start = 0
  nameEnd = 0
  valueEnd = 0
  kind = 0
  flaws = 0
  /** The most that the peer may set `resize` to: our SETTINGS_HEADER_TABLE_SIZE. */
  readonly limit: number
  #maximum: number
  #size = 0
  #count = 0
  /** Slot of the newest entry. */
  #newest = 0
  #write = 0
  /** Per slot: start of the text, length of the name, length of the value, kind and flaws. */
  #slots: Int32Array = noSlots
  readonly #capacity: number

  constructor(limit: number) {
    this.limit = limit
    this.#maximum = limit
    this.#capacity = Math.floor(limit / entryOverhead)
  }

  /** Counted as RFC 7541 section 4.1 does. */
  get size(): number {
    return this.#size
  }

  get count(): number {
    return this.#count
  }

  /** Finds the entry that is `age` insertions old; false when there is none. */
  find(age: number): boolean {
    if (age >= this.#count) return false
    let slot = this.#newest - age
    if (slot < 0) slot += this.#capacity
    const at = slot * numbersPerEntry
    const slots = this.#slots
    this.start = slots[at] as number
    this.nameEnd = this.start + (slots[at + 1] as number)
    this.valueEnd = this.nameEnd + 2 + (slots[at + 2] as number)
    const last = slots[at + 3] as number
    this.kind = (last >> 8) - 1
    this.flaws = last & 0xff
    return true
  }

  /** Adds the entry whose text is text[start, valueEnd) and CRLF; one too large for the table empties it (section 4.4). */
  insert(text: Buffer, start: number, nameEnd: number, valueEnd: number, kind: number, flaws: number): void {
    const nameLength = nameEnd - start
    const valueLength = valueEnd - nameEnd - 2
    const size = nameLength + valueLength + entryOverhead
    this.#evict(this.#maximum - size)
    if (size > this.#maximum) return
    if (this.bytes === none) {
      this.bytes = Buffer.allocUnsafeSlow(2 * this.limit)
      this.#slots = new Int32Array(this.#capacity * numbersPerEntry)
    }
    const length = nameLength + valueLength + 4
    if (this.#write + length > this.bytes.length) this.#write = 0
    text.copy(this.bytes, this.#write, start, valueEnd + 2)
    this.#newest = this.#newest + 1 === this.#capacity ? 0 : this.#newest + 1
    const at = this.#newest * numbersPerEntry
    this.#slots[at] = this.#write
    this.#slots[at + 1] = nameLength
    this.#slots[at + 2] = valueLength
    this.#slots[at + 3] = ((kind + 1) << 8) | flaws
    this.#write += length
    this.#size += size
    this.#count++
  }

  /** A dynamic table size update; the caller has compared it with `limit`. */
  resize(maximum: number): void {
    this.#maximum = maximum
    this.#evict(maximum)
  }

  clear(): void {
    this.#evict(-1)
  }

  #evict(most: number): void {
    while (this.#count > 0 && this.#size > most) {
      let slot = this.#newest - this.#count + 1
      if (slot < 0) slot += this.#capacity
      const at = slot * numbersPerEntry
      this.#size -= (this.#slots[at + 1] as number) + (this.#slots[at + 2] as number) + entryOverhead
      this.#count--
    }
  }
}

const none = Buffer.alloc(0)
const noSlots = new Int32Array(0)
