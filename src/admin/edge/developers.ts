import { randomUUID } from 'node:crypto'
import type { EntityBody } from '../../state/kinds.ts'
import type { StateTransaction, StateView, StoredObject } from '../../state/types.ts'
import { ApiError, json, type ApiAnswer, type ApiCall, type ApiRoute } from '../api.ts'
import { attributeRoutes, attributesOf, type Attribute } from './attributes.ts'
import { badValue, beanOf, textOf, type Bean } from './bean.ts'
import { deleting, reading } from './crud.ts'
import { organizationPath } from './entity-scope.ts'
import { namesOrBeans } from './entity-page.ts'
import { checkName, requireOrganization, stamps, stampsOf } from './scope.ts'

const collection = `${organizationPath}/developers`
export const developerPath = `${collection}/:developer`

export interface Developer extends Readonly<Record<string, unknown>> {
  readonly developerId: string
  readonly email: string
  readonly firstName: string
  readonly lastName: string
  readonly userName: string
  readonly status: string
  readonly attributes: readonly Attribute[]
}

export type StoredDeveloper = Omit<StoredObject<'developer'>, 'body'> & {
  readonly body: EntityBody & { readonly entity: Developer }
}

/** Who owns apps (apigee-edge.md 1.10). Named by e-mail; found by e-mail and by `developerId`. */
export const developerRoutes: readonly ApiRoute[] = [
  reading(collection, async (view, call) => {
    const scope = await requireOrganization(view, call.params['org'] ?? '')
    const bean = (found: StoredObject<'developer'>) => developerBean(view, found as StoredDeveloper)
    return namesOrBeans(view, call, { kind: 'developer', scope, list: 'developer', bean })
  }),
  {
    method: 'POST',
    path: collection,
    role: 'operator',
    async handle(call) {
      const bean = await beanOf(call, 'Developer')
      const entity = entityOf(bean, null)
      return call.services.change(call, async (tx) => {
        const org = await requireOrganization(tx, call.params['org'] ?? '')
        await refuseExisting(tx, org, entity.email)
        const body = { ...stamps(call, call.services.clock), entity }
        await tx.put('developer', org, entity.email, { body })
        return json(201, await developerBean(tx, { scope: org, body }))
      })
    },
  },
  reading(developerPath, async (view, call) => developerBean(view, await developerOf(view, call))),
  { method: 'PUT', path: developerPath, role: 'operator', handle: update },
  {
    method: 'POST',
    path: developerPath,
    role: 'operator',
    operation: 'UPDATE',
    handle: (call) => (call.query.has('action') ? setStatus(call) : update(call)),
  },
  deleting(developerPath, async (tx, call) => {
    const found = await developerOf(tx, call)
    const bean = await developerBean(tx, found)
    await tx.deleteBelow('app', appScope(found))
    await tx.delete('developer', found.scope, found.name)
    return bean
  }),
  ...attributeRoutes(developerPath, {
    read: async (view, call) => (await developerOf(view, call)).body.entity.attributes,
    keep: async (tx, call, attributes) => {
      const found = await developerOf(tx, call)
      await keep(tx, call, found, { ...found.body.entity, attributes })
    },
  }),
]

/** Throws 404 with Edge's words. */
export async function developerOf(view: StateView, call: ApiCall): Promise<StoredDeveloper> {
  const org = await requireOrganization(view, call.params['org'] ?? '')
  const named = call.params['developer'] ?? ''
  const byEmail = await view.get('developer', org, named)
  const found = byEmail ?? (isId(named) ? await developerById(view, org, named) : null)
  if (found !== null) return found as StoredDeveloper
  throw new ApiError(
    404,
    'developer.service.DeveloperIdDoesNotExist',
    `DeveloperId ${named} does not exist in organization ${org}`,
  )
}

async function developerById(view: StateView, org: string, id: string): Promise<StoredDeveloper | null> {
  const all = (await view.list('developer', org)) as readonly StoredDeveloper[]
  return all.find(({ body }) => body.entity.developerId === id) ?? null
}

/** Scope of a developer's apps. It does not change with the e-mail. */
export const appScope = (developer: Pick<StoredDeveloper, 'scope' | 'body'>): string =>
  `${developer.scope}/${developer.body.entity.developerId}`

const isId = (text: string): boolean => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)

async function update(call: ApiCall): Promise<ApiAnswer> {
  const bean = await beanOf(call, 'Developer')
  return call.services.change(call, async (tx) => {
    const found = await developerOf(tx, call)
    const entity = entityOf(bean, found.body.entity)
    if (entity.email !== found.name) {
      await refuseExisting(tx, found.scope, entity.email)
      await tx.delete('developer', found.scope, found.name)
    }
    const body = await keep(tx, call, found, entity)
    return json(200, await developerBean(tx, { scope: found.scope, body }))
  })
}

async function setStatus(call: ApiCall): Promise<ApiAnswer> {
  const status = call.query.get('action')
  if (status !== 'active' && status !== 'inactive') throw badValue('action', 'must be active or inactive')
  await call.services.change(call, async (tx) => {
    const found = await developerOf(tx, call)
    await keep(tx, call, found, { ...found.body.entity, status })
  })
  return { status: 204, bytes: '', type: '' }
}

async function keep(tx: StateTransaction, call: ApiCall, found: StoredDeveloper, entity: Developer) {
  const body = { ...stamps(call, call.services.clock, found.body), entity }
  await tx.put('developer', found.scope, entity.email, { body })
  return body
}

async function refuseExisting(view: StateView, org: string, email: string): Promise<void> {
  if ((await view.get('developer', org, email)) === null) return
  throw new ApiError(
    409,
    'developer.service.DeveloperAlreadyExists',
    `Developer with email ${email} already exists in organization ${org}`,
  )
}

function entityOf(bean: Bean, previous: Developer | null): Developer {
  const email = checkName('developer', bean['email'] ?? previous?.email)
  if (!/^[^@]+@[^@]+$/.test(email)) throw badValue('email', 'must be an e-mail address')
  const needed = (name: 'firstName' | 'lastName' | 'userName'): string => {
    const text = textOf(bean[name], name, previous?.[name])
    if (text === '') throw badValue(name, 'is needed')
    return text
  }
  return {
    attributes: bean['attributes'] === undefined ? (previous?.attributes ?? []) : attributesOf(bean['attributes']),
    developerId: previous?.developerId ?? randomUUID(),
    email,
    firstName: needed('firstName'),
    lastName: needed('lastName'),
    status: previous?.status ?? 'active',
    userName: needed('userName'),
  }
}

async function developerBean(view: StateView, developer: Pick<StoredDeveloper, 'scope' | 'body'>): Promise<Bean> {
  const { body, scope } = developer
  return {
    ...stampsOf(body),
    ...body.entity,
    apps: await view.names('app', appScope(developer)),
    companies: [],
    organizationName: scope,
  }
}
