let last: Promise<unknown> = Promise.resolve()

/**
 * Runs what takes a thread of the runtime's pool for seconds, after whatever else of this kind is under way: keys derived
 * from passwords, and keys made. The pool is one for all threads of the process.
 */
export function oneAtATime<T>(work: () => Promise<T>): Promise<T> {
  const result = last.then(work)
  last = result.catch(() => {})
  return result
}
