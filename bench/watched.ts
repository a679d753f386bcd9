/*
 * Much traffic for long, everything watched: node bench/watched.ts [--rate N] [--minutes N]. Prints the delay of the main
 * thread's event loop and the size of the file of counts as they go; ends with 1 where the loop is late, where the file grows
 * with the requests, or where one was lost.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { bodySizes } from './backend.ts'
import { stopAll } from './children.ts'
import { type Contender, launchContender } from './contender.ts'
import { chooseCores, findProgram } from './machine.ts'
import { posternVariants } from './peers/postern.ts'
import { entrant, scenarios } from './scenarios.ts'
import { buildSteadyClient, runSteadyLoad } from './steady-load.ts'
import { openTestbed } from './testbed.ts'

const lagBarMs = 50
/** The gateway tells of the last 15 seconds. */
const everyMs = 15_000
/**
 * The file of counts, with the log of what was written to it every four seconds, grows by time and by what is different: one
 * row for a request would be more than a hundred bytes.
 */
const maxBytesPerRequest = 1

process.exitCode = await main()

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { rate: { type: 'string', default: '20000' }, minutes: { type: 'string', default: '10' } },
  })
  for (const tool of ['nginx', 'cc']) {
    if (findProgram(tool) !== null) continue
    console.log(`skipped: no ${tool}`)
    return 0
  }
  const [rate, minutes] = [Number(values.rate), Number(values.minutes)]
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort(new Error('stopped')))
  const bed = await openTestbed(chooseCores(), join(import.meta.dirname, '..'), stop.signal)
  try {
    const scenario = scenarios.find(({ name }) => name === 'small-h1')
    const peer = posternVariants.find(({ name }) => name === 'postern-observed')
    const ready = await peer?.prepare(bed)
    if (scenario === undefined || ready?.ready !== true) throw new Error('it cannot be started here')
    const contender = await launchContender(bed, scenario, entrant('postern-observed'), ready)
    const client = await buildSteadyClient(bed)
    const seconds = minutes * 60
    const job = { port: contender.port, path: '/', bodyBytes: bodySizes.small, connections: 64, rate, seconds }
    const running = runSteadyLoad(bed, client, job)
    const looks = await look(contender, running)
    return judge(await running, looks, rate)
  } finally {
    await stopAll()
    await bed.close()
  }
}

interface Look {
  readonly second: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly fileBytes: number
  readonly lost: number
}

async function look(contender: Contender, running: Promise<unknown>): Promise<readonly Look[]> {
  const { setup } = contender
  const looks: Look[] = []
  const startedAt = performance.now()
  let over = false
  void running.finally(() => (over = true)).catch(() => {})
  for (;;) {
    await sleep(everyMs)
    if (over) return looks
    contender.takeLogBytes()
    const text = await (await fetch(`http://127.0.0.1:${setup.adminPort}/metrics`)).text()
    const value = (series: string): number =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(series))
          ?.split(' ')
          .at(-1) ?? 0,
      )
    const next: Look = {
      second: Math.round((performance.now() - startedAt) / 1000),
      p99Ms: value('postern_main_event_loop_lag_seconds{statistic="p99"}') * 1000,
      maxMs: value('postern_main_event_loop_lag_seconds{statistic="max"}') * 1000,
      fileBytes: sizeOf(join(setup.folder, 'state', 'monitoring.db')),
      lost: text
        .split('\n')
        .filter((line) => /^postern_\w*(?:lost|dropped|overflow)\w*_total/.test(line))
        .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0),
    }
    looks.push(next)
    console.log(
      `${String(next.second).padStart(5)} s  main loop p99 ${next.p99Ms.toFixed(1)} ms, longest ${next.maxMs.toFixed(1)} ms  counts ${(next.fileBytes / 1024).toFixed(0)} KiB  lost ${next.lost}`,
    )
  }
}

function judge(
  load: { readonly requests: number; readonly seconds: number; readonly failures: number; readonly p99Micros: number },
  looks: readonly Look[],
  rate: number,
): number {
  const reached = load.requests / load.seconds
  // The first look is at the start: compilers and listeners.
  const worst = Math.max(...looks.slice(1).map(({ p99Ms }) => p99Ms))
  // From the second minute on: the first writes the tables.
  const later = looks.filter(({ second }) => second >= 75)
  const [first, last] = [later[0], later.at(-1)]
  const growth =
    first === undefined || last === undefined || last.second === first.second
      ? 0
      : ((last.fileBytes - first.fileBytes) / (last.second - first.second)) * 60
  const bytesPerRequest = (growth * load.seconds) / 60 / load.requests
  const lost = looks.at(-1)?.lost ?? 0
  console.log(
    `requests      ${load.requests} (${reached.toFixed(0)}/s of ${rate}), ${load.failures} failed, p99 ${load.p99Micros.toFixed(0)} us`,
  )
  console.log(`main loop     p99 at most ${worst.toFixed(1)} ms in any 15 s (bar ${lagBarMs})`)
  console.log(
    `counts        ${(growth / 1024).toFixed(1)} KiB a minute, ${bytesPerRequest.toFixed(3)} bytes a request (bar ${maxBytesPerRequest})`,
  )
  console.log(`lost          ${lost}`)
  if (reached < 0.95 * rate) console.log('this machine did not hold the rate; less was shown than was asked for')
  return load.failures === 0 &&
    worst < lagBarMs &&
    bytesPerRequest < maxBytesPerRequest &&
    lost === 0 &&
    reached >= 0.95 * rate
    ? 0
    : 1
}

/** With its log. */
function sizeOf(file: string): number {
  return ['', '-wal'].reduce((sum, end) => sum + (statSync(file + end, { throwIfNoEntry: false })?.size ?? 0), 0)
}
