import type { EnvironmentBody } from '../../state/kinds.ts'
import { ApiError, json, type ApiCall, type ApiRoute } from '../api.ts'
import { beanOf, checkSameName, propertiesBean, propertiesOf, textOf, type Bean } from './bean.ts'
import { reading } from './crud.ts'
import { environmentPath, organizationPath } from './entity-scope.ts'
import { checkName, environmentOf, requireOrganization, stamps, stampsOf } from './scope.ts'

const collection = `${organizationPath}/environments`

export const environmentRoutes: readonly ApiRoute[] = [
  reading(collection, async (view, call) =>
    view.names('environment', await requireOrganization(view, call.params['org'] ?? '')),
  ),
  {
    method: 'POST',
    path: collection,
    role: 'admin',
    async handle(call) {
      const bean = await beanOf(call, 'Environment')
      const env = checkName('environment', bean['name'])
      return call.services.change(call, async (tx) => {
        const org = await requireOrganization(tx, call.params['org'] ?? '')
        if ((await tx.get('environment', org, env)) !== null) {
          throw new ApiError(
            409,
            'messaging.config.beans.EnvironmentAlreadyExists',
            `Environment ${env} already exists in organization ${org}`,
          )
        }
        const previous = { ...stamps(call, call.services.clock), description: '', properties: {} }
        const body = bodyOf(call, bean, previous)
        await tx.put('environment', org, env, { body })
        return json(201, environmentBean(env, body))
      })
    },
  },
  reading(environmentPath, async (view, call) => {
    const found = await environmentOf(view, call.params['org'] ?? '', call.params['env'] ?? '')
    return environmentBean(found.name, found.body)
  }),
  {
    method: 'PUT',
    path: environmentPath,
    role: 'admin',
    async handle(call) {
      const bean = await beanOf(call, 'Environment')
      return call.services.change(call, async (tx) => {
        const found = await environmentOf(tx, call.params['org'] ?? '', call.params['env'] ?? '')
        checkSameName(bean, found.name)
        const body = bodyOf(call, bean, found.body)
        await tx.put('environment', found.scope, found.name, { body })
        return json(200, environmentBean(found.name, body))
      })
    },
  },
]

/** What the client left out stays. */
function bodyOf(call: ApiCall, bean: Bean, previous: EnvironmentBody): EnvironmentBody {
  return {
    ...stamps(call, call.services.clock, previous),
    description: textOf(bean['description'], 'description', previous.description),
    properties: bean['properties'] === undefined ? previous.properties : propertiesOf(bean['properties'], 'properties'),
  }
}

function environmentBean(name: string, body: EnvironmentBody): Bean {
  return {
    ...stampsOf(body),
    ...(body.description === '' ? {} : { description: body.description }),
    name,
    properties: propertiesBean(body.properties),
  }
}
