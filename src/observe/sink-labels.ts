/**
 * Names of log sinks for whoever may read metrics: of a file its name, and no more of its folders than tell it from another
 * one (I6).
 *
 * @param keys see `sinkKey`
 */
export function sinkLabels(keys: readonly string[]): ReadonlyMap<string, string> {
  const files = keys.filter(isFile).map((key) => ({ key, parts: key.slice(prefix.length).split('/') }))
  return new Map(
    keys.map((key): [string, string] => {
      const mine = files.find((file) => file.key === key)
      if (mine === undefined) return [key, key]
      const others = files.filter((file) => file !== mine && file.key !== key)
      let length = 1
      while (
        length < mine.parts.length &&
        others.some((other) => ends(other.parts, length) === ends(mine.parts, length))
      ) {
        length++
      }
      return [key, `${prefix}${ends(mine.parts, length)}`]
    }),
  )
}

const prefix = 'file:'
const isFile = (key: string): boolean => key.startsWith(prefix)
const ends = (parts: readonly string[], length: number): string => parts.slice(-length).join('/')
