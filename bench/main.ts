import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { run, stopAll } from './children.ts'
import { chooseCores, describeMachine, findProgram } from './machine.ts'
import { runScenario, type Field } from './measure.ts'
import { parseOptions, usage, UsageError, type Options } from './options.ts'
import { allPeers } from './peers/all.ts'
import { failsEnforcement, renderReport, summarise, type ScenarioReport } from './report.ts'
import { openTestbed, type Testbed } from './testbed.ts'

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  let options: Options | null
  try {
    options = parseOptions(args)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`bench: ${error.message}\n\n${usage}`)
    return 2
  }
  if (options === null) {
    console.log(usage)
    return 0
  }
  const lacking = missingTools()
  if (lacking.length > 0) {
    for (const line of lacking) console.log(`skipped: ${line}`)
    return options.enforce ? 1 : 0
  }
  return await withinLimits(options, (signal) => bench(options, signal))
}

/** What no scenario can do without. */
function missingTools(): string[] {
  const tools = [
    ['setpriv', 'util-linux'],
    ['taskset', 'util-linux'],
    ['nginx', 'nginx'],
  ] as const
  return tools.flatMap(([tool, debianPackage]) =>
    findProgram(tool) === null ? [`no ${tool} (apt-get install ${debianPackage})`] : [],
  )
}

/** Ctrl-C, SIGTERM and the deadline all end the run the same way: children stopped, folder removed. */
async function withinLimits(options: Options, work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const stop = new AbortController()
  const deadline = setTimeout(
    () => stop.abort(new Error(`not done within ${options.deadlineMinutes} minutes`)),
    options.deadlineMinutes * 60_000,
  )
  const onSignal = (name: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(130) // the second one; the exit hooks still kill and clean
    stop.abort(new Error(`stopped by ${name}`))
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal)
  try {
    return await work(stop.signal)
  } catch (error) {
    if (!stop.signal.aborted) throw error
    console.error(`bench: ${(stop.signal.reason as Error).message}`)
    return 130
  } finally {
    clearTimeout(deadline)
    await stopAll()
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal)
  }
}

async function bench(options: Options, signal: AbortSignal): Promise<number> {
  const cores = chooseCores()
  const machine = describeMachine()
  // The harness itself stays off the proxy's core.
  await run('taskset', ['-acp', String(cores.load), String(process.pid)], { timeoutMs: 5_000, signal })
  console.log(`${machine['cpu']}, ${machine['cores']} cores, Linux ${machine['kernel']}, Node ${machine['node']}`)
  console.log(`proxy on core ${cores.proxy}, load on ${cores.load}, backend on ${cores.backend}`)
  if (cores.proxy === cores.load) console.log('one core for everything: the figures say little')
  const started = new Date()
  const reports: ScenarioReport[] = []
  const bed = await openTestbed(cores, options.posternRoot, signal)
  try {
    const field = await prepareField(bed, options)
    for (const scenario of options.scenarios) {
      const report = summarise(await runScenario(bed, scenario, field, options, (line) => console.error(line)))
      reports.push(report)
      console.log(`\n${renderReport(report, scenario)}`)
    }
  } finally {
    await bed.close()
  }
  const { rounds, seconds } = options
  const result = { at: started.toISOString(), machine, cores, rounds, seconds, scenarios: reports }
  const file = resolve(options.jsonFile)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
  console.log(`\nfigures: ${options.jsonFile}`)
  return options.enforce && reports.some(failsEnforcement) ? 1 : 0
}

async function prepareField(bed: Testbed, options: Options): Promise<Field> {
  const needed = new Set(options.scenarios.flatMap(({ entrants }) => entrants.map(({ peer }) => peer)))
  const field = { ready: new Map(), skipped: new Map(), verified: new Map() } satisfies Field
  for (const peer of allPeers.filter(({ name }) => needed.has(name) && options.peers.includes(name))) {
    const preparation = await peer.prepare(bed)
    if (preparation.ready) {
      field.ready.set(peer.name, preparation)
      console.log(`${peer.name} ${preparation.version}: ${peer.about}`)
    } else {
      field.skipped.set(peer.name, preparation.reason)
      console.log(`${peer.name}: skipped: ${preparation.reason}`)
    }
  }
  return field
}
