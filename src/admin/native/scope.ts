import type { RuntimeKeystore, RuntimeState } from '../../compat/apigee/runtime-state.ts'
import { type ApiCall, ApiError } from '../api.ts'

/** `ORG/ENV` of a call. Throws 404 where there is none. */
export function placeOf({ environments }: RuntimeState, { params }: Pick<ApiCall, 'params'>): string {
  const { org = '', env = '' } = params
  if (environments.some((each) => each.org === org && each.env === env)) return `${org}/${env}`
  throw new ApiError(404, 'environment-unknown', `there is no environment ${env} in organization ${org}`)
}

/** Throws 404. */
export function storeAt({ keystores }: RuntimeState, place: string, name: string): RuntimeKeystore {
  const found = keystores.get(`${place}/${name}`)
  if (found !== undefined) return found
  throw new ApiError(404, 'store-unknown', `there is no store ${name} in ${place}`)
}

/** Those below `ORG/ENV`, with their own names, in order. */
export function below<T>(table: ReadonlyMap<string, T>, place: string): readonly (readonly [string, T])[] {
  const prefix = `${place}/`
  return [...table]
    .flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value] as const] : []))
    .sort(([one], [other]) => (one < other ? -1 : 1))
}
