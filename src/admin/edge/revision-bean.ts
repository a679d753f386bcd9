import type { ApiProxyBundle, BundleResource, HttpTargetConnection } from '../../compat/apigee/bundle-types.ts'
import type { ApiBody, RevisionBody } from '../../state/kinds.ts'
import type { RevisionId } from './asset.ts'
import type { RevisionContent } from './revision-files.ts'
import { stampsOf } from './scope.ts'

/** `GET P/apis/{api}` (apigee-edge.md 1.7). */
export function assetBean(
  name: string,
  body: ApiBody,
  revisions: readonly number[],
): Readonly<Record<string, unknown>> {
  return { metaData: { ...stampsOf(body), subType: 'null' }, name, revision: revisions.map(String) }
}

/** `GET R` (apigee-edge.md 1.7): the properties of an API proxy or of a shared flow. */
export function revisionBean(
  id: RevisionId,
  body: RevisionBody,
  content: RevisionContent,
): Readonly<Record<string, unknown>> {
  const { bundle } = content
  const names = partNames(content)
  const stamps = stampsOf(body)
  return {
    ...(bundle.kind === 'apiproxy'
      ? { basepaths: [...new Set(bundle.proxyEndpoints.map((end) => end.basePath))] }
      : {}),
    configurationVersion: { majorVersion: 4, minorVersion: 0 },
    contextInfo: `Revision ${id.revision} of application ${id.name}, in organization ${id.org}`,
    createdAt: stamps.createdAt,
    createdBy: stamps.createdBy,
    description: body.description,
    displayName: body.displayName,
    entityMetaDataAsProperties: {
      bundle_type: 'zip',
      createdBy: stamps.createdBy,
      lastModifiedBy: stamps.lastModifiedBy,
      subType: 'null',
    },
    ...(bundle.kind === 'apiproxy' ? {} : { entryPoint: names.sharedflows[0] ?? '' }),
    lastModifiedAt: stamps.lastModifiedAt,
    lastModifiedBy: stamps.lastModifiedBy,
    manifestVersion: content.manifestVersion,
    name: id.name,
    policies: names.policies,
    proxies: names.proxies,
    proxyEndpoints: names.proxies,
    resourceFiles: { resourceFile: bundle.resources.map(({ name, type }) => ({ name, type })) },
    resources: names.resources,
    revision: id.revision,
    sharedFlows: names.sharedflows,
    spec: '',
    targetEndpoints: names.targets,
    targetServers: bundle.kind === 'apiproxy' ? targetServersOf(bundle) : [],
    targets: names.targets,
    type: 'Application',
  }
}

/** The parts of a revision by the folder they are in. */
export interface PartNames {
  readonly policies: readonly string[]
  readonly proxies: readonly string[]
  readonly targets: readonly string[]
  readonly sharedflows: readonly string[]
  /** `jsc://x.js` */
  readonly resources: readonly string[]
}

export function partNames({ bundle }: RevisionContent): PartNames {
  const proxy = bundle.kind === 'apiproxy' ? bundle : null
  return {
    policies: bundle.policies.map(nameOf),
    proxies: proxy?.proxyEndpoints.map(nameOf) ?? [],
    targets: proxy?.targetEndpoints.map(nameOf) ?? [],
    sharedflows: bundle.kind === 'sharedflowbundle' ? bundle.sharedFlows.map(nameOf) : [],
    resources: bundle.resources.map(resourceUrl),
  }
}

const nameOf = ({ name }: { readonly name: string }): string => name

const resourceUrl = ({ type, name }: BundleResource): string => `${type}://${name}`

/** Names of the target servers that its LoadBalancers use. */
function targetServersOf(bundle: ApiProxyBundle): readonly string[] {
  const servers = bundle.targetEndpoints
    .map((end) => end.connection)
    .filter((connection): connection is HttpTargetConnection => connection.kind === 'http')
    .flatMap((connection) => connection.loadBalancer?.servers.map(nameOf) ?? [])
  return [...new Set(servers)]
}
