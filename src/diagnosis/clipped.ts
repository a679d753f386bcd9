import type { Remedy } from '../verdict/model.ts'
import { onOneLine } from '../verdict/shell.ts'

/* Text of a certificate can be as long as its maker likes, and goes into the line of each request that it refuses. (I10) */

const maxText = 300
const maxAction = 1024
const maxCommand = 2048
const maxCommands = 4

export function clipped(text: string): string {
  return onOneLine(text, maxText)
}

/** What is said of a remedy in a log. A command that is too long is left out: half of one does something else. */
export function clippedRemedy({ party, action, commands }: Remedy): Pick<Remedy, 'party' | 'action' | 'commands'> {
  const short = commands.filter((command) => command.length <= maxCommand).slice(0, maxCommands)
  return { party, action: onOneLine(action, maxAction), commands: short }
}
