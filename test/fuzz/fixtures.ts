import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StoredInput } from './target.ts'

export const fixtureFolder = fileURLToPath(new URL('fixtures', import.meta.url))

/** An input that once failed. It holds what two readers disagreed on, or what one of them did not survive. */
export interface Fixture {
  readonly target: string
  /** What was wrong. */
  readonly found: string
  readonly seed: number
  readonly input: StoredInput
}

export function fixtures(): readonly (readonly [file: string, fixture: Fixture])[] {
  return globSync('*.json', { cwd: fixtureFolder })
    .sort()
    .map((file) => [file, JSON.parse(readFileSync(join(fixtureFolder, file), 'utf8')) as Fixture])
}
