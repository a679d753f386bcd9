import type { Alerts } from '../../monitor/alerts/engine.ts'
import { codeOf, messageOf } from '../../core/errors.ts'
import { type ApiAnswer, type ApiCall, ApiError, json } from '../api.ts'
import { requireOrganization } from '../edge/scope.ts'
import { findAlert, saveAlert, shownAlert, withSecrets } from './alert-store.ts'
import { changeCollection, createCollection, findCollection, shownCollection } from './collection-store.ts'

/* What both APIs do with alerts and collections; `org` is a parameter of the call, wherever it came from. */

export interface AlertParts {
  readonly alerts: Alerts
  /** Of this gateway; ''. */
  readonly region: () => string
}

export async function listAlerts(call: ApiCall) {
  return call.services.read(async (view) => {
    const org = await requireOrganization(view, call.params['org'] ?? '')
    return Promise.all((await view.list('alert', org)).map((each) => shownAlert(view, call, each)))
  })
}

export async function createAlert({ region }: AlertParts, call: ApiCall): Promise<ApiAnswer> {
  const value = await call.json()
  return call.services.change(call, async (tx) => {
    await requireOrganization(tx, call.params['org'] ?? '')
    const made = await saveAlert(tx, call, value, { region: region(), id: null })
    return json(201, await shownAlert(tx, call, made))
  })
}

export async function readAlert(call: ApiCall): Promise<ApiAnswer> {
  return call.services.read(async (view) => json(200, await shownAlert(view, call, await findAlert(view, call))))
}

export async function updateAlert({ region }: AlertParts, call: ApiCall): Promise<ApiAnswer> {
  const value = await call.json()
  return call.services.change(call, async (tx) => {
    const { name } = await findAlert(tx, call)
    const changed = await saveAlert(tx, call, value, { region: region(), id: name })
    return json(200, await shownAlert(tx, call, changed))
  })
}

export async function deleteAlert(call: ApiCall): Promise<ApiAnswer> {
  return call.services.change(call, async (tx) => {
    const found = await findAlert(tx, call)
    const shown = await shownAlert(tx, call, found)
    await tx.delete('alert', found.scope, found.name)
    return json(200, shown)
  })
}

/** To every receiver of the rule; what came of each. */
export async function testAlert({ alerts }: AlertParts, call: ApiCall): Promise<ApiAnswer> {
  const stored = await call.services.read(async (view) => withSecrets(view, await findAlert(view, call)))
  const results = await alerts.test(stored).catch((error: unknown) => {
    const code = codeOf(error)
    if (code !== 'alert-invalid' && code !== 'alert-undeliverable') throw error
    throw new ApiError(409, code, messageOf(error), {}, error)
  })
  call.note(
    results.map(({ channel, delivered }) => `${channel} ${delivered ? 'delivered' : 'not delivered'}`).join(', '),
  )
  return json(200, { results })
}

export async function listCollections(call: ApiCall) {
  return call.services.read(async (view) => {
    const org = await requireOrganization(view, call.params['org'] ?? '')
    return (await view.list('collection', org)).map(shownCollection)
  })
}

export const makeCollection = async (call: ApiCall): Promise<ApiAnswer> => json(201, await createCollection(call))

export const patchCollection = async (call: ApiCall): Promise<ApiAnswer> => json(200, await changeCollection(call))

export async function readCollection(call: ApiCall): Promise<ApiAnswer> {
  return call.services.read(async (view) => json(200, shownCollection(await findCollection(view, call))))
}

export async function deleteCollection(call: ApiCall): Promise<ApiAnswer> {
  return call.services.change(call, async (tx) => {
    const found = await findCollection(tx, call)
    await tx.delete('collection', found.scope, found.name)
    return json(200, shownCollection(found))
  })
}
