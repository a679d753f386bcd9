import type { ServerPlan, TargetPlan } from '../proxy/plan.ts'
import type { Remedy } from '../verdict/model.ts'
import { bareContext, type RemedyContext } from '../verdict/remedy-context.ts'
import { configPath, hostPort, remedy, whenSet } from '../verdict/remedy-parts.ts'
import { onOneLine } from '../verdict/shell.ts'
import type { FaultKind } from './fault.ts'

/* What to do about a fault that no verdict explains, with the settings that were involved and their values. */

/** Where a fault happened, as far as it is known. */
export interface FaultPlace {
  /** null: the request came to none, or it is no more. */
  readonly target: TargetPlan | null
  /** The one it went to; null: not known. */
  readonly server: ServerPlan | null
  /** Of a proxy that was deployed: its settings are properties of its TargetEndpoint. */
  readonly stored: boolean
  readonly posternCommand: string
  /** null: not to be named. */
  readonly configFile: string | null
  /** The sentence of the fault. */
  readonly summary: string
}

/** Of a fault in general: what the reference shows. */
export const anyPlace: FaultPlace = {
  target: null,
  server: null,
  stored: false,
  posternCommand: 'postern',
  configFile: null,
  summary: '',
}

/** Best first. Empty for what is no kind of fault. */
export function faultRemedies(kind: string, place: FaultPlace): readonly Remedy[] {
  return Object.hasOwn(remedies, kind) ? remedies[kind as FaultKind](place) : []
}

type Make = (place: FaultPlace) => readonly Remedy[]

const tls: Make = (place) => [
  gateway(
    `Ask ${what(place)} with the gateway's own dialer: \`postern tls check ${nameOf(place)} -c FILE\`, or \`GET /api/target\` of the management API, says which certificate or setting it is.`,
  ),
]
const shapeOfRequest: Make = () => [
  client(
    'Correct the request; the sentence of the fault says what is wrong with it. It was refused before a proxy was chosen.',
  ),
]

