import type { EntityBody } from '../../state/kinds.ts'
import type { StateTransaction, StateView } from '../../state/types.ts'
import { ApiError, type ApiCall } from '../api.ts'
import { badValue, type Bean } from './bean.ts'
import { entityScope } from './entity-scope.ts'

/*
 * A map's entries are bytes beside the object: JSON in its blob, or in its secret where the map is encrypted. The values
 * of an encrypted map are never shown.
 */

export interface KeyValueMap {
  readonly scope: string
  readonly name: string
  /** entity: `{name, encrypted}` */
  readonly body: EntityBody
}

export type Entries = ReadonlyMap<string, string>

export async function mapOf(view: StateView, call: ApiCall): Promise<KeyValueMap> {
  const scope = await entityScope(view, call.params)
  const name = call.params['map'] ?? ''
  const found = await view.get('key-value-map', scope, name)
  if (found !== null) return found
  throw new ApiError(404, 'keyvaluemap.service.keyvaluemap_doesnt_exist', `KeyValueMap ${name} does not exist`)
}

const isEncrypted = (map: KeyValueMap): boolean => map.body.entity['encrypted'] === true

export async function entriesOf(view: StateView, map: KeyValueMap): Promise<Entries> {
  const bytes = isEncrypted(map)
    ? await view.secret('key-value-map', map.scope, map.name)
    : await view.blob('key-value-map', map.scope, map.name)
  return new Map(bytes === null ? [] : (JSON.parse(bytes.toString('utf8')) as [string, string][]))
}

export async function keepEntries(tx: StateTransaction, map: KeyValueMap, entries: Entries): Promise<void> {
  for (const key of entries.keys()) {
    if (key === '' || key.length > maxKey) throw badValue('name', `of an entry must have 1 to ${maxKey} characters`)
  }
  const bytes = Buffer.from(JSON.stringify([...entries]))
  if (bytes.length > maxBytes) {
    throw badValue('entry', `makes the map ${bytes.length} bytes large, at most ${maxBytes} are allowed`)
  }
  const content = isEncrypted(map) ? { secret: bytes, blob: null } : { blob: bytes, secret: null }
  await tx.put('key-value-map', map.scope, map.name, { body: map.body, ...content })
}

export function mapBean(map: KeyValueMap, entries: Entries): Bean {
  return {
    encrypted: String(isEncrypted(map)),
    entry: [...entries].map(([name, value]) => entryBean(map, name, value)),
    name: map.name,
  }
}

export const entryBean = (map: KeyValueMap, name: string, value: string): Bean => ({
  name,
  value: isEncrypted(map) ? '*****' : value,
})

const maxKey = 2048
const maxBytes = 4 * 1024 * 1024
