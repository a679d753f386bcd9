/*
 * Rotation under load, long: node test/rotation/rotation.soak.ts [--tls 1.2|1.3] [--resumption on|off] [--rate N]
 * [--swaps N] [--seconds N] [--seed N]. Prints what happened and ends with 1 if anything went wrong.
 */
import { parseArgs } from 'node:util'
import { violations } from './history.ts'
import { rotate } from './run.ts'

/** What a swap takes on the way, so that the whole lasts about as long as was asked for. */
const takeUpMsOnAverage = 100

const { values } = parseArgs({
  options: {
    tls: { type: 'string', default: '1.3' },
    resumption: { type: 'string', default: 'on' },
    rate: { type: 'string', default: '2000' },
    swaps: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
  },
})
if (!['1.2', '1.3'].includes(values.tls) || !['on', 'off'].includes(values.resumption)) {
  console.error('usage: rotation.soak.ts [--tls 1.2|1.3] [--resumption on|off] [--rate N] [--swaps N] [--seconds N]')
  process.exit(2)
}
const swaps = Number(values.swaps)
const { history, figures } = await rotate({
  variants: [{ version: `TLSv${values.tls as '1.2' | '1.3'}`, resumption: values.resumption === 'on' }],
  rate: Number(values.rate),
  // Every request to an untrusted backend costs a handshake of both sides on this same machine: enough of them to be seen,
  // few enough that the rate holds.
  oneToBOf: 40,
  swaps,
  holdMs: (Number(values.seconds) * 1000) / (swaps + 1) - takeUpMsOnAverage,
  seed: Number(values.seed),
})
const found = violations(history)
const { answered, latencyMs, takeUpMs } = figures
const rows: readonly (readonly [string, unknown])[] = [
  ['TLS', `${values.tls}, resumption ${values.resumption}`],
  ['seconds', figures.seconds.toFixed(1)],
  ['requests', `${figures.requests} (${Math.round(figures.requests / figures.seconds)}/s, ${figures.missed} missed)`],
  [
    'answered',
    Object.entries(answered)
      .map(([status, count]) => `${status}: ${count}`)
      .join(', '),
  ],
  ['latency ms', `median ${latencyMs.median}, p99 ${latencyMs.p99}, max ${latencyMs.max}`],
  [
    'swaps',
    Object.entries(figures.swaps)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', '),
  ],
  ['generations', figures.generations],
  ['swap to in force, ms', `median ${takeUpMs.median}, max ${takeUpMs.max}`],
  ['backend connections', `${figures.backendConnections}, of which resumed ${figures.resumedConnections}`],
  ['violations', found.length],
]
for (const [name, value] of rows) console.log(`${name.padEnd(22)}${String(value)}`)
for (const violation of found.slice(0, 20)) console.log(`  ${violation}`)
process.exit(found.length === 0 ? 0 : 1)
