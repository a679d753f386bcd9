import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Filter } from '../../monitor/query.ts'
import type { StateStore, StateTransaction, StateView, StoredObject } from '../../state/types.ts'
import { type ApiCall, ApiError } from '../api.ts'
import { requireEnvironment, stamps } from '../edge/scope.ts'
import { parseBody } from '../parse-body.ts'

/* Collections: proxies, targets or apps under one name (apigee-edge.md 1.9). */

const Name = z.string().trim().min(1).max(255)

const Members = z.array(z.string().min(1).max(300)).max(100)
const Description = z.string().max(1000)

const fields = {
  organization: z.string().max(255).optional(),
  environment: Name,
  name: Name,
  type: z.enum(['proxy', 'target', 'developerApp']),
}

export const CollectionBean = z.object({
  ...fields,
  members: Members.default([]),
  description: Description.default(''),
})

/** Without defaults: what is not said stays. */
export const CollectionPatch = z.object({ ...fields, members: Members, description: Description }).partial()

export const ShownCollection = CollectionBean.extend({
  id: z.string(),
  uuid: z.string(),
  organization: z.string(),
  createdAt: z.number(),
  createdBy: z.string(),
  lastModifiedAt: z.number(),
  lastModifiedBy: z.string(),
}).meta({ id: 'Collection' })

/** I10. */
const maxCollections = 100

export async function createCollection(call: ApiCall): Promise<z.output<typeof ShownCollection>> {
  const bean = await parseBody(call, CollectionBean)
  return call.services.change(call, (tx) => save(tx, call, randomUUID(), bean))
}

/** What is not in the body stays. */
export async function changeCollection(call: ApiCall): Promise<z.output<typeof ShownCollection>> {
  const patch = await parseBody(call, CollectionPatch)
  return call.services.change(call, async (tx) => {
    const found = await findCollection(tx, call)
    return save(tx, call, found.name, CollectionBean.parse({ ...found.body.entity, ...patch }))
  })
}

export async function findCollection(view: StateView, call: ApiCall): Promise<StoredObject<'collection'>> {
  const { org = '', collection = '' } = call.params
  const found = await view.get('collection', org, collection)
  if (found !== null) return found
  throw new ApiError(404, 'collection-unknown', `there is no collection ${collection} in organization ${org}`)
}

export function shownCollection({ scope, name, body }: StoredObject<'collection'>): z.output<typeof ShownCollection> {
  const { createdAt, createdBy, lastModifiedAt, lastModifiedBy } = body
  const made = { createdAt, createdBy, lastModifiedAt, lastModifiedBy }
  return { ...CollectionBean.parse(body.entity), id: name, uuid: name, organization: scope, ...made }
}

/** For alerts and series: its members, whether it is called by its id or its name. null: there is none. */
export async function membersOf(view: StateView, organization: string, name: string): Promise<Filter | null> {
  const all = await view.list('collection', organization)
  const found = all.find((each) => each.name === name || each.body.entity['name'] === name)
  if (found === undefined) return null
  const { type, members } = CollectionBean.parse(found.body.entity)
  // Of no request is the app known.
  return { dimension: type === 'target' ? 'target' : 'proxy', values: type === 'developerApp' ? [] : members }
}

export function storedCollections(store: Pick<StateStore, 'read'>) {
  return (organization: string, name: string): Promise<Filter | null> =>
    store.read((view) => membersOf(view, organization, name))
}

async function save(
  tx: StateTransaction,
  call: ApiCall,
  id: string,
  bean: z.output<typeof CollectionBean>,
): Promise<z.output<typeof ShownCollection>> {
  const org = call.params['org'] ?? ''
  if (bean.organization !== undefined && bean.organization !== org) {
    throw new ApiError(400, 'bad-body', `organization is not ${org}`)
  }
  await requireEnvironment(tx, org, bean.environment)
  const others = (await tx.list('collection', org)).filter(({ name }) => name !== id)
  if (
    others.some(({ body: { entity } }) => entity['name'] === bean.name && entity['environment'] === bean.environment)
  ) {
    throw new ApiError(409, 'collection-exists', `there is a collection ${JSON.stringify(bean.name)} already`)
  }
  if (others.length >= maxCollections) {
    throw new ApiError(400, 'collections-limit', `organization ${org} has ${maxCollections} collections already`)
  }
  const previous = await tx.get('collection', org, id)
  const entity = { ...bean, organization: org }
  await tx.put('collection', org, id, { body: { ...stamps(call, call.services.clock, previous?.body), entity } })
  const made = await tx.get('collection', org, id)
  if (made === null) throw new TypeError(`collection ${id} was not kept`)
  return shownCollection(made)
}
