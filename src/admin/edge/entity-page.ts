import type { Page } from '../../state/types.ts'
import { badValue } from './bean.ts'

/** `?count=&startKey=` of Edge's lists; the key itself is the first of the page. Some clients write `startkey`. */
export function pageOf(query: URLSearchParams): Page {
  const count = query.get('count')
  const from = query.get('startKey') ?? query.get('startkey')
  if (count !== null && (!/^\d{1,6}$/.test(count) || Number(count) === 0)) {
    throw badValue('count', 'must be a whole number above 0')
  }
  return { ...(count === null ? {} : { limit: Number(count) }), ...(from === null ? {} : { from }) }
}
