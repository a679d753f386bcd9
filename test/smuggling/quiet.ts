const ticks = 5
const tickMs = 30

/** As many quiet periods in a row as nobody's timeouts last. */
export const hungAfter = 80

/**
 * Calls `onQuiet` whenever nothing has moved for a while: whoever is being waited for waits as well. Counted in ticks of
 * this process, so that one which was itself kept waiting does not take that for quiet.
 *
 * @param activity any number that changes when something moves
 * @param onQuiet gets the number of such periods in a row
 * @returns what ends it
 */
export function whenQuiet(activity: () => number, onQuiet: (times: number) => void): () => void {
  let seen = activity()
  let still = 0
  const timer = setInterval(() => {
    const now = activity()
    if (now !== seen) {
      seen = now
      still = 0
      return
    }
    still++
    if (still % ticks === 0) onQuiet(still / ticks)
  }, tickMs)
  return () => clearInterval(timer)
}
