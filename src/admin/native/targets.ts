import { z } from 'zod'
import type { ServerOrigin } from '../../config/managed-view.ts'
import { clientAuthentication } from '../../diagnosis/client-authentication.ts'
import type { InventoryServer } from '../../diagnosis/inventory.ts'
import type { LastReport } from '../../diagnosis/last-reports.ts'
import { remediesForLog } from '../../verdict/remedies.ts'
import type { ServerPlan, TargetPlan } from '../../proxy/plan.ts'
import { type ApiCall, ApiError, type ApiRoute, json } from '../api.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { CertificateFacts, ClientAuthenticationFacts, Remedy, Report, Time } from './documents.ts'

const Exception = z.object({
  skip: z.enum(['chain', 'name']),
  owner: z.string(),
  reason: z.string(),
  until: Time.nullable(),
})

const Trust = z
  .object({
    written: z.string().meta({ description: 'As the configuration or SSLInfo names it.' }),
    store: z.string().meta({ description: 'What that leads to: a store of the file, or `ORG/ENV/STORE`.' }),
  })
  .meta({ id: 'NamedTrust' })

const Seen = z.object({
  verdict: z.string(),
  summary: z.string(),
  at: Time,
  source: z.enum(['traffic', 'check']),
  current: z.boolean().meta({ description: 'Found under the trust that is in force now.' }),
})

const Server = z.object({
  name: z.string(),
  host: z.string(),
  port: z.number(),
  tls: z.boolean(),
  snapshot: z.string().nullable(),
  serverName: z.string().nullable(),
  verifyNames: z.array(z.string()),
  targetServer: z.string().nullable(),
  trust: z.array(Trust).meta({ description: 'Empty: the roots of the system.' }),
  exceptions: z.array(Exception),
  last: Seen.nullable(),
  chainEnds: Time.nullable().meta({ description: 'When the first certificate of the chain seen last ends.' }),
})

const Target = z
  .object({
    name: z.string(),
    origin: z
      .object({
        organization: z.string(),
        environment: z.string(),
        api: z.string(),
        revision: z.string(),
        endpoint: z.string(),
      })
      .nullable()
      .meta({ description: 'null: of the configuration file.' }),
    servers: z.array(Server),
  })
  .meta({ id: 'Target' })

const TargetDetail = Target.extend({
  servers: z.array(
    Server.extend({
      chains: z.array(
        z.object({
          source: z.enum(['probe', 'traffic']),
          firstSeen: Time,
          lastSeen: Time,
          leaf: CertificateFacts,
          leafEnds: Time,
          chainEnds: Time,
          anchor: CertificateFacts.nullable(),
          stores: z.array(z.string()),
          pem: z.array(z.string()),
        }),
      ),
      keyStore: z.object({ written: z.string(), store: z.string(), alias: z.string() }).nullable(),
      clientAuthentication: ClientAuthenticationFacts,
      report: Report.nullable(),
      remedy: z.array(Remedy).meta({ description: 'Of the report, without what weakens the gateway.' }),
    }),
  ),
}).meta({ id: 'TargetDetail' })

const Checked = z.object({
  target: z.string(),
  reports: z.array(Report),
  clientAuthentication: z.array(ClientAuthenticationFacts).meta({ description: 'Of the same servers, in that order.' }),
})

const ByName = z.object({ name: z.string().meta({ description: 'As `GET /api/targets` has it.' }) })
const CheckQuery = ByName.extend({
  server: z.string().optional().meta({ description: 'Only this one of its servers.' }),
  fetchIssuers: z
    .enum(['true', 'false'])
    .optional()
    .meta({ description: 'Follow the pointers of certificates to their issuers (AIA).' }),
})

/** Backends, what they have shown, and what to do about it. */
export function targetRoutes(gateway: NativeGateway): readonly ApiRoute[] {
  return [
    {
      method: 'GET',
      path: '/api/targets',
      role: 'viewer',
      doc: { summary: 'Every target that runs, with its last verdict', answer: z.object({ targets: z.array(Target) }) },
      async handle() {
        const seen = inventoryOf(gateway)
        return json(200, { targets: gateway.plan.targets.map((target) => targetFacts(gateway, target, seen)) })
      },
    },
    {
      method: 'GET',
      path: '/api/target',
      role: 'viewer',
      doc: {
        summary: 'One target: chain, verdict, remedy, client authentication',
        query: ByName,
        answer: TargetDetail,
      },
      async handle(call) {
        const target = targetOf(gateway, call)
        return json(200, targetDetail(gateway, target))
      },
    },
    {
      method: 'POST',
      path: '/api/target/check',
      role: 'operator',
      operation: 'CHECK',
      doc: {
        summary: 'Connect to a target now as traffic would, and say what is found',
        query: CheckQuery,
        answer: Checked,
      },
      async handle(call) {
        const target = targetOf(gateway, call)
        const wanted = call.query.get('server')
        const servers = target.servers.filter(({ name, tls }) => tls !== null && (wanted ?? name) === name)
        if (servers.length === 0) {
          if (wanted === null)
            throw new ApiError(409, 'plain-http', `target ${target.name} is plain HTTP: it shows no certificate`)
          throw new ApiError(404, 'server-unknown', `target ${target.name} has no https server ${wanted}`)
        }
        const fetchIssuers = call.query.get('fetchIssuers') === 'true'
        const seen = await gateway.probe(
          servers.map((server) => ({ target, server })),
          { fetchIssuers },
        )
        const last = servers.map((server, index) => {
          const diagnosis = seen[index]
          if (diagnosis === undefined) throw new TypeError(`no diagnosis of ${server.name}`)
          return gateway.recordCheck(server, diagnosis)
        })
        return json(200, {
          target: target.name,
          reports: last.map(({ report }) => report),
          clientAuthentication: last.map((each) => each.clientAuthentication),
        })
      },
    },
  ]
}

