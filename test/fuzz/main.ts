// `npm run fuzz -- --seconds N [--seed S] [--only NAME]`: fuzzes every codec, each for its share of the time. What is found
// is printed and saved as a fixture, which `npm test` replays for ever.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fixtureFolder, type Fixture } from './fixtures.ts'
import { targets } from './targets.ts'
import { type Finding, fuzz } from './watch.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string' }, seed: { type: 'string' }, only: { type: 'string' } },
})
const seconds = Number(values.seconds ?? 60)
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
const chosen = targets.filter(({ name }) => values.only === undefined || name.includes(values.only))
if (!(seconds > 0) || !Number.isInteger(seed) || chosen.length === 0) {
  process.stderr.write(
    `usage: fuzz --seconds N [--seed S] [--only NAME]\ntargets: ${targets.map(({ name }) => name).join(', ')}\n`,
  )
  process.exit(2)
}

process.stdout.write(`seed ${seed}\n`)
let found = 0
for (const { name } of chosen) {
  const milliseconds = (1000 * seconds) / chosen.length
  const outcome = await fuzz({ target: name, seed, milliseconds })
  process.stdout.write(
    `${name}: ${outcome.runs} inputs, ${outcome.findings.length} findings ${JSON.stringify(outcome.tally)}\n`,
  )
  found += outcome.findings.length
  for (const finding of outcome.findings) report(finding)
}
process.exitCode = found === 0 ? 0 : 1

function report({ target, kind, seed: found, input, text }: Finding): void {
  const slug = kind
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 60)
  const file = join(fixtureFolder, `${target}-${slug}.json`)
  const fixture: Fixture = { target, found: kind, seed: found, input }
  writeFileSync(file, `${JSON.stringify(fixture, null, 2)}\n`)
  const parts = input.parts.map(
    (part) => `  ${part}\n  ${JSON.stringify(Buffer.from(part, 'hex').toString('latin1'))}\n`,
  )
  process.stdout.write(
    `\n${kind} (seed ${found}, knob ${input.knob})\n${parts.join('')}${text}\nsaved: ${file} (npm run format lays it out)\n\n`,
  )
}
