import { proxyRoutes } from '../../../src/admin/edge/apis.ts'
import { sharedFlowRoutes } from '../../../src/admin/edge/shared-flows.ts'
import type { AdminServices, ApiAnswer } from '../../../src/admin/api.ts'
import { errorAnswer } from '../../../src/admin/error-answer.ts'
import { readPath } from '../../../src/admin/request-path.ts'
import { routeTable } from '../../../src/admin/route-table.ts'
import { writeZip } from '../../../src/core/zip.ts'
import { apiCall, memoryServices } from '../support.ts'

export interface Answered {
  readonly status: number
  /** Parsed, where the answer has JSON. */
  readonly json: never
  readonly bytes: Buffer
  readonly type: string
  readonly headers: Readonly<Record<string, string>>
}

/** Sends requests to the routes of API proxies and shared flows, and reads the answers as a client does. */
export interface Client extends AsyncDisposable {
  readonly services: AdminServices
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Answered>
  post(path: string, type?: string, body?: string | Uint8Array): Promise<Answered>
  del(path: string): Promise<Answered>
}

const form = 'application/x-www-form-urlencoded'

/** Organization `acme` with the environments `test` and `prod`. */
export async function client(wrap: (services: AdminServices) => AdminServices = (same) => same): Promise<Client> {
  const services = wrap(await memoryServices())
  await seed(services)
  const find = routeTable([...proxyRoutes, ...sharedFlowRoutes])
  const send = async (
    method: string,
    target: string,
    headers: Readonly<Record<string, string>>,
    body?: string | Uint8Array,
  ): Promise<Answered> => {
    const path = readPath(target)
    const found = find(method, path.segments)
    if (found.found !== 'route') throw new Error(`${method} ${target}: ${found.found}`)
    const call = apiCall({ method, params: found.params, query: path.query.toString(), headers, body, services })
    try {
      return answered(await found.route.handle(call))
    } catch (error) {
      return answered(
        errorAnswer(error, 'edge', () => {
          throw error
        }),
      )
    }
  }
  return {
    services,
    get: (path, headers = {}) => send('GET', path, headers),
    post: (path, type = form, body = '') => send('POST', path, { 'content-type': type }, body),
    del: (path) => send('DELETE', path, {}),
    [Symbol.asyncDispose]: () => services.store.close(),
  }
}

/** A zip of a bundle: paths below the root folder, and their texts. */
export function zip(files: Readonly<Record<string, string | Uint8Array>>, root = 'apiproxy'): Promise<Buffer> {
  return writeZip(
    Object.entries(files).map(([path, text]) => [
      `${root}/${path}`,
      typeof text === 'string' ? Buffer.from(text) : text,
    ]),
  )
}

/** Imports a bundle and expects it to be taken. @returns the revision bean */
export async function imported(
  api: Client,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<Record<string, unknown>> {
  const answer = await api.post(
    `/v1/o/acme/apis?action=import&name=${name}`,
    'application/octet-stream',
    await zip(files),
  )
  if (answer.status !== 201) throw new Error(`import of ${name}: ${answer.status} ${answer.bytes.toString()}`)
  return answer.json
}

/** A proxy that passes everything on, at a base path. */
export const passThrough = (basePath: string, url = 'http://127.0.0.1:1/'): Readonly<Record<string, string>> => ({
  'p.xml': `<APIProxy name="p"><DisplayName>Pass</DisplayName><Description>Through</Description></APIProxy>`,
  'proxies/default.xml': proxyEndpoint('default', basePath),
  'targets/default.xml': targetEndpoint('default', url),
})

export const proxyEndpoint = (name: string, basePath: string): string =>
  `<ProxyEndpoint name="${name}"><PreFlow name="PreFlow"/><Flows/><PostFlow name="PostFlow"/>` +
  `<HTTPProxyConnection><BasePath>${basePath}</BasePath><VirtualHost>default</VirtualHost></HTTPProxyConnection>` +
  `<RouteRule name="default"><TargetEndpoint>default</TargetEndpoint></RouteRule></ProxyEndpoint>`

export const targetEndpoint = (name: string, url: string): string =>
  `<TargetEndpoint name="${name}"><HTTPTargetConnection><URL>${url}</URL></HTTPTargetConnection></TargetEndpoint>`

async function seed({ store, clock }: AdminServices): Promise<void> {
  const stamps = { createdAt: clock(), createdBy: 'x', lastModifiedAt: clock(), lastModifiedBy: 'x' }
  const tx = await store.begin()
  await tx.put('organization', '', 'acme', { body: { ...stamps, displayName: 'acme', type: 'paid', properties: {} } })
  for (const env of ['prod', 'test']) {
    await tx.put('environment', 'acme', env, { body: { ...stamps, description: '', properties: {} } })
  }
  await tx.commit()
}

function answered(answer: ApiAnswer): Answered {
  const headers = answer.headers ?? {}
  if ('json' in answer) {
    const bytes = Buffer.from(JSON.stringify(answer.json))
    return { status: answer.status, json: answer.json as never, bytes, type: 'application/json', headers }
  }
  if ('stream' in answer) throw new Error('no route here answers with a stream')
  return {
    status: answer.status,
    json: undefined as never,
    bytes: Buffer.from(answer.bytes as Uint8Array),
    type: answer.type,
    headers,
  }
}
