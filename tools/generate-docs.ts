import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { configSchemaJson } from '../src/config/json-schema.ts'
import { codeOf } from '../src/core/errors.ts'
import { faultTable } from '../src/faults/render.ts'
import { apiPage } from './reference/api-page.ts'
import { configReference } from './reference/config-page.ts'
import { metricsPage } from './reference/metrics-page.ts'
import { faultsPage } from './reference/tables.ts'
import { verdictPages } from './reference/verdict-pages.ts'

/*
 * Writes docs/reference from the code that is the truth. With --check it writes nothing and fails, naming the file,
 * where the tree is not what the code would write: a reference that lies is worse than none.
 */

const directory = join(import.meta.dirname, '..', 'docs', 'reference')

const pages: Readonly<Record<string, () => string>> = {
  'api.md': apiPage,
  'config.md': () => configReference(configSchemaJson()),
  'postern.schema.json': () => `${JSON.stringify(configSchemaJson(), null, 2)}\n`,
  'faults.md': () => faultsPage(faultTable()),
  'metrics.md': metricsPage,
  ...verdictPages(),
}

const check = process.argv.includes('--check')
let stale = 0
for (const [name, render] of Object.entries(pages)) {
  const path = join(directory, name)
  const text = render()
  if (current(path) === text) continue
  if (check) {
    stale++
    console.error(`docs/reference/${name} is not what the code says; run: npm run docs`)
  } else {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    console.log(`wrote docs/reference/${name}`)
  }
}
// a page of a code that is no more would be found by searching and believed
for (const name of globSync('{verdicts,findings}/*.md', { cwd: directory })) {
  if (Object.hasOwn(pages, name)) continue
  if (check) {
    stale++
    console.error(`docs/reference/${name} is of nothing the code knows; run: npm run docs`)
  } else {
    rmSync(join(directory, name))
    console.log(`removed docs/reference/${name}`)
  }
}
process.exitCode = stale === 0 ? 0 : 1

function current(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}
