import type { ApiProxyBundle, ProxyEndpoint, RouteRule, TargetEndpoint } from './bundle-types.ts'
import { printCondition } from '../../flow/condition-print.ts'
import { convertTarget } from './native-target.ts'
import { type ImportFinding, nameFrom, type NativeConfig, type NativeTarget, type Tell } from './native-types.ts'

export function newNativeConfig(): NativeConfig {
  return { faults: 'apigee', listeners: [{ name: 'http', port: 8080 }], trustStores: {}, targets: {}, proxies: {} }
}

/** Adds what a bundle says; gives what it could not add. `checkRunnable` has said what runs nowhere here. */
export function convertBundle(config: NativeConfig, bundle: ApiProxyBundle, above: string): readonly ImportFinding[] {
  const findings: ImportFinding[] = []
  const tell: Tell = (severity, code, { file, line }, message) => {
    findings.push({ code, severity, place: `${above}${file}:${line}`, message })
  }
  const base = nameFrom(bundle.name || above.replace(/\/$/, '') || 'proxy')
  const targets = new Map<string, string>()
  for (const endpoint of bundle.targetEndpoints) {
    const name = unused(
      config.targets,
      bundle.targetEndpoints.length === 1 ? base : `${base}-${nameFrom(endpoint.name)}`,
    )
    const target = targetOf(config, endpoint, name, tell)
    if (target === null) continue
    config.targets[name] = target
    targets.set(endpoint.name, name)
  }
  for (const endpoint of bundle.proxyEndpoints) {
    const name = unused(
      config.proxies,
      bundle.proxyEndpoints.length === 1 ? base : `${base}-${nameFrom(endpoint.name)}`,
    )
    convertProxy(config, endpoint, name, targets, tell)
  }
  return findings
}

function targetOf(config: NativeConfig, endpoint: TargetEndpoint, name: string, tell: Tell): NativeTarget | null {
  const { connection } = endpoint
  return connection.kind === 'http' ? convertTarget(config, connection, name, tell) : null
}

function convertProxy(
  config: NativeConfig,
  endpoint: ProxyEndpoint,
  name: string,
  targets: ReadonlyMap<string, string>,
  tell: Tell,
): void {
  const rule = ruleOf(endpoint, tell)
  if (rule === null) return
  const target = destination(config, rule, name, targets, tell)
  if (target === null) return
  config.proxies[name] = { basePath: endpoint.basePath, target }
  if (endpoint.virtualHosts.length > 0) {
    const hosts = endpoint.virtualHosts.join(', ')
    const message = `proxies.${name} answers on every listener and for any host; hosts and port of the virtual hosts (${hosts}) are in their environment`
    tell('warning', 'virtual-host-not-said', endpoint.place, message)
  }
}

/** A proxy of the configuration has one target: that of the rule which takes what no condition has taken. */
function ruleOf(endpoint: ProxyEndpoint, tell: Tell): RouteRule | null {
  const always = endpoint.routeRules.findIndex(({ condition }) => condition === null)
  const asked = always === -1 ? endpoint.routeRules : endpoint.routeRules.slice(0, always)
  for (const { name, condition, place } of asked) {
    const text = condition === null ? '' : printCondition(condition)
    const message = `a configuration has no routes by condition: RouteRule ${name}, where ${text}`
    tell('error', 'route-not-said', place, message)
  }
  const rule = endpoint.routeRules[always]
  if (rule !== undefined) return rule
  const message = `no RouteRule of the ProxyEndpoint ${endpoint.name} takes every request: there is no proxy for it`
  tell('error', 'proxy-not-made', endpoint.place, message)
  return null
}

function destination(
  config: NativeConfig,
  { to, name: rule, place }: RouteRule,
  name: string,
  targets: ReadonlyMap<string, string>,
  tell: Tell,
): string | null {
  if (to.kind === 'target') {
    const target = targets.get(to.name)
    if (target !== undefined) return target
    tell('error', 'proxy-not-made', place, `the TargetEndpoint ${to.name} was not taken over, and so no proxy for it`)
    return null
  }
  if (to.kind === 'none') {
    const message = `RouteRule ${rule} leads to no target (its policies answer), which a configuration cannot say`
    tell('error', 'proxy-not-made', place, message)
    return null
  }
  const key = unused(config.targets, `${name}-${nameFrom(rule || 'route')}`)
  const connection = { url: to.url, loadBalancer: null, path: '', sslInfo: null, healthMonitor: null, properties: {} }
  const target = convertTarget(config, { kind: 'http', ...connection, place }, key, tell)
  if (target === null) return null
  config.targets[key] = target
  return key
}

function unused(taken: object, name: string): string {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}-${number}`
    if (!Object.hasOwn(taken, candidate)) return candidate
  }
}
