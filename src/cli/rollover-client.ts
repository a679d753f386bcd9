import { type AdminPlace, callAdmin } from './admin-client.ts'

export { authorizationFrom } from './admin-client.ts'

/** Where the management API is, as whom, and which environment is meant. */
export interface RolloverPlace extends AdminPlace {
  readonly organization: string
  readonly environment: string
}

/** One call below `.../rollovers`. Throws `rollover-refused` with what the API says; else as `callAdmin` does. */
export function callRollovers(
  place: RolloverPlace,
  method: 'GET' | 'POST',
  path: string,
  body: object | null,
  signal: AbortSignal,
): Promise<unknown> {
  const [organization, environment] = [place.organization, place.environment].map(encodeURIComponent)
  const call = {
    method,
    path: `/api/organizations/${organization}/environments/${environment}/rollovers${path}`,
    ...(body === null ? {} : { body: { type: 'application/json' as const, text: JSON.stringify(body) } }),
    refused: 'rollover-refused',
  }
  return callAdmin(place, call, signal)
}
