import { parentPort, workerData } from 'node:worker_threads'
import * as fc from 'fast-check'
import { minimized } from './minimize.ts'
import { Disagreement, type Input, kindOf, stored } from './target.ts'
import { targets } from './targets.ts'
import { type Finding, type Job, maxCpuMs, writeInput } from './watch.ts'

const job = workerData as Job
const target = targets.find((each) => each.name === job.target)
if (target === undefined) throw new Error(`no target ${job.target}`)

const tally: Record<string, number> = {}
/** Kinds of failure that were reported. */
const known = new Set<string>()
const until = performance.now() + job.milliseconds
let left = job.inputs
const over = (): boolean => left <= 0 || performance.now() >= until
{
  await using checker = await target.start()

  const failureOf = async (input: Input): Promise<unknown> => {
    writeInput(job.shared, input)
    const before = process.threadCpuUsage()
    try {
      const came = await checker.check(input)
      tally[came] = (tally[came] ?? 0) + 1
    } catch (error) {
      return error
    }
    const used = process.threadCpuUsage(before)
    return used.user + used.system > maxCpuMs * 1000 ? new Disagreement('takes too long') : null
  }
  const fails = async (input: Input, kind: string): Promise<boolean> => {
    const error = await failureOf(input)
    return error !== null && kindOf(error) === kind
  }

  for (let seed = job.seed; !over(); seed++) {
    let first: { readonly input: Input; readonly kind: string } | null = null
    await fc.check(
      fc.asyncProperty(target.inputs, async (input) => {
        if (over()) return
        left -= 1
        const error = await failureOf(input)
        if (error === null || known.has(kindOf(error))) return
        first ??= { input, kind: kindOf(error) }
        throw new Error(kindOf(error))
      }),
      {
        seed,
        // Our own minimizer works on the bytes and keeps the kind of failure; fast-check's shrinking would do neither.
        endOnFailure: true,
        numRuns: 500,
      },
    )
    if (first !== null) {
      const { input, kind } = first as { input: Input; kind: string }
      known.add(kind)
      const small = await minimized(input, (candidate) => fails(candidate, kind), target.keptParts)
      const error = await failureOf(small)
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      const finding: Finding = { target: target.name, kind, seed, input: stored(small), text }
      parentPort?.postMessage({ finding })
    }
  }
}
parentPort?.postMessage({ tally })
