import { Ejection, Retries } from '../../config/schema-resilience.ts'
import type { EjectionPlan, HealthPlan, RetryPlan, ServerPlan, TargetPlan } from '../../proxy/plan.ts'
import type { HealthMonitor, LoadBalancer } from './bundle-types.ts'
import { find, type Notes, refuse } from './compile-notes.ts'
import type { TargetQuestion } from './compile-target-endpoint.ts'

/** How servers are chosen, and what is done when one fails (apigee-edge.md 7.3). */
export function planBalancing(
  notes: Notes,
  question: TargetQuestion,
  servers: readonly ServerPlan[],
  authority: string,
): Pick<TargetPlan, 'balance' | 'health' | 'ejection' | 'retries'> {
  const { loadBalancer, healthMonitor } = question.connection
  if (loadBalancer === null) throw new TypeError(`${question.name} has no LoadBalancer`)
  const monitor = healthMonitor?.isEnabled === true ? healthMonitor : null
  return {
    balance: algorithms[loadBalancer.algorithm],
    health: planHealth(notes, question, loadBalancer, monitor, servers, authority),
    ejection: planEjection(loadBalancer, monitor),
    retries: planRetries(loadBalancer, servers.length),
  }
}

const algorithms = { RoundRobin: 'round-robin', Weighted: 'weighted', LeastConnections: 'least-requests' } as const

const ejectionDefaults = Ejection.parse({})
const retryDefaults = Retries.parse({})

type Ranges = readonly (readonly [number, number])[]

/**
 * MaxFailures in a row remove a server, all of them if need be: `NoActiveTargets` is Edge's answer then. It comes back after
 * TargetDisableSecs; without that when a check has passed, for which it is tried again as often as it is checked; without
 * a monitor Edge leaves it out until the next deployment, which is replaced by the gateway's own times.
 */
function planEjection(balancer: LoadBalancer, monitor: HealthMonitor | null): EjectionPlan | null {
  const { maxFailures, targetDisableSecs, unhealthyStatuses } = balancer
  if (maxFailures < 1) return null
  const fixed = targetDisableSecs ?? monitor?.intervalSecs ?? null
  const fixedMs = fixed === null ? null : Math.max(1, fixed) * 1000
  return {
    consecutiveFailures: maxFailures,
    statuses: each(unhealthyStatuses),
    baseMs: fixedMs ?? ejectionDefaults.base,
    maxMs: fixedMs ?? ejectionDefaults.max,
    maxPercent: 100,
  }
}

/**
 * Every other server is tried once, where nothing of the request was processed, or its method may be sent twice. No budget:
 * Edge has none, and the number of servers bounds it.
 */
function planRetries({ retryEnabled, unhealthyStatuses }: LoadBalancer, servers: number): RetryPlan {
  const attempts = Math.min(maxAttempts, servers - 1)
  if (!retryEnabled || attempts < 1) return noRetries
  const statuses = each(unhealthyStatuses)
  return {
    attempts,
    on: ['connect', 'untrusted', 'refused-stream', 'reset', ...(statuses.length === 0 ? [] : ['status' as const])],
    statuses,
    methods: retryDefaults.methods,
    budgetPercent: 100,
    budgetMinPerSecond: retryDefaults.budget.minPerSecond,
  }
}

const none = Retries.parse({ attempts: 0 })
/** For a single server, and where RetryEnabled is false. */
export const noRetries: RetryPlan = {
  attempts: 0,
  on: none.on,
  statuses: none.statuses,
  methods: none.methods,
  budgetPercent: none.budget.percent,
  budgetMinPerSecond: none.budget.minPerSecond,
}

/** As `attempts` of the configuration. (I10) */
const maxAttempts = 10

function planHealth(
  notes: Notes,
  { object }: TargetQuestion,
  { maxFailures }: LoadBalancer,
  health: HealthMonitor | null,
  servers: readonly ServerPlan[],
  authority: string,
): HealthPlan | null {
  if (health === null) return null
  if (maxFailures < 1) {
    const message = 'its HealthMonitor is not run: MaxFailures is 0, so no server is ever removed'
    find(notes, 'health-monitor-not-used', 'warning', object, message)
    return null
  }
  const { monitor, intervalSecs } = health
  const seconds =
    monitor.kind === 'tcp' ? monitor.connectTimeoutSecs : monitor.connectTimeoutSecs + monitor.readTimeoutSecs
  const common = {
    port: monitor.port,
    intervalMs: Math.max(1, intervalSecs) * 1000,
    timeoutMs: Math.max(1, seconds) * 1000,
    // Edge brings a server back with the first check that passes.
    healthyAfter: 1,
    unhealthyAfter: maxFailures,
  }
  if (monitor.kind === 'tcp') return { check: { kind: 'tcp' }, ...common }
  if (monitor.trustAllSsl) {
    const message = 'TrustAllSSL of its HealthMonitor is not honoured: checks verify as requests do'
    find(notes, 'health-check-verifies', 'warning', object, message)
  }
  const { isSsl } = monitor
  if (isSsl !== null && servers.some(({ tls }) => (tls !== null) !== isSsl)) {
    const message = `IsSSL of its HealthMonitor is ${isSsl}, and its servers say otherwise: checks connect as requests do`
    find(notes, 'health-check-connects', 'warning', object, message)
  }
  const { verb, path, payload } = monitor
  // A line of a request with a space or a line break in it is another request. (I8)
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(verb) || !/^(?:\/[!-~]*)?$/.test(path)) {
    const message = `its HealthMonitor asks for no request: ${JSON.stringify(`${verb} ${path}`)}`
    return refuse(notes, 'health-monitor-invalid', object, message)
  }
  const headers = [
    ...monitor.headers,
    ...(monitor.includeHealthCheckIdHeader ? [{ name: 'X-Apigee-Healthcheck-Id', value: object }] : []),
  ].filter(({ name, value }) => {
    // RFC 9110 sections 5.1 and 5.5: a line break in a value would be a header of its own (I8)
    const sound = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) && /^[\t\u0020-\u007e]*$/.test(value)
    if (!sound)
      find(notes, 'health-check-header', 'warning', object, `no header: ${JSON.stringify(name)}; it is not sent`)
    return sound && !/^(?:host|content-length|transfer-encoding|connection)$/i.test(name)
  })
  return {
    check: {
      kind: 'http',
      method: verb,
      path: path === '' ? '/' : path,
      host: authority,
      statuses: each(monitor.successStatuses.length === 0 ? [200] : monitor.successStatuses),
      headers: headers.map(({ name, value }) => `${name}: ${value}\r\n`).join(''),
      body: payload,
      expectHeaders: monitor.successHeaders.map(({ name, value }) => [name.toLowerCase(), value] as const),
    },
    ...common,
  }
}

const each = (statuses: readonly number[]): Ranges => statuses.map((status) => [status, status] as const)
