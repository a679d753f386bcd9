import type { Kind, Kinds, Stamps } from '../../state/kinds.ts'
import type { StateTransaction, StateView, StoredObject } from '../../state/types.ts'
import { json, type ApiCall, type ApiError, type ApiRoute } from '../api.ts'
import { beanOf, checkSameName, type Bean } from './bean.ts'
import { checkName, scopeOf, stamps, type NameKind } from './scope.ts'

/** GET of what `work` finds. */
export const reading = (path: string, work: (view: StateView, call: ApiCall) => Promise<unknown>): ApiRoute => ({
  method: 'GET',
  path,
  role: 'viewer',
  handle: (call) => call.services.read(async (view) => json(200, await work(view, call))),
})

/** DELETE that answers with what was there, as Edge does. */
export const deleting = (path: string, work: (tx: StateTransaction, call: ApiCall) => Promise<unknown>): ApiRoute => ({
  method: 'DELETE',
  path,
  role: 'operator',
  handle: (call) => call.services.change(call, async (tx) => json(200, await work(tx, call))),
})

type Stamped = { [K in Kind]: Kinds[K] extends Stamps ? K : never }[Kind]
type Params = ApiCall['params']
type Fields<K extends Stamped> = Omit<Kinds[K], keyof Stamps>

/** Objects of a kind, in an organization or an environment, that are written whole and shown as they are stored. */
export interface StoredEntity<K extends Stamped> {
  readonly kind: K
  /** Of the collection. */
  readonly path: string
  /** Of the name in the path. */
  readonly param: string
  readonly noun: NameKind
  /** Element of a body in XML. */
  readonly root: string
  /** Name of a new one; default: `name` of the bean. */
  newName?(call: ApiCall, bean: Bean): unknown
  missing(name: string, params: Params): ApiError
  exists(name: string, params: Params): ApiError
  /**
   * Reads the body. Of a POST before anything is looked up, so what it throws itself comes first; what it returns is called
   * in the change and may look.
   */
  fields(bean: Bean, name: string): (change: EntityChange<K>) => Fields<K> | Promise<Fields<K>>
  bean(name: string, body: Kinds[K]): Bean
  /** Throws where somebody needs it. */
  refuseDelete?(tx: StateTransaction, found: StoredObject<K>): Promise<void>
}

export interface EntityChange<K extends Stamped> {
  readonly tx: StateTransaction
  readonly call: ApiCall
  readonly scope: string
  /** What PUT replaces. */
  readonly previous?: Kinds[K]
}

/** The five operations, and what others need that stand beside them. */
export function storedEntity<K extends Stamped>(of: StoredEntity<K>) {
  const { kind, path } = of
  const item = `${path}/:${of.param}`

  const find = async (view: StateView, call: ApiCall): Promise<StoredObject<K>> => {
    const scope = await scopeOf(view, call.params)
    const name = call.params[of.param] ?? ''
    const found = await view.get(kind, scope, name)
    if (found !== null) return found
    throw of.missing(name, call.params)
  }

  const bean = ({ name, body }: StoredObject<K>): Bean => of.bean(name, body)

  const keep = async (change: EntityChange<K>, name: string, fields: Fields<K>): Promise<Bean> => {
    const { tx, call, scope, previous } = change
    const body = { ...fields, ...stamps(call, call.services.clock, previous) } as Kinds[K]
    await tx.put(kind, scope, name, { body })
    return of.bean(name, body)
  }

  const list = reading(path, async (view, call) => view.names(kind, await scopeOf(view, call.params)))

  const create: ApiRoute = {
    method: 'POST',
    path,
    role: 'operator',
    async handle(call) {
      const bean = await beanOf(call, of.root)
      const name = checkName(of.noun, of.newName?.(call, bean) ?? bean['name'])
      const fields = of.fields(bean, name)
      return call.services.change(call, async (tx) => {
        const scope = await scopeOf(tx, call.params)
        if ((await tx.get(kind, scope, name)) !== null) throw of.exists(name, call.params)
        const change = { tx, call, scope }
        return json(201, await keep(change, name, await fields(change)))
      })
    },
  }

  const read = reading(item, async (view, call) => bean(await find(view, call)))

  const update: ApiRoute = {
    method: 'PUT',
    path: item,
    role: 'operator',
    async handle(call) {
      const bean = await beanOf(call, of.root)
      return call.services.change(call, async (tx) => {
        const { scope, name, body: previous } = await find(tx, call)
        checkSameName(bean, name)
        const change = { tx, call, scope, previous }
        return json(200, await keep(change, name, await of.fields(bean, name)(change)))
      })
    },
  }

  const remove = deleting(item, async (tx, call) => {
    const found = await find(tx, call)
    await of.refuseDelete?.(tx, found)
    await tx.delete(kind, found.scope, found.name)
    return bean(found)
  })

  const routes: readonly ApiRoute[] = [list, create, read, update, remove]
  return { item, bean, find, keep, create, read, update, remove, routes }
}
