import { isTemplate } from '../../flow/template.ts'
import { parseTargetUrl } from '../../config/addresses.ts'
import type {
  ApiProxyBundle,
  BundlePlace,
  BundlePolicy,
  BundleProblem,
  EndpointFlows,
  Flow,
  FlowStep,
  HttpTargetConnection,
  ProxyEndpoint,
  RouteRule,
  SharedFlowBundle,
  TargetEndpoint,
} from './bundle-types.ts'
import { report } from './bundle-notes.ts'
import { inOrder } from './bundle-read.ts'

/**
 * Everything that is to be said about running a bundle: `bundle.problems` and what cannot be run here. It can be deployed
 * when none of it is an error. Nothing of the environment is asked: target servers, virtual hosts and stores come later.
 */
export function checkRunnable(bundle: ApiProxyBundle | SharedFlowBundle): readonly BundleProblem[] {
  const found: BundleProblem[] = [...bundle.problems]
  const unsupported = bundle.unsupported ?? []
  const policies = new Map(bundle.policies.map((policy) => [policy.name, policy]))
  if (bundle.kind === 'sharedflowbundle') {
    // Kept for clients. Nothing runs it: the step that would call it is refused itself.
    for (const { steps } of bundle.sharedFlows) checkSteps(found, policies, steps, 'warning')
    return inOrder([...found, ...unsupported])
  }
  if (bundle.proxyEndpoints.length === 0) {
    const message = 'the bundle has no ProxyEndpoint: there is nothing that would answer'
    report(found, 'error', 'proxy-endpoint-missing', { file: 'apiproxy/proxies', line: 1, column: 1 }, message)
  }
  for (const endpoint of bundle.proxyEndpoints) checkProxyEndpoint(found, policies, bundle, endpoint)
  const ofTargets: BundleProblem[] = [...unsupported]
  for (const endpoint of bundle.targetEndpoints) checkTargetEndpoint(ofTargets, policies, endpoint)
  checkBasePaths(found, bundle.proxyEndpoints)
  return inOrder([...found, ...unlessUnused(bundle, ofTargets)])
}

/** What cannot be run of a TargetEndpoint hinders nobody as long as no RouteRule leads there. */
function unlessUnused(bundle: ApiProxyBundle, found: readonly BundleProblem[]): readonly BundleProblem[] {
  const rules = bundle.proxyEndpoints.flatMap(({ routeRules }) => routeRules)
  const used = new Set(rules.flatMap(({ to }) => (to.kind === 'target' ? to.name : [])))
  const idle = bundle.targetEndpoints.filter(({ name }) => !used.has(name))
  const files = new Set(idle.map(({ place }) => place.file))
  return found.map((problem) => {
    if (problem.severity !== 'error' || problem.code === 'policy-missing' || !files.has(problem.file)) return problem
    return { ...problem, severity: 'warning', message: `${problem.message}; no RouteRule leads there` }
  })
}

type Policies = ReadonlyMap<string, BundlePolicy>

function checkSteps(
  found: BundleProblem[],
  policies: Policies,
  steps: readonly FlowStep[],
  severity: 'error' | 'warning',
): void {
  for (const { policy: name, place } of steps) {
    const policy = policies.get(name)
    if (policy === undefined) {
      report(
        found,
        severity,
        'policy-missing',
        place,
        `the step names the policy ${name}, which the bundle does not have`,
        name,
      )
    } else if (policy.enabled) {
      const message = `the step runs the policy ${name} (${policy.type}), which is not supported`
      report(found, severity, 'step-not-supported', place, message, name)
    }
  }
}

function checkFlows(
  found: BundleProblem[],
  policies: Policies,
  endpoint: EndpointFlows,
  more: readonly (Flow | null)[],
): void {
  const flows = [endpoint.preFlow, ...endpoint.flows, endpoint.postFlow, ...more].filter((flow) => flow !== null)
  for (const { request, response } of flows) checkSteps(found, policies, [...request, ...response], 'error')
  const rules = [...endpoint.faultRules, endpoint.defaultFaultRule].filter((rule) => rule !== null)
  for (const { steps } of rules) checkSteps(found, policies, steps, 'error')
}

function checkProxyEndpoint(
  found: BundleProblem[],
  policies: Policies,
  bundle: ApiProxyBundle,
  endpoint: ProxyEndpoint,
): void {
  checkFlows(found, policies, endpoint, [endpoint.postClientFlow])
  checkProperties(found, endpoint.properties, endpoint.place, proxyProperties)
  if (endpoint.routeRules.length === 0) {
    const message = `the ProxyEndpoint ${endpoint.name} has no RouteRule: no request goes anywhere`
    report(found, 'warning', 'route-missing', endpoint.place, message)
  }
  let always: RouteRule | null = null
  for (const rule of endpoint.routeRules) {
    if (always !== null) {
      const message = `never reached: the RouteRule ${always.name} on line ${always.place.line} has no condition and takes every request`
      report(found, 'warning', 'route-unreachable', rule.place, message)
    } else if (rule.condition === null) always = rule
    checkDestination(found, bundle, rule)
  }
}

