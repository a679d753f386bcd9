import type { IdentityFiles } from '../certificates.ts'
import type { Testbed } from '../testbed.ts'

/** What a proxy is to do in one launch. Every peer gets the same: that is the fairness of the comparison. */
export interface Setup {
  readonly folder: string
  readonly port: number
  /** Metrics, where the peer has them. */
  readonly adminPort: number
  /** Serve clients over TLS with this identity, offering h2 and http/1.1 where the peer has both; null: plain HTTP. */
  readonly clientTls: IdentityFiles | null
  readonly upstreamPort: number
  /** The one protocol to speak to the upstream, which may offer both. */
  readonly upstreamProtocol: 'h1' | 'h2'
  /** May new connections to the upstream resume the TLS session of an earlier one? */
  readonly resumption: boolean
  /** The root the upstream must chain to. */
  readonly caFile: string
  /** SNI, and the name the upstream's certificate must cover. */
  readonly serverName: string
  readonly accessLogFile: string
  /** Client connections the peer must be able to hold. */
  readonly connections: number
  readonly routes: readonly Route[]
  /** How many targets there are; they all lead to the one backend but are configured and pooled apart. */
  readonly targets: number
  /** A peer on Node prints what V8 says at each garbage collection; the others ignore it. */
  readonly traceHeap: boolean
}

interface Route {
  /** `/` or `/name` without a trailing slash. */
  readonly path: string
  readonly target: number
}

/** How to start a configured peer. */
interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** The access log is what the process prints. */
  readonly logsToOutput?: boolean
  /** What is still to be done once it answers. */
  readonly ready?: () => Promise<void>
}

export type Preparation =
  | { readonly ready: true; readonly version: string; launch(setup: Setup): Launch }
  | { readonly ready: false; readonly reason: string }

export interface Peer {
  readonly name: string
  /** What it is and the choices made for it, one line for the report. */
  readonly about: string
  /** Its configuration is written for any number of routes and targets; the others get one of each. */
  readonly manyRoutes: boolean
  /** Finds or installs it; says why when it cannot run here. */
  prepare(bed: Testbed): Promise<Preparation>
}

/** The reason of a skipped peer that Debian has: names the one line to run. */
export function missing(program: string, debianPackage = program): Preparation {
  return { ready: false, reason: `no ${program} (apt-get install ${debianPackage})` }
}

/** What V8 is to print, for the argument list of Node. */
export const nodeFlags = ({ traceHeap }: Setup): string[] => (traceHeap ? ['--trace-gc-nvp'] : [])

/** Long enough that no connection of a run ends for idleness between two of its turns. */
export const idleSeconds = 3600

/** Idle upstream connections a peer may keep for each target; above the 64 that the load can ask for at once. */
export const poolSize = 256
