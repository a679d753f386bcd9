import { parseTargetUrl, type TargetAddress } from '../../config/addresses.ts'
import { endpointText } from '../../config/endpoints.ts'
import { Target } from '../../config/schema-target.ts'
import type { ServerPlan, TargetPlan, TargetTimeouts } from '../../proxy/plan.ts'
import type { SslInfo } from '../../state/kinds.ts'
import type { HttpTargetConnection } from './bundle-types.ts'
import { find, refuse } from './compile-notes.ts'
import { noRetries, planBalancing } from './load-balancer-plan.ts'
import { type CompileContext, planTargetTls } from './ssl-info-plan.ts'
import { noteOrigin } from './target-origins.ts'

export interface TargetQuestion {
  /** Of the plan: `acme/test/orders/1/default`. */
  readonly name: string
  /** `acme/test/apis/orders/1, target default` */
  readonly object: string
  readonly connection: HttpTargetConnection
}

/** What every target has that nothing of a bundle says. */
const defaults = Target.parse({ url: 'http://localhost' })

/** A TargetEndpoint's connection as a target. @returns null where it was refused */
export function compileTargetEndpoint(context: CompileContext, question: TargetQuestion): TargetPlan | null {
  const { connection } = question
  if (connection.url !== null) return compileUrl(context, question, connection.url)
  return compileLoadBalancer(context, question)
}

/** A target for nothing but a URL, as a RouteRule names it. */
export function urlConnection(url: string, place: HttpTargetConnection['place']): HttpTargetConnection {
  return {
    kind: 'http',
    url,
    loadBalancer: null,
    path: '',
    sslInfo: null,
    healthMonitor: null,
    properties: {},
    place,
  }
}

function compileUrl(context: CompileContext, question: TargetQuestion, text: string): TargetPlan | null {
  const { notes } = context
  const { object, connection } = question
  const url = parseTargetUrl(text)
  if (url === null) {
    const message = `its URL is not http or https, host, and if needed port and path: ${JSON.stringify(withoutUser(text))}`
    return refuse(notes, 'target-url-invalid', object, message)
  }
  const sslInfo = connection.sslInfo?.enabled === true ? connection.sslInfo : null
  if (url.scheme === 'http' && sslInfo !== null) {
    find(
      notes,
      'ssl-info-not-used',
      'warning',
      object,
      'its URL is http, so its SSLInfo is not used: nothing is encrypted',
    )
  }
  const tls = url.scheme === 'https' ? planTargetTls(context, { object, host: url.host, sslInfo }) : null
  if (url.scheme === 'https' && tls === null) return null
  const authority = authorityOf(url)
  const server: ServerPlan = {
    ...serverBase(context, question),
    name: endpointText(url),
    scheme: url.scheme,
    host: url.host,
    port: url.port,
    tls,
    h2c: false,
    weight: 1,
    fallback: false,
    authority: null,
  }
  noteOrigin(context, question.name, [
    { name: server.name, targetServer: null, sslInfo: tls === null ? null : sslInfo },
  ])
  return {
    name: question.name,
    scheme: url.scheme,
    pathPrefix: url.pathPrefix,
    authority,
    tls,
    servers: [server],
    balance: 'round-robin',
    health: null,
    ejection: null,
    retries: noRetries,
    breaker: null,
  }
}

function compileLoadBalancer(context: CompileContext, question: TargetQuestion): TargetPlan | null {
  const { notes } = context
  const { object, connection, name } = question
  const { loadBalancer } = connection
  if (loadBalancer === null) return refuse(notes, 'target-without-url', object, 'has neither a URL nor a LoadBalancer')
  const pathPrefix = pathOf(connection.path)
  if (pathPrefix === null) {
    return refuse(notes, 'target-path-invalid', object, `its Path is no path: ${JSON.stringify(connection.path)}`)
  }
  const base = serverBase(context, question)
  const planned = loadBalancer.servers.map((listed) => ({
    listed,
    plan: compileServer(context, question, base, listed),
  }))
  if (planned.some(({ plan }) => plan === null)) return null
  const enabled = planned.flatMap(({ plan }) => (plan === null || plan === 'disabled' ? [] : [plan]))
  const [first] = [...enabled].sort((one, other) => Number(one.fallback) - Number(other.fallback))
  if (first === undefined) {
    find(notes, 'no-active-targets', 'error', object, 'none of its target servers is enabled: every request fails')
    return withoutServers(name, pathPrefix)
  }
  // Only fallbacks are left: they are what there is.
  const servers = first.fallback ? enabled.map((server) => ({ ...server, fallback: false })) : enabled
  const authority = authorityOf(first)
  const { lookups, home } = context
  noteOrigin(
    context,
    name,
    servers.map((server) => {
      return {
        name: server.name,
        targetServer: server.name,
        sslInfo: usable(lookups.targetServer(home, server.name)?.sslInfo ?? null),
      }
    }),
  )
  return {
    name,
    scheme: first.scheme,
    pathPrefix,
    authority,
    tls: first.tls,
    servers: servers.map((server) => {
      const own = authorityOf(server)
      return own === authority ? server : { ...server, authority: own }
    }),
    ...planBalancing(notes, question, servers, authority),
    breaker: null,
  }
}

