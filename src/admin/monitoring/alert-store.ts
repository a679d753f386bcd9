import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { AlertBean, maxAlerts, parseAlert, ShownCondition } from '../../monitor/alerts/bean.ts'
import type { StoredAlert } from '../../monitor/alerts/engine.ts'
import { channels, isDeliverable, shownDestination } from '../../monitor/alerts/rule.ts'
import type { StateStore, StateTransaction, StateView, StoredObject } from '../../state/types.ts'
import { type ApiCall, ApiError } from '../api.ts'
import { stamps } from '../edge/scope.ts'
import { membersOf } from './collection-store.ts'
import { roleIn } from '../roles.ts'

/* Alert rules as stored objects: Edge's bean, with the keys of signatures sealed beside it (I7). */

/** Every rule with its secrets, for whoever evaluates them; nothing of it may leave the process. */
export function storedAlerts(store: Pick<StateStore, 'read'>): () => Promise<readonly StoredAlert[]> {
  return () =>
    store.read(async (view) => {
      const all = await view.below('alert', '')
      return Promise.all(all.map((found) => withSecrets(view, found)))
    })
}

export async function withSecrets(view: StateView, { scope, name, body }: StoredObject<'alert'>): Promise<StoredAlert> {
  const stored = Stored.safeParse(body.entity)
  // One that another version has stored otherwise: whoever evaluates it says what is wrong, and goes on to the others.
  if (!stored.success) return { id: name, organization: scope, bean: body.entity }
  const bean = stored.data
  const secrets = await secretsOf(view, scope, name)
  const notifications = bean.notifications.map((each) => ({ ...each, secret: secrets[keyOf(each)] ?? '' }))
  return { id: name, organization: scope, bean: { ...bean, notifications } }
}

/** Made, or changed where `id` is given. Throws 400 with every place that is wrong. */
export async function saveAlert(
  tx: StateTransaction,
  call: ApiCall,
  value: unknown,
  options: { readonly region: string; readonly id: string | null },
): Promise<StoredObject<'alert'>> {
  const organization = call.params['org'] ?? ''
  const parsed = parseAlert(value, { organization, region: options.region })
  if (!parsed.ok) {
    const [first] = parsed.problems
    throw new ApiError(400, 'bad-alert', `the alert is not as it must be: ${first?.path}: ${first?.message}`, {
      problems: parsed.problems,
    })
  }
  const { rule } = parsed
  const others = (await tx.list('alert', organization)).filter(({ name }) => name !== options.id)
  if (options.id === null && others.length >= maxAlerts) {
    throw new ApiError(
      400,
      'alerts-limit',
      `organization ${organization} has ${maxAlerts} alerts, and may have no more`,
    )
  }
  if (others.some(({ body }) => body.entity['name'] === rule.name)) {
    throw new ApiError(409, 'alert-exists', `there is an alert ${JSON.stringify(rule.name)} already`)
  }
  const id = options.id ?? randomUUID()
  const previous = options.id === null ? null : await tx.get('alert', organization, id)
  const before = previous === null ? {} : await secretsOf(tx, organization, id)
  const bean = AlertBean.parse(value)
  const secrets: Record<string, string> = {}
  for (const each of bean.notifications) {
    const secret = each.secret ?? before[keyOf(each)] ?? ''
    if (secret !== '') secrets[keyOf(each)] = secret
  }
  const notifications = bean.notifications.map(({ channel, destination }) => ({ channel, destination }))
  const entity = { ...bean, organization, environment: rule.environment, notifications }
  await tx.put('alert', organization, id, {
    body: { ...stamps(call, call.services.clock, previous?.body), entity },
    secret: Object.keys(secrets).length === 0 ? null : Buffer.from(JSON.stringify(secrets)),
  })
  return mustFind(tx, organization, id)
}

export async function findAlert(view: StateView, call: ApiCall): Promise<StoredObject<'alert'>> {
  return mustFind(view, call.params['org'] ?? '', call.params['alert'] ?? '')
}

/** As callers see it: no secret, and URLs of receivers for those alone who may change them. */
export async function shownAlert(view: StateView, call: ApiCall, found: StoredObject<'alert'>): Promise<ShownAlert> {
  const bean = Stored.parse(found.body.entity)
  const secrets = await secretsOf(view, found.scope, found.name)
  const role = roleIn(call.principal, found.scope)
  return {
    id: found.name,
    uuid: found.name,
    ...bean,
    conditions: bean.conditions.map(({ comparator, ...condition }) => ({
      ...condition,
      // Of the two metrics that compare nothing, a sign would mislead.
      ...(comparesNothing.has(condition.metric) ? {} : { comparator }),
    })),
    notifications: bean.notifications.map((each) => ({
      channel: each.channel,
      destination: role === 'operator' || role === 'admin' ? each.destination : shownDestination(each),
      signed: secrets[keyOf(each)] !== undefined,
      deliverable: isDeliverable(each),
    })),
    createdAt: found.body.createdAt,
    createdBy: found.body.createdBy,
    lastModifiedAt: found.body.lastModifiedAt,
    lastModifiedBy: found.body.lastModifiedBy,
  }
}

