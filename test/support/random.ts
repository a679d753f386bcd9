/** A seeded source of randomness: the same seed gives the same tests, so a failure can be had again. */
export interface Random {
  /** 0 up to but not including `limit`. */
  below(limit: number): number
  chance(probability: number): boolean
  pick<T>(list: readonly T[]): T
  /** `least` to `most` characters of `alphabet`. */
  text(alphabet: string, least: number, most: number): string
}

export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  // mulberry32: small, good enough to choose test inputs by, and the same everywhere.
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (list) => {
      if (list.length === 0) throw new Error('nothing to pick from')
      return list[below(list.length)] as (typeof list)[number]
    },
    text: (alphabet, least, most) => {
      let text = ''
      for (let left = least + below(most - least + 1); left > 0; left--) text += alphabet[below(alphabet.length)]
      return text
    },
  }
}
