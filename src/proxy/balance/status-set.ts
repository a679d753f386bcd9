/** Statuses as a table, made once from inclusive ranges. */
export class StatusSet {
  readonly #has = new Uint8Array(600)

  constructor(ranges: readonly (readonly [number, number])[]) {
    for (const [from, to] of ranges) this.#has.fill(1, from, to + 1)
  }

  has(status: number): boolean {
    return this.#has[status] === 1
  }
}