function checkDestination(found: BundleProblem[], bundle: ApiProxyBundle, { to, place }: RouteRule): void {
  if (to.kind === 'url') return checkUrl(found, to.url, place)
  if (to.kind === 'none' || bundle.targetEndpoints.some(({ name }) => name === to.name)) return
  const message = `the RouteRule goes to the TargetEndpoint ${to.name}, which the bundle does not have`
  report(found, 'error', 'target-endpoint-missing', place, message)
}

function checkTargetEndpoint(found: BundleProblem[], policies: Policies, endpoint: TargetEndpoint): void {
  checkFlows(found, policies, endpoint, [])
  const { connection } = endpoint
  if (connection.kind === 'http') return checkConnection(found, connection)
  const message =
    connection.element === ''
      ? `the TargetEndpoint ${endpoint.name} has no HTTPTargetConnection`
      : `${connection.element} is not supported; only HTTPTargetConnection is`
  report(found, 'error', 'connection-not-supported', connection.place, message)
}

function checkConnection(found: BundleProblem[], connection: HttpTargetConnection): void {
  const { url, loadBalancer, healthMonitor, path, properties, place } = connection
  checkProperties(found, properties, place, targetProperties)
  if (url !== null) checkUrl(found, url, place)
  if (isTemplate(path)) {
    report(found, 'error', 'url-with-variable', place, 'Path has a flow variable, which is not supported there')
  }
  if (loadBalancer === null) return
  const { servers, maxFailures, targetDisableSecs } = loadBalancer
  if (maxFailures > 0 && targetDisableSecs === null && healthMonitor?.isEnabled !== true) {
    const message =
      'there is neither TargetDisableSecs nor a HealthMonitor: a target server that MaxFailures removed comes back after times of the gateway; on Edge only with the next deployment'
    report(found, 'info', 'server-comes-back', place, message)
  }
  if (servers.length > 0 && servers.every(({ isEnabled }) => !isEnabled)) {
    report(found, 'error', 'no-server-enabled', place, 'no Server of the LoadBalancer is enabled')
  }
  if (servers.length > 1 && maxFailures === 0) {
    const message = 'MaxFailures is 0: a target server that fails is never left out'
    report(found, 'info', 'max-failures-zero', place, message)
  }
}

function checkUrl(found: BundleProblem[], url: string, place: BundlePlace): void {
  if (isTemplate(url)) {
    const message = 'the URL has a flow variable: where requests go must be known when it is deployed'
    report(found, 'error', 'url-with-variable', place, message)
  } else if (parseTargetUrl(url) === null) {
    // Without the URL: what stands before an @ in it may be a password. (I7)
    const message = 'the URL is not http or https, a host, and if needed a port and a path'
    report(found, 'error', 'url-malformed', place, message)
  }
}

/** Bodies are always streamed. */
const proxyProperties: ReadonlySet<string> = new Set(['request.streaming.enabled', 'response.streaming.enabled'])
const targetProperties: ReadonlySet<string> = new Set([
  ...proxyProperties,
  'connect.timeout.millis',
  'io.timeout.millis',
  'keepalive.timeout.millis',
])

function checkProperties(
  found: BundleProblem[],
  properties: Readonly<Record<string, string>>,
  place: BundlePlace,
  honoured: ReadonlySet<string>,
): void {
  for (const name of Object.keys(properties)) {
    if (honoured.has(name)) continue
    report(found, 'warning', 'property-not-honoured', place, `the property ${name} has no effect here`)
  }
}

/** Two answers to one request; which of them would be chance. */
function checkBasePaths(found: BundleProblem[], endpoints: readonly ProxyEndpoint[]): void {
  const byPath = new Map<string, ProxyEndpoint[]>()
  for (const endpoint of endpoints) {
    const same = byPath.get(endpoint.basePath) ?? []
    const other = same.find((before) => shareHost(before.virtualHosts, endpoint.virtualHosts))
    if (other !== undefined) {
      const message = `the ProxyEndpoint ${other.name} has the base path ${endpoint.basePath} as well, on the same virtual host`
      report(found, 'error', 'base-path-duplicate', endpoint.place, message)
    }
    byPath.set(endpoint.basePath, [...same, endpoint])
  }
}

/** None named is every one. */
function shareHost(one: readonly string[], other: readonly string[]): boolean {
  return one.length === 0 || other.length === 0 || one.some((host) => other.includes(host))
}
