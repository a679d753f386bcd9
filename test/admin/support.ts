import type { Alerts } from '../../src/monitor/alerts/engine.ts'
import { openTraces } from '../../src/traces/registry.ts'
import { type Access, openAccess } from '../../src/admin/access/access.ts'
import type { AttemptRates } from '../../src/admin/access/attempts.ts'
import { hashPassword } from '../../src/admin/access/passwords.ts'
import type { AdminServices, ApiAnswer, ApiCall, ApiRoute, Principal } from '../../src/admin/api.ts'
import { makeCall } from '../../src/admin/call.ts'
import { type Admin, type AdminLimits, type AdminTls, openAdmin } from '../../src/admin/server.ts'
import type { NativeGateway } from '../../src/admin/gateway-view.ts'
import type { Role } from '../../src/state/kinds.ts'
import { openMemoryState } from '../../src/state/open.ts'

/** May everything, everywhere. */
export const root: Principal = { user: 'admin', roles: { '*': 'admin' }, via: 'password', from: '127.0.0.1' }

interface CallOptions {
  readonly method?: string
  /** Of the route's path: `{ org: 'acme', env: 'test' }`. */
  readonly params?: Readonly<Record<string, string>>
  /** `action=deploy&override=true`, or pairs. */
  readonly query?: string | Readonly<Record<string, string>>
  /** Lower-case names. `content-type` is `application/json` where `body` is an object. */
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes and text go as they are; anything else as JSON. */
  readonly body?: unknown
  readonly principal?: Principal
  readonly services: AdminServices
}

/** A call as the server would make it, for driving a route's `handle` directly. */
export function apiCall(options: CallOptions): ApiCall {
  const given = options.body ?? ''
  const raw = typeof given === 'string' || given instanceof Uint8Array
  const body = Buffer.from(raw ? given : JSON.stringify(given))
  return makeCall({
    method: options.method ?? 'GET',
    params: options.params ?? {},
    query: new URLSearchParams(options.query ?? ''),
    headers: { ...(raw ? {} : { 'content-type': 'application/json' }), ...options.headers },
    principal: options.principal ?? root,
    services: options.services,
    body: () => Promise.resolve(body),
  })
}

/** The JSON of an answer; throws where it has none. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what it is
export function jsonOf<T = Record<string, unknown>>(answer: ApiAnswer): T {
  if ('json' in answer) return answer.json as T
  throw new Error(`the answer is ${answer.type}, not JSON`)
}

/** Services over an empty store in memory. A change commits and reaches no gateway. Close with `store.close()`. */
export async function memoryServices(clock: () => number = Date.now): Promise<AdminServices> {
  const store = await openMemoryState()
  return {
    store,
    clock,
    async change(_call, work) {
      const tx = await store.begin()
      try {
        const result = await work(tx)
        await tx.commit()
        return result
      } catch (error) {
        await tx.rollback()
        throw error
      }
    },
    read: (work) => store.read(work),
    gateway: { generation: 1, organization: 'default', status: () => ({}), findings: () => [] },
  }
}

/** A gateway that runs nothing: of what depends on one, only who may ask is to be seen. */
export const idleNative: NativeGateway = {
  plan: {
    generation: 1,
    organization: 'default',
    environment: 'default',
    region: '',
    listeners: [],
    targets: [],
    proxies: [],
    logs: [],
    diagnosis: { live: false, waitMs: 0 },
  } as unknown as NativeGateway['plan'],
  resolved: {
    config: { apigee: { partialChain: false } },
    origins: new Map(),
    text: '',
  } as unknown as NativeGateway['resolved'],
  stored: {
    environments: [],
    keystores: new Map(),
    references: new Map(),
    targetServers: new Map(),
    virtualHosts: new Map(),
    deployments: [],
    flowHooks: [],
  },
  configFile: '/nowhere/postern.yaml',
  posternCommand: 'postern',
  lastRefusal: '',
  lastReport: () => null,
  inventory: () => ({ at: new Date(0).toISOString(), servers: [] }),
  resolveText: async () => ({ ok: false, problems: [], warnings: [], watch: [] }),
  reload: async () => false,
  subscribe: () => () => {},
  probe: async () => [],
  recordCheck: () => {
    throw new Error('nothing was checked')
  },
  monitor: {
    aggregate: async () => ({ rows: [], truncated: false, resolution: 60_000 }),
    samples: async () => [],
    find: async () => null,
    health: async () => ({ file: null, bytes: 0, rows: 0, oldest: null, lostRequests: 0, problem: '' }),
  },
  traces: openTraces({ order: () => {} }),
}

