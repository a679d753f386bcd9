import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { AlertBean, maxAlerts, parseAlert, ShownCondition } from '../../monitor/alerts/bean.ts'
import type { StoredAlert } from '../../monitor/alerts/engine.ts'
import { channels, isDeliverable, shownDestination } from '../../monitor/alerts/rule.ts'
import type { StateStore, StateTransaction, StateView, StoredObject } from '../../state/types.ts'
import { type ApiCall, ApiError } from '../api.ts'
import { stamps } from '../edge/scope.ts'
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

export const ShownAlert = Stored.extend({
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

/** Of alerts that cannot tell anybody; for whoever lists findings. */
export async function alertFindings(
  view: StateView,
): Promise<readonly { code: string; severity: 'warning'; object: string; message: string }[]> {
  const all = await view.below('alert', '')
  return all.flatMap(({ scope, body }) => {
    const { name, notifications } = Stored.parse(body.entity)
    const unable = notifications.filter((each) => !isDeliverable(each))
    if (unable.length === 0) return []
    const told = [...new Set(unable.map(({ channel }) => channel))].join(' and ')
    const message = `alert ${JSON.stringify(name)} names ${told}, which this gateway does not send to; use webhook or slack`
    return [{ code: 'undeliverable', severity: 'warning' as const, object: `${scope}/alerts/${name}`, message }]
  })
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
