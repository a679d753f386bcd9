import type { DeploymentBody } from '../../state/kinds.ts'
import type { StateTransaction, StateView } from '../../state/types.ts'
import { ApiError, type ApiCall } from '../api.ts'
import { requireRevision, type RevisionId } from './asset.ts'
import { badValue, flagOf, type Bean } from './bean.ts'
import { deployedIn, deploymentScope, type Deployed } from './deployed.ts'
import { deploymentBean, told } from './deployment-beans.ts'
import { concerned, findingsOf } from './deployment-findings.ts'
import { revisionContent } from './revision-files.ts'
import { requireEnvironment, stamps } from './scope.ts'

/**
 * Puts a revision into an environment. It is in force on every worker when this returns. Without `override` nothing may be
 * in its way; with it, other revisions that answer for one of its paths give way in the same change, so that there is no
 * moment without one (apigee-edge.md 1.7).
 */
export async function deploy(call: ApiCall, id: RevisionId, env: string, form: URLSearchParams): Promise<Bean> {
  const override = flagOf(form.get('override'), 'override', false)
  const wish = { basePath: basePathOf(form.get('basepath')), delay: delayOf(form.get('delay')) }
  const { bean, objects } = await runnable(id, () =>
    call.services.change(call, async (tx) => {
      await requireEnvironment(tx, id.org, env)
      await requireRevision(tx, id)
      const deployed = await deployedIn(tx, id.asset, id.org, id.name, env)
      const before = deployed.find(({ revision }) => revision === id.revision)
      if (before !== undefined && !override) throw alreadyDeployed(id, env)
      const scope = deploymentScope(id.asset, id.org, env, id.name)
      for (const { path, other } of await inTheWay(call, tx, id, wish.basePath, deployed)) {
        if (!override) throw pathConflict(id, env, path, other)
        await tx.delete(id.asset.deploymentKind, scope, other.revision)
      }
      await tx.put(id.asset.deploymentKind, scope, id.revision, {
        body: { ...stamps(call, call.services.clock, before?.body), ...wish },
      })
      const bean = deploymentBean(id, env, wish.basePath, 'deployed')
      return { bean, objects: await concerned(call, tx, id, env) }
    }),
  )
  return { ...bean, ...told(findingsOf(call, objects)) }
}

export async function undeploy(call: ApiCall, id: RevisionId, env: string): Promise<Bean> {
  return call.services.change(call, async (tx) => {
    await requireEnvironment(tx, id.org, env)
    await requireRevision(tx, id)
    const scope = deploymentScope(id.asset, id.org, env, id.name)
    const found = await tx.get(id.asset.deploymentKind, scope, id.revision)
    if (found === null) throw notDeployed(id, env)
    await tx.delete(id.asset.deploymentKind, scope, id.revision)
    return deploymentBean(id, env, found.body.basePath, 'undeployed')
  })
}

/**
 * Takes up files of a deployed revision that have changed: as Edge says it, undeploys, updates and redeploys, here in one
 * step. Does nothing where it is not deployed.
 */
export async function redeploy(call: ApiCall, tx: StateTransaction, id: RevisionId): Promise<void> {
  const all = await deployedIn(tx, id.asset, id.org, id.name)
  for (const { env, body } of all.filter(({ revision }) => revision === id.revision)) {
    const beside = all.filter((each) => each.env === env)
    const [conflict] = await inTheWay(call, tx, id, body.basePath, beside)
    if (conflict !== undefined) throw pathConflict(id, env, conflict.path, conflict.other)
    const next: DeploymentBody = { ...body, ...stamps(call, call.services.clock, body) }
    await tx.put(id.asset.deploymentKind, deploymentScope(id.asset, id.org, env, id.name), id.revision, { body: next })
  }
}

/**
 * A deployment that cannot run is refused by the change itself; told the way Edge tells it.
 * @throws ApiError 400 `distribution.DeploymentFailed`, each problem in its message and in `contexts`
 */
export async function runnable<T>(id: RevisionId, change: () => Promise<T>): Promise<T> {
  try {
    return await change()
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'change-refused') throw error
    const problems = error.evidence['problems']
    const contexts = Array.isArray(problems) ? problems : []
    throw new ApiError(400, 'distribution.DeploymentFailed', refusal(id, error, contexts), { contexts }, error)
  }
}

