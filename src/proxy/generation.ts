import type { TargetTrust } from '../dial/target-trust.ts'
import type { Fault } from '../faults/fault.ts'
import type { AccessFormatter, EventFormatter, LogContext } from '../observe/log-context.ts'
import { createAccessFormatter, createEventFormatter } from '../observe/log-format.ts'
import { MetricsWriter } from '../observe/metrics-writer.ts'
import type { RecordingOrder } from '../observe/recording.ts'
import { Balancer } from './balance/balancer.ts'
import { balanceObserver } from './balance/observe.ts'
import { TargetChecks } from './balance/target-checks.ts'
import type { GenerationPlan, ProxyPlan, ServerPlan, TargetPlan, TargetTlsPlan } from './plan.ts'
import { Pool, type PoolObserver } from './pool.ts'
import { buildRoute, type Choose, noWay, targetOf } from './route.ts'
import { buildRouters, type Routers } from './routers.ts'
import type { WorkerRuntime } from './runtime.ts'
import { SiblingTrusts } from './sibling-trusts.ts'

export interface TargetRuntime {
  readonly plan: TargetPlan
  /** One for each server, in the order of the plan. */
  readonly servers: readonly ServerRuntime[]
  /** null: one server, and nothing that could keep a request from it; then there is nothing to choose or to count. */
  readonly balancer: Balancer | null
  readonly checks: TargetChecks | null
  /** `https://host:port`, for logs. */
  readonly origin: string
}

export interface ServerRuntime {
  readonly pool: Pool
  /** Everything a pool depends on, as text: equal keys share a pool across generations. */
  readonly key: string
  /** What it is asked as under the host policy `target`. */
  readonly authority: string
  /** ` HTTP/1.1`, and the Host line; what follows the path in a request under that policy. */
  readonly hostLine: string
  /** `https://host:port`, for logs. */
  readonly origin: string
  /** Of its trust; '' for plain HTTP. */
  readonly snapshot: string
}

export interface ProxyRuntime {
  readonly plan: ProxyPlan
  /** Where all of its requests go; null: `choose` says it for each. */
  readonly target: TargetRuntime | null
  readonly choose: Choose
  /** Row in the counters of `generation`. */
  readonly index: number
  readonly generation: number
  /** Debug sessions that want its requests; null: none does. */
  orders: readonly RecordingOrder[] | null
}

export interface LogOutput {
  readonly access: AccessFormatter
  readonly event: EventFormatter
}

/** One generation as a worker runs it (I3): made whole before any of it is used. */
export interface Generation {
  readonly plan: GenerationPlan
  readonly proxies: readonly ProxyRuntime[]
  readonly routers: Routers
  readonly targets: ReadonlyMap<string, TargetRuntime>
  readonly proxyIndex: ReadonlyMap<string, number>
  readonly targetIndex: ReadonlyMap<string, number>
  readonly metrics: MetricsWriter
  readonly logs: readonly LogOutput[]
}

/**
 * Builds a generation without touching the running one. Pools of targets whose plan has not changed are taken over with
 * their connections; any change of address, trust or limits makes a new pool (I2). Throws what the TLS runtime refuses.
 */
export function buildGeneration(
  plan: GenerationPlan,
  previous: Generation | null,
  runtime: WorkerRuntime,
  metrics: SharedArrayBuffer,
  context: LogContext,
): Generation {
  const targets = new Map<string, TargetRuntime>()
  const trusts = new SiblingTrusts()
  for (const target of plan.targets) {
    const old = previous?.targets.get(target.name)
    const before = old?.servers ?? []
    const servers = target.servers.map((server): ServerRuntime => {
      const key = JSON.stringify(server)
      const pool = before.find((each) => each.key === key)?.pool ?? newPool(server, trusts, runtime)
      const authority = server.authority ?? target.authority
      return {
        pool,
        key,
        authority,
        hostLine: ` HTTP/1.1\r\nHost: ${authority}\r\n`,
        origin: `${server.scheme}://${authority}`,
        snapshot: server.tls?.snapshotId ?? '',
      }
    })
    const balanced = balanceOf(target, old?.balancer ?? null, trusts, runtime)
    targets.set(target.name, { plan: target, servers, ...balanced, origin: `${target.scheme}://${target.authority}` })
  }
  const proxies = plan.proxies.map((proxy, index): ProxyRuntime => {
    const { route } = proxy
    const common = { plan: proxy, index, generation: plan.generation, orders: null }
    return route.kind === 'target'
      ? { ...common, target: targetOf(proxy, route.target, targets), choose: () => noWay }
      : { ...common, target: null, choose: buildRoute(proxy, targets) }
  })
  return {
    plan,
    proxies,
    routers: buildRouters(
      plan.listeners.map(({ name }) => name),
      proxies,
    ),
    targets,
    proxyIndex: new Map(plan.proxies.map((proxy, index) => [proxy.key, index])),
    targetIndex: new Map(plan.targets.map((target, index) => [target.name, index])),
    metrics: new MetricsWriter(metrics, { proxies: plan.proxies.length, targets: plan.targets.length }),
    logs: plan.logs.map((log) => ({
      access: createAccessFormatter(log.format, context),
      event: createEventFormatter(log.format, context),
    })),
  }
}

