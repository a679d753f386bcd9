import { randomUUID } from 'node:crypto'
import type { Asset, RevisionId } from './asset.ts'
import type { Bean } from './bean.ts'
import type { Deployed } from './deployed.ts'

export type DeploymentState = 'deployed' | 'undeployed'

/**
 * The reply of deploy and undeploy. `server` is always an array: apigeetool dies without one, and prints each element of
 * another status than `state` as a failure (apigee-edge.md 1.7).
 */
export function deploymentBean(id: RevisionId, env: string, basePath: string, state: DeploymentState): Bean {
  return {
    [id.asset.field]: id.name,
    ...configurationBean(id.asset, basePath),
    environment: env,
    name: id.revision,
    organization: id.org,
    revision: id.revision,
    server: servers(state),
    state,
  }
}

/** D1: everywhere an asset is deployed. */
export function assetDeployments(asset: Asset, org: string, name: string, deployed: readonly Deployed[]): Bean {
  const environment = grouped(deployed, ({ env }) => env).map(([env, there]) => ({
    name: env,
    revision: there.map((each) => stateBean(asset, each)),
  }))
  return { environment, name, organization: org }
}

/** D2: everywhere a revision is deployed. */
export function revisionDeployments(id: RevisionId, deployed: readonly Deployed[]): Bean {
  const environment = deployed.map(({ env, body, findings }) => ({
    ...configurationBean(id.asset, body.basePath),
    name: env,
    server: servers('deployed'),
    state: 'deployed',
    ...told(findings),
  }))
  return { [id.asset.field]: id.name, environment, name: id.revision, organization: id.org }
}

/** D3: the revisions of an asset in an environment. */
export function assetInEnvironment(
  asset: Asset,
  org: string,
  env: string,
  name: string,
  deployed: readonly Deployed[],
): Bean {
  return { environment: env, name, organization: org, revision: deployed.map((each) => stateBean(asset, each)) }
}

/** D4: everything in an environment. */
export function environmentDeployments(asset: Asset, org: string, env: string, deployed: readonly Deployed[]): Bean {
  return { ...assetLists(asset, deployed), name: env, organization: org }
}

/** D5: everything in an organization, by environment. */
export function organizationDeployments(
  asset: Asset,
  org: string,
  environments: readonly string[],
  deployed: readonly Deployed[],
): Bean {
  const byEnvironment = new Map(grouped(deployed, ({ env }) => env))
  const environment = environments.map((env) => ({ ...assetLists(asset, byEnvironment.get(env) ?? []), name: env }))
  return { environment, name: org }
}

function assetLists(asset: Asset, deployed: readonly Deployed[]): Bean {
  const list = grouped(deployed, ({ name }) => name).map(([name, revisions]) => ({
    name,
    revision: revisions.map((each) => stateBean(asset, each)),
  }))
  // apigeetool looks for shared flows under the name of proxies too (listSharedflowDeployments).
  return { aPIProxy: list, ...(asset.field === 'aPIProxy' ? {} : { [asset.field]: list }) }
}

function stateBean(asset: Asset, { revision, body, findings }: Deployed): Bean {
  return {
    ...configurationBean(asset, body.basePath),
    name: revision,
    server: servers('deployed'),
    state: 'deployed',
    ...told(findings),
  }
}

/** Ours, Edge has no such field: what the owner should know of it. */
export const told = (findings: Deployed['findings']): Bean => (findings === undefined ? {} : { findings })

/** A shared flow has none. */
function configurationBean(asset: Asset, basePath: string): Bean {
  return asset.field === 'aPIProxy' ? { configuration: { basePath, steps: [] } } : {}
}

/** One gateway is all message processors; its workers are in step whenever an answer goes out. */
const servers = (status: DeploymentState): readonly Bean[] => [{ status, type: ['message-processor'], uUID: serverId }]

/** Of this process. */
const serverId = randomUUID()

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): readonly (readonly [string, readonly T[]])[] {
  return [...Map.groupBy(items, keyOf)]
}
