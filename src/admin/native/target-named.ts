import { shortTargetName } from '../../monitor/target-name.ts'
import { ApiError } from '../api.ts'

/**
 * The one target that is meant, among those of an environment: by its whole name, or by what its proxy calls it where no
 * other proxy has one of that name. null: there is none. Throws 400 `target-ambiguous` with the whole names.
 */
export function targetNamed<Target extends { readonly name: string }>(
  targets: readonly Target[],
  { organization, environment }: { readonly organization: string; readonly environment: string },
  name: string,
): Target | null {
  const whole = targets.find((each) => each.name === name)
  if (whole !== undefined) return whole
  const found = targets.filter((each) => shortTargetName(each.name, organization, environment) === name)
  if (found.length <= 1) return found[0] ?? null
  const names = found.map((each) => each.name).sort()
  const shown = names.slice(0, 20).join(', ')
  throw new ApiError(
    400,
    'target-ambiguous',
    `${names.length} targets are called ${name}: ${shown}; ask for one of them`,
    {
      targets: names.slice(0, 20),
    },
  )
}
