import { findProgram } from './machine.ts'
import { runH2load } from './h2load.ts'
import type { Scenario } from './scenarios.ts'
import type { Testbed } from './testbed.ts'
import { runWrk } from './wrk.ts'

export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  readonly p50Micros: number
  readonly p99Micros: number
  /** Failed connections, reads, writes and timeouts, and replies that were no 2xx or 3xx. */
  readonly failures: number
}

export interface Load {
  readonly url: string
  /** Paths taken in turn; one path costs the client nothing, several cost it a little each. */
  readonly paths: readonly string[]
  readonly client: Scenario['client']
  readonly connections: number
  /** Requests under way on one connection. */
  readonly streams: number
  readonly seconds: number
}

/** Why the load of this scenario cannot be made here, or null. */
export function missingLoadGenerator({ client, measure }: Scenario): string | null {
  if (measure === 'p99-latency' && findProgram('cc') === null) return 'no cc (apt-get install gcc libc6-dev)'
  const [program, debianPackage] = client === 'h2-tls' ? ['h2load', 'nghttp2-client'] : ['wrk', 'wrk']
  return findProgram(program) === null ? `no ${program} (apt-get install ${debianPackage})` : null
}

/** Closed-loop load: each stream sends its next request when the reply to the last has come. */
export function runLoad(bed: Testbed, load: Load): Promise<LoadResult> {
  return load.client === 'h2-tls' ? runH2load(bed, load) : runWrk(bed, load)
}
