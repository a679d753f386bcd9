import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expectServable } from '../config/servable.ts'
import { compileGeneration } from '../config/compile.ts'
import { formatProblem } from '../config/load.ts'
import type { Home, ManagedView } from '../config/managed-view.ts'
import {
  type ManagedSource,
  type ManagementPlace,
  type Resolved,
  type ResolvedOk,
  resolveConfig,
  resolveConfigText,
  resolvedFinding,
  storedProblem,
} from '../config/resolve.ts'
import { codeOf, messageOf, PosternError } from '../core/errors.ts'
import type { Monitor } from '../monitor/query.ts'
import type { PosternEvent } from '../observe/events.ts'
import { createEventFormatter } from '../observe/log-format.ts'
import { LogSinks } from '../observe/log-writer.ts'
import { sinkKey } from '../observe/log-batcher.ts'
import { sinkLabels } from '../observe/sink-labels.ts'
import { exposition, type ExpositionFormat, type MetricFamily } from '../observe/exposition.ts'
import { ChainsSeen } from '../diagnosis/chains-seen.ts'
import { clipped, clippedRemedy } from '../diagnosis/clipped.ts'
import { type ContextPlace, lookCommand } from '../diagnosis/config-context.ts'
import type { Diagnosis } from '../diagnosis/diagnose.ts'
import type { InventoryDocument } from '../diagnosis/inventory.ts'
import { type LastReport, LastReports } from '../diagnosis/last-reports.ts'
import { LiveDiagnosis } from '../diagnosis/live.ts'
import type { GenerationPlan, ServerPlan } from '../proxy/plan.ts'
import type { Traces } from '../traces/types.ts'
import { type PathWatch, watchPaths } from '../trust/watch.ts'
import { remediesForLog } from '../verdict/remedies.ts'
import { onOneLine } from '../verdict/shell.ts'
import {
  contentOf,
  exceptionsOf,
  keptPorts,
  maxProblems,
  namesManagedStores,
  refusedChange,
  serverStatus,
  subPathMounts,
} from './generation-facts.ts'
import { openManagement, type Management } from './management.ts'
import { GatewayMetrics } from './gateway-metrics.ts'
import { Observability } from './observability.ts'
import { storedTrustChanges, trustChanges } from './trust-changes.ts'
import { WorkerHandle } from './worker-handle.ts'

export interface GatewayOptions {
  readonly configFile: string
  readonly workers: number
  readonly env: Readonly<Record<string, string | undefined>>
  readonly organization?: string
  readonly environment?: string
  /** How often watched files are looked at when the file system reports nothing. */
  readonly pollMs?: number
  /** `false`: only look every `pollMs`, for network file systems. */
  readonly watchEvents?: boolean
  /** Where the `stdout` sink goes. */
  readonly stdoutFd?: number
  /** How remedies call this program; default `postern`. */
  readonly posternCommand?: string
  /** Told of every event of the main thread, after it was logged. */
  readonly onEvent?: (event: PosternEvent) => void
  /** What the management API has stored; asked once, at the start. Later states come through `applyManaged`. */
  readonly managed?: ManagedSource
  /** Opens the management listener; default: the read-only one. */
  readonly openManagement?: (gateway: Gateway, where: ManagementPlace) => Promise<Management>
  /** Instead of the configuration's. */
  readonly managementPort?: number
  /** Where the counts of monitoring are kept; default: in memory. */
  readonly monitoringFile?: string
}

/** A change of what the management API has stored, decided and not kept yet. */
export interface ManagedChange<T> {
  /** null: running traffic does not depend on what changes. */
  readonly view: ManagedView | null
  /** Makes it durable. Called when every worker has built the new generation, before any runs it. */
  persist(): Promise<void>
  /** It cannot run, or could not be kept. */
  abandon(): Promise<void>
  readonly result: T
}

interface TakeUp {
  /** Keeps what the new generation stands for. */
  readonly persist: () => Promise<void>
  /** The files were read for it: they are good, and what they name is to be watched. */
  readonly files?: boolean
}

type EventBody = PosternEvent extends infer E ? (E extends PosternEvent ? Omit<E, 'at' | 'worker'> : never) : never

