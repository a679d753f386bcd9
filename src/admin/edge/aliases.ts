import { createPrivateKey } from 'node:crypto'
import { codeOf, messageOf } from '../../core/errors.ts'
import { renewalRequest } from '../../pki/request.ts'
import type { StateView, StoredObject } from '../../state/types.ts'
import type { Certificate } from '../../x509/certificate.ts'
import { ApiError, json, type ApiAnswer, type ApiCall, type ApiRoute } from '../api.ts'
import { makeSelfSigned, selfSignedRequest } from './alias-self-signed.ts'
import { maxUpload, readUpload, uploadFormat } from './alias-upload.ts'
import { badValue, beanOf, type Bean } from './bean.ts'
import { aliasBean } from './certificate-bean.ts'
import { deleting, reading } from './crud.ts'
import { environmentPath } from './entity-scope.ts'
import {
  aliasOf,
  chainOf,
  createAlias,
  deleteAlias,
  exportedPem,
  type KeystorePlace,
  keystoreOf,
  putAlias,
} from './keystore-store.ts'
import { checkName } from './scope.ts'
import { refuseIfUsed } from './usage.ts'

const collection = `${environmentPath}/keystores/:keystore/aliases`
const item = `${collection}/:alias`

export const aliasRoutes: readonly ApiRoute[] = [
  reading(collection, async (view, call) => view.names('alias', (await keystoreOf(view, call)).aliases)),
  { method: 'POST', path: collection, role: 'operator', maxBody: maxUpload, handle: create },
  { method: 'PUT', path: item, role: 'operator', maxBody: maxUpload, handle: update },
  ...oneAliasRoutes(item, 'certificate', {
    find: (view, place, call) => aliasOf(view, place, aliasIn(call)),
    bean: ({ name, body }, chain, now) => aliasBean(name, body, chain, now),
  }),
  {
    method: 'GET',
    path: `${item}/csr`,
    // The key signs; nothing of it is shown.
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) => {
        const place = await keystoreOf(view, call)
        const { name } = await aliasOf(view, place, aliasIn(call))
        const key = await view.secret('alias', place.aliases, name)
        const [leaf] = await chainOf(view, place, name)
        if (key === null || leaf === undefined)
          throw new ApiError(400, 'alias-without-key', `Alias ${name} has no private key to sign a request with`)
        return pemAnswer(requestOf(leaf, key))
      })
    },
  },
]

/** An alias as one of the two halves of the API names and shows it: GET, DELETE, and `exported` for its certificates. */
export function oneAliasRoutes(
  item: string,
  exported: 'certificate' | 'export',
  of: {
    find(view: StateView, place: KeystorePlace, call: ApiCall): Promise<StoredObject<'alias'>>
    bean(found: StoredObject<'alias'>, chain: readonly Certificate[], now: number): Bean
  },
): readonly ApiRoute[] {
  return [
    reading(item, async (view, call) => {
      const place = await keystoreOf(view, call)
      const found = await of.find(view, place, call)
      return of.bean(found, await chainOf(view, place, found.name), call.services.clock())
    }),
    deleting(item, async (tx, call) => {
      const place = await keystoreOf(tx, call)
      const found = await of.find(tx, place, call)
      const { name: alias } = found
      const bean = of.bean(found, await chainOf(tx, place, alias), call.services.clock())
      // A key and the certificate of its alias: it goes on in use as `keyAlias` of somebody.
      const used = { kind: 'keystore', name: place.name, alias } as const
      await refuseIfUsed(tx, place.scope, used, 'messaging.config.beans.AliasInUse')
      await deleteAlias(tx, call, place, alias)
      return bean
    }),
    {
      method: 'GET',
      path: `${item}/${exported}`,
      role: 'viewer',
      async handle(call) {
        return call.services.read(async (view) => {
          const place = await keystoreOf(view, call)
          const { name } = await of.find(view, place, call)
          return pemAnswer(exportedPem(await chainOf(view, place, name)))
        })
      },
    },
  ]
}

const pemAnswer = (pem: string): ApiAnswer => ({ status: 200, bytes: pem, type: 'text/plain; charset=us-ascii' })

const aliasIn = (call: ApiCall): string => call.params['alias'] ?? ''

async function create(call: ApiCall): Promise<ApiAnswer> {
  // A large upload to a store that is not there need not be read.
  await call.services.read((view) => keystoreOf(view, call))
  if ((call.query.get('format') ?? '').toLowerCase() === 'selfsignedcert') return createSelfSigned(call)
  const alias = checkName('alias', call.query.get('alias'))
  const { certificates, key } = await readUpload(call, { format: uploadFormat(call), alias })
  const body = { certName: `${alias}-cert`, keyName: key === null ? null : `${alias}-key` }
  return call.services.change(call, async (tx) => {
    await createAlias(tx, call, await keystoreOf(tx, call), alias, { body, certificates, key })
    return json(201, aliasBean(alias, body, certificates, call.services.clock()))
  })
}

async function createSelfSigned(call: ApiCall): Promise<ApiAnswer> {
  const request = selfSignedRequest(await beanOf(call, 'SelfSignedCertificate'))
  const named = call.query.get('alias')
  if (named !== null && request.alias !== '' && named !== request.alias)
    throw badValue('alias', 'is one in the query and another in the body')
  const alias = checkName('alias', named ?? request.alias)
  const { certificate, key } = await makeSelfSigned(request, call.services.clock())
  const body = { certName: `${alias}-cert`, keyName: `${alias}-key` }
  return call.services.change(call, async (tx) => {
    await createAlias(tx, call, await keystoreOf(tx, call), alias, { body, certificates: [certificate], key })
    return json(201, aliasBean(alias, body, [certificate], call.services.clock()))
  })
}

/** New certificates for an alias. They must belong to the key that is there, unless another comes with them. */
async function update(call: ApiCall): Promise<ApiAnswer> {
  const alias = aliasIn(call)
  const before = await call.services.read(async (view) => {
    const place = await keystoreOf(view, call)
    const { version } = await aliasOf(view, place, alias)
    return { version, heldKey: await view.secret('alias', place.aliases, alias) }
  })
  const { certificates, key } = await readUpload(call, { format: uploadFormat(call), alias, heldKey: before.heldKey })
  if (before.heldKey !== null && key === null)
    throw new ApiError(
      400,
      'material-no-key',
      `Alias ${alias} has a private key; the upload has none that could take its place`,
    )
  return call.services.change(call, async (tx) => {
    const place = await keystoreOf(tx, call)
    const { body: previous, version } = await aliasOf(tx, place, alias)
    // The key that the certificates were held against is the one they are stored with.
    if (version !== before.version)
      throw new ApiError(
        409,
        'alias-changed',
        `Alias ${alias} was changed by somebody else meanwhile; nothing was stored`,
      )
    const body = {
      certName: previous.certName,
      keyName: key === null ? null : (previous.keyName ?? `${alias}-key`),
    }
    await putAlias(tx, call, place, alias, { body, certificates, key })
    return json(200, aliasBean(alias, body, certificates, call.services.clock()))
  })
}

function requestOf(leaf: Certificate, key: Buffer): string {
  try {
    return renewalRequest(leaf, createPrivateKey(key))
  } catch (error) {
    if (codeOf(error) !== 'PKI_BAD_KEY') throw error
    throw new ApiError(400, 'alias-key-unsuitable', messageOf(error))
  }
}
