import type { DeploymentBody } from '../../state/kinds.ts'
import type { StateView, StoredObject } from '../../state/types.ts'
import { ApiError } from '../api.ts'
import type { Asset, RevisionId } from './asset.ts'
import type { DeploymentFinding } from './deployment-findings.ts'

/** A revision in an environment. */
export interface Deployed {
  readonly env: string
  readonly name: string
  readonly revision: string
  readonly body: DeploymentBody
  /** Where they were asked for. */
  readonly findings?: readonly DeploymentFinding[]
}

/** Where the deployed revisions of an asset in an environment are. */
export const deploymentScope = (asset: Asset, org: string, env: string, name: string): string =>
  `${org}/${env}/${asset.collection}/${name}`

/** Every deployed revision of one asset, or those in one environment. By environment, then by number. */
export async function deployedIn(
  view: StateView,
  asset: Asset,
  org: string,
  name: string,
  env?: string,
): Promise<readonly Deployed[]> {
  const environments = env === undefined ? await view.names('environment', org) : [env]
  const found: Deployed[] = []
  for (const each of environments) {
    const objects = await view.list(asset.deploymentKind, deploymentScope(asset, org, each, name))
    found.push(...objects.map(deployedOf).sort(byNumber))
  }
  return found
}

/** Every deployed revision of all assets of an organization, or of one environment. By environment, name, number. */
export async function allDeployed(
  view: StateView,
  asset: Asset,
  org: string,
  env?: string,
): Promise<readonly Deployed[]> {
  const scope = env === undefined ? org : `${org}/${env}`
  const objects = await view.below(asset.deploymentKind, scope)
  return objects
    .map(deployedOf)
    .sort((one, other) => byText(one.env, other.env) || byText(one.name, other.name) || byNumber(one, other))
}

/** Throws 400 where the revision is deployed: then it is read-only (apigee-edge.md 1.7). */
export async function requireNotDeployed(view: StateView, id: RevisionId, doing: string): Promise<void> {
  const deployed = await deployedIn(view, id.asset, id.org, id.name)
  const here = deployed.find(({ revision }) => revision === id.revision)
  if (here === undefined) return
  throw new ApiError(
    400,
    'messaging.config.beans.ApplicationRevisionDeployed',
    `Revision ${id.revision} of ${id.asset.label} ${id.name} cannot be ${doing}: it is deployed in environment ${here.env}`,
  )
}

/** Scope: `ORG/ENV/apis/NAME`. */
function deployedOf({ scope, name, body }: StoredObject & { readonly body: DeploymentBody }): Deployed {
  const [, env = '', , asset = ''] = scope.split('/')
  return { env, name: asset, revision: name, body }
}

const byText = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)

const byNumber = (one: Deployed, other: Deployed): number => Number(one.revision) - Number(other.revision)