/** The main thread's number in events and logs. */
const mainThread = -1

/**
 * A running gateway: one configuration file, its workers, and the generation in force. Changes of any watched file lead
 * to a new generation that all workers take up, or to none (I3).
 */
export class Gateway implements AsyncDisposable {
  readonly metrics = new GatewayMetrics()
  readonly #options: GatewayOptions
  readonly #sinks: LogSinks
  readonly #observability: Observability
  readonly #ticketKeys = randomBytes(48)
  readonly #listeners = new Set<(event: PosternEvent) => void>()
  #managed: ManagedView | null = null
  readonly #diagnosis: LiveDiagnosis
  readonly #chains = new ChainsSeen()
  readonly #reports = new LastReports()
  #workers: WorkerHandle[] = []
  #resolved: ResolvedOk
  #plan: GenerationPlan
  #content: string
  #ports: Record<string, number> = {}
  #watch: PathWatch | null = null
  #watched: readonly string[] = []
  #exceptionTimer: NodeJS.Timeout | null = null
  #management: Management | null = null
  /** Changes are taken one after the other. */
  #queue: Promise<unknown> = Promise.resolve()
  #stopping = false
  #refusals = 0
  #reloadWaits = false
  #lastRefusal = ''
  /** Until when requests may be under way on targets that are gone. */
  #lingersUntil = 0
  /** Of the generation in force; as text. */
  #announced: ReadonlySet<string> = new Set()
  #stopped: Promise<void> | null = null