function targetOf({ plan }: NativeGateway, call: ApiCall): TargetPlan {
  const name = call.query.get('name') ?? ''
  if (name === '') throw new ApiError(400, 'bad-query', 'name is missing: one of GET /api/targets')
  const found = plan.targets.find((target) => target.name === name)
  if (found !== undefined) return found
  throw new ApiError(404, 'target-unknown', `there is no target ${name}`)
}

type Inventory = ReadonlyMap<string, InventoryServer>

function inventoryOf(gateway: NativeGateway): Inventory {
  return new Map(gateway.inventory().servers.map((each) => [keyOf(each.target, each.server), each]))
}

const keyOf = (target: string, server: string): string => JSON.stringify([target, server])

function targetFacts(gateway: NativeGateway, target: TargetPlan, inventory: Inventory): z.output<typeof Target> {
  const origin = gateway.resolved.origins.get(target.name)
  return {
    name: target.name,
    origin:
      origin === undefined
        ? null
        : {
            organization: origin.organization,
            environment: origin.environment,
            api: origin.api,
            revision: origin.revision,
            endpoint: origin.endpoint,
          },
    servers: target.servers.map((server) =>
      serverFacts(gateway, target, server, inventory.get(keyOf(target.name, server.name))),
    ),
  }
}

/** Field by field: a plan holds keys and passwords (I7). */
function serverFacts(
  gateway: NativeGateway,
  target: TargetPlan,
  { name, host, port, tls }: ServerPlan,
  seen: InventoryServer | undefined,
): z.output<typeof Server> {
  const last = gateway.lastReport(target.name, name)
  return {
    name,
    host,
    port,
    tls: tls !== null,
    snapshot: tls?.snapshotId ?? null,
    serverName: tls?.serverName ?? null,
    verifyNames: [...(tls?.verifyNames ?? [])],
    targetServer: originOf(gateway, target, name)?.targetServer ?? null,
    trust: trustOf(gateway, target, name),
    exceptions: (tls?.exceptions ?? []).map(({ skip, owner, reason, until }) => {
      return { skip, owner, reason, until: until === null ? null : new Date(until).toISOString() }
    }),
    last: last === null ? null : seenLast(last, tls?.snapshotId ?? null),
    chainEnds: seen?.chains[0]?.chainEnds ?? null,
  }
}

function originOf({ resolved }: NativeGateway, target: TargetPlan, server: string): ServerOrigin | null {
  return resolved.origins.get(target.name)?.servers.get(server) ?? null
}

function trustOf(gateway: NativeGateway, target: TargetPlan, server: string): z.output<typeof Trust>[] {
  const { resolved } = gateway
  if (!resolved.origins.has(target.name)) {
    return (resolved.config.targets[target.name]?.tls?.trust ?? []).map((name) => ({ written: name, store: name }))
  }
  const trust = originOf(gateway, target, server)?.trustStore ?? null
  return trust === null ? [] : [{ ...trust }]
}

function seenLast({ at, source, report }: LastReport, snapshot: string | null): z.output<typeof Seen> {
  const { code, summary } = report.verdict
  return {
    verdict: code,
    summary,
    at: new Date(at).toISOString(),
    source,
    current: report.snapshot === (snapshot ?? undefined),
  }
}

function targetDetail(gateway: NativeGateway, target: TargetPlan) {
  const inventory = inventoryOf(gateway)
  const facts = targetFacts(gateway, target, inventory)
  return {
    ...facts,
    servers: target.servers.map((server, index) => {
      const last = gateway.lastReport(target.name, server.name)
      const chains = inventory.get(keyOf(target.name, server.name))?.chains ?? []
      return {
        ...facts.servers[index],
        chains: chains.map(({ chain, ...rest }) => ({ ...rest, pem: chain })),
        keyStore: originOf(gateway, target, server.name)?.keyStore ?? null,
        clientAuthentication: last?.clientAuthentication ?? clientAuthentication(server, null, Date.now()),
        report: last?.report ?? null,
        remedy: remediesForLog(last?.report.remedy ?? []),
      }
    }),
  }
}
