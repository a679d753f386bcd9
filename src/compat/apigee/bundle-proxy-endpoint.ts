import { BasePath } from '../../config/addresses.ts'
import type { ProxyEndpoint, RouteRule } from './bundle-types.ts'
import { flowElements, flowOf, flowsOf } from './bundle-flows.ts'
import {
  attributeOf,
  type Children,
  children,
  conditionOf,
  placeOf,
  problem,
  propertiesOf,
  type Reading,
  report,
  textOf,
} from './bundle-notes.ts'
import type { XmlElement } from './xml.ts'

/** `apiproxy/proxies/NAME.xml` (apigee-edge.md 7.1). */
export function readProxyEndpoint(reading: Reading, root: XmlElement, name: string): ProxyEndpoint {
  const inner = children(reading, root, {
    only: ['HTTPProxyConnection', ...flowElements, 'PostClientFlow'],
    many: ['RouteRule'],
    idle: ['Description'],
    ignored: ['Statistics'],
  })
  return {
    name,
    ...connectionOf(reading, root, inner.one('HTTPProxyConnection')),
    ...flowsOf(reading, inner),
    postClientFlow: flowOf(reading, inner.one('PostClientFlow'), ''),
    routeRules: routesOf(reading, inner),
    place: placeOf(reading, root),
  }
}

type Connection = Pick<ProxyEndpoint, 'basePath' | 'virtualHosts' | 'properties'>

function connectionOf(reading: Reading, root: XmlElement, element: XmlElement | null): Connection {
  if (element === null) {
    problem(
      reading,
      'error',
      'connection-missing',
      root,
      'the ProxyEndpoint has no HTTPProxyConnection, and so no BasePath',
    )
    return { basePath: '/', virtualHosts: [], properties: {} }
  }
  const inner = children(reading, element, {
    only: ['BasePath', 'Properties'],
    many: ['VirtualHost'],
    idle: ['Description'],
  })
  const virtualHosts = inner
    .all('VirtualHost')
    .map(textOf)
    .filter((host) => host !== '')
  return {
    basePath: basePathOf(reading, element, inner.one('BasePath')),
    virtualHosts: [...new Set(virtualHosts)],
    properties: propertiesOf(reading, inner.one('Properties')),
  }
}

function basePathOf(reading: Reading, connection: XmlElement, element: XmlElement | null): string {
  const written = textOf(element)
  if (element === null || written === '') {
    problem(
      reading,
      'warning',
      'base-path-missing',
      element ?? connection,
      'there is no BasePath: it answers every path',
    )
    return '/'
  }
  const path = written.replace(/\/+$/, '') || '/'
  const parsed = BasePath.safeParse(path)
  if (parsed.success) return parsed.data
  problem(
    reading,
    'error',
    'base-path-malformed',
    element,
    `the BasePath ${parsed.error.issues[0]?.message ?? 'is none'}`,
  )
  return path
}

function routesOf(reading: Reading, endpoint: Children): readonly RouteRule[] {
  const names = new Set<string>()
  return endpoint.all('RouteRule').map((element) => {
    const inner = children(reading, element, {
      only: ['Condition', 'TargetEndpoint', 'URL', ...otherDestinations],
      idle: ['Description'],
    })
    reportOther(reading, inner)
    const name = attributeOf(element, 'name')
    if (name === '') problem(reading, 'warning', 'name-missing', element, 'the RouteRule has no name')
    else if (names.has(name)) {
      problem(reading, 'warning', 'route-duplicate', element, `a RouteRule above has the name ${name} as well`)
    }
    names.add(name)
    return {
      name,
      condition: conditionOf(reading, inner.one('Condition')),
      to: destinationOf(reading, element, textOf(inner.one('TargetEndpoint')), textOf(inner.one('URL'))),
      place: placeOf(reading, element),
    }
  })
}

/** A connection of its own, with its trust (Edge's proxy_endpoint.xsd), and what Apigee X has: never a route without a target. */
const otherDestinations = ['HTTPTargetConnection', 'IntegrationEndpoint']

function reportOther(reading: Reading, rule: Children): void {
  for (const element of otherDestinations.flatMap((name) => rule.one(name) ?? [])) {
    const message = `${element.name} in a RouteRule is not supported; name a TargetEndpoint instead`
    report(reading.unsupported, 'error', 'route-not-supported', placeOf(reading, element), message)
  }
}

function destinationOf(reading: Reading, element: XmlElement, target: string, url: string): RouteRule['to'] {
  if (target !== '' && url !== '') {
    problem(reading, 'error', 'route-ambiguous', element, 'the RouteRule has a TargetEndpoint and a URL; leave one')
  }
  if (target !== '') return { kind: 'target', name: target }
  return url === '' ? { kind: 'none' } : { kind: 'url', url }
}
