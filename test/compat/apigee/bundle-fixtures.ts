import { readBundle } from '../../../src/compat/apigee/bundle-read.ts'
import type { ApiProxyBundle, BundleProblem, TargetEndpoint } from '../../../src/compat/apigee/bundle-types.ts'

/** Files by path, from text. */
export function filesFrom(texts: Readonly<Record<string, string>>): Map<string, Uint8Array> {
  return new Map(Object.entries(texts).map(([path, text]) => [path, Buffer.from(text)]))
}

export const proxyXml = (inside = '<RouteRule name="r"><TargetEndpoint>default</TargetEndpoint></RouteRule>'): string =>
  `<ProxyEndpoint name="default">
<HTTPProxyConnection><BasePath>/orders</BasePath><VirtualHost>secure</VirtualHost></HTTPProxyConnection>
${inside}
</ProxyEndpoint>`

export const targetXml = (inside = '<URL>https://backend.example/v1</URL>', flows = ''): string =>
  `<TargetEndpoint name="default">
<HTTPTargetConnection>
${inside}
</HTTPTargetConnection>
${flows}
</TargetEndpoint>`

/** A proxy that could run, with some of its files replaced. */
export function proxyWith(texts: Readonly<Record<string, string>> = {}): ApiProxyBundle {
  const base = {
    'apiproxy/orders.xml':
      '<APIProxy name="orders" revision="1"><DisplayName>Orders</DisplayName><Description> d </Description></APIProxy>',
    'apiproxy/proxies/default.xml': proxyXml(),
    'apiproxy/targets/default.xml': targetXml(),
  }
  return readBundle(filesFrom({ ...base, ...texts }), 'apiproxy')
}

/** The connection of a target of which this is inside. */
export function connectionWith(inside: string): TargetEndpoint['connection'] {
  const [endpoint] = proxyWith({ 'apiproxy/targets/default.xml': targetXml(inside) }).targetEndpoints
  if (endpoint === undefined) throw new TypeError('there is no target endpoint')
  return endpoint.connection
}

/** `error step-not-supported apiproxy/proxies/default.xml:4:9` */
export function shortly(problems: readonly BundleProblem[]): readonly string[] {
  return problems.map(({ severity, code, file, line, column }) => `${severity} ${code} ${file}:${line}:${column}`)
}
