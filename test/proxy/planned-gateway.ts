import type { ManagedBase, ManagedPlan, ManagedView } from '../../src/config/managed-view.ts'
import { parseCondition } from '../../src/flow/condition-parse.ts'
import type { Condition } from '../../src/flow/condition-types.ts'
import type { ProxyPlan, RoutePlan, ServerPlan, TargetPlan } from '../../src/proxy/plan.ts'
import { serverPlan } from '../support/server-plan.ts'
import { startTestGateway, type TestConfig, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts'

/** What a test adds to the plan of the configuration file: what stored objects would. */
export type Addition = (base: ManagedBase) => Partial<Pick<ManagedPlan, 'listeners' | 'targets' | 'proxies' | 'drains'>>

export interface PlannedGateway extends TestGateway {
  /** Replaces the addition; returns when every worker runs it. */
  plan(addition: Addition): Promise<void>
}

/** A gateway that runs plans which no configuration file can say. */
export async function startPlannedGateway(
  config: TestConfig,
  addition: Addition,
  options: TestGatewayOptions = {},
): Promise<PlannedGateway> {
  const gateway = await startTestGateway(config, { ...options, managed: () => viewOf(addition) })
  return Object.defineProperties({} as PlannedGateway, {
    ...Object.getOwnPropertyDescriptors(gateway),
    plan: {
      value: (next: Addition) =>
        gateway.gateway.applyManaged(async () => ({
          view: viewOf(next),
          persist: async () => {},
          abandon: async () => {},
          result: undefined,
        })),
    },
  })
}

function viewOf(addition: Addition): ManagedView {
  return {
    trustStore: () => null,
    identity: () => null,
    certificates: () => [],
    compile: (base) => ({
      listeners: base.listeners,
      targets: [],
      proxies: [],
      drains: {},
      trustChanged: false,
      origins: new Map(),
      findings: [],
      problems: [],
      ...addition(base),
    }),
  }
}

export function proxyPlan(route: RoutePlan, change: Partial<ProxyPlan> = {}): ProxyPlan {
  return {
    key: change.name ?? 'p',
    name: 'p',
    organization: 'acme',
    environment: 'test',
    listeners: null,
    hosts: [],
    basePath: '/',
    route,
    revision: '3',
    faults: 'native',
    faultDetail: 'standard',
    path: 'strip',
    host: 'target',
    ...change,
  }
}

export function targetPlan(name: string, ports: readonly number[], change: Partial<TargetPlan> = {}): TargetPlan {
  return {
    name,
    scheme: 'http',
    pathPrefix: '',
    authority: `${name}.test`,
    tls: null,
    servers: ports.map((port, index) => plannedServer(name, port, { name: `${name}-${index}` })),
    balance: 'round-robin',
    health: null,
    ejection: null,
    retries: { attempts: 0, on: [], statuses: [], methods: [], budgetPercent: 20, budgetMinPerSecond: 10 },
    breaker: null,
    ...change,
  }
}

export function plannedServer(target: string, port: number, change: Partial<ServerPlan> = {}): ServerPlan {
  const plan = serverPlan({ port, tls: null, target, ...change })
  return {
    ...plan,
    limits: { connections: 100, streams: 100, pending: 100, responseHeaderBytes: 16_384, ...change.limits },
  }
}

export function condition(text: string): Condition {
  const parsed = parseCondition(text)
  if (!parsed.ok) throw new Error(`${text}: ${JSON.stringify(parsed)}`)
  return parsed.condition
}