export const notDeployed = (id: RevisionId, env: string): ApiError =>
  new ApiError(
    400,
    'distribution.RevisionNotDeployed',
    `Revision ${id.revision} of ${id.asset.label} ${id.name} is not deployed in environment ${env} of organization ${id.org}`,
  )

interface Conflict {
  readonly path: string
  readonly other: Deployed
}

/** Other revisions that answer for a path of this one; a shared flow has no paths, so any other revision of it does. */
async function inTheWay(
  call: ApiCall,
  view: StateView,
  id: RevisionId,
  prefix: string,
  deployed: readonly Deployed[],
): Promise<readonly Conflict[]> {
  const others = deployed.filter(({ revision }) => revision !== id.revision)
  if (others.length === 0) return []
  const mine = new Set(await pathsOf(call, view, id, prefix))
  const conflicts: Conflict[] = []
  for (const other of others) {
    const theirs = await pathsOf(call, view, { ...id, revision: other.revision }, other.body.basePath)
    const path = theirs.find((each) => mine.has(each))
    if (path !== undefined) conflicts.push({ path, other })
  }
  return conflicts
}

/** Base paths of its endpoints below the prefix of the deployment; the prefix alone where it has none. */
async function pathsOf(call: ApiCall, view: StateView, id: RevisionId, prefix: string): Promise<readonly string[]> {
  const { bundle } = await revisionContent(call.services.store, view, id)
  const own = bundle.kind === 'apiproxy' ? bundle.proxyEndpoints.map((end) => end.basePath) : []
  return own.length === 0 ? [prefix] : own.map((path) => joined(prefix, path))
}

const joined = (prefix: string, path: string): string =>
  prefix === '/' ? path : path === '/' ? prefix : `${prefix}${path}`

/** `v1/` -> `/v1`. Segments as they may stand in a request, `*` for any. */
function basePathOf(text: string | null): string {
  const segments = (text ?? '').split('/').filter((segment) => segment !== '')
  const path = `/${segments.join('/')}`
  const plain = segments.every(
    (segment) => /^[A-Za-z0-9._~!$&'()*+,;=:@-]+$/.test(segment) && !/^\.{1,2}$/.test(segment),
  )
  if (plain && path.length <= 1024) return path
  throw badValue('basepath', 'must be a path: segments of plain characters with / between them')
}

/** Seconds. */
function delayOf(text: string | null): number | null {
  if (text === null || text === '') return null
  if (/^\d{1,5}$/.test(text) && Number(text) <= longestDelay) return Number(text)
  throw badValue('delay', `must be whole seconds, at most ${longestDelay}`)
}

const longestDelay = 3600

function alreadyDeployed(id: RevisionId, env: string): ApiError {
  return new ApiError(
    400,
    'distribution.RevisionAlreadyDeployed',
    `Revision ${id.revision} of ${id.asset.label} ${id.name} is already deployed in environment ${env} of organization ${id.org}; deploy it anew with override=true`,
  )
}

/** Edge's wording. */
function pathConflict(id: RevisionId, env: string, path: string, other: Deployed): ApiError {
  return new ApiError(
    400,
    'distribution.DeploymentPathConflict',
    `Path ${path} conflicts with existing deployment path for revision ${other.revision} of the ${id.asset.label} ${id.name} in organization ${id.org}, environment ${env}; replace it with override=true`,
  )
}

function refusal(id: RevisionId, error: ApiError, problems: readonly unknown[]): string {
  const told = problems.slice(0, mostTold).map((problem) => problemText(id, problem))
  const rest = problems.length - told.length
  if (told.length === 0) return error.message
  return `It cannot run, and nothing was changed: ${told.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}`
}

const mostTold = 50

/** A problem of a stored object, or of the configuration. What is deployed is named by the request already. */
function problemText(id: RevisionId, problem: unknown): string {
  if (typeof problem !== 'object' || problem === null) return String(problem)
  const { object, path, message } = problem as { object?: unknown; path?: unknown; message?: unknown }
  const where = typeof object === 'string' ? object : typeof path === 'string' ? path : ''
  const [first = '', ...parts] = where.split(', ')
  const own = first.endsWith(`/${id.asset.collection}/${id.name}/${id.revision}`)
  const shown = own ? parts.join(', ') : where
  return `${shown === '' ? '' : `${shown}: `}${String(message)}`
}
