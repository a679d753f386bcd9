import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'

/*
 * Makes deploy/prometheus/postern.rules.yaml, which Prometheus reads, from the object of its operator. A test holds that it
 * was run.
 */

const directory = join(import.meta.dirname, '..', 'deploy', 'prometheus')

/** The groups of a PrometheusRule as a rule file. */
export function plainRules(object: string): string {
  const { spec } = parse(object) as { readonly spec: unknown }
  return `# Made from postern-rules.yaml by tools/plain-rules.ts. Do not edit.\n${stringify(spec, { lineWidth: 0 })}`
}

if (import.meta.main) {
  const object = readFileSync(join(directory, 'postern-rules.yaml'), 'utf8')
  writeFileSync(join(directory, 'postern.rules.yaml'), plainRules(object))
}
