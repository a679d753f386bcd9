import type { Fault } from '../../src/faults/fault.ts'
import { Balancer, type BalanceObserver } from '../../src/proxy/balance/balancer.ts'
import type { FailureCause } from '../../src/proxy/balance/failure-cause.ts'
import { Tries } from '../../src/proxy/balance/tries.ts'
import type { BreakerPlan, EjectionPlan, HealthPlan, RetryPlan, ServerPlan, TargetPlan } from '../../src/proxy/plan.ts'

export function serverPlan(name: string, change: Partial<ServerPlan> = {}): ServerPlan {
  return {
    target: 't',
    name,
    scheme: 'http',
    host: '127.0.0.1',
    port: 80,
    tls: null,
    h2c: false,
    weight: 1,
    fallback: false,
    timeouts: {
      connectMs: 5000,
      handshakeMs: 5000,
      firstByteMs: 5000,
      bodyIdleMs: 5000,
      keepAliveMs: 5000,
      drainMs: 5000,
    },
    limits: { connections: 10, streams: 100, pending: 10, responseHeaderBytes: 16_384 },
    dns: { servers: [], refreshMs: 30_000 },
    egress: null,
    authority: null,
    ...change,
  }
}

/** `a`, `b*3` (weight 3), `c!` (fallback). */
export function servers(text: string): readonly ServerPlan[] {
  return text.split(' ').map((word) => {
    const [, name = '', weight = '1', fallback] = /^(\w+)(?:\*(\d+))?(!)?$/.exec(word) ?? []
    return serverPlan(name, { weight: Number(weight), fallback: fallback !== undefined })
  })
}

export function targetPlan(change: Partial<TargetPlan> = {}): TargetPlan {
  return {
    name: 't',
    scheme: 'http',
    pathPrefix: '',
    authority: 't.test',
    tls: null,
    servers: servers('a b c'),
    balance: 'round-robin',
    health: null,
    ejection: null,
    retries: retryPlan(),
    breaker: null,
    ...change,
  }
}

export const ejectionPlan = (change: Partial<EjectionPlan> = {}): EjectionPlan => ({
  consecutiveFailures: 3,
  statuses: [[502, 504]],
  baseMs: 10_000,
  maxMs: 35_000,
  maxPercent: 100,
  ...change,
})

export const breakerPlan = (change: Partial<BreakerPlan> = {}): BreakerPlan => ({
  failurePercent: 50,
  minimumRequests: 10,
  windowMs: 10_000,
  openMs: 5000,
  ...change,
})

export function retryPlan(change: Partial<RetryPlan> = {}): RetryPlan {
  return {
    attempts: 1,
    on: ['connect', 'refused-stream', 'reset'],
    statuses: [],
    methods: ['GET', 'HEAD'],
    budgetPercent: 20,
    budgetMinPerSecond: 3,
    ...change,
  }
}

export const healthPlan = (change: Partial<HealthPlan> = {}): HealthPlan => ({
  check: { kind: 'tcp' },
  port: null,
  intervalMs: 100,
  timeoutMs: 5000,
  healthyAfter: 2,
  unhealthyAfter: 3,
  ...change,
})

/** A balancer with a clock of the test's, and what it has told. */
export interface Bench {
  readonly balancer: Balancer
  readonly told: string[]
  /** What each ejection and each change of the breaker was said to come from. */
  readonly causes: string[]
  readonly clock: { now: number }
  /** Name of the server that one request is sent to, or what `pick` said instead; the request ends at once. */
  readonly send: (outcome?: 'ok' | 'failed' | 'neutral', status?: number, fault?: Fault) => string
  /** As `send`, and still under way. */
  readonly open: (tries?: Tries) => string
  /** The same target after a change of configuration. */
  readonly next: (plan: TargetPlan) => Bench
}

export function bench(plan: TargetPlan, previous: Bench | null = null): Bench {
  const clock = previous?.clock ?? { now: 1_000_000 }
  const told = previous?.told ?? []
  const causes = previous?.causes ?? []
  const blame = (cause: FailureCause | null): number =>
    causes.push(cause === null ? 'none' : `${cause.verdict} ${cause.party} ${cause.summary}`)
  const observer: BalanceObserver = {
    serverHealth: (server, { healthy }) => told.push(`${server} ${healthy ? 'healthy' : 'unhealthy'}`),
    unhealthyForgotten: (server) => told.push(`${server} forgotten`),
    serverEjected(server, failures, ms, cause) {
      told.push(`${server} ejected for ${ms} after ${failures}`)
      blame(cause)
    },
    breaker(state, requests, failed, cause) {
      told.push(state === 'open' ? `open ${failed}/${requests}` : state)
      blame(cause)
    },
    retried: () => told.push('retried'),
  }
  const balancer = new Balancer(plan, {
    observer,
    now: () => clock.now,
    worker: 0,
    previous: previous?.balancer ?? null,
  })
  const open = (tries: Tries = new Tries()): string => {
    const server = balancer.pick(tries)
    return server === -1 ? 'none' : server === -2 ? 'circuit open' : (plan.servers[server]?.name ?? '?')
  }
  const self: Bench = {
    balancer,
    told,
    causes,
    clock,
    open,
    send(outcome = 'ok', status = 200, fault) {
      const tries = new Tries()
      const name = open(tries)
      if (outcome === 'ok') tries.answered(status)
      tries.end(outcome, fault)
      return name
    },
    next: (changed) => bench(changed, self),
  }
  return self
}

export const refused: Fault = {
  kind: 'connect-refused',
  verdict: 'connection-refused',
  party: 'backend',
  summary: '10.0.0.1:443: connection refused',
  evidence: { address: '10.0.0.1' },
}

export const untrusted: Fault = {
  kind: 'tls-untrusted',
  verdict: 'missing-root',
  party: 'gateway',
  summary: '10.0.0.1:443: missing-root',
  evidence: { snapshot: 'x' },
}

/** How often each word comes. */
export function counts(words: readonly string[]): Readonly<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const word of words) found[word] = (found[word] ?? 0) + 1
  return found
}

export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}
