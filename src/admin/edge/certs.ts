import { json, type ApiAnswer, type ApiCall, type ApiRoute } from '../api.ts'
import { pemAnswer, refuseIfAliasUsed } from './aliases.ts'
import { maxUpload, readUpload, type UploadFormat } from './alias-upload.ts'
import { certBean } from './certificate-bean.ts'
import { aliasOfCertificate, chainOf, createAlias, deleteAlias, exportedPem, keystoreOf } from './keystore-store.ts'
import { checkName } from './scope.ts'

const keystore = '/v1/organizations/:org/environments/:env/keystores/:keystore'
const item = `${keystore}/certs/:cert`

/** The older half of the API, which the playbook uses: certificates by their own names. */
export const certRoutes: readonly ApiRoute[] = [
  {
    method: 'GET',
    path: `${keystore}/certs`,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) => {
        const aliases = await view.list('alias', (await keystoreOf(view, call)).aliases)
        return json(
          200,
          aliases.map(({ body }) => body.certName),
        )
      })
    },
  },
  {
    method: 'POST',
    path: `${keystore}/certs`,
    role: 'operator',
    maxBody: maxUpload,
    success: 204,
    // The certificate is called as the alias is: that is the name it was given.
    handle: (call) => upload(call, 'keycertfile', (alias) => alias),
  },
  {
    method: 'GET',
    path: item,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) => {
        const place = await keystoreOf(view, call)
        const { name, body } = await aliasOfCertificate(view, place, certIn(call))
        return json(200, certBean(body.certName, await chainOf(view, place, name), call.services.clock()))
      })
    },
  },
  {
    method: 'GET',
    path: `${item}/export`,
    role: 'viewer',
    async handle(call) {
      return call.services.read(async (view) => {
        const place = await keystoreOf(view, call)
        const { name } = await aliasOfCertificate(view, place, certIn(call))
        return pemAnswer(exportedPem(await chainOf(view, place, name)))
      })
    },
  },
  {
    method: 'DELETE',
    path: item,
    role: 'operator',
    async handle(call) {
      return call.services.change(call, async (tx) => {
        const place = await keystoreOf(tx, call)
        const { name, body } = await aliasOfCertificate(tx, place, certIn(call))
        const bean = certBean(body.certName, await chainOf(tx, place, name), call.services.clock())
        await refuseIfAliasUsed(tx, place, name)
        await deleteAlias(tx, call, place, name)
        return json(200, bean)
      })
    },
  },
  {
    method: 'POST',
    path: `${keystore}/keys`,
    role: 'operator',
    maxBody: maxUpload,
    success: 204,
    handle: (call) => upload(call, 'keycertjar', (alias) => `${alias}-cert`),
  },
]

const certIn = (call: ApiCall): string => call.params['cert'] ?? ''

async function upload(call: ApiCall, format: UploadFormat, certName: (alias: string) => string): Promise<ApiAnswer> {
  await call.services.read((view) => keystoreOf(view, call))
  const alias = checkName('alias', call.query.get('alias'))
  const { certificates, key } = await readUpload(call, { format, alias })
  const body = { certName: certName(alias), keyName: key === null ? null : `${alias}-key` }
  return call.services.change(call, async (tx) => {
    await createAlias(tx, call, await keystoreOf(tx, call), alias, { body, certificates, key })
    return json(204, undefined)
  })
}
