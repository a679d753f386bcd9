import type { EntityBody } from '../../state/kinds.ts'
import type { StateTransaction, StateView, StoredObject } from '../../state/types.ts'
import { ApiError, json, type ApiAnswer, type ApiCall, type ApiRoute } from '../api.ts'
import { attributeRoutes, attributesOf, type Attribute } from './attributes.ts'
import { beanOf, badValue, checkSameName, textOf, textsOf, type Bean } from './bean.ts'
import { organizationPath } from './entity-scope.ts'
import { pageOf } from './entity-page.ts'
import { checkName, requireOrganization, stamps, stampsOf } from './scope.ts'

const collection = `${organizationPath}/apiproducts`
const item = `${collection}/:product`

/** API products, kept for clients: no key is checked against them yet (apigee-edge.md 1.10). */
export const apiProductRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: collection,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) => {
        const org = await requireOrganization(view, call.params['org'] ?? '')
        const page = pageOf(call.query)
        if (call.query.get('expand') !== 'true') return json(200, await view.names('api-product', org, page))
        const products = await view.list('api-product', org, page)
        return json(200, { apiProduct: products.map(({ body }) => productBean(body)) })
      })
    },
  },
  {
    method: 'POST',
    path: collection,
    role: 'operator',
    async handle(call) {
      const bean = await beanOf(call, 'ApiProduct')
      const name = checkName('API product', bean['name'])
      return call.services.change(call, async (tx) => {
        const org = await requireOrganization(tx, call.params['org'] ?? '')
        if ((await tx.get('api-product', org, name)) !== null) {
          throw new ApiError(
            409,
            'keymanagement.service.apiproduct_already_exists',
            `API Product [${name}] already exists`,
          )
        }
        const body = { ...stamps(call, call.services.clock), entity: { ...emptyProduct, ...entityOf(bean, name) } }
        await tx.put('api-product', org, name, { body })
        return json(201, productBean(body))
      })
    },
  },
  {
    method: 'GET',
    path: item,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) => json(200, productBean((await productOf(view, call)).body)))
    },
  },
  { method: 'PUT', path: item, role: 'operator', handle: update },
  { method: 'POST', path: item, role: 'operator', operation: 'UPDATE', handle: update },
  {
    method: 'DELETE',
    path: item,
    role: 'operator',
    async handle(call) {
      return call.services.change(call, async (tx) => {
        const { scope, name, body } = await productOf(tx, call)
        await tx.delete('api-product', scope, name)
        return json(200, productBean(body))
      })
    },
  },
  ...attributeRoutes(item, {
    read: async (view, call) => (await productOf(view, call)).body.entity['attributes'] as readonly Attribute[],
    keep: async (tx, call, attributes) => {
      const found = await productOf(tx, call)
      await keep(tx, call, found, { ...found.body.entity, attributes })
    },
  }),
]

/** Throws 404 with the words that clients look for (apigee-edge.md 1.2) where a product is unknown. */
export async function requireProducts(view: StateView, org: string, products: readonly string[]): Promise<void> {
  for (const name of products) {
    if ((await view.get('api-product', org, name)) === null) throw unknownProduct(name)
  }
}

async function productOf(view: StateView, call: ApiCall): Promise<StoredObject<'api-product'>> {
  const org = await requireOrganization(view, call.params['org'] ?? '')
  const name = call.params['product'] ?? ''
  const found = await view.get('api-product', org, name)
  if (found === null) throw unknownProduct(name)
  return found
}

const unknownProduct = (name: string): ApiError =>
  new ApiError(404, 'keymanagement.service.apiproduct_doesnot_exist', `API Product [${name}] does not exist`)

async function update(call: ApiCall): Promise<ApiAnswer> {
  const bean = await beanOf(call, 'ApiProduct')
  return call.services.change(call, async (tx) => {
    const found = await productOf(tx, call)
    checkSameName(bean, found.name)
    const body = await keep(tx, call, found, { ...emptyProduct, ...entityOf(bean, found.name) })
    return json(200, productBean(body))
  })
}

async function keep(
  tx: StateTransaction,
  call: ApiCall,
  found: StoredObject<'api-product'>,
  entity: Bean,
): Promise<EntityBody> {
  const body = { ...stamps(call, call.services.clock, found.body), entity }
  await tx.put('api-product', found.scope, found.name, { body })
  return body
}

const emptyProduct: Bean = {
  apiResources: [],
  approvalType: 'auto',
  attributes: [],
  description: '',
  environments: [],
  proxies: [],
  scopes: [],
}

/** What the client gave; quota and the like are kept as text. */
function entityOf(bean: Bean, name: string): Bean {
  const approvalType = textOf(bean['approvalType'], 'approvalType', 'auto')
  if (approvalType !== 'auto' && approvalType !== 'manual') throw badValue('approvalType', 'must be auto or manual')
  const entity: Record<string, unknown> = {
    approvalType,
    attributes: attributesOf(bean['attributes']),
    displayName: textOf(bean['displayName'], 'displayName', name),
    name,
  }
  for (const list of ['apiResources', 'environments', 'proxies', 'scopes']) {
    if (bean[list] !== undefined) entity[list] = textsOf(bean[list], list)
  }
  for (const text of ['description', 'quota', 'quotaInterval', 'quotaTimeUnit']) {
    if (bean[text] !== undefined) entity[text] = textOf(bean[text], text)
  }
  return entity
}

const productBean = (body: EntityBody): Bean => ({ ...stampsOf(body), ...body.entity })
