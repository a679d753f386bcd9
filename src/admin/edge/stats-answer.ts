import type { StatQuestion, StatResult } from './stats-run.ts'
import { numberText } from './stats-terms.ts'

/* The two forms of an answer (apigee-edge.md 1.9). */

type Json = Readonly<Record<string, unknown>>

export function plainAnswer(question: StatQuestion, result: StatResult): Json {
  const { dimensions, metrics, environment } = question
  const metricsOf = ({ whole, points }: StatResult['groups'][number]): readonly Json[] =>
    metrics.map(({ name }, at) => ({ name, values: valuesOf(result.times, whole[at] ?? 0, points[at] ?? []) }))
  const [all] = result.groups
  const content =
    dimensions.length === 0
      ? { metrics: all === undefined ? [] : metricsOf(all) }
      : {
          dimensions: result.groups.map((group) => ({ metrics: metricsOf(group), name: group.values.join(',') })),
        }
  return { environments: [{ ...content, name: environment }], metaData: metaData(result) }
}

export function optimizedAnswer(question: StatQuestion, result: StatResult): Json {
  const { dimensions, metrics, environment } = question
  return {
    Response: {
      TimeUnit: result.times ?? [],
      metaData: metaData(result),
      resultTruncated: result.truncated,
      stats: {
        data: result.groups.map(({ values, whole, points }) => ({
          ...(dimensions.length === 0 ? {} : { identifier: { names: dimensions.map(({ name }) => name), values } }),
          metric: metrics.map(({ name }, at) => ({
            env: environment,
            name,
            values: result.times === null ? [numberText(whole[at] ?? 0)] : (points[at] ?? []).map(orNone),
          })),
        })),
      },
    },
  }
}

function valuesOf(times: readonly number[] | null, whole: number, points: readonly (number | null)[]): unknown {
  if (times === null) return [numberText(whole)]
  return times.flatMap((timestamp, at) => {
    const value = points[at] ?? null
    return value === null ? [] : [{ timestamp, value: numberText(value) }]
  })
}

/** Every time has its place in an optimized answer. */
const orNone = (value: number | null): string => numberText(value ?? 0)

function metaData({ truncated }: StatResult): Json {
  return {
    errors: [],
    notices: ['Source:Postern rollups', ...(truncated ? ['Not all groups are in the answer: ask for less'] : [])],
  }
}
