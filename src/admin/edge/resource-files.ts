import type { StateTransaction, StateView } from '../../state/types.ts'
import { ApiError, json, type ApiAnswer, type ApiCall, type ApiRoute } from '../api.ts'
import { apiProxy, revisionId } from './asset.ts'
import { badValue, type Bean } from './bean.ts'
import { uploadedBytes } from './bundle-upload.ts'
import { requireNotDeployed } from './deployed.ts'
import { entityScope, environmentPath, organizationPath, revisionPath } from './entity-scope.ts'
import { checkName, stamps } from './scope.ts'

const maxBody = 15 * 1024 * 1024

/** Scripts, schemas and archives of an organization, an environment or a revision (apigee-edge.md 1.10). */
export const resourceFileRoutes: readonly ApiRoute[] = [organizationPath, environmentPath, revisionPath]
  .map((base) => `${base}/resourcefiles`)
  .flatMap(routesAt)

function routesAt(collection: string): readonly ApiRoute[] {
  const ofType = `${collection}/:type`
  const item = `${ofType}/:file`
  return [
    { method: 'GET', path: collection, role: 'viewer', handle: list },
    { method: 'GET', path: ofType, role: 'viewer', handle: list },
    { method: 'POST', path: collection, role: 'operator', maxBody, handle: create },
    { method: 'GET', path: item, role: 'viewer', handle: read },
    { method: 'PUT', path: item, role: 'operator', maxBody, handle: update },
    { method: 'DELETE', path: item, role: 'operator', handle: remove },
  ]
}

async function list(call: ApiCall): Promise<ApiAnswer> {
  return call.services.read(async (view) => {
    const place = await placeOf(view, call)
    const paths = (await view.names(place.kind, place.scope)).filter((path) => path.startsWith(place.prefix))
    const files = paths.map((path) => fileBean(path.slice(place.prefix.length)))
    const { type } = call.params
    return json(200, { resourceFile: files.filter((file) => type === undefined || file['type'] === type) })
  })
}

async function create(call: ApiCall): Promise<ApiAnswer> {
  const type = typeOf(call.query.get('type'))
  const name = checkName('resource file', call.query.get('name'))
  const bytes = await uploadedBytes(call)
  return call.services.change(call, async (tx) => {
    const place = await placeOf(tx, call)
    if ((await tx.get(place.kind, place.scope, `${place.prefix}${type}/${name}`)) !== null) {
      throw new ApiError(
        409,
        'messaging.config.beans.ResourceFileAlreadyExists',
        `Resource file ${name} of type ${type} already exists`,
      )
    }
    await put(tx, place, call, `${type}/${name}`, bytes)
    return json(201, { name, type })
  })
}

async function read(call: ApiCall): Promise<ApiAnswer> {
  return call.services.read(async (view) => {
    const place = await placeOf(view, call)
    const file = await requireFile(view, place, call)
    const bytes = (await view.blob(place.kind, place.scope, `${place.prefix}${file}`)) ?? Buffer.alloc(0)
    return { status: 200, bytes, type: 'application/octet-stream' }
  })
}

async function update(call: ApiCall): Promise<ApiAnswer> {
  const bytes = await uploadedBytes(call)
  return call.services.change(call, async (tx) => {
    const place = await placeOf(tx, call)
    const file = await requireFile(tx, place, call)
    await put(tx, place, call, file, bytes)
    return json(200, fileBean(file))
  })
}

async function remove(call: ApiCall): Promise<ApiAnswer> {
  return call.services.change(call, async (tx) => {
    const place = await placeOf(tx, call)
    const file = await requireFile(tx, place, call)
    if (place.kind === 'api-file') await requireNotDeployed(tx, revisionId(apiProxy, call.params), 'changed')
    await tx.delete(place.kind, place.scope, `${place.prefix}${file}`)
    return json(200, fileBean(file))
  })
}

/** Where files are kept: those of a revision are files of its bundle. */
interface Place {
  readonly kind: 'resource-file' | 'api-file'
  readonly scope: string
  /** Of the objects' names; `TYPE/NAME` follows. */
  readonly prefix: string
}

async function placeOf(view: StateView, call: ApiCall): Promise<Place> {
  const scope = await entityScope(view, call.params)
  return call.params['revision'] === undefined
    ? { kind: 'resource-file', scope, prefix: '' }
    : { kind: 'api-file', scope, prefix: 'apiproxy/resources/' }
}

async function put(tx: StateTransaction, place: Place, call: ApiCall, file: string, blob: Buffer): Promise<void> {
  const name = `${place.prefix}${file}`
  if (place.kind === 'api-file') {
    await requireNotDeployed(tx, revisionId(apiProxy, call.params), 'changed')
    await tx.put('api-file', place.scope, name, { body: { bytes: blob.length }, blob })
    return
  }
  const previous = await tx.get('resource-file', place.scope, name)
  const body = { ...stamps(call, call.services.clock, previous?.body), entity: fileBean(file) }
  await tx.put('resource-file', place.scope, name, { body, blob })
}

/** `TYPE/NAME` of the path, of a file that is there. */
async function requireFile(view: StateView, place: Place, call: ApiCall): Promise<string> {
  const { type = '', file = '' } = call.params
  const path = `${type}/${file}`
  if ((await view.get(place.kind, place.scope, `${place.prefix}${path}`)) !== null) return path
  throw new ApiError(
    404,
    'messaging.config.beans.ResourceFileDoesNotExist',
    `Resource file ${file} of type ${type} does not exist`,
  )
}

function fileBean(path: string): Bean {
  const slash = path.indexOf('/')
  return { name: path.slice(slash + 1), type: path.slice(0, slash) }
}

/** Edge knows no wrong ones. */
function typeOf(type: string | null): string {
  if (type !== null && /^[A-Za-z0-9_-]{1,32}$/.test(type)) return type
  throw badValue('type', 'is needed: jsc, java, xsl, xsd, wsdl, py, node, ...')
}
