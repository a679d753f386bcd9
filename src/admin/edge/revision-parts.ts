import type { BundlePlace } from '../../compat/apigee/bundle-types.ts'
import { ApiError, type ApiAnswer, type ApiCall, type ApiRoute, json } from '../api.ts'
import { apiProxy, assetScope, filesScope, requireRevision, revisionId, type Asset, type RevisionId } from './asset.ts'
import { bundleBytes, invalidBundle, refuseUnreadable, uploadedBytes } from './bundle-upload.ts'
import { badValue, type Bean } from './bean.ts'
import { requireNotDeployed } from './deployed.ts'
import { policyBean, proxyEndpointBean, sharedFlowBean, targetEndpointBean } from './endpoint-beans.ts'
import { partNames, type PartNames } from './revision-bean.ts'
import { bytesOf, putFiles, readDocuments, revisionContent, type Bundle } from './revision-files.ts'
import { stamps } from './scope.ts'

/**
 * The parts of a revision, one by one: the way apigeetool makes it (apigee-edge.md 1.7). A revision may be changed until it
 * is deployed; whether its parts fit together is seen then.
 */
export function partRoutes(asset: Asset): readonly ApiRoute[] {
  const path = `/v1/organizations/:org/${asset.collection}/:name/revisions/:revision`
  const read = { method: 'GET', role: 'viewer' } as const
  const write = { method: 'POST', role: 'operator', maxBody: bundleBytes } as const
  const kinds = documentKinds.filter(({ of }) => of === null || of === asset.collection)
  return [
    ...kinds.flatMap((kind): readonly ApiRoute[] => [
      { ...read, path: `${path}/${kind.folder}`, handle: (call) => list(call, asset, kind.folder) },
      { ...write, path: `${path}/${kind.folder}`, handle: (call) => addDocument(call, asset, kind) },
      { ...read, path: `${path}/${kind.folder}/:part`, handle: (call) => readPart(call, asset, kind) },
    ]),
    {
      method: 'DELETE',
      path: `${path}/policies/:part`,
      role: 'operator',
      handle: (call) => removePart(call, asset, policies),
    },
    { ...read, path: `${path}/resources`, handle: (call) => list(call, asset, 'resources') },
    { ...write, path: `${path}/resources`, handle: (call) => addResource(call, asset) },
    ...(asset === apiProxy
      ? [{ method: 'POST', role: 'operator', path: `${path}/npm`, operation: '', handle: npm } as const]
      : []),
  ]
}

/** A kind of XML document in a bundle. */
interface DocumentKind {
  readonly folder: Exclude<keyof PartNames, 'resources'>
  /** null: of both. */
  readonly of: Asset['collection'] | null
  /** What it is called in messages, and its root element where it has one name only. */
  readonly label: string
  /** Those of a bundle, in the order of their files. */
  parts(bundle: Bundle): readonly Part[]
}

interface Part {
  readonly name: string
  readonly place: BundlePlace
  bean(): Bean
}

const policies: DocumentKind = {
  folder: 'policies',
  of: null,
  label: 'Policy',
  parts: (bundle) => bundle.policies.map((each) => part(each, policyBean)),
}

const documentKinds: readonly DocumentKind[] = [
  policies,
  {
    folder: 'proxies',
    of: 'apis',
    label: 'ProxyEndpoint',
    parts: (bundle) =>
      bundle.kind === 'apiproxy' ? bundle.proxyEndpoints.map((each) => part(each, proxyEndpointBean)) : [],
  },
  {
    folder: 'targets',
    of: 'apis',
    label: 'TargetEndpoint',
    parts: (bundle) =>
      bundle.kind === 'apiproxy' ? bundle.targetEndpoints.map((each) => part(each, targetEndpointBean)) : [],
  },
  {
    folder: 'sharedflows',
    of: 'sharedflows',
    label: 'SharedFlow',
    parts: (bundle) =>
      bundle.kind === 'sharedflowbundle' ? bundle.sharedFlows.map((each) => part(each, sharedFlowBean)) : [],
  },
]

function part<T extends { readonly name: string; readonly place: BundlePlace }>(
  each: T,
  beanOf: (each: T) => Bean,
): Part {
  return { name: each.name, place: each.place, bean: () => beanOf(each) }
}

async function list(call: ApiCall, asset: Asset, folder: keyof PartNames): Promise<ApiAnswer> {
  const id = revisionId(asset, call.params)
  const names = await call.services.read(async (view) => {
    await requireRevision(view, id)
    return partNames(await revisionContent(call.services.store, view, id))
  })
  return json(200, names[folder])
}

