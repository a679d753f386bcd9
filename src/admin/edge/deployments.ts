import { ApiError, type ApiAnswer, type ApiCall, type ApiRoute, json } from '../api.ts'
import { requireAsset, requireRevision, revisionId, sharedFlow, type Asset } from './asset.ts'
import { badValue } from './bean.ts'
import { deploy, notDeployed, undeploy } from './deploy.ts'
import { allDeployed, deployedIn } from './deployed.ts'
import {
  assetDeployments,
  assetInEnvironment,
  deploymentBean,
  told,
  environmentDeployments,
  organizationDeployments,
  revisionDeployments,
} from './deployment-beans.ts'
import { withFindings } from './deployment-findings.ts'
import { requireEnvironment, requireOrganization } from './scope.ts'

/** Deploying, undeploying, and the five shapes of what is deployed where (apigee-edge.md 1.7). */
export function deploymentRoutes(asset: Asset): readonly ApiRoute[] {
  const ofAsset = `/v1/organizations/:org/${asset.collection}/:name`
  const inEnvironment = `/v1/organizations/:org/environments/:env/${asset.collection}/:name`
  const revision = `${inEnvironment}/revisions/:revision/deployments`
  const read = { method: 'GET', role: 'viewer' } as const
  const write = { method: 'POST', role: 'operator' } as const
  // Which of the two it is, is in the form.
  const either = { ...write, operation: 'UPDATE' } as const
  return [
    { ...read, path: `${ofAsset}/deployments`, handle: (call) => ofWholeAsset(call, asset) },
    { ...either, path: `${ofAsset}/deployments`, handle: (call) => act(call, asset) },
    { ...read, path: `${ofAsset}/revisions/:revision/deployments`, handle: (call) => ofRevision(call, asset) },
    { ...either, path: `${ofAsset}/revisions/:revision/deployments`, handle: (call) => act(call, asset) },
    { ...read, path: `${inEnvironment}/deployments`, handle: (call) => ofAssetInEnvironment(call, asset) },
    { ...read, path: revision, handle: (call) => ofRevisionInEnvironment(call, asset) },
    { ...write, path: revision, operation: 'DEPLOY', handle: (call) => act(call, asset, 'deploy') },
    {
      method: 'DELETE',
      path: revision,
      role: 'operator',
      operation: 'UNDEPLOY',
      handle: (call) => act(call, asset, 'undeploy', true),
    },
    ...(asset === sharedFlow ? [] : overviewRoutes(asset)),
  ]
}

/** D4 and D5: of proxies, or with `sharedFlows=true` of shared flows. */
function overviewRoutes(proxies: Asset): readonly ApiRoute[] {
  const read = { method: 'GET', role: 'viewer' } as const
  const assetOf = (call: ApiCall): Asset => (call.query.get('sharedFlows') === 'true' ? sharedFlow : proxies)
  return [
    {
      ...read,
      path: '/v1/organizations/:org/environments/:env/deployments',
      handle: (call) => ofEnvironment(call, assetOf(call)),
    },
    { ...read, path: '/v1/organizations/:org/deployments', handle: (call) => ofOrganization(call, assetOf(call)) },
  ]
}

/**
 * Parameters come in the path, the query or a form, and all mean the same (apigee-edge.md 1.3, rule 9).
 * @param usual the action where none is named @param only nothing else may be named
 */
async function act(call: ApiCall, asset: Asset, usual?: 'deploy' | 'undeploy', only = false): Promise<ApiAnswer> {
  const form = await call.form()
  const id = revisionId(asset, { ...call.params, revision: call.params['revision'] ?? wanted(form, 'revision') })
  const env = call.params['env'] ?? wanted(form, 'env')
  const action = only ? usual : (form.get('action') ?? usual)
  if (action === 'deploy') return json(200, await deploy(call, id, env, form))
  if (action === 'undeploy') return json(200, await undeploy(call, id, env))
  throw badValue('action', 'must be deploy or undeploy')
}

function wanted(form: URLSearchParams, name: string): string {
  const value = form.get(name) ?? ''
  if (value === '') throw badValue(name, 'is needed, in the query or in a form')
  return value
}

async function ofWholeAsset(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const { org = '', name = '' } = call.params
  const deployed = await call.services.read(async (view) => {
    await requireAsset(view, asset, org, name)
    return withFindings(call, view, asset, org, await deployedIn(view, asset, org, name))
  })
  return json(200, assetDeployments(asset, org, name, deployed))
}

async function ofRevision(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const id = revisionId(asset, call.params)
  const deployed = await call.services.read(async (view) => {
    await requireRevision(view, id)
    const all = await deployedIn(view, asset, id.org, id.name)
    const ofIt = all.filter(({ revision }) => revision === id.revision)
    return withFindings(call, view, asset, id.org, ofIt)
  })
  return json(200, revisionDeployments(id, deployed))
}

async function ofAssetInEnvironment(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const { org = '', env = '', name = '' } = call.params
  const deployed = await call.services.read(async (view) => {
    await requireEnvironment(view, org, env)
    await requireAsset(view, asset, org, name)
    return withFindings(call, view, asset, org, await deployedIn(view, asset, org, name, env))
  })
  if (deployed.length === 0) {
    throw new ApiError(
      400,
      'distribution.ApplicationNotDeployed',
      `${asset.label} named ${name} is not deployed in environment ${env} of organization ${org}`,
    )
  }
  return json(200, assetInEnvironment(asset, org, env, name, deployed))
}

async function ofRevisionInEnvironment(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const id = revisionId(asset, call.params)
  const env = call.params['env'] ?? ''
  const deployed = await call.services.read(async (view) => {
    await requireEnvironment(view, id.org, env)
    await requireRevision(view, id)
    return withFindings(call, view, asset, id.org, await deployedIn(view, asset, id.org, id.name, env))
  })
  const found = deployed.find(({ revision }) => revision === id.revision)
  if (found === undefined) throw notDeployed(id, env)
  return json(200, { ...deploymentBean(id, env, found.body.basePath, 'deployed'), ...told(found.findings) })
}

async function ofEnvironment(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const { org = '', env = '' } = call.params
  const deployed = await call.services.read(async (view) => {
    await requireEnvironment(view, org, env)
    return allDeployed(view, asset, org, env)
  })
  return json(200, environmentDeployments(asset, org, env, deployed))
}

async function ofOrganization(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const { org = '' } = call.params
  const [environments, deployed] = await call.services.read(async (view) => {
    await requireOrganization(view, org)
    return [await view.names('environment', org), await allDeployed(view, asset, org)] as const
  })
  return json(200, organizationDeployments(asset, org, environments, deployed))
}
