import type { RollupKey } from '../observe/rollup.ts'
import type { Dimension, Filter } from './query.ts'
import { shortTargetName } from './target-name.ts'

/** What a key has in a dimension, as text. */
export function valueOf(key: RollupKey, dimension: Dimension): string {
  switch (dimension) {
    case 'status':
      return String(key.status)
    case 'targetStatus':
      return String(key.targetStatus)
    case 'statusClass':
      return key.status === 0 ? 'none' : `${Math.trunc(key.status / 100)}xx`
    case 'targetName':
      return shortTargetName(key.target, key.organization, key.environment)
    default:
      return key[dimension]
  }
}

export function valuesOf(key: RollupKey, by: readonly Dimension[]): readonly string[] {
  return by.map((dimension) => valueOf(key, dimension))
}

/** All filters must hold. */
export function filterOf(where: readonly Filter[]): (key: RollupKey) => boolean {
  const filters = where.map(({ dimension, values, not = false }) => ({ dimension, values: new Set(values), not }))
  return (key) =>
    filters.every(({ dimension, values, not }) => {
      const isAmong =
        values.has(valueOf(key, dimension)) || (dimension === 'target' && values.has(valueOf(key, 'targetName')))
      return isAmong !== not
    })
}