  /** Throws `config-refused` with every problem when the file, or anything it names, is not good. */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const { configFile, env, managed = null } = options
    const resolved = await resolveConfig(configFile, env, Date.now(), 1, managed, homeOf(options))
    if (!resolved.ok) {
      throw new PosternError('config-refused', resolved.problems.map(formatProblem).join('\n'), {
        evidence: { problems: resolved.problems },
      })
    }
    const gateway = new Gateway(options, resolved)
    try {
      // In the queue like every change: one that is noticed meanwhile waits until there are workers to take it up.
      await gateway.#enqueue(() => gateway.#begin())
    } catch (error) {
      await gateway.stop(0)
      throw error
    }
    return gateway
  }

  private constructor(options: GatewayOptions, resolved: ResolvedOk) {
    this.#options = options
    this.#resolved = resolved
    this.#adopt(resolved)
    this.#plan = this.#named(resolved.plan)
    this.#content = contentOf(this.#plan)
    this.#diagnosis = this.#startDiagnosis()
    this.#sinks = new LogSinks({
      ...(options.stdoutFd === undefined ? {} : { stdoutFd: options.stdoutFd }),
      onError: (sink, message) =>
        this.#event({ type: 'warning', code: 'log-sink-failing', message: `log sink ${sink}: ${message}` }),
      onRestored: (sink, lost) =>
        this.#event({
          type: 'warning',
          code: 'log-sink-restored',
          message: `log sink ${sink} takes lines again; ${lost} were lost meanwhile`,
        }),
      outlet: (batch, done) => this.#observability.outlet(batch, done),
    })
    this.#observability = new Observability(options.monitoringFile ?? null, {
      order: (orders) => this.#workers.forEach((worker) => worker.record(orders)),
      warn: (code, message) => this.warn(code, message),
      hasManagement: () => this.#managementPlace() !== null,
      families: () => this.metricFamilies(),
    })
  }

  /** Ports of the listeners by name; what the system chose where the configuration says 0. */
  get ports(): Readonly<Record<string, number>> {
    return this.#ports
  }

  get managementPort(): number | null {
    return this.#management?.port ?? null
  }

  get generation(): number {
    return this.#plan.generation
  }

  get workers(): readonly WorkerHandle[] {
    return this.#workers
  }

  /** How long to stay open and not ready before a stop; for whoever stops on a signal. */
  get drainDelayMs(): number {
    return this.#resolved.config.drain.delay ?? 0
  }

  get ready(): boolean {
    return !this.#stopping && this.#workers.length > 0
  }

  /** Reads everything again and takes up what has changed. @returns whether a new generation is in force */
  reload(): Promise<boolean> {
    return this.#enqueue(() => this.#reload())
  }

  /**
   * Takes up a change of the stored objects, after every change before it: compiles it, builds it on every worker, has it
   * kept, then runs it on every worker. Whatever fails leaves everything as it was, and is thrown: `change-refused` with the
   * `problems` where the stored objects cannot run (I3). When this returns no request is forwarded under the old trust (I2).
   */
  applyManaged<T>(work: () => Promise<ManagedChange<T>>): Promise<T> {
    return this.#enqueue(async () => {
      const change = await work()
      try {
        if (change.view === null) await change.persist()
        else await this.#takeUp(await this.#resolvedWith(change.view), { persist: () => change.persist() })
      } catch (error) {
        await change.abandon()
        throw error
      }
      return change.result
    })
  }

  /** Events of the main thread from here on. @returns ends it */
  subscribe(listener: (event: PosternEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The configuration in force, as its file said it. */
  get configText(): string {
    return this.#resolved.text
  }

  /** The file, or what it names, as it is now, is not what runs: why; '' when it does. */
  get lastRefusal(): string {
    return this.#lastRefusal
  }

  get resolved(): ResolvedOk {
    return this.#resolved
  }

  get plan(): GenerationPlan {
    return this.#plan
  }

  get monitor(): Monitor {
    return this.#observability.monitor
  }

  get traces(): Traces {
    return this.#observability.traces
  }

  get organization(): string {
    return this.#plan.organization
  }

  /** Of the stored objects in force. */
  findings(): readonly {
    readonly code: string
    readonly severity: string
    readonly object: string
    readonly message: string
  }[] {
    return this.#resolved.storedFindings.map(({ path: object, ...rest }) => ({ object, ...rest }))
  }

  /** A word to the operator from beside the gateway. */
  warn(code: string, message: string): void {
    this.#event({ type: 'warning', code, message })
  }

  /** An alert rule has begun or ceased to hold. */
  alert(event: Extract<EventBody, { type: 'alert-fired' | 'alert-resolved' }>): void {
    this.#event(event)
  }

  /** Whose alerts no receiver took is to be seen in the metrics. */
  countAlertLosses(lost: () => number): void {
    this.#observability.alertsLost = lost
  }

  /** Opens log files again under their names, after a rotation. */
  async reopenLogs(): Promise<void> {
    await this.#sinks.reopen()
  }

  metricsText(format: ExpositionFormat = 'text'): string {
    return exposition(this.metricFamilies(), format)
  }

  metricFamilies(): readonly MetricFamily[] {
    const { input, origins, management } = this.#resolved
    const { losses, http, queues } = this.#observability
    return this.metrics.families(
      {
        generation: this.#plan.generation,
        refusals: this.#refusals,
        upToDate: this.#lastRefusal === '',
        workers: this.#workers.length,
        plan: this.#plan,
        losses: { ...losses, logRecords: this.#logRecordsLost(losses.logRecords) },
        queues,
        stores: input.stores,
        crlStores: input.crlStores,
        origins,
        management,
        leaves: this.#chains.leaves(),
      },
      http.families(),
    )
  }

  /** By sink, of every one that is configured. */
  #logRecordsLost(inOutlets: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const { sink } of this.#plan.logs) counts[sinkKey(sink)] = 0
    Object.assign(counts, inOutlets, this.#sinks.droppedBySink)
    const labels = sinkLabels(Object.keys(counts))
    return Object.fromEntries(Object.entries(counts).map(([key, records]) => [labels.get(key) ?? key, records]))
  }

  /** The chains that the targets have shown, and what each hangs on. */
  inventory(): InventoryDocument {
    return this.#chains.document(this.#resolved, this.#plan)
  }

  /** What was last found out about a server; null: nobody has looked. */
  lastReport(target: string, server: string): LastReport | null {
    return this.#reports.of(target, server)
  }

  /** Keeps what a check from beside the gateway has found out, as that of failed traffic is kept. */
  recordCheck(server: ServerPlan, seen: Diagnosis): LastReport {
    this.#chains.record({ target: server.target, server: server.name }, seen.probe.handshake?.served ?? [], 'probe')
    return this.#reports.record(server, seen, 'check')
  }

  /** What remedies name; see ContextPlace. */
  get contextPlace(): ContextPlace {
    const { configFile, posternCommand = 'postern' } = this.#options
    return { configFile, posternCommand, management: () => this.#managementUrl() }
  }

  get configFile(): string {
    return this.#options.configFile
  }

  /** What would run if the configuration file said this: relative paths start at its folder. Nothing is taken up. */
  resolveText(text: string, managed = this.#managed): Promise<Resolved> {
    const source = managed === null ? null : () => managed
    const { configFile, env } = this.#options
    const file = resolve(configFile)
    const next = this.#plan.generation + 1
    return resolveConfigText(text, file, env, Date.now(), next, source, homeOf(this.#options))
  }

  /** What the management listener's `/status` shows. */
  status(): Readonly<Record<string, unknown>> {
    return {
      generation: this.#plan.generation,
      workers: this.#workers.map((worker) => worker.worker),
      ports: this.#ports,
      ...(this.#lastRefusal === '' ? {} : { lastRefused: this.#lastRefusal }),
      targets: this.#plan.targets.map((target) => ({
        name: target.name,
        snapshot: target.tls?.snapshotId ?? null,
        exceptions: exceptionsOf(target),
        balance: target.balance,
        servers: target.servers.map(serverStatus),
      })),
    }
  }

  /** Says it is not ready for `delayMs`, then finishes what is under way, at most for `timeoutMs`, and ends. */
  stop(timeoutMs = this.#resolved.config.drain.timeout, delayMs = 0): Promise<void> {
    this.#stopped ??= this.#stop(timeoutMs, delayMs)
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(0)
  }

  async #begin(): Promise<void> {
    await this.#sinks.apply(this.#plan.logs.map((log) => log.sink))
    this.#startWatching()
    this.#observability.follow(this.#resolved, this.#plan)
    const first = this.#spawn(0)
    this.#ports = { ...(await first.build(this.#plan, {})) }
    const others = Array.from({ length: this.#options.workers - 1 }, (_, index) => this.#spawn(index + 1))
    await Promise.all(others.map((worker) => worker.build(this.#plan, this.#ports)))
    await Promise.all(this.#workers.map((worker) => worker.commit(this.#plan.generation)))
    const management = this.#managementPlace()
    if (management !== null) this.#management = await (this.#options.openManagement ?? openManagement)(this, management)
    this.#announce()
    setImmediate(() => this.#diagnosis.warm())
    for (const listener of this.#plan.listeners) {
      this.#event({
        type: 'listening',
        listener: listener.name,
        address: listener.address,
        port: this.#ports[listener.name] ?? listener.port,
        tls: listener.tls !== null,
      })
    }
    if (management !== null && this.#management !== null) {
      const { address, tls } = management
      const { port } = this.#management
      this.#event({ type: 'listening', listener: 'management', address, port, tls: tls !== null })
    }
  }

  #managementPlace(): ManagementPlace | null {
    const { management } = this.#resolved
    const { managementPort: port } = this.#options
    if (port === undefined) return management
    return { ...(management ?? { address: '127.0.0.1', tls: null }), port }
  }

  /** As somebody on this machine reaches the management API; null: there is none. */
  #managementUrl(): string | null {
    const place = this.#managementPlace()
    if (place === null || this.#management === null || this.#managed === null) return null
    const any = place.address === '0.0.0.0' || place.address === '::'
    const host = any ? '127.0.0.1' : place.address.includes(':') ? `[${place.address}]` : place.address
    return `${place.tls === null ? 'http' : 'https'}://${host}:${this.#management.port}`
  }

  async #stop(timeoutMs: number, delayMs: number): Promise<void> {
    this.#stopping = true
    this.#watch?.close()
    if (this.#exceptionTimer !== null) clearTimeout(this.#exceptionTimer)
    this.#event({ type: 'draining' })
    this.#diagnosis.close()
    for (const worker of this.#workers) worker.unready()
    if (delayMs > 0) await sleep(delayMs)
    await this.#queue.catch(() => {})
    // A worker that answers no more must not hold up the end.
    const late = sleep(timeoutMs + 5000, undefined, { ref: false })
    await Promise.race([late, Promise.allSettled(this.#workers.map((worker) => worker.drain(timeoutMs)))])
    await Promise.allSettled(this.#workers.map((worker) => worker.terminate()))
    this.#workers = []
    await this.#management?.close()
    this.metrics.close()
    this.#event({ type: 'stopped' })
    await this.#sinks.flush()
    await this.#sinks.close()
    await this.#observability.close(2000)
  }

  /** For what the watch notices: however often it does while a reload waits its turn, one more is enough. */
  #reloadSoon(): void {
    if (this.#reloadWaits) return
    this.#reloadWaits = true
    this.#enqueue(() => {
      this.#reloadWaits = false
      return this.#reload()
    }).catch((error: unknown) => this.#refuse([`the configuration could not be read again: ${messageOf(error)}`]))
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work)
    this.#queue = result.catch(() => {})
    return result
  }

  async #reload(): Promise<boolean> {
    if (this.#stopping) return false
    const resolved = await this.#resolve(this.#managed)
    if (!resolved.ok) {
      if (this.#refuse(resolved.problems.map(formatProblem))) this.metrics.refused(resolved.problems)
      // The last good files stay watched: putting one of them right may be what mends it.
      this.#watchAlso([...this.#watched, ...resolved.watch])
      return false
    }
    return this.#takeUpOrRefuse(resolved, true)
  }

  #resolve(managed: ManagedView | null): Promise<Resolved> {
    const { configFile, env } = this.#options
    const source = managed === null ? null : () => managed
    return resolveConfig(configFile, env, Date.now(), this.#plan.generation + 1, source, homeOf(this.#options))
  }

  /** The configuration in force with other stored objects. Throws `change-refused` where that cannot run. */
  async #resolvedWith(view: ManagedView): Promise<ResolvedOk> {
    const current = this.#resolved
    if (namesManagedStores(current)) {
      // Its own stores and identities come from the stored objects: they are read again, and so are its files. The text is
      // the one in force: that a later one is bad must not keep anybody from changing what is trusted.
      const resolved = await this.resolveText(current.text, view)
      if (!resolved.ok) throw refusedChange(resolved.problems)
      return resolved
    }
    const input = { ...current.input, managed: view, generation: this.#plan.generation + 1, now: Date.now() }
    const compiled = compileGeneration(input)
    if (compiled.problems.length > 0) {
      throw refusedChange(
        compiled.problems.map(({ object, message }) => storedProblem(this.#options.configFile, object, message)),
        compiled.problems,
      )
    }
    const ofFile = current.findings.filter((finding) => !current.storedFindings.includes(finding))
    const storedFindings = compiled.findings.map(resolvedFinding)
    return {
      ...current,
      plan: compiled.plan,
      input,
      findings: [...ofFile, ...storedFindings],
      storedFindings,
      origins: compiled.origins,
      nextExceptionEnd: compiled.nextExceptionEnd,
    }
  }

  async #takeUpOrRefuse(resolved: ResolvedOk, files: boolean): Promise<boolean> {
    try {
      return await this.#takeUp(resolved, { persist: async () => {}, files })
    } catch (error) {
      this.#refuse([messageOf(error)])
      return false
    }
  }

  /**
   * Builds on every worker, has it kept, then commits on every worker; any failure leaves the running generation as it is,
   * and is thrown (I3). @returns whether anything changed
   */
  async #takeUp(resolved: ResolvedOk, { persist, files }: TakeUp): Promise<boolean> {
    const changeManagement = this.#managementChange(resolved)
    const plan = this.#named(resolved.plan)
    const content = contentOf(plan)
    const scheduled = (): void => this.#scheduleExceptionEnd(resolved)
    // What retired targets still have under way must hear of it, even where no target that is left is concerned. (I2)
    const mustTell = plan.trustChanged && Date.now() < this.#lingersUntil
    if (content === this.#content && !mustTell) {
      await persist()
      changeManagement()
      if (files) this.#lastRefusal = ''
      this.#adopt(resolved)
      this.#observability.follow(resolved, this.#plan)
      // The plan is the same; stores that no target trusts, and are evidence of what one lacks, may not be.
      this.#diagnosis.follow(resolved, this.#plan)
      if (files) this.#watchAlso(resolved.watch)
      scheduled()
      return false
    }
    const startedAt = performance.now()
    const workers = [...this.#workers]
    try {
      await this.#sinks.apply(plan.logs.map((log) => log.sink))
      const ports = await this.#buildOn(workers, plan, files === true)
      await persist()
      this.#ports = ports
    } catch (error) {
      for (const worker of workers) worker.discard(plan.generation)
      // The sinks of the generation that stays are in use; a second refusal would close them.
      await this.#sinks.apply(this.#plan.logs.map((log) => log.sink)).catch(() => {})
      throw error
    }
    const stored = plan.trustChanged
      ? storedTrustChanges({ plan: this.#plan, origins: this.#resolved.origins }, { plan, origins: resolved.origins })
      : []
    const changes = [...trustChanges(this.#resolved.input.stores, resolved.input.stores), ...stored]
    changeManagement()
    this.#plan = plan
    this.#content = content
    this.#lingersUntil = Math.max(this.#lingersUntil, Date.now() + Math.max(0, ...Object.values(plan.drains)))
    this.#adopt(resolved)
    this.#diagnosis.follow(resolved, plan)
    this.#chains.follow(plan)
    this.#reports.follow(plan)
    this.#observability.follow(resolved, plan)
    if (files) this.#lastRefusal = ''
    // A worker that dies now is replaced by one that starts with this generation; its failure is not the generation's.
    await Promise.allSettled(workers.map((worker) => worker.commit(plan.generation)))
    // With its word each has told what it had counted of proxies and targets that are gone.
    this.#observability.http.follow(plan)
    const ms = performance.now() - startedAt
    for (const change of changes) this.#event({ type: 'trust-changed', ...change })
    this.#event({ type: 'generation-committed', generation: plan.generation, ms: Math.round(ms * 1000) / 1000 })
    this.#announce()
    if (files) this.#watchAlso(resolved.watch)
    scheduled()
    return true
  }

  #adopt(resolved: ResolvedOk): void {
    const { managed, config } = resolved.input
    this.#resolved = resolved
    this.#managed = managed
    managed?.inForce?.(config)
  }

  /**
   * Builds on all workers, and comes back when every one has answered, so that nothing is discarded while it is still being
   * built. Where there are listeners to open one worker comes first: the others take the ports that the system gave it.
   *
   * @returns the ports of the plan's listeners
   */
  async #buildOn(
    workers: readonly WorkerHandle[],
    plan: GenerationPlan,
    mayWait: boolean,
  ): Promise<Record<string, number>> {
    const ports = keptPorts(this.#plan, plan, this.#ports)
    let builds = 0
    const built = async (worker: WorkerHandle): Promise<boolean> => {
      try {
        Object.assign(ports, await worker.build(plan, ports))
        builds++
        return true
      } catch (error) {
        // A worker that died says nothing about the plan: the one that replaces it starts with whatever is in force then.
        if (worker.ended) return false
        throw error
      }
    }
    const rest = [...workers]
    const opens = plan.listeners.some(({ name }) => ports[name] === undefined)
    if (opens) {
      for (let opener = rest.shift(); opener !== undefined; opener = rest.shift()) if (await built(opener)) break
    }
    const failed = (await Promise.allSettled(rest.map(built))).find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    // What is kept for good must have been built by somebody: a plan that ends workers would do so at every start.
    if (builds === 0 && !mayWait) throw new PosternError('worker-gone', 'every worker ended while it took this up')
    return ports
  }

  /** @returns whether it is another refusal than the last */
  #refuse(all: readonly string[]): boolean {
    const problems =
      all.length > maxProblems ? [...all.slice(0, maxProblems), `and ${all.length - maxProblems} more`] : all
    const text = problems.join('\n')
    // The same bad file is reported once, however often it is looked at.
    if (text === this.#lastRefusal) return false
    this.#lastRefusal = text
    this.#refusals++
    this.#event({ type: 'generation-refused', source: this.#options.configFile, problems })
    return true
  }

  /**
   * The management listener stays where it was at the start, and an operator who moves it must hear that (I3). Its
   * certificate follows. Throws where the runtime does not take that. @returns what is to be done once the rest is in force
   */
  #managementChange(resolved: ResolvedOk): () => void {
    const [before, after] = [this.#resolved.management, resolved.management]
    if (JSON.stringify(before) === JSON.stringify(after)) return () => {}
    const place = (of: ManagementPlace | null): string => `${of?.address} ${of?.port} ${of?.tls === null ? '' : 'tls'}`
    if (place(before) === place(after) && after?.tls) {
      const { chain: cert, key, minVersion } = after.tls
      expectServable({ cert, key, minVersion })
      return () => this.#management?.setTls?.({ cert, key, minVersion })
    }
    const message = 'a change of `management` takes effect at the next start; the listener stays as it was'
    return () => this.#event({ type: 'warning', code: 'management-unchanged', message })
  }

  /**
   * What an operator must know of the generation in force, unless it was said of the one before: with many objects every
   * change would say everything again.
   */
  #announce(): void {
    const { warnings, findings } = this.#resolved
    const events: readonly EventBody[] = [
      ...warnings.map((each): EventBody => ({ type: 'warning', code: 'config', message: formatProblem(each) })),
      ...findings
        .filter(({ severity }) => severity !== 'info')
        .map(({ code, path, message }): EventBody => ({ type: 'warning', code, message: `${path}: ${message}` })),
      ...this.#plan.targets.flatMap((target) =>
        exceptionsOf(target).map((each): EventBody => ({ type: 'exception-in-force', target: target.name, ...each })),
      ),
    ]
    const said = new Map(events.map((event) => [JSON.stringify(event), event]))
    for (const [text, event] of said) if (!this.#announced.has(text)) this.#event(event)
    this.#announced = new Set(said.keys())
    this.#scheduleExceptionEnd(this.#resolved)
  }

  /** When an exception ends, the snapshot changes with it, whatever has happened to the files since (I1, I2). */
  #scheduleExceptionEnd(resolved: ResolvedOk): void {
    if (this.#exceptionTimer !== null) clearTimeout(this.#exceptionTimer)
    this.#exceptionTimer = null
    const end = resolved.nextExceptionEnd
    if (end === null || this.#stopping) return
    // setTimeout holds 2^31 ms; a later end is looked at again then.
    const left = end - Date.now()
    const delay = left < 0 ? 1000 : Math.min(left + 1, 2_000_000_000)
    this.#exceptionTimer = setTimeout(() => {
      void this.#enqueue(async () => {
        const current = this.#resolved
        const compiled = compileGeneration({ ...current.input, generation: this.#plan.generation + 1, now: Date.now() })
        const { plan, origins, nextExceptionEnd } = compiled
        await this.#takeUpOrRefuse({ ...current, plan, origins, nextExceptionEnd }, false)
        // Refused: the workers verify again all the same, and it is tried until what is shown agrees with them.
        if (this.#resolved === current) this.#scheduleExceptionEnd(current)
      })
    }, delay)
    this.#exceptionTimer.unref()
  }

  #startWatching(): void {
    this.#watched = this.#resolved.watch
    this.#watch = watchPaths({
      paths: this.#watched,
      pollMs: this.#options.pollMs ?? 2000,
      events: this.#options.watchEvents ?? true,
      onChange: () => this.#reloadSoon(),
    })
    for (const mount of subPathMounts(this.#watched))
      this.#event({ type: 'warning', code: 'subpath-mount', message: mount })
    // What changed between reading and watching would be missed otherwise.
    this.#reloadSoon()
  }

  #watchAlso(paths: readonly string[]): void {
    const wanted = [...new Set(paths)].sort()
    if (wanted.join('\n') === [...this.#watched].sort().join('\n')) return
    this.#watched = wanted
    this.#watch?.setPaths(wanted)
    this.#reloadSoon()
  }

  #startDiagnosis(): LiveDiagnosis {
    return new LiveDiagnosis(this.#resolved, this.contextPlace, {
      probed: ({ target, name }, { probe }) =>
        this.#chains.record({ target, server: name }, probe.handshake?.served ?? [], 'probe'),
      found: ({ target, server, snapshot }, diagnosis, ms) => {
        const { verdict, remedy, probe } = diagnosis
        const plan = this.#plan.targets.find(({ name }) => name === target)?.servers.find(({ name }) => name === server)
        if (plan?.tls?.snapshotId === snapshot) this.#reports.record(plan, diagnosis, 'traffic')
        this.#event({
          type: 'diagnosed',
          target,
          server,
          verdict: verdict.code,
          party: verdict.party,
          summary: onOneLine(verdict.summary, 1024),
          guilty:
            verdict.certificate === null
              ? null
              : { subject: clipped(verdict.certificate.subject), sha256: verdict.certificate.sha256 },
          hides: verdict.hides,
          remedy: remediesForLog(remedy)
            .slice(0, 3)
            .map((each) => ({ ...clippedRemedy(each), kind: each.kind, risk: onOneLine(each.risk, 1024) })),
          look: lookCommand(this.#resolved, target, this.contextPlace),
          connections: probe.connections,
          ms: Math.round(ms * 1000) / 1000,
        })
      },
      failed: (message) => this.#event({ type: 'warning', code: 'diagnosis-failed', message }),
    })
  }

  #spawn(index: number): WorkerHandle {
    const handle = new WorkerHandle(
      { worker: index, ticketKeys: this.#ticketKeys, hostName: hostname() },
      this.metrics.workers,
      {
        log: (batch, done) => this.#sinks.write(batch, done),
        exited: (gone, error) => this.#exited(gone, error),
        diagnose: (question) => this.#diagnosis.cause(question),
        chainSeen: (seen) => this.#chains.record(seen, seen.chain, 'traffic'),
        rollup: (message) => this.#observability.rollup(message),
        recorded: (batch) => this.#observability.recorded(batch),
      },
    )
    handle.record(this.#observability.orders)
    this.#workers.push(handle)
    return handle
  }

  /** A worker that died is replaced at once; the port was never closed, the other workers hold it too. */
  #exited(gone: WorkerHandle, error: Error | null): void {
    this.#workers = this.#workers.filter((worker) => worker !== gone)
    this.#observability.http.workerGone(gone.worker)
    if (this.#stopping) return
    this.#event({ type: 'worker-died', died: gone.worker, message: error?.stack ?? 'it ended' })
    const again = (): void => void this.#enqueue(() => this.#replace(gone.worker))
    // One that does not come up would be started over and over, as fast as the machine can.
    if (gone.served) again()
    else setTimeout(again, 1000).unref()
  }

  async #replace(index: number): Promise<void> {
    if (this.#stopping) return
    const worker = this.#spawn(index)
    try {
      await worker.build(this.#plan, this.#ports)
      await worker.commit(this.#plan.generation)
    } catch (error) {
      this.#event({
        type: 'warning',
        code: codeOf(error) || 'worker-failed',
        message: `worker ${index}: ${messageOf(error)}`,
      })
      await worker.terminate()
    }
  }

  #named(plan: GenerationPlan): GenerationPlan {
    const { organization = plan.organization, environment = plan.environment, managementPort } = this.#options
    return { ...plan, organization, environment, monitoring: plan.monitoring || managementPort !== undefined }
  }

  #event(body: EventBody): void {
    const event = { at: Date.now(), worker: mainThread, ...body } as PosternEvent
    const context = {
      organization: this.#plan.organization,
      environment: this.#plan.environment,
      region: this.#plan.region,
      hostName: hostname(),
      pid: process.pid,
    }
    for (const log of this.#plan.logs) {
      const text = createEventFormatter(log.format, context)(event)
      if (text !== '') this.#sinks.write({ sink: sinkKey(log.sink), bytes: new TextEncoder().encode(text), records: 1 })
    }
    this.metrics.event(event)
    this.#options.onEvent?.(event)
    for (const listener of this.#listeners) listener(event)
  }
}

/** Where managed stores of the configuration are looked for, too. */
function homeOf({ organization, environment }: GatewayOptions): Partial<Home> {
  return {
    ...(organization === undefined ? {} : { organization }),
    ...(environment === undefined ? {} : { environment }),
  }
}