/** Without the keys of signatures. */
const Stored = AlertBean.extend({
  enabled: z.boolean(),
  conditions: z.array(ShownCondition),
  organization: z.string(),
  environment: z.string(),
  notifications: z.array(z.object({ channel: z.enum(channels), destination: z.string() })),
})

const comparesNothing: ReadonlySet<string> = new Set(['verdict-appears', 'certificate-expires'])

export const ShownAlert = Stored.extend({
  conditions: z.array(ShownCondition.extend({ comparator: z.string().optional() })),
  id: z.string(),
  uuid: z.string(),
  notifications: z.array(
    z.object({
      channel: z.enum(channels),
      destination: z.string().meta({ description: 'For viewers without what follows the host.' }),
      signed: z.boolean(),
      deliverable: z.boolean().meta({ description: 'false: stored, and nothing is sent to it from here.' }),
    }),
  ),
  createdAt: z.number(),
  createdBy: z.string(),
  lastModifiedAt: z.number(),
  lastModifiedBy: z.string(),
}).meta({ id: 'Alert' })

export type ShownAlert = z.output<typeof ShownAlert>

/** What runs, for alerts that are about none of it. */
export interface KnownNames {
  readonly proxies: (organization: string) => ReadonlySet<string>
  /** Both names of each. */
  readonly targets: (organization: string, environment: string) => ReadonlySet<string>
}

interface AlertFinding {
  readonly code: 'undeliverable' | 'alert-names-unknown'
  readonly severity: 'warning'
  readonly object: string
  readonly message: string
}

/** Of alerts that cannot tell anybody, or can never fire; for whoever lists findings. */
export async function alertFindings(view: StateView, known: KnownNames): Promise<readonly AlertFinding[]> {
  const all = await view.below('alert', '')
  const found = await Promise.all(
    all.map(async ({ scope, body }): Promise<readonly AlertFinding[]> => {
      const stored = Stored.safeParse(body.entity)
      if (!stored.success) return []
      const { name, notifications } = stored.data
      const say = (code: AlertFinding['code'], what: string): AlertFinding => {
        return {
          code,
          severity: 'warning',
          object: `${scope}/alerts/${name}`,
          message: `alert ${JSON.stringify(name)} ${what}`,
        }
      }
      const unknown = await unknownNames(view, scope, stored.data, known)
      const channelsOf = [
        ...new Set(notifications.filter((each) => !isDeliverable(each)).map(({ channel }) => channel)),
      ]
      return [
        ...(notifications.length === 0
          ? [say('undeliverable', 'names no receiver: when it fires, nobody is told')]
          : []),
        ...(channelsOf.length === 0
          ? []
          : [
              say(
                'undeliverable',
                `names ${channelsOf.join(' and ')}, which this gateway does not send to; use webhook or slack`,
              ),
            ]),
        ...(unknown.length === 0
          ? []
          : [
              say(
                'alert-names-unknown',
                `is about what there is not: ${unknown.join(', ')}; check the names, it may never fire`,
              ),
            ]),
      ]
    }),
  )
  return found.flat()
}

async function unknownNames(
  view: StateView,
  organization: string,
  { environment, conditions }: z.output<typeof Stored>,
  known: KnownNames,
): Promise<readonly string[]> {
  const environments = new Set((await view.list('environment', organization)).map(({ name }) => name))
  const proxies = new Set((await view.list('api', organization)).map(({ name }) => name))
  const unknown = new Set<string>()
  if (!environments.has(environment)) unknown.add(`environment ${environment}`)
  for (const { dimensions } of conditions) {
    const named = (dimension: string): string => {
      const text = dimensions[dimension] ?? ''
      return text === 'ALL' || text === 'ANY' ? '' : text
    }
    const [env, proxy, target, collection] = ['env', 'proxy', 'target', 'collection'].map(named) as [
      string,
      string,
      string,
      string,
    ]
    const place = env === '' ? environment : env
    if (env !== '' && !environments.has(env)) unknown.add(`environment ${env}`)
    if (proxy !== '' && !proxies.has(proxy) && !known.proxies(organization).has(proxy)) unknown.add(`proxy ${proxy}`)
    if (target !== '' && !known.targets(organization, place).has(target)) unknown.add(`target ${target}`)
    if (collection !== '' && (await membersOf(view, organization, collection)) === null) {
      unknown.add(`collection ${collection}`)
    }
  }
  return [...unknown]
}

async function mustFind(view: StateView, organization: string, id: string): Promise<StoredObject<'alert'>> {
  const found = await view.get('alert', organization, id)
  if (found !== null) return found
  throw new ApiError(404, 'alert-unknown', `there is no alert ${id} in organization ${organization}`)
}

async function secretsOf(view: StateView, scope: string, name: string): Promise<Readonly<Record<string, string>>> {
  const sealed = await view.secret('alert', scope, name)
  return sealed === null ? {} : z.record(z.string(), z.string()).parse(JSON.parse(sealed.toString('utf8')))
}

const keyOf = ({ channel, destination }: { readonly channel: string; readonly destination: string }): string =>
  `${channel} ${destination}`