/** JSON, or the document itself for whoever asks for XML. */
async function readPart(call: ApiCall, asset: Asset, kind: DocumentKind): Promise<ApiAnswer> {
  const id = revisionId(asset, call.params)
  const name = call.params['part'] ?? ''
  return call.services.read(async (view) => {
    await requireRevision(view, id)
    const { bundle } = await revisionContent(call.services.store, view, id)
    const found = kind.parts(bundle).find((each) => each.name === name)
    if (found === undefined) throw partMissing(id, kind, name)
    if (!/^(application|text)\/xml\b/.test(call.headers['accept'] ?? '')) return json(200, found.bean())
    return { status: 200, bytes: await bytesOf(view, id, found.place.file), type: 'application/xml' }
  })
}

/**
 * Its name is `name` of the query, as the file is called, or else that of its root element. A document of the same name in
 * another file gives way.
 */
async function addDocument(call: ApiCall, asset: Asset, kind: DocumentKind): Promise<ApiAnswer> {
  const id = revisionId(asset, call.params)
  const given = call.query.get('name')
  const bytes = await uploadedBytes(call)
  const fileOf = (name: string): string => `${asset.root}/${kind.folder}/${name}.xml`
  const alone = readDocuments(asset, new Map([[fileOf(given === null ? 'document' : fileName(given)), bytes]]))
  refuseUnreadable(alone)
  const [document] = kind.parts(alone)
  if (document === undefined) throw invalidBundle(`The document is no ${kind.label}`)
  const path = fileOf(fileName(given ?? document.name))
  await change(call, id, async (tx) => {
    const { bundle } = await revisionContent(call.services.store, tx, id)
    for (const each of kind.parts(bundle)) {
      if (each.name === document.name && each.place.file !== path) {
        await tx.delete(asset.fileKind, filesScope(id), each.place.file)
      }
    }
    await putFiles(tx, id, new Map([[path, bytes]]))
  })
  return json(201, document.bean())
}

async function removePart(call: ApiCall, asset: Asset, kind: DocumentKind): Promise<ApiAnswer> {
  const id = revisionId(asset, call.params)
  const name = call.params['part'] ?? ''
  const bean = await change(call, id, async (tx) => {
    const { bundle } = await revisionContent(call.services.store, tx, id)
    const found = kind.parts(bundle).find((each) => each.name === name)
    if (found === undefined) throw partMissing(id, kind, name)
    await tx.delete(asset.fileKind, filesScope(id), found.place.file)
    return found.bean()
  })
  return json(200, bean)
}

async function addResource(call: ApiCall, asset: Asset): Promise<ApiAnswer> {
  const id = revisionId(asset, call.params)
  const type = call.query.get('type') ?? ''
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,31}$/.test(type)) throw badValue('type', 'must be a kind of resource, such as jsc')
  const name = resourceName(call.query.get('name') ?? '')
  const bytes = await uploadedBytes(call)
  await change(call, id, (tx) => putFiles(tx, id, new Map([[`${asset.root}/resources/${type}/${name}`, bytes]])))
  return json(201, { name, type })
}

/** Node modules belong to policies and targets that are not run here; clients send this without being asked to. */
async function npm(call: ApiCall): Promise<ApiAnswer> {
  await call.services.read((view) => requireRevision(view, revisionId(apiProxy, call.params)))
  const text =
    'Nothing was installed: this gateway runs no Node.js applications. The files of the revision are as they were.\n'
  return { status: 200, bytes: text, type: 'text/plain; charset=utf-8' }
}

/** A change of files: the revision is there, is not deployed, and is marked as changed. */
async function change<T>(
  call: ApiCall,
  id: RevisionId,
  work: (tx: Parameters<Parameters<ApiCall['services']['change']>[1]>[0]) => Promise<T>,
): Promise<T> {
  const { services } = call
  return services.change(call, async (tx) => {
    const { body } = await requireRevision(tx, id)
    await requireNotDeployed(tx, id, 'changed')
    const result = await work(tx)
    await tx.put(id.asset.revisionKind, assetScope(id.asset, id.org, id.name), id.revision, {
      body: { ...body, ...stamps(call, services.clock, body) },
    })
    return result
  })
}

/** One segment of a path: what the file of a document is called, without `.xml`. */
function fileName(name: string): string {
  if (/^[A-Za-z0-9 ._()%$@!,=+-]{1,255}$/.test(name) && !/^\.{1,2}$/.test(name)) return name
  throw badValue('name', `${JSON.stringify(name)} cannot be the name of a file in a bundle`)
}

/** May lie in folders of its own. */
function resourceName(name: string): string {
  const segments = name.split('/')
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  const plain = segments.every((segment) => /^[^\\\u0000-\u001f\u007f]+$/.test(segment) && !/^\.{1,2}$/.test(segment))
  if (plain && name.length <= 1000) return name
  throw badValue('name', `${JSON.stringify(name)} cannot be the path of a resource`)
}

const partMissing = (id: RevisionId, kind: DocumentKind, name: string): ApiError =>
  new ApiError(
    404,
    `messaging.config.beans.${kind.label}DoesNotExist`,
    `${kind.label} named ${name} does not exist in revision ${id.revision} of ${id.asset.label} ${id.name}`,
  )
