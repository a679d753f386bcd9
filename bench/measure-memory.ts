import { setTimeout as sleep } from 'node:timers/promises'
import { bodySizes } from './backend.ts'
import { launchContender } from './contender.ts'
import { openIdleConnections } from './idle.ts'
import { runLoad } from './load.ts'
import { residentBytes } from './machine.ts'
import type { Sampler, Starter } from './measure.ts'
import type { Scenario } from './scenarios.ts'
import type { Testbed } from './testbed.ts'

/** KiB of resident memory for one idle client connection, each time in a fresh process. */
export function memorySampler(bed: Testbed, scenario: Scenario): Sampler<Starter> {
  return async ({ entrant, peer }) => {
    const contender = await launchContender(bed, scenario, entrant, peer)
    try {
      const { url, paths, port } = contender
      // Heaps and pools grow to their working size first; what comes after belongs to the connections.
      const load = await runLoad(bed, { url, paths, client: scenario.client, connections: 64, streams: 1, seconds: 2 })
      await sleep(1_000, undefined, { signal: bed.signal })
      const before = residentBytes(contender.child.pid)
      const bodyBytes = bodySizes[scenario.body]
      const closeAll = await openIdleConnections(port, paths[0] ?? '/', bodyBytes, scenario.connections, bed.signal)
      await sleep(2_000, undefined, { signal: bed.signal })
      const grown = residentBytes(contender.child.pid) - before
      closeAll()
      return {
        figure: grown / 1024 / scenario.connections,
        requestsPerSecond: load.requests / load.seconds,
        p50Micros: load.p50Micros,
        p99Micros: load.p99Micros,
        busy: 0,
        noise: 0,
      }
    } finally {
      await contender.child.stop()
    }
  }
}
