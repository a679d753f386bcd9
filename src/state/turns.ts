import { PosternError } from '../core/errors.ts'

/** One at a time, in the order they came. */
export interface Turns {
  /**
   * Waits for those before; throws `state-busy` for one more than `most` that wait (I10).
   * @returns what ends the turn; calling it twice is harmless
   */
  take(most?: number): Promise<() => void>
}

export function turns(): Turns {
  const waiting: (() => void)[] = []
  let taken = false
  return {
    async take(most = Number.POSITIVE_INFINITY) {
      if (taken) {
        if (waiting.length >= most) {
          throw new PosternError('state-busy', `${most} changes wait for their turn already; try again`)
        }
        await new Promise<void>((resolve) => waiting.push(resolve))
      }
      taken = true
      let ended = false
      return () => {
        if (ended) return
        ended = true
        const next = waiting.shift()
        // The turn is handed on, so that nobody who comes in between takes it.
        if (next === undefined) taken = false
        else next()
      }
    },
  }
}
