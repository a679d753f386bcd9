import type { RuntimeState } from '../compat/apigee/runtime-state.ts'
import type { TargetOrigin } from '../config/managed-view.ts'
import type { Resolved, ResolvedOk } from '../config/resolve.ts'
import type { Gateway } from '../control/gateway.ts'
import { configContext, type ContextPlace, knownCertificates, storedCertificates } from '../diagnosis/config-context.ts'
import type { Diagnosis } from '../diagnosis/diagnose.ts'
import { openDiagnoser } from '../diagnosis/diagnoser.ts'
import type { InventoryDocument } from '../diagnosis/inventory.ts'
import type { LastReport } from '../diagnosis/last-reports.ts'
import type { Monitor } from '../monitor/query.ts'
import type { PosternEvent } from '../observe/events.ts'
import type { GenerationPlan, ServerPlan, TargetPlan } from '../proxy/plan.ts'
import type { Traces } from '../traces/types.ts'
import { ApiError } from './api.ts'
import type { ManagedObjects } from './services.ts'

/** What the native API may ask of the running gateway. What is in force, never what is being changed. */
export interface NativeGateway {
  readonly plan: GenerationPlan
  readonly resolved: ResolvedOk
  /** The stored objects in force. They hold private keys: nothing of them leaves but by name (I7). */
  readonly stored: RuntimeState
  readonly configFile: string
  /** How commands that people are told to run begin. */
  readonly posternCommand: string
  /** What was counted. */
  readonly monitor: Monitor
  /** Debug sessions. */
  readonly traces: Traces
  /** The file, or what it names, as it is now, is not what runs: why; '' when it does. */
  readonly lastRefusal: string
  lastReport(target: string, server: string): LastReport | null
  inventory(): InventoryDocument
  /** What would run if the configuration file said this. */
  resolveText(text: string): Promise<Resolved>
  reload(): Promise<boolean>
  subscribe(listener: (event: PosternEvent) => void): () => void
  /** Connects to each as traffic would and judges what it shows (I4); the answers in that order. `https` only. */
  probe(servers: readonly AskedServer[], options?: ProbeOptions): Promise<readonly Diagnosis[]>
  /** Keeps what a probe of a server in force has found out. */
  recordCheck(server: ServerPlan, seen: Diagnosis): LastReport
}

export interface AskedServer {
  readonly target: TargetPlan
  readonly server: ServerPlan
  /** Of a target that is not in the plan. */
  readonly origin?: TargetOrigin
}

export interface ProbeOptions {
  /** Pointers of certificates to their issuers are followed. */
  readonly fetchIssuers?: boolean
  /** The bytes of the handshakes are kept: `probe.transcript`. */
  readonly transcript?: boolean
  /** Stores of others are no evidence, also where the target is one of the file. */
  readonly organization?: string
}

/** The gateway as the native API sees it. */
export function nativeGateway(gateway: Gateway, objects: Pick<ManagedObjects, 'state'>): NativeGateway {
  const probes = new Probes(gateway)
  return {
    get plan() {
      return gateway.plan
    },
    get resolved() {
      return gateway.resolved
    },
    get stored() {
      return objects.state
    },
    get lastRefusal() {
      return gateway.lastRefusal
    },
    configFile: gateway.configFile,
    posternCommand: gateway.contextPlace.posternCommand,
    monitor: gateway.monitor,
    traces: gateway.traces,
    lastReport: (target, server) => gateway.lastReport(target, server),
    inventory: () => gateway.inventory(),
    resolveText: (text) => gateway.resolveText(text),
    reload: () => gateway.reload(),
    subscribe: (listener) => gateway.subscribe(listener),
    probe: (servers, options = {}) => probes.probe(servers, options),
    recordCheck: (server, seen) => gateway.recordCheck(server, seen),
  }
}

/**
 * What may be told as evidence. Whoever asks about a target of one organization hears of its stores alone; those of the file
 * are the gateway's own organization's. null: about targets that run.
 */
function knownFor(resolved: ResolvedOk, organization: string | null): ReturnType<typeof knownCertificates> {
  const ownsFile = organization === null || organization === resolved.plan.organization
  return knownCertificates(ownsFile ? resolved.input.stores : new Map(), storedCertificates(resolved, organization))
}

/** I10. Probes at a time, whoever asks for them, and those that wait for their turn. */
const maxAtOnce = 16
const maxWaiting = 512
/** Milliseconds for all servers of one call. */
const maxTime = 30_000

class Probes {
  readonly #gateway: Pick<Gateway, 'resolved'> & { readonly contextPlace: ContextPlace }
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(gateway: Gateway) {
    this.#gateway = gateway
  }

  async probe(
    servers: readonly AskedServer[],
    { fetchIssuers = false, transcript = false, organization }: ProbeOptions,
  ): Promise<readonly Diagnosis[]> {
    if (this.#waiting.length + servers.length > maxWaiting) {
      throw new ApiError(503, 'busy', 'too many servers are being checked')
    }
    const { resolved, contextPlace } = this.#gateway
    const signal = AbortSignal.timeout(maxTime)
    const owner = servers.find(({ origin }) => origin !== undefined)?.origin?.organization ?? null
    const known = knownFor(resolved, organization ?? owner)
    const diagnoser = openDiagnoser({ known, fetchIssuers, mode: 'runtime', time: null, transcript, signal })
    try {
      return await Promise.all(
        servers.map(({ target, server, origin }) => {
          const origins = origin === undefined ? resolved.origins : new Map([[target.name, origin]])
          const context = configContext({ ...resolved, origins }, target, server, contextPlace)
          return this.#inTurn(signal, () => diagnoser.diagnose(server, context))
        }),
      )
    } catch (error) {
      if (!signal.aborted) throw error
      throw new ApiError(504, 'check-timeout', `the check took longer than ${maxTime / 1000} seconds`, {}, error)
    } finally {
      diagnoser.close()
    }
  }

  async #inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#running >= maxAtOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#running++
    try {
      signal.throwIfAborted()
      return await work()
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }
}
