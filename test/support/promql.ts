import { parser } from '@prometheus-io/lezer-promql'

/** What a query asks of metrics; throws where it is no PromQL, by the grammar of Prometheus' own editor. */
export function readQuery(query: string): { readonly metrics: readonly string[]; readonly labels: readonly string[] } {
  const metrics = new Set<string>()
  const labels = new Set<string>()
  parser.parse(query).iterate({
    enter: ({ name, type, from, to }) => {
      const text = query.slice(from, to)
      if (type.isError) throw new SyntaxError(`no PromQL at ${from}: ${query}`)
      if (name === 'Identifier') metrics.add(text)
      if (name === 'LabelName') labels.add(text)
    },
  })
  return { metrics: [...metrics], labels: [...labels] }
}