/** One vocabulary for the support bundle, `postern why` and the reference. */
const remedies: Readonly<Record<FaultKind, Make>> = {
  'tls-untrusted': tls,
  'tls-failed': tls,
  'tls-timeout': tls,
  'client-certificate': tls,
  'dns-failed': (place) => [
    network(
      `Ask for the name of ${what(place)} from the machine of the gateway (\`getent ahosts NAME\`): "not found" is the name, no answer is the resolver.`,
    ),
    gateway(
      `If the name is wrong, correct ${address(place)}; if another resolver knows it, name it in ${setting(place, 'dns.servers', dnsOf(place))}.`,
    ),
  ],
  'connect-refused': (place) => [
    backend(`Start what should listen on ${what(place)}, or let it listen on the address that clients use.`),
    gateway(`If the address is wrong, correct ${address(place)}.`),
  ],
  'connect-timeout': (place) => [
    network(
      `Look for what drops packets between the gateway and ${what(place)}: firewall, security group, NetworkPolicy, route; or the host is down.`,
    ),
    change(
      place,
      'timeouts.connect',
      timesOf(place)?.connectMs,
      (it) => `If the way is long and not broken, raise ${it}.`,
    ),
  ],
  'connect-reset': (place) => [
    backend(
      `Look at ${what(place)} at that second: a listener that closes at once is overloaded, restarting, or lets only certain addresses in.`,
    ),
  ],
  'response-timeout': (place) => {
    const { summary } = place
    const head = !/response body|the request/.test(summary)
    const name = head ? 'timeouts.firstByte' : 'timeouts.bodyIdle'
    const ms = head ? timesOf(place)?.firstByteMs : timesOf(place)?.bodyIdleMs
    const waited = ms === undefined ? '' : ` for ${duration(ms)}`
    return [
      backend(
        `Find out what ${what(place)} did meanwhile: the connection stood, the request was on its way, and nothing came${waited}. Its log of that time, a slow query, a pool of its own that is used up.`,
      ),
      change(place, name, ms, (it) => `If it may take longer, raise ${it}.`),
    ]
  },
  'response-eof': (place) => {
    const keepAlive = timesOf(place)?.keepAliveMs
    const mismatch = change(
      place,
      'timeouts.keepAlive',
      keepAlive,
      (it) =>
        `If it happens now and then, after pauses: the backend, or a load balancer before it, closes idle connections sooner than the gateway does. Set ${it} below its idle timeout.`,
    )
    const crash = backend(
      `Look in the log of ${what(place)} at that second: a process that died or restarted, a limit of time or size that closes the connection, a load balancer that drops it.`,
    )
    return /inside its response/.test(place.summary) ? [crash] : [mismatch, crash]
  },
  'response-malformed': (place) => [
    backend(
      `Let ${what(place)} answer as HTTP has it; the sentence of the fault names what was wrong: a header line, Content-Length beside Transfer-Encoding, a chunk. \`curl -v --raw\` shows the bytes.`,
    ),
    gateway(`If it does not speak HTTP on that port, or TLS where none is configured, correct ${address(place)}.`),
  ],
  'response-head-too-large': (place) => [
    backend(`Find out which headers of ${what(place)} are so large: cookies that pile up, debug headers.`),
    change(
      place,
      'limits.responseHeaderBytes',
      serverOf(place)?.limits.responseHeaderBytes,
      (it) => `If they are meant, raise ${it}.`,
      bytes,
    ),
  ],
  'no-route': () => [
    client(
      'Compare host and path of the request with `hosts` and `basePath` of the proxies on that listener: none of them takes it.',
    ),
    gateway(
      'If a proxy should take it, correct its `basePath`, `hosts` or `listeners`, or deploy it to this environment.',
    ),
  ],
  'bad-request': shapeOfRequest,
  'bad-path': shapeOfRequest,
  'uri-too-long': () => [clientLimit('`listeners[].limits.requestLineBytes`')],
  'headers-too-large': () => [clientLimit('`listeners[].limits.headerBytes`')],
  'body-too-large': () => [clientLimit('`listeners[].limits.bodyBytes`')],
  'expectation-failed': () => [client('Send no `Expect` other than `100-continue`.')],
  'method-not-implemented': () => [client('Use another method.')],
  'version-not-supported': () => [client('Use HTTP/1.1 or HTTP/2.')],
  'request-timeout': () => [
    client(
      'Find out why the request came so slowly, or not whole: a client that stalls, a Content-Length that is too large, packets that are lost.',
    ),
    gateway('If clients are slow and good, raise `timeouts.head` or `timeouts.bodyIdle` of the listener.'),
  ],
  overloaded: (place) => [
    backend(
      `Find out why ${what(place)} does not keep up: its latency (\`measure=p95&latency=target\` of monitoring) says since when.`,
    ),
    gateway(
      `If it can take more at once, raise ${setting(place, 'limits.connections', serverOf(place)?.limits.connections)} or ${setting(place, 'limits.pending', serverOf(place)?.limits.pending)}; both are per worker. Long-lived tunnels and streams hold a connection each.`,
    ),
  ],
  'no-server': (place) =>
    place.target !== null && place.target.servers.length === 0
      ? [gateway(`Name a server for ${what(place)} that is enabled.`)]
      : [
          backend(
            `Mend the servers of ${what(place)}; the sentence of the fault says of each why it is left out, and the last failure of it.`,
          ),
          gateway(
            `If they are well, look at what takes them out: ${setting(place, 'health', healthOf(place))} and ${setting(place, 'ejection', ejectionOf(place))}.`,
          ),
        ],
  'circuit-open': (place) => [
    backend(
      `Mend what made the requests to ${what(place)} fail: the sentence of the fault ends with the last failure. The breaker lets a request through again by itself.`,
    ),
    gateway(`If it opens too soon, look at ${setting(place, 'breaker', breakerOf(place))}.`),
  ],
  'not-ready': () => [gateway('Wait until the gateway is ready (`GET /readyz`); its log says what keeps it.')],
  'route-failed': () => [
    gateway('Look at the conditions of the RouteRules: none held. A debug session shows what each of them read.'),
  ],
  'store-unknown': () => [
    gateway(
      'Create the trust store or keystore that the flow variables name, or correct them; a debug session shows their values.',
    ),
  ],
  'step-not-supported': () => [
    gateway('Take the step out of the proxy, or replace it; the sentence of the fault names it.'),
  ],
  'client-gone': () => [
    client(
      'The client closed the connection before it had its answer: compare its timeout with how long the request took, and with `timeouts.firstByte` of the target.',
    ),
  ],
}

