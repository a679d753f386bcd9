import { latin1 } from '../bytes.ts'

/** Longer blocks are rarely said twice. */
const maxBlockBytes = 1024
/** After so many blocks that were not known, only each `sampled`th is looked up, until one is. */
const patience = 256
const sampled = 8

/**
 * Remembers what field blocks were decoded to, by their bytes. Only for blocks that mean the same at any time
 * (`HpackDecoder.pure`), and of decoders with the same limits. Bounded: two generations of `entries` blocks, the older of
 * which is dropped when the younger is full, so what is used stays. Where blocks never repeat (a date, an id in each) it
 * mostly steps aside.
 */
export class BlockCache<T> {
  hits = 0
  misses = 0
  readonly #entries: number
  #young = new Map<string, T>()
  #old = new Map<string, T>()
  /** The block asked for last; '' when it is not to be remembered. */
  #asked = ''
  #missesInRow = 0

  constructor(entries: number) {
    this.#entries = entries
  }

  get(buf: Buffer, start: number, end: number): T | undefined {
    this.#asked = ''
    if (end - start > maxBlockBytes || start === end || this.#entries === 0) return undefined
    if (this.#missesInRow > patience && this.#missesInRow % sampled !== 0) {
      this.#missesInRow++
      return undefined
    }
    const key = latin1(buf, start, end)
    let found = this.#young.get(key)
    if (found === undefined) {
      found = this.#old.get(key)
      if (found === undefined) {
        this.misses++
        this.#missesInRow++
        this.#asked = key
        return undefined
      }
      this.#add(key, found)
    }
    this.hits++
    this.#missesInRow = 0
    return found
  }

  /** What the block asked for last was decoded to. */
  set(value: T): void {
    if (this.#asked !== '') this.#add(this.#asked, value)
    this.#asked = ''
  }

  #add(key: string, value: T): void {
    if (this.#young.size >= this.#entries) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
  }
}
