import type { StateView } from '../../state/types.ts'
import { ApiError, type ApiRoute } from '../api.ts'
import { attributeRoutes, attributesOf, type Attribute } from './attributes.ts'
import { badValue, textOf, textsOf, type Bean } from './bean.ts'
import { reading, storedEntity } from './crud.ts'
import { organizationPath } from './entity-scope.ts'
import { namesOrBeans } from './entity-page.ts'
import { requireOrganization, stampsOf } from './scope.ts'

const collection = `${organizationPath}/apiproducts`

const unknownProduct = (name: string): ApiError =>
  new ApiError(404, 'keymanagement.service.apiproduct_doesnot_exist', `API Product [${name}] does not exist`)

const product = storedEntity({
  kind: 'api-product',
  path: collection,
  param: 'product',
  noun: 'API product',
  root: 'ApiProduct',
  missing: unknownProduct,
  exists: (name) =>
    new ApiError(409, 'keymanagement.service.apiproduct_already_exists', `API Product [${name}] already exists`),
  fields: (bean, name) => () => ({ entity: { ...emptyProduct, ...entityOf(bean, name) } }),
  bean: (_, body) => ({ ...stampsOf(body), ...body.entity }),
})

/** API products, kept for clients: no key is checked against them yet (apigee-edge.md 1.10). */
export const apiProductRoutes: readonly ApiRoute[] = [
  reading(collection, async (view, call) => {
    const scope = await requireOrganization(view, call.params['org'] ?? '')
    return namesOrBeans(view, call, { kind: 'api-product', scope, list: 'apiProduct', bean: product.bean })
  }),
  product.create,
  product.read,
  product.update,
  { ...product.update, method: 'POST', operation: 'UPDATE' },
  product.remove,
  ...attributeRoutes(product.item, {
    read: async (view, call) => (await product.find(view, call)).body.entity['attributes'] as readonly Attribute[],
    keep: async (tx, call, attributes) => {
      const { scope, name, body: previous } = await product.find(tx, call)
      await product.keep({ tx, call, scope, previous }, name, { entity: { ...previous.entity, attributes } })
    },
  }),
]

/** Throws 404 with the words that clients look for (apigee-edge.md 1.2) where a product is unknown. */
export async function requireProducts(view: StateView, org: string, products: readonly string[]): Promise<void> {
  for (const name of products) {
    if ((await view.get('api-product', org, name)) === null) throw unknownProduct(name)
  }
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