/** No rules, and nobody to tell. */
export const idleAlerts: Alerts = {
  evaluate: async () => {},
  history: () => [],
  instance: () => null,
  test: async () => [],
  health: () => ({
    queued: 0,
    delivered: 0,
    failed: 0,
    retried: 0,
    problem: '',
    dropped: 0,
    rules: 0,
    firing: 0,
    evaluatedAt: null,
    troubles: [],
  }),
  close: async () => {},
}

interface AdminServer extends AsyncDisposable {
  readonly admin: Admin
  readonly access: Access
  readonly services: AdminServices
  /** `http://127.0.0.1:port`, or https. */
  readonly origin: string
  /** What was told of unexpected errors. */
  readonly errors: readonly unknown[]
}

/** The real server over an empty store. Users are made with `makeUser`. */
export async function startAdmin(
  routes: readonly ApiRoute[] | ((access: Access) => readonly ApiRoute[]),
  options: {
    readonly clock?: () => number
    readonly rates?: AttemptRates
    readonly limits?: Partial<AdminLimits>
    readonly tls?: AdminTls
    readonly services?: AdminServices
  } = {},
): Promise<AdminServer> {
  const { clock = Date.now, rates, limits, tls } = options
  const services = options.services ?? (await memoryServices(clock))
  const access = await openAccess({ store: services.store, clock, ...(rates === undefined ? {} : { rates }) })
  const errors: unknown[] = []
  const admin = await openAdmin({
    address: '127.0.0.1',
    port: 0,
    routes: typeof routes === 'function' ? routes(access) : routes,
    services,
    access,
    onError: (error) => errors.push(error),
    ...(limits === undefined ? {} : { limits }),
    ...(tls === undefined ? {} : { tls }),
  })
  return {
    admin,
    access,
    services,
    errors,
    origin: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${admin.port}`,
    async [Symbol.asyncDispose]() {
      await admin.close(0)
      await services.store.close()
    },
  }
}

/** Of every test: a hash is made once, for `password`, which is quicker than one for every user. */
export const password = 'correct horse'
const hashOfPassword = hashPassword(password)

export async function makeUser(
  services: AdminServices,
  name: string,
  roles: Readonly<Record<string, Role>>,
): Promise<void> {
  const hash = await hashOfPassword
  await services.change({ principal: root }, async (tx) => {
    const stamps = { createdAt: 1, createdBy: 'test', lastModifiedAt: 1, lastModifiedBy: 'test' }
    await tx.put('user', '', name, { body: { ...stamps, displayName: '', password: hash, roles } })
  })
}

export async function makeOrganization(services: AdminServices, name: string): Promise<void> {
  await services.change({ principal: root }, async (tx) => {
    const stamps = { createdAt: 1, createdBy: 'test', lastModifiedAt: 1, lastModifiedBy: 'test' }
    await tx.put('organization', '', name, { body: { ...stamps, displayName: name, type: 'paid', properties: {} } })
  })
}

/** Value of an Authorization field. */
export function basic(user: string, secret = password): string {
  return `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`
}

/** The caller says what it is; a test that is wrong about it fails. */
export async function readJson<T>(answer: Response): Promise<T> {
  return (await answer.json()) as T
}