function balanceOf(
  target: TargetPlan,
  previous: Balancer | null,
  trusts: SiblingTrusts,
  runtime: WorkerRuntime,
): Pick<TargetRuntime, 'balancer' | 'checks'> {
  const { health, ejection, breaker, retries } = target
  if (
    target.servers.length === 1 &&
    health === null &&
    ejection === null &&
    breaker === null &&
    retries.attempts === 0
  ) {
    return { balancer: null, checks: null }
  }
  const observer = balanceObserver(runtime, target.name)
  const now = (): number => runtime.deadlines.now
  const balancer = new Balancer(target, { observer, now, worker: runtime.worker, previous })
  // Its own, without sessions: each check is to see what a new connection gets, and a resumed one shows no certificate.
  const trust = (server: number): TargetTrust | null => {
    const tls = target.servers[server]?.tls ?? null
    return tls === null ? null : trusts.of({ ...tls, resumption: false })
  }
  return { balancer, checks: new TargetChecks({ balancer, trust, resolver: runtime.resolver, observer }) }
}

/** `next` is in force: its health checks begin, those of `old` that it has no use for end. */
export function startChecks(old: Generation | null, next: Generation): void {
  for (const [name, { checks }] of next.targets) checks?.start(old?.targets.get(name)?.checks ?? null)
  for (const [name, { checks }] of old?.targets ?? [])
    if ((next.targets.get(name)?.checks ?? null) === null) checks?.close()
}

/** Ends the pools of `old` that `next` did not take over. */
export function retirePools(old: Generation, next: Generation, runtime: WorkerRuntime): void {
  if (next.plan.trustChanged) {
    // It may be theirs, which no plan tells that they are no longer part of. (I2)
    for (const pool of runtime.lingering) pool.retire('drain')
    runtime.lingering.clear()
  }
  // I10
  for (const pool of runtime.lingering) if (pool.isEmpty) runtime.lingering.delete(pool)
  for (const [name, target] of old.targets) {
    const successor = next.targets.get(name)
    const kept = new Set(successor?.servers.map(({ pool }) => pool))
    for (const { pool } of target.servers) {
      if (kept.has(pool)) continue
      const mode = successor?.plan.tls?.onTrustChange ?? target.plan.tls?.onTrustChange ?? 'drain'
      const drainMs = next.plan.drains[name]
      const { idle, busy } = pool.retire(mode, drainMs)
      if (busy > 0 && (drainMs ?? 0) > pool.server.timeouts.drainMs) runtime.lingering.add(pool)
      // Hundreds of targets may hang on one store, and few of them have been used.
      if (idle + busy === 0) continue
      const snapshot = pool.server.tls?.snapshotId ?? ''
      runtime.event({ type: 'pool-retired', target: name, snapshot, idle, busy, mode })
    }
  }
}

function newPool(server: ServerPlan, trusts: SiblingTrusts, runtime: WorkerRuntime): Pool {
  const trust = server.tls === null ? null : trusts.of(server.tls)
  return new Pool(server, runtime.deadlines, runtime.resolver, observerFor(runtime, server), trust)
}

function observerFor(runtime: WorkerRuntime, server: ServerPlan): PoolObserver {
  const { target, tls } = server
  const snapshot = tls?.snapshotId ?? ''
  const index = (): number => runtime.generation.targetIndex.get(target) ?? -1
  return {
    dialing(request) {
      let leafSha256 = ''
      return {
        resolving: (host) => runtime.event({ type: 'dns-resolution', target, host, request }),
        offering: (versions) => runtime.event({ type: 'tls-offered', target, versions, request }),
        presented(leaf) {
          leafSha256 = leaf.sha256
          runtime.event({ type: 'certificate-presented', target, leaf, request })
        },
        verified: (path) => runtime.seenChains.verified(server, leafSha256, path),
      }
    },
    consult(fault, done) {
      runtime.seenChains.failed(server)
      return runtime.consultation.consult(server, fault, done)
    },
    opened(connection) {
      runtime.connections.opened(target, snapshot)
      const { metrics } = runtime.generation
      metrics.upstreamOpened(index())
      const { dialed } = connection
      if (tls === null) return
      metrics.handshake(index(), 'trusted', dialed.resumed, dialed.handshakeMs)
      const { protocol, cipher, resumed, handshakeMs: ms } = dialed
      runtime.event({
        type: 'handshake',
        target,
        verdict: 'trusted',
        ms,
        resumed,
        protocol,
        cipher,
        snapshot,
        ...skippedBy(tls),
      })
    },
    refused(fault) {
      if (tls !== null && fault.verdict !== null) {
        runtime.generation.metrics.handshake(index(), fault.verdict, false, handshakeMsOf(fault))
      }
    },
    closed() {
      runtime.connections.closed(target, snapshot)
    },
  }
}

/** Of a dial that came to a handshake; null of one that did not. */
function handshakeMsOf({ evidence: { timings } }: Fault): number | null {
  const ms = typeof timings === 'object' && timings !== null && 'handshakeMs' in timings ? timings.handshakeMs : null
  return typeof ms === 'number' ? ms : null
}

/** I1: an exception shows wherever it has let something pass. */
function skippedBy({ exceptions }: TargetTlsPlan): { skipped?: readonly ('chain' | 'name')[] } {
  if (exceptions.length === 0) return {}
  const now = Date.now()
  const inForce = exceptions.filter(({ until }) => until === null || until > now).map(({ skip }) => skip)
  return inForce.length === 0 ? {} : { skipped: [...new Set(inForce)] }
}
