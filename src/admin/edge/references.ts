import type { ReferenceBody } from '../../state/kinds.ts'
import type { StateView } from '../../state/types.ts'
import { ApiError, json, type ApiCall, type ApiRoute } from '../api.ts'
import { badValue, beanOf, checkSameName, textOf, type Bean } from './bean.ts'
import { checkName, scopeOf, stamps } from './scope.ts'
import { refuseIfUsed } from './usage.ts'

const collection = '/v1/organizations/:org/environments/:env/references'
const item = `${collection}/:reference`

/** Names for stores that can be pointed elsewhere while traffic runs (apigee-edge.md 1.6, 2.4). */
export const referenceRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: collection,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) =>
        json(200, await view.names('reference', await scopeOf(view, call.params))),
      )
    },
  },
  {
    method: 'POST',
    path: collection,
    role: 'operator',
    async handle(call) {
      const bean = await beanOf(call, 'ResourceReference')
      const name = checkName('reference', bean['name'])
      return call.services.change(call, async (tx) => {
        const scope = await scopeOf(tx, call.params)
        if ((await tx.get('reference', scope, name)) !== null) {
          throw new ApiError(
            409,
            'messaging.config.beans.ResourceReferenceAlreadyExists',
            `Reference ${name} already exists in environment ${call.params['env']}`,
          )
        }
        const body = await bodyOf(tx, scope, call, bean)
        await tx.put('reference', scope, name, { body })
        return json(201, referenceBean(name, body))
      })
    },
  },
  {
    method: 'GET',
    path: item,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) => {
        const { name, body } = await referenceOf(view, await scopeOf(view, call.params), call)
        return json(200, referenceBean(name, body))
      })
    },
  },
  {
    method: 'PUT',
    path: item,
    role: 'operator',
    async handle(call) {
      const bean = await beanOf(call, 'ResourceReference')
      return call.services.change(call, async (tx) => {
        const scope = await scopeOf(tx, call.params)
        const { name, body: previous } = await referenceOf(tx, scope, call)
        checkSameName(bean, name)
        const body = await bodyOf(tx, scope, call, bean, previous)
        await tx.put('reference', scope, name, { body })
        return json(200, referenceBean(name, body))
      })
    },
  },
  {
    method: 'DELETE',
    path: item,
    role: 'operator',
    async handle(call) {
      return call.services.change(call, async (tx) => {
        const scope = await scopeOf(tx, call.params)
        const { name, body } = await referenceOf(tx, scope, call)
        await refuseIfUsed(tx, scope, { kind: 'reference', name }, 'messaging.config.beans.ResourceReferenceInUse')
        await tx.delete('reference', scope, name)
        return json(200, referenceBean(name, body))
      })
    },
  },
]

async function referenceOf(view: StateView, scope: string, call: ApiCall) {
  const name = call.params['reference'] ?? ''
  const found = await view.get('reference', scope, name)
  if (found !== null) return found
  throw new ApiError(
    404,
    'messaging.config.beans.ResourceReferenceDoesNotExist',
    `Reference ${name} does not exist in environment ${call.params['env']}`,
  )
}

/** What the client left out stays. */
async function bodyOf(
  view: StateView,
  scope: string,
  call: ApiCall,
  bean: Bean,
  previous?: ReferenceBody,
): Promise<ReferenceBody> {
  const refers = textOf(bean['refers'], 'refers', previous?.refers)
  if (refers === '') throw badValue('refers', 'must name a keystore or truststore')
  if ((await view.get('keystore', scope, refers)) === null) {
    throw new ApiError(
      400,
      'messaging.config.beans.InvalidKeyStoreReference',
      `The keystore or truststore ${refers} does not exist in environment ${call.params['env']}`,
      { refers },
    )
  }
  const resourceType = textOf(bean['resourceType'], 'resourceType', previous?.resourceType ?? 'KeyStore')
  if (resourceType !== 'KeyStore' && resourceType !== 'TrustStore') {
    throw badValue('resourceType', 'must be KeyStore or TrustStore')
  }
  return {
    ...stamps(call, call.services.clock, previous),
    refers,
    resourceType,
    description: textOf(bean['description'], 'description', previous?.description),
  }
}

function referenceBean(name: string, body: ReferenceBody): Bean {
  return {
    ...(body.description === '' ? {} : { description: body.description }),
    name,
    refers: body.refers,
    resourceType: body.resourceType,
  }
}
