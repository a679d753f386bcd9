import type { TargetConnection, TargetEndpoint } from './bundle-types.ts'
import { flowElements, flowsOf } from './bundle-flows.ts'
import { readHealthMonitor, readLoadBalancer } from './bundle-load-balancer.ts'
import {
  type Children,
  children,
  placeOf,
  problem,
  propertiesOf,
  type Reading,
  report,
  textOf,
} from './bundle-notes.ts'
import { sslInfoFromXml } from './bundle-ssl-info.ts'
import type { XmlElement } from './xml.ts'

/** Ways to a target that need another runtime, or this gateway's own proxies. */
const otherConnections = ['LocalTargetConnection', 'ScriptTarget', 'HostedTarget']

/** `apiproxy/targets/NAME.xml` (apigee-edge.md 7.1). */
export function readTargetEndpoint(reading: Reading, root: XmlElement, name: string): TargetEndpoint {
  const inner = children(reading, root, {
    only: ['HTTPTargetConnection', ...otherConnections, ...flowElements],
    idle: ['Description'],
    ignored: ['Statistics'],
  })
  return {
    name,
    connection: connectionOf(reading, root, inner),
    ...flowsOf(reading, inner),
    place: placeOf(reading, root),
  }
}

function connectionOf(reading: Reading, root: XmlElement, inner: Children): TargetConnection {
  const http = inner.one('HTTPTargetConnection')
  const others = otherConnections.flatMap((name) => inner.one(name) ?? [])
  const [other] = others
  if (others.length + (http === null ? 0 : 1) > 1) {
    const names = [...(http === null ? [] : [http]), ...others].map(({ name }) => name).join(' and ')
    problem(reading, 'error', 'connection-ambiguous', root, `the TargetEndpoint has ${names}; leave one`)
  }
  if (http !== null) return readHttpConnection(reading, http)
  return { kind: 'unsupported', element: other?.name ?? '', place: placeOf(reading, other ?? root) }
}

function readHttpConnection(reading: Reading, element: XmlElement): TargetConnection {
  const inner = children(reading, element, {
    only: ['URL', 'LoadBalancer', 'Path', 'SSLInfo', 'HealthMonitor', 'Properties'],
    many: ['Authentication'],
    idle: ['Description'],
    ignored: ['SessionCache', 'ErrorResponse'],
  })
  for (const authentication of inner.all('Authentication')) {
    const kinds = authentication.elements.map(({ name }) => name).join(', ')
    const message = `Authentication (${kinds || 'empty'}) is not supported: requests would reach the target without it`
    report(reading.unsupported, 'error', 'authentication-not-supported', placeOf(reading, authentication), message)
  }
  const url = textOf(inner.one('URL'))
  const balancer = inner.one('LoadBalancer')
  const sslInfo = inner.one('SSLInfo')
  const monitor = inner.one('HealthMonitor')
  if (url === '' && balancer === null) {
    // Edge takes it: a policy may set target.url.
    const message = 'the HTTPTargetConnection has neither a URL nor a LoadBalancer'
    report(reading.unsupported, 'error', 'target-missing', placeOf(reading, element), message)
  }
  if (url !== '' && balancer !== null) {
    const message = 'the HTTPTargetConnection has both a URL and a LoadBalancer; leave one'
    problem(reading, 'error', 'target-ambiguous', element, message)
  }
  const path = inner.one('Path')
  if (path !== null && textOf(path) !== '' && balancer === null) {
    const message = 'Path counts with a LoadBalancer alone; without one the path of the URL does'
    problem(reading, 'warning', 'element-not-honoured', path, message)
  }
  if (monitor !== null && balancer === null) {
    const message = 'a HealthMonitor needs a LoadBalancer; without one nothing is checked'
    problem(reading, 'error', 'health-monitor-alone', monitor, message)
  }
  if (sslInfo !== null && balancer !== null) {
    const message = 'with a LoadBalancer the SSLInfo of each target server counts; this one has no effect'
    problem(reading, 'warning', 'ssl-info-not-used', sslInfo, message)
  }
  return {
    kind: 'http',
    url: url === '' ? null : url,
    loadBalancer: balancer === null ? null : readLoadBalancer(reading, balancer),
    path: textOf(path),
    sslInfo: sslInfo === null ? null : sslInfoFromXml(reading, sslInfo, /^https:/i.test(url)),
    healthMonitor: monitor === null ? null : readHealthMonitor(reading, monitor),
    properties: propertiesOf(reading, inner.one('Properties')),
    place: placeOf(reading, element),
  }
}
