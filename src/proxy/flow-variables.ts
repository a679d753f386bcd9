import type { FlowVariables, VariableValue } from '../flow/condition-types.ts'
import type { AccessRecord } from '../observe/events.ts'
import type { Downstream } from './downstream.ts'
import { listElements, singular } from './header-values.ts'
import type { ProxyPlan } from './plan.ts'
import { queryParameters } from './query-parameters.ts'
import { headersApart, requestHeader } from './request-header.ts'

/**
 * Edge's flow variables of one request, as far as its head tells them (apigee-edge.md 3.5). An exchange keeps one, made for
 * the first condition that is ever asked; what a variable needs is read when it is asked for.
 */
export class RequestVariables implements FlowVariables {
  /** Name of the rule that holds; null before there is one. */
  routeName: string | null = null
  /** Name of the target that was chosen. */
  routeTarget: string | null = null
  readonly #request: AccessRecord
  readonly #client: Downstream
  #proxy: ProxyPlan | null = null
  #matched = 0
  #parameters: ReadonlyMap<string, readonly string[]> | null = null

  constructor(request: AccessRecord, client: Downstream) {
    this.#request = request
    this.#client = client
  }

  /** Another request, or the same one under another generation. `matched`: characters of its path that are the base path. */
  begin(proxy: ProxyPlan, matched: number): this {
    this.routeName = null
    this.routeTarget = null
    this.#proxy = proxy
    this.#matched = matched
    this.#parameters = null
    return this
  }

  get(name: string): VariableValue {
    const dot = name.indexOf('.')
    if (dot === -1) return name === 'messageid' ? this.#request.id : null
    switch (name.slice(0, dot)) {
      case 'request':
      case 'message':
        return this.#ofRequest(name.slice(dot + 1))
      case 'proxy':
        return this.#ofProxy(name)
      case 'apiproxy':
      case 'environment':
      case 'organization':
        return this.#ofDeployment(name)
      case 'client':
      case 'virtualhost':
        return this.#ofClient(name)
      case 'route':
        return name === 'route.name' ? this.routeName : name === 'route.target' ? this.routeTarget : null
      case 'system':
        return ofSystem(name)
      default:
        return null
    }
  }

  #ofRequest(name: string): VariableValue {
    const { head } = this.#client
    switch (name) {
      case 'verb':
      case 'method':
        return head.method
      case 'path':
        return this.#path
      case 'uri':
        return head.target
      case 'url':
        return this.#url
      case 'querystring':
        return head.target.slice(this.#path.length + 1)
      case 'version':
        return this.#client.protocol.slice('HTTP/'.length)
      case 'queryparams.count':
        return this.#queryParameters.size
      case 'headers.count':
        return this.#headerCount()
      default:
    }
    if (name.startsWith('queryparam.')) {
      const parameters = this.#queryParameters
      return valueOf(name.slice('queryparam.'.length), (key) => parameters.get(key) ?? none, query)
    }
    if (name.startsWith('header.')) {
      return valueOf(name.slice('header.'.length).toLowerCase(), (key) => requestHeader(this.#client, key), header)
    }
    return null
  }

  #ofProxy(name: string): VariableValue {
    switch (name) {
      case 'proxy.pathsuffix':
        return this.#path.slice(this.#matched)
      case 'proxy.basepath':
        return this.#proxy?.basePath ?? null
      case 'proxy.url':
        return this.#url
      case 'proxy.client.ip':
        return this.#request.clientAddress
      default:
        return null
    }
  }

  #ofDeployment(name: string): VariableValue {
    const proxy = this.#proxy
    if (proxy === null) return null
    switch (name) {
      case 'apiproxy.name':
        return proxy.name
      case 'apiproxy.revision':
        return proxy.revision
      case 'apiproxy.basepath':
        return proxy.basePath
      case 'environment.name':
        return proxy.environment
      case 'organization.name':
        return proxy.organization
      default:
        return null
    }
  }

  #ofClient(name: string): VariableValue {
    switch (name) {
      case 'client.ip':
      case 'client.host':
        return this.#request.clientAddress
      case 'client.port':
        return this.#request.clientPort
      case 'client.scheme':
        return this.#scheme
      case 'virtualhost.name':
        return this.#request.listener
      default:
        return null
    }
  }

  get #scheme(): string {
    return this.#client.tlsVersion === '' ? 'http' : 'https'
  }

  get #path(): string {
    const { target } = this.#client.head
    const query = target.indexOf('?')
    return query === -1 ? target : target.slice(0, query)
  }

  get #url(): string {
    const { host, target } = this.#client.head
    return `${this.#scheme}://${host}${target}`
  }

  get #queryParameters(): ReadonlyMap<string, readonly string[]> {
    return (this.#parameters ??= queryParameters(this.#client.head.target))
  }

  #headerCount(): number {
    let count = 0
    const { lines } = this.#client.head
    for (let at = lines.indexOf('\r\n'); at !== -1; at = lines.indexOf('\r\n', at + 2)) count++
    for (const name of headersApart) if (requestHeader(this.#client, name).length > 0) count++
    return count
  }
}

const none: readonly string[] = []

/** How the values of a kind of thing are told as one, and one by one. */
interface Reading {
  readonly whole: (values: readonly string[]) => string
  readonly each: (values: readonly string[], name: string) => readonly string[]
}

const query: Reading = { whole: (values) => values[0] ?? '', each: (values) => values }

/** As RFC 9110 section 5.3 joins lines, and section 5.6.1 takes them apart. */
const header: Reading = {
  whole: (lines) => lines.join(', '),
  each: (lines, name) => (singular.has(name) ? lines : lines.flatMap(listElements)),
}

/** `NAME`, `NAME.N` (from 1), `NAME.values.count` and `NAME.values.string`; a name may itself end like that. */
function valueOf(rest: string, find: (name: string) => readonly string[], { whole, each }: Reading): VariableValue {
  const values = find(rest)
  if (values.length > 0) return whole(values)
  if (rest.endsWith(count)) {
    const name = rest.slice(0, -count.length)
    return each(find(name), name).length
  }
  if (rest.endsWith(string)) {
    const all = find(rest.slice(0, -string.length))
    return all.length === 0 ? null : all.join(', ')
  }
  const [, name, number] = /^(.+)\.([1-9]\d{0,3})$/.exec(rest) ?? []
  return name === undefined ? null : (each(find(name), name)[Number(number) - 1] ?? null)
}

const count = '.values.count'
const string = '.values.string'

/** Edge's clocks say UTC. */
function ofSystem(name: string): VariableValue {
  const now = new Date()
  switch (name) {
    case 'system.timestamp':
      return now.getTime()
    case 'system.time':
      return now.toUTCString()
    case 'system.time.year':
      return now.getUTCFullYear()
    case 'system.time.month':
      return now.getUTCMonth() + 1
    case 'system.time.day':
      return now.getUTCDate()
    case 'system.time.dayofweek':
      // From Sunday, which is 1, as Java's Calendar has it.
      return now.getUTCDay() + 1
    case 'system.time.hour':
      return now.getUTCHours()
    case 'system.time.minute':
      return now.getUTCMinutes()
    case 'system.time.second':
      return now.getUTCSeconds()
    case 'system.time.millisecond':
      return now.getUTCMilliseconds()
    case 'system.time.zone':
      return 'UTC'
    default:
      return null
  }
}
