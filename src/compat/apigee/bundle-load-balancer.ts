import type { HealthMonitor, LoadBalancer } from './bundle-types.ts'
import {
  attributeOf,
  type Children,
  children,
  flagOf,
  placeOf,
  problem,
  type Reading,
  textOf,
  wholeOf,
} from './bundle-notes.ts'
import type { XmlElement } from './xml.ts'

const seconds = [0, 86_400] as const
const status = [100, 599] as const

/** `LoadBalancer` (apigee-edge.md 7.3). */
export function readLoadBalancer(reading: Reading, element: XmlElement): LoadBalancer {
  const inner = children(reading, element, {
    only: ['Algorithm', 'MaxFailures', 'RetryEnabled', 'TargetDisableSecs', 'ServerUnhealthyResponse'],
    many: ['Server'],
    idle: ['Description'],
  })
  const unhealthy = inner.one('ServerUnhealthyResponse')
  const servers = readServers(reading, element, inner.all('Server'))
  return {
    algorithm: algorithmOf(reading, inner.one('Algorithm')),
    servers,
    maxFailures: wholeOf(reading, inner.one('MaxFailures'), [0, 1_000_000], 0),
    retryEnabled: flagOf(reading, inner.one('RetryEnabled'), true),
    targetDisableSecs: wholeOf(reading, inner.one('TargetDisableSecs'), seconds, null),
    unhealthyStatuses:
      unhealthy === null ? [] : statusesOf(reading, children(reading, unhealthy, { many: ['ResponseCode'] })),
  }
}

function algorithmOf(reading: Reading, element: XmlElement | null): LoadBalancer['algorithm'] {
  const text = textOf(element)
  if (element === null || text === '') return 'RoundRobin'
  if (text === 'RoundRobin' || text === 'Weighted' || text === 'LeastConnections') return text
  const message = `Algorithm is RoundRobin, Weighted or LeastConnections, not ${JSON.stringify(text.slice(0, 80))}`
  problem(reading, 'error', 'value-malformed', element, message)
  return 'RoundRobin'
}

type Server = LoadBalancer['servers'][number]

/** As many as a target of the configuration may have. (I10) */
const maxServers = 1000

function readServers(reading: Reading, balancer: XmlElement, elements: readonly XmlElement[]): readonly Server[] {
  if (elements.length === 0) problem(reading, 'error', 'server-missing', balancer, 'the LoadBalancer has no Server')
  if (elements.length > maxServers) {
    const message = `the LoadBalancer has ${elements.length} servers; at most ${maxServers} are read`
    problem(reading, 'error', 'server-too-many', balancer, message)
  }
  const names = new Set<string>()
  let fallback = ''
  return elements.slice(0, maxServers).flatMap((element) => {
    const server = readServer(reading, element)
    if (server === null) return []
    const { name, isFallback } = server
    if (names.has(name)) {
      problem(reading, 'error', 'server-duplicate', element, `the Server ${name} is there twice; leave one`)
    }
    names.add(name)
    if (isFallback && fallback !== '') {
      const message = `${fallback} and ${name} are both IsFallback; a LoadBalancer has one at most`
      problem(reading, 'error', 'fallback-duplicate', element, message)
    }
    if (isFallback) fallback = name
    return [server]
  })
}

function readServer(reading: Reading, element: XmlElement): Server | null {
  const inner = children(reading, element, { only: ['Weight', 'IsEnabled', 'IsFallback'], idle: ['Description'] })
  const name = attributeOf(element, 'name')
  if (name === '') {
    problem(reading, 'error', 'name-missing', element, 'a Server has no name, which would say what target server it is')
    return null
  }
  return {
    name,
    weight: wholeOf(reading, inner.one('Weight'), [1, 1_000_000], 1),
    isEnabled: flagOf(reading, inner.one('IsEnabled'), true),
    isFallback: flagOf(reading, inner.one('IsFallback'), false),
    place: placeOf(reading, element),
  }
}

