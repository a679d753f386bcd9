import type { Environment } from '../trust/source.ts'

/** How the command that people are told to run begins: in a checkout it is npm that finds it. */
export function commandName(env: Environment): string {
  return env['npm_lifecycle_event'] === undefined ? 'postern' : 'npm run --silent postern --'
}
