/**
 * Does `work` for every item, at most `limit` of them at a time; begins no more of them once the signal is aborted or one has
 * thrown. @returns how many were not begun
 */
export async function forEach<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  const iterator = items[Symbol.iterator]()
  let failed = false
  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      await work(next.value)
      if (signal.aborted || failed) return
    }
  }
  if (!signal.aborted) {
    const lanes = Array.from({ length: limit }, () =>
      lane().catch((error: unknown) => {
        failed = true
        throw error
      }),
    )
    await Promise.all(lanes)
  }
  let left = 0
  while (iterator.next().done !== true) left += 1
  return left
}

/** Passes values on in the order of their numbers, from 0, however they come. For few of them: what comes early is held. */
export function inOrder<T>(take: (value: T) => void): (number: number, value: T) => void {
  const early = new Map<number, T>()
  let next = 0
  return (number, value) => {
    early.set(number, value)
    for (; early.has(next); next += 1) {
      take(early.get(next) as T)
      early.delete(next)
    }
  }
}
