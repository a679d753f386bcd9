import type { OrganizationBody } from '../../state/kinds.ts'
import type { StoredObject } from '../../state/types.ts'
import { ApiError, json, type ApiCall, type ApiRoute } from '../api.ts'
import { roleIn } from '../roles.ts'
import { badValue, beanOf, checkSameName, propertiesBean, propertiesOf, textOf, type Bean } from './bean.ts'
import { reading } from './crud.ts'
import { organizationPath } from './entity-scope.ts'
import { checkName, organizationOf, stamps, stampsOf } from './scope.ts'

/** What clients read of a new organization: apigee-edge-js chooses how to write key value maps by the first. */
export const defaultProperties: Readonly<Record<string, string>> = {
  'features.isCpsEnabled': 'true',
  'features.isHybridEnabled': 'false',
}

/** `POST P` is refused, as Edge does; properties are changed with PUT. */
export const organizationRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: '/v1/organizations',
    role: 'user',
    async handle(call) {
      const names = await call.services.read((view) => view.names('organization', ''))
      return json(
        200,
        names.filter((name) => roleIn(call.principal, name) !== null),
      )
    },
  },
  {
    method: 'POST',
    path: '/v1/organizations',
    role: 'admin',
    async handle(call) {
      const bean = await beanOf(call, 'Organization')
      const org = checkName('organization', bean['name'])
      return call.services.change(call, async (tx) => {
        if ((await tx.get('organization', '', org)) !== null) {
          throw new ApiError(409, 'organizations.OrganizationAlreadyExists', `Organization ${org} already exists`)
        }
        const body = bodyOf(call, bean, {
          ...stamps(call, call.services.clock),
          displayName: org,
          type: 'paid',
          properties: defaultProperties,
        })
        await tx.put('organization', '', org, { body })
        return json(201, organizationBean(org, body, []))
      })
    },
  },
  reading(organizationPath, async (view, call) => {
    const found = await organizationOf(view, call.params['org'] ?? '')
    return organizationBean(found.name, found.body, await view.names('environment', found.name))
  }),
  {
    method: 'PUT',
    path: organizationPath,
    role: 'admin',
    async handle(call) {
      const bean = await beanOf(call, 'Organization')
      return call.services.change(call, async (tx) => {
        const found: StoredObject<'organization'> = await organizationOf(tx, call.params['org'] ?? '')
        checkSameName(bean, found.name)
        const body = bodyOf(call, bean, found.body)
        await tx.put('organization', '', found.name, { body })
        return json(200, organizationBean(found.name, body, await tx.names('environment', found.name)))
      })
    },
  },
]

/** What the client left out stays. */
function bodyOf(call: ApiCall, bean: Bean, previous: OrganizationBody): OrganizationBody {
  const type = textOf(bean['type'], 'type', previous.type)
  if (type !== 'paid' && type !== 'trial') throw badValue('type', 'must be paid or trial')
  return {
    ...stamps(call, call.services.clock, previous),
    displayName: textOf(bean['displayName'], 'displayName', previous.displayName),
    type,
    properties: bean['properties'] === undefined ? previous.properties : propertiesOf(bean['properties'], 'properties'),
  }
}

/** As Edge shows it (apigee-edge.md 1.7). */
function organizationBean(name: string, body: OrganizationBody, environments: readonly string[]): Bean {
  return {
    ...stampsOf(body),
    displayName: body.displayName,
    environments,
    name,
    properties: propertiesBean(body.properties),
    type: body.type,
  }
}