const gateway = (action: string): Remedy => remedy('gateway', { action })
const network = (action: string): Remedy => remedy('gateway', { party: 'network', action })
const backend = (action: string): Remedy => remedy('backend-chain', { action })
const client = (action: string): Remedy => remedy('gateway', { party: 'client', action })
const clientLimit = (where: string): Remedy => client(`Send less, or raise ${where} if it is meant.`)

/** A setting to change, with the command that does it where there is one. */
function change(
  place: FaultPlace,
  name: string,
  value: number | undefined,
  action: (setting: string) => string,
  shown: (value: number) => string = duration,
): Remedy {
  const text = action(setting(place, name, value === undefined ? undefined : shown(value)))
  const { target, stored } = place
  if (target === null || stored || value === undefined) return gateway(text)
  const path = configPath('targets', target.name, ...name.split('.'))
  const [variable, meaning] = shown === bytes ? ['SIZE', 'such as 64KiB'] : ['TIME', 'such as 30s']
  return remedy('gateway', {
    action: text,
    commands: () => whenSet(contextOf(place), variable, meaning, path, `$${variable}`),
  })
}

function contextOf({ posternCommand, configFile }: FaultPlace): RemedyContext {
  return { ...bareContext('', 0, 0), posternCommand, configFile }
}

/** Edge's names of what a deployed proxy may say itself. */
const properties: Readonly<Record<string, string>> = {
  'timeouts.connect': 'connect.timeout.millis',
  'timeouts.firstByte': 'io.timeout.millis',
  'timeouts.bodyIdle': 'io.timeout.millis',
  'timeouts.keepAlive': 'keepalive.timeout.millis',
  health: 'HealthMonitor',
  ejection: 'LoadBalancer/MaxFailures',
}

/** `targets.billing.timeouts.firstByte` (now 55s) */
function setting(place: FaultPlace, name: string, value?: string | number): string {
  const now = value === undefined ? '' : ` (now ${value})`
  if (place.stored) {
    const property = properties[name]
    return property === undefined
      ? `\`${name}\`${now}, which is fixed for a deployed proxy`
      : `\`${property}\` of the TargetEndpoint${now}`
  }
  return `\`${onOneLine(configPath('targets', place.target?.name ?? 'TARGET', ...name.split('.')))}\`${now}`
}

function address(place: FaultPlace): string {
  if (place.stored) return 'the URL of the TargetEndpoint, or its TargetServer'
  const name = place.target?.name ?? 'TARGET'
  return `\`${onOneLine(configPath('targets', name, 'url'))}\` or \`servers\``
}

function what({ target, server }: FaultPlace): string {
  if (target === null) return 'the backend'
  return `${onOneLine(target.name)}${server === null ? '' : ` (${onOneLine(hostPort(server.host, server.port))})`}`
}

const nameOf = ({ target }: FaultPlace): string => (target === null ? 'TARGET' : onOneLine(target.name))
const serverOf = ({ target, server }: FaultPlace): ServerPlan | undefined => server ?? target?.servers[0]
const timesOf = (place: FaultPlace): ServerPlan['timeouts'] | undefined => serverOf(place)?.timeouts
const dnsOf = (place: FaultPlace): string | undefined => {
  const servers = serverOf(place)?.dns.servers
  return servers === undefined ? undefined : servers.length === 0 ? "the system's" : servers.join(', ')
}

function healthOf({ target }: FaultPlace): string | undefined {
  if (target === null) return undefined
  const { health } = target
  if (health === null) return 'none'
  return `every ${duration(health.intervalMs)}, ${health.unhealthyAfter} failures in a row`
}

function ejectionOf({ target }: FaultPlace): string | undefined {
  if (target === null) return undefined
  return target.ejection === null ? 'none' : `${target.ejection.consecutiveFailures} failures in a row`
}

function breakerOf({ target }: FaultPlace): string | undefined {
  if (target === null || target.breaker === null) return undefined
  const { failurePercent, minimumRequests, windowMs, openMs } = target.breaker
  return `${failurePercent}% of at least ${minimumRequests} requests in ${duration(windowMs)}, open for ${duration(openMs)}`
}

function duration(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000}m` : ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`
}

function bytes(count: number): string {
  return count % 1024 === 0 ? `${count / 1024}KiB` : `${count} bytes`
}
