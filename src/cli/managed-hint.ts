import type { ConfigProblem } from '../config/load.ts'
import { noState } from '../config/trust-specs.ts'

/**
 * One sentence for a command without a state that met stores of the management API: `how` one asks the gateway that has
 * them. '' where no problem is of that kind.
 */
export function managedHint(problems: readonly ConfigProblem[], how: string): string {
  if (!problems.some(({ message }) => message.includes(noState))) return ''
  return `Managed stores are known to the running gateway alone; ${how}`
}
