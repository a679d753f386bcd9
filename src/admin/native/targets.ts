import { z } from 'zod'
import type { ServerOrigin } from '../../config/managed-view.ts'
import { clientAuthentication } from '../../diagnosis/client-authentication.ts'
import type { InventoryServer } from '../../diagnosis/inventory.ts'
import type { LastReport } from '../../diagnosis/last-reports.ts'
import { remediesForLog } from '../../verdict/remedies.ts'
import type { ServerPlan, TargetPlan } from '../../proxy/plan.ts'
import { type ApiAnswer, type ApiCall, ApiError, type ApiRoute, json } from '../api.ts'
import type { NativeGateway } from '../gateway-view.ts'
import { withoutOthers } from './other-organizations.ts'
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
  last: Seen.nullable().meta({
    description: 'The newest word on it, also that traffic was verified; null: nothing was seen.',
  }),
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

export const TargetDetail = Target.extend({
  servers: z.array(
    Server.extend({
      chains: z.array(
        z.object({
          source: z.enum(['probe', 'traffic']),
          firstSeen: Time,
          lastSeen: Time,
          verified: z
            .object({ at: Time, snapshot: z.string() })
            .nullable()
            .meta({ description: 'When a connection of traffic was verified with it last; null: none was.' }),
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

/** Backends, what they have shown, and what to do about it: of every organization and of the file, and of one organization. */
export function targetRoutes(gateway: NativeGateway): readonly ApiRoute[] {
  return [
    ...routesBelow(gateway, '/api', ''),
    ...routesBelow(gateway, '/api/organizations/:org', ' of an organization'),
  ]
}

function routesBelow(gateway: NativeGateway, base: string, whose: string): readonly ApiRoute[] {
  return [
    {
      method: 'GET',
      path: `${base}/targets`,
      role: 'viewer',
      doc: {
        summary: `Every target${whose} that runs, with its last verdict`,
        answer: z.object({ targets: z.array(Target) }),
      },
      async handle(call) {
        const seen = inventoryOf(gateway)
        const told = targetsFor(gateway, call).map((target) => targetFacts(gateway, target, seen))
        return json(200, { targets: told.map((target) => withoutOthers(gateway, organizationOf(call), target)) })
      },
    },
    {
      method: 'GET',
      path: `${base}/target`,
      role: 'viewer',
      doc: {
        summary: `One target${whose}: chain, verdict, remedy, client authentication`,
        query: ByName,
        answer: TargetDetail,
      },
      async handle(call) {
        const target = targetOf(gateway, call)
        return json(200, withoutOthers(gateway, organizationOf(call), targetDetail(gateway, target)))
      },
    },
    {
      method: 'POST',
      path: `${base}/target/check`,
      role: 'operator',
      operation: 'CHECK',
      doc: {
        summary: `Connect to a target${whose} now as traffic would, and say what is found`,
        query: CheckQuery,
        answer: Checked,
      },
      handle: (call) => check(gateway, call),
    },
  ]
}

async function check(gateway: NativeGateway, call: ApiCall): Promise<ApiAnswer> {
  const target = targetOf(gateway, call)
  const wanted = call.query.get('server')
  const servers = target.servers.filter(({ name, tls }) => tls !== null && (wanted ?? name) === name)
  if (servers.length === 0) {
    if (wanted === null)
      throw new ApiError(409, 'plain-http', `target ${target.name} is plain HTTP: it shows no certificate`)
    throw new ApiError(404, 'server-unknown', `target ${target.name} has no https server ${wanted}`)
  }
  const fetchIssuers = call.query.get('fetchIssuers') === 'true'
  // With its origin, stores of other organizations are no evidence.
  const origin = organizationOf(call) === null ? undefined : gateway.resolved.origins.get(target.name)
  const seen = await gateway.probe(
    servers.map((server) => ({ target, server, ...(origin === undefined ? {} : { origin }) })),
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
}

/** Whose targets are asked for; null: everybody's. */
const organizationOf = ({ params }: ApiCall): string | null => params['org'] ?? null

function targetsFor({ plan, resolved }: NativeGateway, call: ApiCall): readonly TargetPlan[] {
  const organization = organizationOf(call)
  if (organization === null) return plan.targets
  return plan.targets.filter(({ name }) => resolved.origins.get(name)?.organization === organization)
}

function targetOf(gateway: NativeGateway, call: ApiCall): TargetPlan {
  const name = call.query.get('name') ?? ''
  const list = call.params['org'] === undefined ? '/api/targets' : `/api/organizations/${call.params['org']}/targets`
  if (name === '') throw new ApiError(400, 'bad-query', `name is missing: one of GET ${list}`)
  const found = targetsFor(gateway, call).find((target) => target.name === name)
  if (found !== undefined) return found
  throw new ApiError(404, 'target-unknown', `there is no target ${name}; GET ${list} has all`)
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
    last: seenLast(last, seen, tls?.snapshotId ?? null),
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

/** The newest word on a server: what somebody looked for, or that traffic has verified it since. */
function seenLast(
  last: LastReport | null,
  seen: InventoryServer | undefined,
  snapshot: string | null,
): z.output<typeof Seen> | null {
  const verified = (seen?.chains ?? []).flatMap((chain) => chain.verified ?? [])
  const newest = verified.sort((one, other) => (one.at < other.at ? 1 : -1))[0]
  if (newest !== undefined && (last === null || Date.parse(newest.at) > last.at)) {
    const summary = 'A connection of traffic was verified.'
    const current = newest.snapshot === snapshot
    return { verdict: 'trusted', summary, at: newest.at, source: 'traffic', current }
  }
  if (last === null) return null
  const { at, source, report } = last
  const { code, summary } = report.verdict
  const current = report.snapshot === (snapshot ?? undefined)
  return { verdict: code, summary, at: new Date(at).toISOString(), source, current }
}

export function targetDetail(gateway: NativeGateway, target: TargetPlan) {
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