/** Answers every request with `NoActiveTargets`, until one of its servers is enabled. */
function withoutServers(name: string, pathPrefix: string): TargetPlan {
  return {
    name,
    scheme: 'http',
    pathPrefix,
    authority: '',
    tls: null,
    servers: [],
    balance: 'round-robin',
    health: null,
    ejection: null,
    retries: noRetries,
    breaker: null,
  }
}

type ListedServer = NonNullable<HttpTargetConnection['loadBalancer']>['servers'][number]

function compileServer(
  context: CompileContext,
  { object, connection }: TargetQuestion,
  base: ServerBase,
  { name, weight, isEnabled, isFallback }: ListedServer,
): ServerPlan | 'disabled' | null {
  const { lookups, home, notes } = context
  const body = lookups.targetServer(home, name)
  if (body === null) {
    const message = `its LoadBalancer names the target server "${name}", which environment ${home.environment} does not have`
    return refuse(notes, 'target-server-unknown', object, message)
  }
  if (!isEnabled || !body.isEnabled) return 'disabled'
  const place = `${object}, target server ${name}`
  const sslInfo = usable(body.sslInfo)
  const scheme = sslInfo === null ? 'http' : 'https'
  const address = parseTargetUrl(`${scheme}://${bracketed(body.host)}:${body.port}`)
  if (address === null) {
    return refuse(
      notes,
      'target-server-invalid',
      place,
      `no address: host ${JSON.stringify(body.host)}, port ${body.port}`,
    )
  }
  const h2 = body.protocol !== 'HTTP'
  const alpn = h2 ? { alpn: body.protocol === 'GRPC' ? ['h2'] : ['h2', 'http/1.1'] } : {}
  const tls = sslInfo === null ? null : planTargetTls(context, { object: place, host: address.host, sslInfo, ...alpn })
  if (sslInfo !== null && tls === null) return null
  const weighted = connection.loadBalancer?.algorithm === 'Weighted'
  return {
    ...base,
    name,
    scheme,
    host: address.host,
    port: address.port,
    tls,
    h2c: h2 && tls === null,
    weight: weighted ? scaledWeight(weight, connection.loadBalancer?.servers ?? []) : 1,
    fallback: isFallback,
    authority: null,
  }
}

/** Edge sets no limit; a plan has 1 to 1000, and shares are what counts. */
function scaledWeight(weight: number, servers: readonly ListedServer[]): number {
  const largest = Math.max(...servers.map((server) => server.weight))
  return Math.max(1, Math.round(largest <= 1000 ? weight : (weight * 1000) / largest))
}

const usable = (sslInfo: SslInfo | null): SslInfo | null => (sslInfo?.enabled === true ? sslInfo : null)

type ServerBase = Pick<ServerPlan, 'target' | 'timeouts' | 'limits' | 'dns' | 'egress'>

function serverBase(context: CompileContext, question: TargetQuestion): ServerBase {
  const { limits, dns } = defaults
  return {
    target: question.name,
    timeouts: planTimeouts(context, question),
    limits,
    dns: { servers: dns.servers, refreshMs: dns.refresh },
    egress: null,
  }
}

function planTimeouts({ notes, settings }: CompileContext, { object, connection }: TargetQuestion): TargetTimeouts {
  const { timeouts } = defaults
  const { properties } = connection
  const millis = (name: string, fallback: number): number => {
    const text = properties[name]?.trim()
    if (text === undefined) return fallback
    const value = /^\d{1,9}$/.test(text) ? Number(text) : 0
    if (value >= 1 && value <= maxMs) return value
    const message = `the property ${name} is no time from 1 to ${maxMs} ms: ${JSON.stringify(text)}; ${fallback} ms holds`
    find(notes, 'property-invalid', 'warning', object, message)
    return fallback
  }
  const io = millis('io.timeout.millis', timeouts.firstByte)
  return {
    connectMs: millis('connect.timeout.millis', timeouts.connect),
    handshakeMs: timeouts.handshake,
    firstByteMs: io,
    bodyIdleMs: io,
    keepAliveMs: millis('keepalive.timeout.millis', timeouts.keepAlive),
    drainMs: settings.drainMs,
  }
}

/** A week, as durations of the configuration. (I10) */
const maxMs = 604_800_000

/** Path of a LoadBalancer's requests without a trailing slash; null: it is none. */
function pathOf(text: string): string | null {
  if (text.trim() === '') return ''
  return parseTargetUrl(`http://localhost${text.startsWith('/') ? '' : '/'}${text.trim()}`)?.pathPrefix ?? null
}

function authorityOf({ scheme, host, port }: Pick<TargetAddress, 'scheme' | 'host' | 'port'>): string {
  return endpointText({ host, port: port === (scheme === 'https' ? 443 : 80) ? null : port })
}

const bracketed = (host: string): string => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host)

/** I7: what stands before an `@` may be a password. */
const withoutUser = (url: string): string => url.replace(/\/\/[^/?#]*@/, '//***@')
