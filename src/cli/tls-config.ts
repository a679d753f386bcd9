import { existsSync } from 'node:fs'
import { formatProblem } from '../config/load.ts'
import { type ResolvedOk, resolveConfig } from '../config/resolve.ts'
import { type Environment } from '../trust/source.ts'
import { managedHint } from './managed-hint.ts'
import { type KnownTargets, usage } from './tls-endpoint.ts'

/** A configuration that a command works with. */
export interface LoadedConfig {
  readonly file: string
  readonly resolved: ResolvedOk
  readonly targets: KnownTargets
}

/** Where it is looked for unless it is named. */
const defaultFile = 'postern.yaml'

/** The named one, or the default where it is needed and there; null: none. `how`: for managedHint. Throws `usage` where it cannot be used. */
export async function loadConfig(
  named: string | null,
  needed: boolean,
  env: Environment,
  how = 'postern tls check TARGET --admin URL asks it.',
): Promise<LoadedConfig | null> {
  if (named === null && !(needed && existsSync(defaultFile))) return null
  const file = named ?? defaultFile
  const resolved = await resolveConfig(file, env)
  if (!resolved.ok) {
    const hint = managedHint(resolved.problems, how)
    const lines = ['the configuration has faults', ...resolved.problems.map(formatProblem)]
    throw usage([...lines, ...(hint === '' ? [] : [hint])].join('\n'))
  }
  return { file, resolved, targets: { names: new Set(resolved.plan.targets.map(({ name }) => name)), file } }
}
