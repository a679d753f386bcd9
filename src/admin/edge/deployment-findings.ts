import type { StateView } from '../../state/types.ts'
import type { ApiCall, GatewayView } from '../api.ts'
import type { Asset, RevisionId } from './asset.ts'
import type { Deployed } from './deployed.ts'
import { revisionContent } from './revision-files.ts'

export type DeploymentFinding = ReturnType<GatewayView['findings']>[number]

/** Of one answer; `GET /api/organizations/ORG/findings` has all. (I10) */
const mostTold = 100

/** The stored objects whose findings its owner should hear of with a deployed revision: itself, and its virtual hosts. */
export async function concerned(
  call: ApiCall,
  view: StateView,
  { asset, org, name, revision }: RevisionId,
  env: string,
): Promise<readonly string[]> {
  const { bundle } = await revisionContent(call.services.store, view, { asset, org, name, revision })
  const hosts = bundle.kind === 'apiproxy' ? bundle.proxyEndpoints.flatMap((endpoint) => endpoint.virtualHosts) : []
  const place = `${org}/${env}`
  return [
    `${place}/${asset.collection}/${name}/${revision}`,
    ...new Set(hosts.map((host) => `${place}/virtualhosts/${host}`)),
  ]
}

/** Of the generation in force. */
export function findingsOf(call: ApiCall, objects: readonly string[]): readonly DeploymentFinding[] {
  const isOf = (found: string): boolean => objects.some((each) => found === each || found.startsWith(`${each}, `))
  const found = call.services.gateway.findings().filter(({ object }) => isOf(object))
  return found.slice(0, mostTold).map(({ code, severity, object, message }) => ({ code, severity, object, message }))
}

export async function withFindings(
  call: ApiCall,
  view: StateView,
  asset: Asset,
  org: string,
  deployed: readonly Deployed[],
): Promise<readonly Deployed[]> {
  const told: Deployed[] = []
  for (const each of deployed) {
    const id = { asset, org, name: each.name, revision: each.revision }
    told.push({ ...each, findings: findingsOf(call, await concerned(call, view, id, each.env)) })
  }
  return told
}
