import { readBundle } from '../../../src/compat/apigee/bundle-read.ts'
import { managedView, type ManagedViewOptions } from '../../../src/compat/apigee/compile-managed.ts'
import type {
  RuntimeAlias,
  RuntimeDeployment,
  RuntimeKeystore,
  RuntimeState,
} from '../../../src/compat/apigee/runtime-state.ts'
import { compileGeneration } from '../../../src/config/compile.ts'
import type { ManagedBase, ManagedPlan } from '../../../src/config/managed-view.ts'
import { ConfigSchema } from '../../../src/config/schema.ts'
import type { ListenerPlan, TargetPlan, TargetTlsPlan } from '../../../src/proxy/plan.ts'
import type { SslInfo, TargetServerBody, VirtualHostBody } from '../../../src/state/kinds.ts'

/* Stored objects of organization acme, environment test, as a compiler gets them. */

const stamps = { createdAt: 0, createdBy: 'a@example.com', lastModifiedAt: 0, lastModifiedBy: 'a@example.com' }
const scope = 'acme/test'

let versions = 0

export function keystore(
  name: string,
  aliases: Readonly<Record<string, Omit<RuntimeAlias, 'name'> | string>>,
): RuntimeKeystore {
  const held = Object.entries(aliases).map(([alias, content]): [string, RuntimeAlias] => [
    alias,
    typeof content === 'string' ? { name: alias, chain: content, key: null } : { name: alias, ...content },
  ])
  versions += 1
  return { org: 'acme', env: 'test', name, generation: 1, version: versions, aliases: new Map(held) }
}

export function sslInfo(change: Partial<SslInfo> = {}): SslInfo {
  return {
    enabled: true,
    clientAuthEnabled: false,
    enforce: null,
    keyStore: null,
    keyAlias: null,
    trustStore: null,
    ignoreValidationErrors: false,
    ciphers: [],
    protocols: [],
    commonName: null,
    ignored: [],
    ...change,
  }
}

export interface Stored {
  readonly keystores?: readonly RuntimeKeystore[]
  /** Name of the store by name of the reference. */
  readonly references?: Readonly<Record<string, string>>
  readonly targetServers?: Readonly<Record<string, Partial<TargetServerBody>>>
  readonly virtualHosts?: Readonly<Record<string, Partial<VirtualHostBody>>>
  readonly deployments?: readonly RuntimeDeployment[]
  readonly flowHooks?: RuntimeState['flowHooks']
}

export function runtimeState(stored: Stored): RuntimeState {
  const keyed = <T, U>(of: Readonly<Record<string, T>> | undefined, make: (value: T) => U): Map<string, U> =>
    new Map(Object.entries(of ?? {}).map(([name, value]) => [`${scope}/${name}`, make(value)]))
  return {
    environments: [{ org: 'acme', env: 'test' }],
    keystores: new Map((stored.keystores ?? []).map((store) => [`${store.org}/${store.env}/${store.name}`, store])),
    references: keyed(stored.references, (refers) => ({
      ...stamps,
      refers,
      resourceType: 'TrustStore',
      description: '',
    })),
    targetServers: keyed(stored.targetServers, (change) => ({
      ...stamps,
      host: '127.0.0.1',
      port: 80,
      isEnabled: true,
      description: '',
      protocol: 'HTTP',
      sslInfo: null,
      ...change,
    })),
    virtualHosts: keyed(stored.virtualHosts ?? { default: { port: 8080 } }, (change) => ({
      ...stamps,
      port: 8080,
      hostAliases: [],
      interfaces: [],
      sslInfo: null,
      properties: {},
      propagateTlsInformation: { connectionProperties: false, clientProperties: false },
      ...change,
    })),
    deployments: stored.deployments ?? [],
    flowHooks: stored.flowHooks ?? [],
  }
}

