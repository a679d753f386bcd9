import type { FlowHookBody } from '../../state/kinds.ts'
import type { StateView } from '../../state/types.ts'
import { ApiError, json, type ApiAnswer, type ApiCall, type ApiRoute } from '../api.ts'
import { badValue, beanOf, flagOf, textOf, type Bean } from './bean.ts'
import { deleting, reading } from './crud.ts'
import { environmentPath } from './entity-scope.ts'
import { scopeOf, stamps } from './scope.ts'

const collection = `${environmentPath}/flowhooks`
const item = `${collection}/:flowhook`

const hooks: readonly string[] = ['PreProxyFlowHook', 'PostProxyFlowHook', 'PreTargetFlowHook', 'PostTargetFlowHook']

/** Shared flows that run for every proxy of an environment (apigee-edge.md 1.7). The four are always there. */
export const flowHookRoutes: readonly ApiRoute[] = [
  reading(collection, async (view, call) => {
    await scopeOf(view, call.params)
    return hooks
  }),
  reading(item, async (view, call) => {
    const scope = await scopeOf(view, call.params)
    const found = await view.get('flow-hook', scope, hookOf(call))
    return flowHookBean(view, scope, found?.body ?? null)
  }),
  // apigee-edge-js attaches with PUT, apigeetool with POST.
  { method: 'PUT', path: item, role: 'operator', handle: attach },
  { method: 'POST', path: item, role: 'operator', operation: 'UPDATE', handle: attach },
  deleting(item, async (tx, call) => {
    const scope = await scopeOf(tx, call.params)
    await tx.delete('flow-hook', scope, hookOf(call))
    return flowHookBean(tx, scope, null)
  }),
]

async function attach(call: ApiCall): Promise<ApiAnswer> {
  const bean = await beanOf(call, 'FlowHook')
  const sharedFlow = textOf(bean['sharedFlow'], 'sharedFlow').trim()
  if (sharedFlow === '') throw badValue('sharedFlow', 'must name a shared flow')
  return call.services.change(call, async (tx) => {
    const scope = await scopeOf(tx, call.params)
    const hook = hookOf(call)
    const org = call.params['org'] ?? ''
    if ((await tx.get('shared-flow', org, sharedFlow)) === null) {
      throw new ApiError(
        404,
        'messaging.config.beans.ApplicationDoesNotExist',
        `SharedFlow named ${sharedFlow} does not exist in organization ${org}`,
      )
    }
    const previous = await tx.get('flow-hook', scope, hook)
    const body: FlowHookBody = {
      ...stamps(call, call.services.clock, previous?.body),
      sharedFlow,
      continueOnError: flagOf(bean['continueOnError'], 'continueOnError', false),
      description: textOf(bean['description'], 'description'),
    }
    await tx.put('flow-hook', scope, hook, { body })
    return json(200, await flowHookBean(tx, scope, body))
  })
}

function hookOf(call: ApiCall): string {
  const hook = call.params['flowhook'] ?? ''
  if (hooks.includes(hook)) return hook
  throw new ApiError(
    404,
    'messaging.config.beans.FlowHookDoesNotExist',
    `Flow hook ${hook} does not exist; there are ${hooks.join(', ')}`,
  )
}

/** `deployed` where a shared flow is attached that is deployed in the environment. */
async function flowHookBean(view: StateView, scope: string, body: FlowHookBody | null): Promise<Bean> {
  if (body === null) return { continueOnError: false, state: 'undeployed' }
  const revisions = await view.names('shared-flow-deployment', `${scope}/sharedflows/${body.sharedFlow}`, { limit: 1 })
  return {
    continueOnError: body.continueOnError,
    ...(body.description === '' ? {} : { description: body.description }),
    sharedFlow: body.sharedFlow,
    state: revisions.length > 0 ? 'deployed' : 'undeployed',
  }
}
