import type { RecordedMessage, RecordedStep, RecordedTransaction } from '../observe/recording.ts'
import type { EdgePair } from './edge-model.ts'

/** Of `org/env/api/rev/endpoint`, the endpoint; a proxy or target of the configuration file has its own name. */
export function endpointOf(key: string): string {
  const name = key.slice(key.lastIndexOf('/') + 1).replace(/#\d+$/, '')
  return name === '' ? 'default' : name
}

/** How the request came here. */
export function requestVariables(transaction: RecordedTransaction): readonly EdgePair[] {
  const { id, client, context, worker, dropped } = transaction
  return [
    ['messageid', id],
    ['client.ip', client.address],
    ['client.scheme', client.tls === '' ? 'http' : 'https'],
    ['client.ssl.enabled', String(client.tls !== '')],
    ...maybe('tls.protocol', client.tls),
    ['postern.client.port', String(client.port)],
    ['postern.client.protocol', client.protocol],
    ['postern.worker', String(worker)],
    ...maybe('postern.trace.id', context?.traceId ?? ''),
    ...maybe('postern.trace.span', context?.spanId ?? ''),
    ...maybe('postern.trace.parent', context?.parentId ?? ''),
    ...(dropped.steps === 0 ? [] : maybe('postern.dropped.steps', String(dropped.steps))),
    ...(dropped.bytes === 0 ? [] : maybe('postern.dropped.bytes', String(dropped.bytes))),
  ]
}

/** Where it has come to: one FlowInfo each, as Edge groups them. */
export function placeFlows({ proxy, listener, host }: RecordedTransaction): readonly (readonly EdgePair[])[] {
  const virtualHost: readonly EdgePair[] = [
    ['virtualhost.name', listener],
    ['virtualhost.aliases.values', host],
  ]
  if (proxy === null) return [virtualHost]
  const { organization, environment, name, revision, basePath } = proxy
  return [
    virtualHost,
    [
      ['environment.name', environment],
      ['environment.orgname', organization],
      ['environment.qualifiedname', `${organization}__${environment}`],
    ],
    [['organization.name', organization]],
    [
      ['apiproxy.name', name],
      ['apiproxy.revision', revision],
      ['apiproxy.basepath', basePath],
      ['apiproxy.qualifiedname', `${name}__${revision}`],
    ],
  ]
}

export function proxyVariables(
  { proxy, client, host, uri }: RecordedTransaction,
  { basePath, pathSuffix }: Extract<RecordedStep, { type: 'routed' }>,
): readonly EdgePair[] {
  return [
    ['proxy.name', endpointOf(proxy?.key ?? '')],
    ['proxy.basepath', basePath],
    ['proxy.pathsuffix', pathSuffix],
    ['proxy.url', `${client.tls === '' ? 'http' : 'https'}://${host}${uri}`],
    ['proxy.client.ip', client.address],
  ]
}

/** `target_info.*`: the request as the backend gets it. */
export function sentVariables(
  { backend, uri, method }: RecordedTransaction,
  message: RecordedMessage | null,
): readonly EdgePair[] {
  const url = urlOf(backend?.url ?? '')
  return [
    ...maybe('target_info.host', url?.hostname ?? ''),
    ...maybe('target_info.port', url === null ? '' : portOf(url)),
    ...maybe('target_info.scheme', url === null ? '' : `${url.protocol}//`),
    ['target_info.uri', message?.uri ?? uri],
    ['target_info.verb', message?.verb ?? method],
    ...(message?.headers ?? []).map(([name, value]): EdgePair => [`target_info.header.${name}`, value]),
  ]
}

/** `target.*` of an answer: when, how much, and which. */
export function responseVariables({
  backend,
  steps,
  startedAt,
  responseBytes,
}: RecordedTransaction): readonly EdgePair[] {
  if (backend === null) return []
  const timeOf = (type: RecordedStep['type']): string => {
    const at = steps.findLast((step) => step.type === type)?.at
    return at === undefined ? '' : String(Math.floor(startedAt + at))
  }
  const body = steps.findLast((step) => step.type === 'response-body')?.body.bytes
  const url = urlOf(backend.url)
  return [
    ...maybe('target.url', backend.url),
    ...maybe('target.scheme', url === null ? '' : url.protocol.slice(0, -1)),
    ...maybe('target.basepath', url?.pathname ?? ''),
    ['target.response.status.code', String(backend.status)],
    ...maybe('target.sent.start.timestamp', timeOf('request-sent')),
    ...maybe('target.received.start.timestamp', timeOf('response-received')),
    ...maybe('target.received.end.timestamp', timeOf('response-body')),
    ...(body === undefined ? [] : maybe('target.received.content.length', String(body))),
    ['postern.target.first.byte.ms', String(Math.round(backend.firstByteMs))],
    ['postern.response.bytes', String(responseBytes)],
  ]
}

/** Left out where there is nothing to say: Edge's readers take an empty value for a value. */
export const maybe = (name: string, value: string): readonly EdgePair[] => (value === '' ? [] : [[name, value]])

function urlOf(text: string): URL | null {
  return URL.parse(text)
}

const portOf = (url: URL): string => url.port || (url.protocol === 'https:' ? '443' : '80')