export interface Parts {
  readonly api?: string
  readonly revision?: string
  readonly environment?: string
  readonly version?: number
  /** Prefix given when it was deployed. */
  readonly prefix?: string
  readonly basePath?: string
  readonly virtualHosts?: readonly string[]
  /** XML of RouteRules; without it one to the target endpoint `default`. */
  readonly routes?: string
  /** XML of further flows of the proxy endpoint. */
  readonly flows?: string
  /** XML within HTTPTargetConnection, by target endpoint; or all of TargetEndpoint. */
  readonly targets?: Readonly<Record<string, string>>
}

/** A deployed revision, read from XML as any is. */
export function deployment(parts: Parts = {}): RuntimeDeployment {
  const { api = 'orders', revision = '1', version = 1, prefix = '/', environment = 'test' } = parts
  const hosts = (parts.virtualHosts ?? ['default']).map((name) => `<VirtualHost>${name}</VirtualHost>`).join('')
  const routes = parts.routes ?? '<RouteRule name="default"><TargetEndpoint>default</TargetEndpoint></RouteRule>'
  const targets = parts.targets ?? { default: '<URL>http://backend.test:9000/v1</URL>' }
  const files = new Map<string, Uint8Array>([
    [`apiproxy/${api}.xml`, Buffer.from(`<APIProxy name="${api}"/>`)],
    [
      'apiproxy/proxies/default.xml',
      Buffer.from(
        `<ProxyEndpoint name="default">\n<HTTPProxyConnection><BasePath>${parts.basePath ?? '/orders'}</BasePath>${hosts}</HTTPProxyConnection>\n${parts.flows ?? ''}\n${routes}</ProxyEndpoint>`,
      ),
    ],
    ...Object.entries(targets).map(([name, xml]): [string, Uint8Array] => {
      const inner = xml.startsWith('<TargetEndpoint')
        ? xml
        : `<TargetEndpoint name="${name}"><HTTPTargetConnection>${xml}</HTTPTargetConnection></TargetEndpoint>`
      return [`apiproxy/targets/${name}.xml`, Buffer.from(inner)]
    }),
  ])
  const bundle = readBundle(files, 'apiproxy')
  return { org: 'acme', env: environment, api, revision, basePath: prefix, delay: null, version, bundle }
}

/** A configuration with a plain listener on port 8080 unless told otherwise. */
export function base(config: object = {}): ManagedBase {
  const parsed = ConfigSchema.parse({ listeners: [{ name: 'http', port: 8080 }], ...config })
  const { plan } = compileGeneration({
    config: { ...parsed, targets: {}, proxies: {} },
    baseDirectory: '/',
    stores: new Map(),
    crlStores: new Map(),
    identities: new Map(),
    secrets: new Map(),
    managed: null,
    generation: 1,
    now: Date.now(),
  })
  return { config: parsed, listeners: plan.listeners, now: Date.now() }
}

/** The plain listener as one with TLS. */
export function secureListener(
  listener: ListenerPlan,
  name: string,
  port: number,
  certificate: { chain: string; key: string },
): ListenerPlan {
  return {
    ...listener,
    name,
    port,
    tls: {
      certificates: [{ names: [], ...certificate }],
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: null,
      alpn: ['http/1.1'],
      clientAnchors: null,
    },
  }
}

export function compiled(stored: Stored, config: object = {}, options: ManagedViewOptions = {}): ManagedPlan {
  return managedView(runtimeState(stored), options).compile(base(config))
}

/** One sentence for each: `code: object: message`. */
export function said(list: readonly { code: string; object: string; message: string }[]): readonly string[] {
  return list.map(({ code, object, message }) => `${code}: ${object}: ${message}`)
}

export function codes(list: readonly { code: string }[]): readonly string[] {
  return list.map(({ code }) => code)
}

export function onlyTarget(plan: ManagedPlan): TargetPlan {
  const [target, ...others] = plan.targets
  if (target === undefined || others.length > 0) {
    throw new Error(`${plan.targets.length} targets; ${said(plan.problems).join('; ')}`)
  }
  return target
}

export function onlyTls(plan: ManagedPlan): TargetTlsPlan {
  const { tls } = onlyTarget(plan)
  if (tls === null) throw new Error('the target is without TLS')
  return tls
}
