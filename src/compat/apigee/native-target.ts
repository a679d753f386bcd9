import type { BundlePlace, HealthMonitor, HttpTargetConnection, LoadBalancer } from './bundle-types.ts'
import { newNotes } from './compile-notes.ts'
import { planVersions } from './ssl-info-versions.ts'
import { CertificateName, TargetUrl } from '../../config/addresses.ts'
import { RequestPath } from '../../config/http-values.ts'
import { nameFrom, type NativeConfig, type NativeTarget, type Tell } from './native-types.ts'

/** null where nothing can be made of it; that is told. */
export function convertTarget(
  config: NativeConfig,
  connection: HttpTargetConnection,
  name: string,
  tell: Tell,
): NativeTarget | null {
  const { url, loadBalancer, place } = connection
  const timeouts = timeoutsOf(connection, tell)
  const common = Object.keys(timeouts).length === 0 ? {} : { timeouts }
  if (url !== null) {
    // checkRunnable has said what is wrong with it.
    if (!TargetUrl.safeParse(url).success) return null
    const tls = /^https:/i.test(url) ? { tls: tlsOf(config, connection, name, tell) } : {}
    return { url, ...tls, ...common }
  }
  if (loadBalancer === null) return null
  return {
    ...balancedTarget(connection, loadBalancer, name, tell),
    ...common,
    ...healthOf(connection.healthMonitor, tell, place),
  }
}

function balancedTarget(
  { path, place }: HttpTargetConnection,
  balancer: LoadBalancer,
  name: string,
  tell: Tell,
): NativeTarget {
  const enabled = balancer.servers.filter(({ isEnabled }) => isEnabled)
  const withPath = `http://${hostFrom(name)}.invalid${path === '' || path.startsWith('/') ? '' : '/'}${path.replace(/\/+$/, '')}`
  const url = TargetUrl.safeParse(withPath).success ? withPath : `http://${hostFrom(name)}.invalid`
  if (url !== withPath)
    tell('error', 'path-not-said', place, `targets.${name}: the Path ${JSON.stringify(path)} is none`)
  const message = `targets.${name}: host, port and TLS of its target servers are in their environment; fill in url, servers and, for https, tls`
  tell('error', 'target-server-not-said', place, message)
  for (const { name: server, isEnabled, place: where } of balancer.servers) {
    if (!isEnabled)
      tell('warning', 'server-disabled', where, `targets.${name}: the Server ${server} is disabled and left out`)
  }
  return {
    url,
    servers: enabled.map((server) => ({
      name: nameFrom(server.name),
      address: `${hostFrom(server.name)}.invalid`,
      ...(balancer.algorithm === 'Weighted' ? { weight: Math.min(server.weight, 1000) } : {}),
      ...(server.isFallback ? { fallback: true as const } : {}),
    })),
    balance: ({ RoundRobin: 'round-robin', Weighted: 'weighted', LeastConnections: 'least-requests' } as const)[
      balancer.algorithm
    ],
    retries: { attempts: balancer.retryEnabled ? Math.min(10, Math.max(0, enabled.length - 1)) : 0 },
    ...ejectionOf(balancer),
  }
}

function ejectionOf({
  maxFailures,
  targetDisableSecs,
  unhealthyStatuses,
}: LoadBalancer): Pick<NativeTarget, 'ejection'> {
  if (maxFailures === 0) return {}
  const seconds = targetDisableSecs === null || targetDisableSecs < 1 ? null : `${targetDisableSecs}s`
  return {
    ejection: {
      consecutiveFailures: Math.min(1000, maxFailures),
      ...(unhealthyStatuses.length === 0 ? {} : { statuses: unhealthyStatuses }),
      ...(seconds === null ? {} : { base: seconds, max: seconds }),
      maxPercent: 100,
    },
  }
}

function healthOf(monitor: HealthMonitor | null, tell: Tell, place: BundlePlace): Pick<NativeTarget, 'health'> {
  if (monitor === null || !monitor.isEnabled) return {}
  const { monitor: check, intervalSecs } = monitor
  const lost = (what: string): void =>
    tell('error', 'health-not-said', monitor.place, `a health check of the configuration does not say ${what}`)
  if (check.port !== null) lost(`another port (${check.port}) than that of requests`)
  const seconds = check.kind === 'tcp' ? check.connectTimeoutSecs : check.connectTimeoutSecs + check.readTimeoutSecs
  const common = { interval: `${intervalSecs}s`, timeout: `${Math.max(1, seconds)}s` }
  if (check.kind === 'tcp') return { health: { tcp: true, ...common } }
  if (check.headers.length > 0) lost('headers to send')
  if (check.successHeaders.length > 0) lost('headers of the answer')
  if (check.payload.trim() !== '') lost('a body to send')
  if (check.includeHealthCheckIdHeader) lost('a header with an id')
  if (check.isSsl !== null) {
    tell('info', 'health-as-traffic', monitor.place, 'checks connect and verify as requests do, whatever IsSSL says')
  }
  if (check.trustAllSsl) {
    tell('warning', 'health-verifies', monitor.place, 'TrustAllSSL is not taken over: checks verify as requests do')
  }
  if (!RequestPath.safeParse(check.path).success || !/^[A-Z]{1,20}$/.test(check.verb)) {
    tell(
      'error',
      'health-not-said',
      place,
      `the HealthMonitor asks for no request: ${JSON.stringify(`${check.verb} ${check.path}`)}`,
    )
    return {}
  }
  const statuses = check.successStatuses.length === 0 ? [200] : check.successStatuses
  return { health: { http: { method: check.verb, path: check.path, statuses }, ...common } }
}

