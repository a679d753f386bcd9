import type { Kind } from '../../state/kinds.ts'
import type { Page, StateView, StoredObject } from '../../state/types.ts'
import type { ApiCall } from '../api.ts'
import { badValue, type Bean } from './bean.ts'

/** `?count=&startKey=` of Edge's lists; the key itself is the first of the page. Some clients write `startkey`. */
export function pageOf(query: URLSearchParams): Page {
  const count = query.get('count')
  const from = query.get('startKey') ?? query.get('startkey')
  if (count !== null && (!/^\d{1,6}$/.test(count) || Number(count) === 0)) {
    throw badValue('count', 'must be a whole number above 0')
  }
  return { ...(count === null ? {} : { limit: Number(count) }), ...(from === null ? {} : { from }) }
}

/** A page of names; with `?expand=true` of what they name, below `list`. */
export async function namesOrBeans<K extends Kind>(
  view: StateView,
  call: ApiCall,
  of: {
    readonly kind: K
    readonly scope: string
    readonly list: string
    bean(found: StoredObject<K>): Bean | Promise<Bean>
  },
): Promise<unknown> {
  const page = pageOf(call.query)
  if (call.query.get('expand') !== 'true') return view.names(of.kind, of.scope, page)
  const beans: Bean[] = []
  for (const found of await view.list(of.kind, of.scope, page)) beans.push(await of.bean(found))
  return { [of.list]: beans }
}
