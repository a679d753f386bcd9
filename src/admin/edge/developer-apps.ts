import { randomUUID } from 'node:crypto'
import type { StoredObject } from '../../state/types.ts'
import { ApiError, json, type ApiAnswer, type ApiCall, type ApiRoute } from '../api.ts'
import { requireProducts } from './api-products.ts'
import { appBean, appOf, keepApp, loadApp, newCredential, type App } from './app-store.ts'
import { attributeRoutes, attributesOf } from './attributes.ts'
import { badValue, beanOf, checkSameName, textOf, textsOf, type Bean } from './bean.ts'
import { deleting, reading } from './crud.ts'
import { appScope, developerOf, developerPath } from './developers.ts'
import { namesOrBeans } from './entity-page.ts'
import { checkName, stamps } from './scope.ts'

const collection = `${developerPath}/apps`
export const appPath = `${collection}/:app`

/** Apps of a developer (apigee-edge.md 1.10). */
export const developerAppRoutes: readonly ApiRoute[] = [
  reading(collection, async (view, call) => {
    const scope = appScope(await developerOf(view, call))
    const bean = async (found: StoredObject<'app'>) => appBean(await loadApp(view, found))
    return namesOrBeans(view, call, { kind: 'app', scope, list: 'app', bean })
  }),
  { method: 'POST', path: collection, role: 'operator', handle: create },
  reading(appPath, async (view, call) => appBean(await appOf(view, call))),
  { method: 'PUT', path: appPath, role: 'operator', handle: update },
  {
    method: 'POST',
    path: appPath,
    role: 'operator',
    operation: 'UPDATE',
    handle: (call) => (call.query.has('action') ? setStatus(call) : addCredential(call)),
  },
  deleting(appPath, async (tx, call) => {
    const app = await appOf(tx, call)
    await tx.delete('app', app.scope, app.entity.name)
    return appBean(app)
  }),
  ...attributeRoutes(appPath, {
    read: async (view, call) => (await appOf(view, call)).entity.attributes,
    keep: async (tx, call, attributes) => {
      const app = await appOf(tx, call)
      await keepApp(tx, { ...stamped(app, call), entity: { ...app.entity, attributes } })
    },
  }),
]

/** The app as changed by the caller now. */
export const stamped = (app: App, call: ApiCall): App => ({
  ...app,
  stamps: stamps(call, call.services.clock, app.stamps),
})

/** Names of products, as clients write them: text, or the objects of a credential. */
export function productsIn(bean: Bean): readonly string[] {
  const given = Array.isArray(bean['apiProducts'])
    ? bean['apiProducts'].map((item: unknown) =>
        typeof item === 'object' && item !== null && 'apiproduct' in item ? item.apiproduct : item,
      )
    : bean['apiProducts']
  return [...new Set(textsOf(given, 'apiProducts'))]
}

export const approved = (products: readonly string[]) =>
  products.map((apiproduct) => ({ apiproduct, status: 'approved' }))

async function create(call: ApiCall): Promise<ApiAnswer> {
  const bean = await beanOf(call, 'App')
  const name = checkName('app', bean['name'])
  const now = call.services.clock()
  const products = productsIn(bean)
  const credential = newCredential(now, { apiProducts: approved(products), keyExpiresIn: keyExpiry(bean) })
  return call.services.change(call, async (tx) => {
    const developer = await developerOf(tx, call)
    const scope = appScope(developer)
    if ((await tx.get('app', scope, name)) !== null) {
      throw new ApiError(409, 'developer.service.AppAlreadyExists', `App with name ${name} already exists`)
    }
    await requireProducts(tx, developer.scope, products)
    const app: App = {
      scope,
      stamps: stamps(call, call.services.clock),
      entity: {
        appId: randomUUID(),
        attributes: attributesOf(bean['attributes']),
        callbackUrl: textOf(bean['callbackUrl'], 'callbackUrl'),
        developerId: developer.body.entity.developerId,
        name,
        scopes: textsOf(bean['scopes'], 'scopes'),
        status: 'approved',
      },
      credentials: [credential],
    }
    await keepApp(tx, app)
    return json(201, appBean(app))
  })
}

/** Replaces the attributes; credentials have paths of their own. */
async function update(call: ApiCall): Promise<ApiAnswer> {
  const bean = await beanOf(call, 'App')
  return call.services.change(call, async (tx) => {
    const app = stamped(await appOf(tx, call), call)
    checkSameName(bean, app.entity.name)
    const entity = {
      ...app.entity,
      attributes: attributesOf(bean['attributes']),
      callbackUrl: textOf(bean['callbackUrl'], 'callbackUrl', app.entity.callbackUrl),
      scopes: bean['scopes'] === undefined ? app.entity.scopes : textsOf(bean['scopes'], 'scopes'),
    }
    await keepApp(tx, { ...app, entity })
    return json(200, appBean({ ...app, entity }))
  })
}

/** POST on an app is a request for one more key. */
async function addCredential(call: ApiCall): Promise<ApiAnswer> {
  const bean = await beanOf(call, 'App')
  const products = productsIn(bean)
  const credential = newCredential(call.services.clock(), {
    apiProducts: approved(products),
    attributes: attributesOf(bean['attributes']),
    keyExpiresIn: keyExpiry(bean),
  })
  return call.services.change(call, async (tx) => {
    const app = stamped(await appOf(tx, call), call)
    await requireProducts(tx, app.scope.split('/')[0] as string, products)
    const changed = { ...app, credentials: [...app.credentials, credential] }
    await keepApp(tx, changed)
    return json(200, appBean(changed))
  })
}

async function setStatus(call: ApiCall): Promise<ApiAnswer> {
  const status = statusOf(call)
  await call.services.change(call, async (tx) => {
    const app = stamped(await appOf(tx, call), call)
    await keepApp(tx, { ...app, entity: { ...app.entity, status } })
  })
  return { status: 204, bytes: '', type: '' }
}

/** Of `?action=`. */
export function statusOf(call: ApiCall): 'approved' | 'revoked' {
  switch (call.query.get('action')) {
    case 'approve':
      return 'approved'
    case 'revoke':
      return 'revoked'
    default:
      throw badValue('action', 'must be approve or revoke')
  }
}

/** Milliseconds; -1: never. */
function keyExpiry(bean: Bean): number {
  const text = textOf(bean['keyExpiresIn'], 'keyExpiresIn', '-1')
  if (!/^(?:-1|\d{1,15})$/.test(text)) throw badValue('keyExpiresIn', 'must be milliseconds, or -1 for never')
  return Number(text)
}
