import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Compares with test/goldens/NAME; `POSTERN_UPDATE_GOLDENS=1` writes it instead, and the diff is reviewed. */
export function assertGolden(name: string, actual: string): void {
  const path = fileURLToPath(new URL(`../goldens/${name}`, import.meta.url))
  if (process.env['POSTERN_UPDATE_GOLDENS'] === '1') {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, actual)
  }
  assert.equal(actual, readFileSync(path, 'utf8'), `differs from test/goldens/${name}`)
}
