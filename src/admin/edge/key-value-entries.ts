import { ApiError, json, type ApiAnswer, type ApiCall, type ApiRoute } from '../api.ts'
import { badValue, beanOf, checkSameName, textOf } from './bean.ts'
import { reading } from './crud.ts'
import { pageOf } from './entity-page.ts'
import { entriesOf, entryBean, keepEntries, mapOf, type Entries } from './key-value-store.ts'
import { stamps } from './scope.ts'

/** Entries one by one, as clients of organizations with CPS do it. @param map path of a map */
export function entryRoutes(map: string): readonly ApiRoute[] {
  const collection = `${map}/entries`
  const item = `${collection}/:entry`
  return [
    reading(`${map}/keys`, async (view, call) => {
      const entries = await entriesOf(view, await mapOf(view, call))
      const { from = '', limit } = pageOf(call.query)
      const keys = [...entries.keys()].sort().filter((key) => key >= from)
      return keys.slice(0, limit ?? keys.length)
    }),
    reading(collection, async (view, call) => {
      const found = await mapOf(view, call)
      const entries = await entriesOf(view, found)
      return [...entries].map(([name, value]) => entryBean(found, name, value))
    }),
    { method: 'POST', path: collection, role: 'operator', handle: create },
    reading(item, async (view, call) => {
      const found = await mapOf(view, call)
      const key = call.params['entry'] ?? ''
      return entryBean(found, key, valueOf(await entriesOf(view, found), key))
    }),
    { method: 'POST', path: item, role: 'operator', operation: 'UPDATE', handle: update },
    { method: 'PUT', path: item, role: 'operator', handle: update },
    { method: 'DELETE', path: item, role: 'operator', handle: (call) => change(call, 200, remove) },
  ]
}

interface Entry {
  readonly key: string
  readonly value: string
}

async function create(call: ApiCall): Promise<ApiAnswer> {
  const bean = await beanOf(call, 'Entry')
  const key = textOf(bean['name'], 'name')
  if (key === '') throw badValue('name', 'is needed')
  const value = textOf(bean['value'], 'value')
  return change(call, 201, (entries) => {
    if (entries.has(key)) {
      throw new ApiError(409, 'keyvaluemap.service.entry_already_exists', `the map has an entry ${key} already`)
    }
    entries.set(key, value)
    return { key, value }
  })
}

async function update(call: ApiCall): Promise<ApiAnswer> {
  const bean = await beanOf(call, 'Entry')
  const key = call.params['entry'] ?? ''
  checkSameName(bean, key)
  const value = textOf(bean['value'], 'value')
  return change(call, 200, (entries) => {
    valueOf(entries, key)
    entries.set(key, value)
    return { key, value }
  })
}

async function change(
  call: ApiCall,
  status: number,
  work: (entries: Map<string, string>, call: ApiCall) => Entry,
): Promise<ApiAnswer> {
  return call.services.change(call, async (tx) => {
    const found = await mapOf(tx, call)
    const entries = new Map(await entriesOf(tx, found))
    const { key, value } = work(entries, call)
    const body = { ...found.body, ...stamps(call, call.services.clock, found.body) }
    await keepEntries(tx, { ...found, body }, entries)
    return json(status, entryBean(found, key, value))
  })
}

function remove(entries: Map<string, string>, call: ApiCall): Entry {
  const key = call.params['entry'] ?? ''
  const value = valueOf(entries, key)
  entries.delete(key)
  return { key, value }
}

function valueOf(entries: Entries, key: string): string {
  const value = entries.get(key)
  if (value !== undefined) return value
  throw new ApiError(404, 'keyvaluemap.service.keyvaluemap_entry_doesnt_exist', `the map has no entry ${key}`)
}