const timeoutNames: Readonly<Record<string, readonly string[]>> = {
  'connect.timeout.millis': ['connect'],
  'io.timeout.millis': ['firstByte', 'bodyIdle'],
  'keepalive.timeout.millis': ['keepAlive'],
}

/** Properties without effect are told by checkRunnable. */
function timeoutsOf({ properties, place }: HttpTargetConnection, tell: Tell): Readonly<Record<string, string>> {
  const timeouts: Record<string, string> = {}
  for (const [property, names] of Object.entries(timeoutNames)) {
    const text = properties[property]?.trim()
    if (text === undefined) continue
    if (!/^[1-9]\d{0,8}$/.test(text) || Number(text) > 7 * 24 * 3_600_000) {
      tell(
        'error',
        'property-not-said',
        place,
        `the property ${property} is no time: ${JSON.stringify(text.slice(0, 40))}`,
      )
      continue
    }
    for (const name of names) timeouts[name] = `${text}ms`
  }
  return timeouts
}

/** Strict: chain and name are verified, whatever Edge did (apigee-edge.md 2.2). */
function tlsOf(
  config: NativeConfig,
  connection: HttpTargetConnection,
  name: string,
  tell: Tell,
): Readonly<Record<string, unknown>> {
  const { place } = connection
  const sslInfo = connection.sslInfo?.enabled === true ? connection.sslInfo : null
  const trust = sslInfo === null || sslInfo.trustStore === null ? null : sslInfo.trustStore
  if (sslInfo?.ignoreValidationErrors === true && sslInfo.enforce !== true) {
    const message = `targets.${name}: IgnoreValidationErrors is not taken over; what must be left unverified is an exception with an owner and a reason`
    tell('error', 'ignore-validation-errors', place, message)
  }
  return {
    trust: [trust === null ? systemStore(config, name, place, tell) : namedStore(config, trust, place, tell)],
    ...identityOf(sslInfo, name, place, tell),
    ...versionsOf(sslInfo, name, place, tell),
    ...commonNameOf(sslInfo, name, place, tell),
  }
}

type SslInfo = NonNullable<HttpTargetConnection['sslInfo']>

function systemStore(config: NativeConfig, name: string, place: BundlePlace, tell: Tell): string {
  config.trustStores['system'] ??= { sources: [{ system: true }] }
  const message = `targets.${name}: there is no TrustStore. Edge verifies the name alone then; here the chain must lead to one of the system's roots`
  tell('warning', 'trust-store-missing', place, message)
  return 'system'
}

function namedStore(config: NativeConfig, written: string, place: BundlePlace, tell: Tell): string {
  const store = nameFrom(written.replace(/^ref:\/\//, '').replace(/^\{(.*)\}$/, '$1'))
  const named = store === 'system' ? 'edge-system' : store
  const file = `./trust/${named}.pem`
  config.trustStores[named] ??= { sources: [{ file }] }
  const what = written.startsWith('ref://') ? 'the trust store this refers to' : 'the trust store'
  const message = /[{}]/.test(written)
    ? `TrustStore ${written} is chosen for each request, which a configuration cannot say; put the certificates into ${file}`
    : `TrustStore ${written}: its certificates are in the environment; export those of ${what} to ${file}`
  tell('error', 'trust-store-not-said', place, message)
  return named
}

function identityOf(sslInfo: SslInfo | null, name: string, place: BundlePlace, tell: Tell): object {
  if (sslInfo === null || !sslInfo.clientAuthEnabled || sslInfo.keyStore === null) return {}
  const base = `./keys/${nameFrom(`${sslInfo.keyStore.replace(/^ref:\/\//, '')}-${sslInfo.keyAlias ?? ''}`)}`
  const identity = { certificate: `${base}.pem`, key: `${base}.key` }
  const message = `targets.${name}: KeyStore ${sslInfo.keyStore}, alias ${sslInfo.keyAlias ?? 'unknown'}, is in the environment; put its certificate and key into ${identity.certificate} and ${identity.key}`
  tell('error', 'key-store-not-said', place, message)
  return { clientCertificate: identity }
}

function versionsOf(sslInfo: SslInfo | null, name: string, place: BundlePlace, tell: Tell): object {
  if (sslInfo === null || (sslInfo.protocols.length === 0 && sslInfo.ciphers.length === 0)) return {}
  const notes = newNotes()
  const versions = planVersions(sslInfo, `targets.${name}`, notes)
  for (const { code, message } of notes.problems) tell('error', code, place, `targets.${name}: ${message}`)
  for (const { code, severity, message } of notes.findings) tell(severity, code, place, `targets.${name}: ${message}`)
  if (versions === null) return {}
  const { minVersion, maxVersion, ciphers } = versions
  return {
    ...(sslInfo.protocols.length === 0 ? {} : { minVersion, maxVersion }),
    ...(ciphers === null ? {} : { ciphers }),
  }
}

function commonNameOf(sslInfo: SslInfo | null, name: string, place: BundlePlace, tell: Tell): object {
  const expected = sslInfo?.commonName
  if (expected === null || expected === undefined) return {}
  if (!expected.name.includes('*') && CertificateName.safeParse(expected.name).success) {
    return { subjectAltNames: [expected.name] }
  }
  const message = `targets.${name}: the CommonName ${JSON.stringify(expected.name)} is a pattern, or no name; the URL's host is expected instead`
  tell('error', 'common-name-not-said', place, message)
  return {}
}

function hostFrom(name: string): string {
  return (
    nameFrom(name)
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 50) || 'server'
  )
}