/** `HealthMonitor`; null where it says nothing that could be checked, which is reported. */
export function readHealthMonitor(reading: Reading, element: XmlElement): HealthMonitor | null {
  const inner = children(reading, element, {
    only: ['IsEnabled', 'IntervalInSec', 'HTTPMonitor', 'TCPMonitor'],
    idle: ['Description'],
  })
  const http = inner.one('HTTPMonitor')
  const tcp = inner.one('TCPMonitor')
  if ((http === null) === (tcp === null)) {
    const message =
      http === null
        ? 'the HealthMonitor has neither an HTTPMonitor nor a TCPMonitor'
        : 'the HealthMonitor has both an HTTPMonitor and a TCPMonitor; leave one'
    problem(reading, 'error', 'health-monitor-malformed', element, message)
  }
  const monitor = http === null ? (tcp === null ? null : tcpMonitor(reading, tcp)) : httpMonitor(reading, http)
  if (monitor === null) return null
  return {
    isEnabled: flagOf(reading, inner.one('IsEnabled'), false),
    intervalSecs: wholeOf(reading, inner.one('IntervalInSec'), [1, 86_400], 5),
    monitor,
    place: placeOf(reading, element),
  }
}

function tcpMonitor(reading: Reading, element: XmlElement): HealthMonitor['monitor'] {
  const inner = children(reading, element, { only: ['ConnectTimeoutInSec', 'Port'] })
  return {
    kind: 'tcp',
    connectTimeoutSecs: wholeOf(reading, inner.one('ConnectTimeoutInSec'), seconds, 10),
    port: portOf(reading, inner),
  }
}

function httpMonitor(reading: Reading, element: XmlElement): HealthMonitor['monitor'] {
  const inner = children(reading, element, { only: ['Request', 'SuccessResponse'] })
  const asked = inner.one('Request') ?? element
  const request = children(
    reading,
    { ...asked, elements: asked === element ? [] : asked.elements },
    {
      only: [
        'IsSSL',
        'TrustAllSSL',
        'ConnectTimeoutInSec',
        'SocketReadTimeoutInSec',
        'Port',
        'Verb',
        'Path',
        'Payload',
        'UseTargetServerSSLInfo',
        'IncludeHealthCheckIdHeader',
      ],
      many: ['Header'],
    },
  )
  const expected = inner.one('SuccessResponse')
  const success = expected === null ? null : children(reading, expected, { many: ['ResponseCode', 'Header'] })
  return {
    kind: 'http',
    connectTimeoutSecs: wholeOf(reading, request.one('ConnectTimeoutInSec'), seconds, 10),
    readTimeoutSecs: wholeOf(reading, request.one('SocketReadTimeoutInSec'), seconds, 30),
    port: portOf(reading, request),
    isSsl: flagOf(reading, request.one('IsSSL'), null),
    trustAllSsl: flagOf(reading, request.one('TrustAllSSL'), false),
    useTargetServerSslInfo: flagOf(reading, request.one('UseTargetServerSSLInfo'), false),
    verb: textOf(request.one('Verb')) || 'GET',
    path: textOf(request.one('Path')) || '/',
    headers: headersOf(reading, request),
    payload: request.one('Payload')?.text ?? '',
    includeHealthCheckIdHeader: flagOf(reading, request.one('IncludeHealthCheckIdHeader'), false),
    successStatuses: success === null ? [] : statusesOf(reading, success),
    successHeaders: success === null ? [] : headersOf(reading, success),
  }
}

const portOf = (reading: Reading, inner: Children): number | null =>
  wholeOf(reading, inner.one('Port'), [1, 65_535], null)

function statusesOf(reading: Reading, inner: Children): readonly number[] {
  return inner.all('ResponseCode').flatMap((element) => wholeOf(reading, element, status, null) ?? [])
}

function headersOf(reading: Reading, inner: Children): readonly { readonly name: string; readonly value: string }[] {
  return inner.all('Header').flatMap((element) => {
    const name = attributeOf(element, 'name')
    if (name !== '') return [{ name, value: textOf(element) }]
    problem(reading, 'error', 'name-missing', element, 'a Header has no name')
    return []
  })
}
