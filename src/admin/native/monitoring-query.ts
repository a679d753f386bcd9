import { type Clock, type Measure, measures } from '../../monitor/measures.ts'
import { type Dimension, dimensions, type Filter } from '../../monitor/query.ts'
import { rangeOf, type TimeRange } from '../../monitor/time-range.ts'
import { type ApiCall, ApiError } from '../api.ts'

/** Dimensions that can be chosen: organization and environment are those of the path, always; `target` has both its names. */
export const chosenDimensions: readonly Dimension[] = dimensions.filter(
  (each) => each !== 'organization' && each !== 'environment' && each !== 'targetName',
)

/** I10. */
const maxValues = 100

export interface Asked {
  readonly range: TimeRange
  /** Organization and environment first. */
  readonly where: readonly Filter[]
}

/** Range and filters of a call. `also`: parameters that the operation has beside them. Throws 400 for any other. */
export function askedOf(call: ApiCall, also: readonly string[]): Asked {
  const known = new Set(['from', 'to', ...also, ...chosenDimensions.flatMap((each) => [each, `${each}!`])])
  for (const name of call.query.keys()) {
    if (!known.has(name)) throw bad(`there is no parameter ${JSON.stringify(name)}`)
  }
  return {
    range: rangeOf(call.query.get('from'), call.query.get('to'), call.services.clock()),
    where: [...placeFilters(call), ...chosenDimensions.flatMap((dimension) => filtersOf(call.query, dimension))],
  }
}

function placeFilters({ params }: Pick<ApiCall, 'params'>): readonly Filter[] {
  const { org = '', env = '' } = params
  return [
    { dimension: 'organization', values: [org] },
    { dimension: 'environment', values: [env] },
  ]
}

export function dimensionOf(text: string | null, name: string): Dimension {
  const found = chosenDimensions.find((each) => each === text)
  if (found !== undefined) return found
  if (text === null) throw bad(`${name} is missing: one of ${chosenDimensions.join(', ')}`)
  throw bad(`${name} ${JSON.stringify(text)} is none of: ${chosenDimensions.join(', ')}`)
}

/** One or more, by commas. */
export function measuresOf(text: string | null): readonly Measure[] {
  const words = (text ?? 'requests').split(',')
  if (words.length > 8) throw bad('measure names more than 8')
  return words.map((word) => {
    const found = measures.find((each) => each === word)
    if (found !== undefined) return found
    throw bad(`measure ${JSON.stringify(word)} is none of: ${measures.join(', ')}`)
  })
}

export function clockOf(query: URLSearchParams): Clock {
  const text = query.get('latency') ?? 'total'
  if (text === 'total' || text === 'target') return text
  throw bad(`latency ${JSON.stringify(text)} is neither total nor target`)
}

export function countOf(query: URLSearchParams, name: string, fallback: number, most: number): number {
  const text = query.get(name)
  if (text === null) return fallback
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (count >= 1 && count <= most) return count
  throw bad(`${name} ${JSON.stringify(text)} is no number from 1 to ${most}`)
}

/** `proxy=a&proxy=b`: any of them; `proxy!=a`: none. */
function filtersOf(query: URLSearchParams, dimension: Dimension): readonly Filter[] {
  const values = query.getAll(dimension)
  const without = query.getAll(`${dimension}!`)
  if (values.length + without.length > maxValues) throw bad(`${dimension} is given more than ${maxValues} times`)
  return [
    ...(values.length === 0 ? [] : [{ dimension, values }]),
    ...(without.length === 0 ? [] : [{ dimension, values: without, not: true }]),
  ]
}

/** What a request is not known for: it is counted within a second, and not every one is kept. */
export const requestGone = (
  id: string,
  { organization, environment }: { readonly organization: string; readonly environment: string },
): ApiError =>
  new ApiError(
    404,
    'request-unknown',
    `no request ${id} is kept for ${organization}/${environment}: it is there about a second after its answer; of what failed the newest of a kind are kept (20 an hour), of the rest a few, and those of debug sessions`,
  )

export const bad = (message: string): ApiError => new ApiError(400, 'bad-query', message)
