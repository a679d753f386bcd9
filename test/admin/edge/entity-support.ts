import type { AdminServices, ApiAnswer, ApiRoute } from '../../../src/admin/api.ts'
import { apiProxy, assetScope, filesScope } from '../../../src/admin/edge/asset.ts'
import { edgeEntityRoutes } from '../../../src/admin/edge/entity-routes.ts'
import { errorAnswer } from '../../../src/admin/error-answer.ts'
import { readPath } from '../../../src/admin/request-path.ts'
import { routeTable } from '../../../src/admin/route-table.ts'
import { seedState } from '../../../src/admin/seed.ts'
import type { StateTransaction } from '../../../src/state/types.ts'
import { apiCall, memoryServices, root } from '../support.ts'

export interface Answered {
  readonly status: number
  /** Parsed, where the answer has JSON. */
  readonly json: never
  readonly bytes: Buffer
}

export interface EntityClient extends AsyncDisposable {
  readonly services: AdminServices
  /** `'GET E/references'`; `P` and `E` are acme and acme's test. Text goes as it is, with its type; the rest as JSON. */
  send(what: string, body?: unknown, type?: string): Promise<Answered>
  /** Straight into the store. */
  put(work: (tx: StateTransaction) => Promise<void>): Promise<void>
}

export const stamps = { createdAt: 1, createdBy: 'test', lastModifiedAt: 1, lastModifiedBy: 'test' }

/** Organization `acme` with the environments `test` and `prod`, listeners on 8080 and 8443, and the clock at `now`. */
export async function entityClient(now = 1_700_000_000_000): Promise<EntityClient> {
  const services = await memoryServices(() => now)
  const listeners = [{ port: 8080 }, { port: 8443, tls: {} }]
  await seedState(services.store, { organization: 'acme', environments: ['test', 'prod'], listeners }, () => now)
  const find = routeTable(edgeEntityRoutes)
  return {
    services,
    async send(what, body, type) {
      const [method = '', target = ''] = what.split(' ')
      const path = readPath(target.replace(/^E(?=\/|$)/, 'P/environments/test').replace(/^P/, '/v1/organizations/acme'))
      const found = find(method, path.segments)
      if (found.found !== 'route')
        return { status: found.found === 'nothing' ? 404 : 405, json: undefined as never, bytes: Buffer.alloc(0) }
      const headers = type === undefined ? {} : { 'content-type': type }
      const query = path.query.toString()
      return answered(
        await answer(found.route, apiCall({ method, params: found.params, query, headers, body, services })),
      )
    },
    put: (work) => services.change({ principal: root }, work),
    [Symbol.asyncDispose]: () => services.store.close(),
  }
}

/** A keystore, with an alias for each PEM: with a key where the name says so. */
export async function putKeystore(
  tx: StateTransaction,
  name: string,
  aliases: Readonly<Record<string, { readonly pem: string; readonly hasKey: boolean }>> = {},
): Promise<void> {
  await tx.put('keystore', 'acme/test', name, { body: { ...stamps, generation: 1 } })
  for (const [alias, { pem, hasKey }] of Object.entries(aliases)) {
    const body = { ...stamps, certName: `${alias}-cert`, keyName: hasKey ? `${alias}-key` : null, fingerprints: [] }
    await tx.put('alias', `acme/test/${name}`, alias, { body, blob: Buffer.from(pem) })
  }
}

/** Revision 1 of an API proxy with these files, deployed in `test` if asked. */
export async function putApi(
  tx: StateTransaction,
  name: string,
  files: Readonly<Record<string, string>> = {},
  isDeployed = false,
): Promise<void> {
  const scope = assetScope(apiProxy, 'acme', name)
  await tx.put('api', 'acme', name, { body: { ...stamps, lastRevision: 1 } })
  await tx.put('api-revision', scope, '1', { body: { ...stamps, displayName: name, description: '' } })
  const below = filesScope({ asset: apiProxy, org: 'acme', name, revision: '1' })
  for (const [path, text] of Object.entries(files)) {
    await tx.put('api-file', below, path, { body: { bytes: text.length }, blob: Buffer.from(text) })
  }
  if (!isDeployed) return
  await tx.put('api-deployment', `acme/test/apis/${name}`, '1', { body: { ...stamps, basePath: '/', delay: null } })
}

async function answer(route: ApiRoute, call: Parameters<ApiRoute['handle']>[0]): Promise<ApiAnswer> {
  try {
    return await route.handle(call)
  } catch (error) {
    return errorAnswer(error, 'edge', () => {
      throw error
    })
  }
}

function answered(from: ApiAnswer): Answered {
  if ('json' in from) return { status: from.status, json: from.json as never, bytes: Buffer.alloc(0) }
  if ('stream' in from) throw new Error('a stream')
  return { status: from.status, json: undefined as never, bytes: Buffer.from(from.bytes as never) }
}
