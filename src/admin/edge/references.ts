import type { ReferenceBody, Stamps } from '../../state/kinds.ts'
import { ApiError } from '../api.ts'
import { badValue, textOf, type Bean } from './bean.ts'
import { storedEntity, type EntityChange } from './crud.ts'
import { environmentPath } from './entity-scope.ts'
import { refuseIfUsed } from './usage.ts'

/** Names for stores that can be pointed elsewhere while traffic runs (apigee-edge.md 1.6, 2.4). */
export const { routes: referenceRoutes } = storedEntity({
  kind: 'reference',
  path: `${environmentPath}/references`,
  param: 'reference',
  noun: 'reference',
  root: 'ResourceReference',
  missing: (name, { env }) =>
    new ApiError(
      404,
      'messaging.config.beans.ResourceReferenceDoesNotExist',
      `Reference ${name} does not exist in environment ${env}`,
    ),
  exists: (name, { env }) =>
    new ApiError(
      409,
      'messaging.config.beans.ResourceReferenceAlreadyExists',
      `Reference ${name} already exists in environment ${env}`,
    ),
  fields: (bean) => (change) => fieldsOf(bean, change),
  bean: referenceBean,
  refuseDelete: (tx, { scope, name }) =>
    refuseIfUsed(tx, scope, { kind: 'reference', name }, 'messaging.config.beans.ResourceReferenceInUse'),
})

/** What the client left out stays. */
async function fieldsOf(
  bean: Bean,
  { tx, scope, call, previous }: EntityChange<'reference'>,
): Promise<Omit<ReferenceBody, keyof Stamps>> {
  const refers = textOf(bean['refers'], 'refers', previous?.refers)
  if (refers === '') throw badValue('refers', 'must name a keystore or truststore')
  if ((await tx.get('keystore', scope, refers)) === null) {
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
  call.note(previous === undefined ? `refers ${refers}` : `refers ${previous.refers} -> ${refers}`)
  return {
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
