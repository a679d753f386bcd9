/*
 * Trust changed over the management API under load, long: node test/rotation/references.soak.ts [--rate N] [--switches N]
 * [--workers N] [--hold MS] [--one-in N]. Prints what happened and ends with 1 if anything went wrong.
 */
import { parseArgs } from 'node:util'
import { violations } from './references-history.ts'
import { runReferences } from './references-run.ts'

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '2000' },
    switches: { type: 'string', default: '100' },
    workers: { type: 'string', default: '2' },
    hold: { type: 'string', default: '200' },
    'one-in': { type: 'string', default: '60' },
  },
})
const { history, figures } = await runReferences({
  rate: Number(values.rate),
  switches: Number(values.switches),
  workers: Number(values.workers),
  holdMs: Number(values.hold),
  // A request that is refused costs a handshake of both sides on this same machine.
  oneIn: Number(values['one-in']),
})
const found = violations(history)
const times = ({ median, p99, max }: { median: number; p99: number; max: number }): string =>
  `median ${median}, p99 ${p99}, worst ${max}`
const list = (of: Readonly<Record<string, number>>): string =>
  Object.entries(of)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
const rows: readonly (readonly [string, unknown])[] = [
  ['seconds', figures.seconds.toFixed(1)],
  ['requests', `${figures.requests} (${Math.round(figures.requests / figures.seconds)}/s, ${figures.missed} missed)`],
  ['answered', list(figures.answered)],
  ['by worker', list(figures.byWorker)],
  ['latency ms', times(figures.latencyMs)],
  ['switches', figures.switches],
  ['changes', list(figures.changes)],
  ['change to answer, ms', times(figures.answerMs)],
  ['begun < 20 ms after', `${figures.rightAfter} requests`],
  [
    'backend connections',
    `${figures.backendConnections}, resumed ${figures.resumedConnections}, where nothing changes ${figures.steadyConnections}`,
  ],
  ['violations', found.length],
]
if (figures.requests / figures.seconds < 0.95 * Number(values.rate)) {
  console.log('this machine did not hold the rate; less was shown than was asked for')
}
for (const [name, value] of rows) console.log(`${name.padEnd(22)}${String(value)}`)
for (const violation of found.slice(0, 30)) console.log(`  ${violation}`)
// Without one the soak would say nothing about sessions of the old trust (I2).
if (figures.resumedConnections === 0) console.log('no session was resumed where they may be')
process.exit(found.length === 0 && figures.resumedConnections > 0 ? 0 : 1)
