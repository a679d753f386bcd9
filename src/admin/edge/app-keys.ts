import { ApiError, json, type ApiAnswer, type ApiCall, type ApiRoute } from '../api.ts'
import { requireProducts } from './api-products.ts'
import { appOf, appsOf, keepApp, newCredential, type App, type Credential } from './app-store.ts'
import { attributesOf } from './attributes.ts'
import { badValue, beanOf, textOf } from './bean.ts'
import { deleting, reading } from './crud.ts'
import { appPath, approved, productsIn, stamped, statusOf } from './developer-apps.ts'
import { checkName } from './scope.ts'

const collection = `${appPath}/keys`
const item = `${collection}/:key`
const product = `${item}/apiproducts/:product`

/** Credentials of an app (apigee-edge.md 1.10). */
export const appKeyRoutes: readonly ApiRoute[] = [
  {
    method: 'POST',
    path: `${collection}/create`,
    role: 'operator',
    async handle(call) {
      const bean = await beanOf(call, 'Credential')
      const consumerKey = checkName('app', bean['consumerKey'])
      const consumerSecret = textOf(bean['consumerSecret'], 'consumerSecret')
      if (consumerSecret === '') throw badValue('consumerSecret', 'is needed')
      const credential = newCredential(call.services.clock(), { consumerKey, consumerSecret })
      return call.services.change(call, async (tx) => {
        const app = stamped(await appOf(tx, call), call)
        const others = await appsOf(tx, call.params['org'] ?? '')
        if (others.some((other) => other.credentials.some((each) => each.consumerKey === consumerKey))) {
          throw new ApiError(409, 'keymanagement.service.ConsumerKeyAlreadyExists', 'The consumer key already exists')
        }
        await keepApp(tx, { ...app, credentials: [...app.credentials, credential] })
        return json(201, credential)
      })
    },
  },
  reading(item, async (view, call) => credentialOf(await appOf(view, call), call)),
  {
    method: 'POST',
    path: item,
    role: 'operator',
    operation: 'UPDATE',
    handle: (call) =>
      call.query.has('action')
        ? changed(call, (credential) => ({ ...credential, status: statusOf(call) }))
        : update(call),
  },
  { method: 'PUT', path: item, role: 'operator', handle: update },
  deleting(item, async (tx, call) => {
    const app = stamped(await appOf(tx, call), call)
    const gone = credentialOf(app, call)
    await keepApp(tx, { ...app, credentials: app.credentials.filter((each) => each !== gone) })
    return gone
  }),
  {
    method: 'POST',
    path: product,
    role: 'operator',
    operation: 'UPDATE',
    handle: (call) =>
      changed(call, (credential) => {
        const name = associated(credential, call)
        const apiProducts = credential.apiProducts.map((each) =>
          each.apiproduct === name ? { ...each, status: statusOf(call) } : each,
        )
        return { ...credential, apiProducts }
      }),
  },
  {
    method: 'DELETE',
    path: product,
    role: 'operator',
    handle: (call) =>
      changed(call, (credential) => {
        const name = associated(credential, call)
        return { ...credential, apiProducts: credential.apiProducts.filter((each) => each.apiproduct !== name) }
      }),
  },
]

/** Adds the products that are not there; replaces the attributes where they are given. */
async function update(call: ApiCall): Promise<ApiAnswer> {
  const bean = await beanOf(call, 'Credential')
  const products = productsIn(bean)
  return changed(
    call,
    (credential) => {
      const there = new Set(credential.apiProducts.map((each) => each.apiproduct))
      return {
        ...credential,
        apiProducts: [...credential.apiProducts, ...approved(products.filter((name) => !there.has(name)))],
        attributes: bean['attributes'] === undefined ? credential.attributes : attributesOf(bean['attributes']),
      }
    },
    products,
  )
}

/** 204 for `?action=`, else 200 with the credential. @param products that must exist */
async function changed(
  call: ApiCall,
  work: (credential: Credential) => Credential,
  products: readonly string[] = [],
): Promise<ApiAnswer> {
  return call.services.change(call, async (tx) => {
    const app = stamped(await appOf(tx, call), call)
    const before = credentialOf(app, call)
    await requireProducts(tx, call.params['org'] ?? '', products)
    const after = work(before)
    await keepApp(tx, { ...app, credentials: app.credentials.map((each) => (each === before ? after : each)) })
    return call.query.has('action') ? { status: 204, bytes: '', type: '' } : json(200, after)
  })
}

function credentialOf(app: App, call: ApiCall): Credential {
  const found = app.credentials.find((credential) => credential.consumerKey === call.params['key'])
  if (found !== undefined) return found
  throw new ApiError(404, 'keymanagement.service.InvalidClientIdForGivenApp', 'Invalid consumer key for Given App')
}

function associated(credential: Credential, call: ApiCall): string {
  const name = call.params['product'] ?? ''
  if (credential.apiProducts.some((each) => each.apiproduct === name)) return name
  // 500, as clients expect of Edge (apigee-edge.md 1.2).
  throw new ApiError(
    500,
    'keymanagement.service.apiproduct_not_associated',
    'APIProduct is not associated with consumer key',
  )
}
