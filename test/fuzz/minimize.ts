import type { Input } from './target.ts'

/**
 * Makes an input smaller while it still fails: whole parts, then ever shorter runs of bytes, then the knob.
 *
 * @param fails whether this input shows the same kind of failure
 * @param kept how many of the first parts stay as they are
 */
export async function minimized(
  input: Input,
  fails: (input: Input) => Promise<boolean>,
  kept = 0,
  milliseconds = 10_000,
): Promise<Input> {
  let best = input
  const until = performance.now() + milliseconds
  const late = (): boolean => performance.now() > until
  const attempt = async (candidate: Input): Promise<boolean> => {
    if (late() || !(await fails(candidate))) return false
    best = candidate
    return true
  }
  for (let shrunk = true; shrunk && !late(); ) {
    shrunk = false
    for (let index = best.parts.length - 1; index >= kept && best.parts.length > 1; index--) {
      if (await attempt({ ...best, parts: best.parts.toSpliced(index, 1) })) shrunk = true
    }
    for (let index = kept; index < best.parts.length; index++) {
      for (let size = (best.parts[index] as Buffer).length; size >= 1; size = Math.floor(size / 2)) {
        for (let at = 0; at < (best.parts[index] as Buffer).length && !late(); ) {
          const part = best.parts[index] as Buffer
          const without = Buffer.concat([part.subarray(0, at), part.subarray(at + size)])
          if (await attempt({ ...best, parts: best.parts.with(index, without) })) shrunk = true
          else at += size
        }
      }
    }
  }
  for (const knob of [0, 1, 2, 3]) if (knob < best.knob && (await attempt({ ...best, knob }))) break
  return best
}
