import { readdirSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { codeOf } from '../core/errors.ts'

// I10: a directory beyond this is compared by its names and its own times only.
const maxEntries = 4096

/**
 * A text that changes whenever a path leads to something else or its content was touched: target of the links, device,
 * inode, size and times in nanoseconds, for a directory those of its entries too.
 */
export function fingerprint(path: string): string {
  const own = one(path)
  if (!own.directory) return own.text
  try {
    const names = readdirSync(path).sort()
    if (names.length > maxEntries) return `${own.text}\n${names.join('\n')}`
    return [own.text, ...names.map((name) => `${name} ${one(join(path, name)).text}`)].join('\n')
  } catch (error) {
    return `${own.text}\n${stateOf(error)}`
  }
}

function one(path: string): { directory: boolean; text: string } {
  try {
    const real = realpathSync(path)
    const stat = statSync(real, { bigint: true })
    const text = `${real} ${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`
    return { directory: stat.isDirectory(), text }
  } catch (error) {
    // A path that is missing or forbidden has a state too, and leaving it is a change.
    return { directory: false, text: stateOf(error) }
  }
}

/** The errno of a failed call; anything else that was thrown is a bug and goes on its way. */
function stateOf(error: unknown): string {
  const code = codeOf(error)
  if (code === '') throw error
  return code
}
