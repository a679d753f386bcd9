// `npm run fuzz -- [--seconds N] [--inputs N] [--seed S] [--only NAME,...]`: fuzzes every codec, each for its share of the time
// or of the inputs, whichever ends first. What is found is printed and saved as a fixture, which `npm test` replays for ever.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fixtureFolder, type Fixture } from './fixtures.ts'
import { targets } from './targets.ts'
import { type Finding, fuzz } from './watch.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    inputs: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
  },
})
const inputs = values.inputs === undefined ? Infinity : Number(values.inputs)
const seconds = values.seconds === undefined ? (inputs === Infinity ? 60 : Infinity) : Number(values.seconds)
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
const wanted = values.only?.split(',') ?? ['']
const chosen = targets.filter(({ name }) => wanted.some((part) => name.includes(part)))
if (!(seconds > 0) || !(inputs > 0) || !Number.isInteger(seed) || chosen.length === 0) {
  process.stderr.write(
    `usage: fuzz [--seconds N] [--inputs N] [--seed S] [--only NAME,...]\ntargets: ${targets.map(({ name }) => name).join(', ')}\n`,
  )
  process.exit(2)
}

/** Characters of a part that are printed; the fixture has all of it. */
const shown = 4000

process.stdout.write(`seed ${seed}\n`)
const share = {
  seed,
  milliseconds: (1000 * seconds) / chosen.length,
  inputs: Math.ceil(inputs / chosen.length),
}
const started = performance.now()
let total = 0
let found = 0
for (const { name } of chosen) {
  const since = performance.now()
  const speed = (runs: number): string => {
    const passed = (performance.now() - since) / 1000
    return `${passed.toFixed(0)} s, ${Math.round(runs / passed)} a second`
  }
  const outcome = await fuzz({ target: name, ...share }, (runs) => {
    process.stderr.write(`  ${name}: ${runs} inputs so far, ${speed(runs)}\n`)
  })
  process.stdout.write(
    `${name}: ${outcome.runs} inputs, ${outcome.findings.length} findings, ${speed(outcome.runs)} ${JSON.stringify(outcome.tally)}\n`,
  )
  total += outcome.runs
  found += outcome.findings.length
  for (const finding of outcome.findings) report(finding)
}
const memory = Math.round(process.resourceUsage().maxRSS / 1024)
const duration = Math.round((performance.now() - started) / 1000)
process.stdout.write(`all: ${total} inputs, ${found} findings, ${duration} s, at most ${memory} MiB of memory\n`)
process.exitCode = found === 0 ? 0 : 1

function report({ target, kind, seed: from, input, text }: Finding): void {
  const slug = kind
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 60)
  const file = join(fixtureFolder, `${target}-${slug}.json`)
  const fixture: Fixture = { target, found: kind, seed: from, input }
  writeFileSync(file, `${JSON.stringify(fixture, null, 2)}\n`)
  const parts = input.parts.map(
    (part) =>
      `  ${part.slice(0, shown)}\n  ${JSON.stringify(Buffer.from(part, 'hex').toString('latin1').slice(0, shown))}\n`,
  )
  process.stdout.write(
    `\n${kind} (seed ${from}, knob ${input.knob})\n${parts.join('')}${text}\nsaved: ${file} (npm run format lays it out)\n\n`,
  )
}
