import { json, type ApiAnswer, type ApiCall, type ApiRoute } from '../api.ts'
import { oneAliasRoutes } from './aliases.ts'
import { maxUpload, readUpload, type UploadFormat } from './alias-upload.ts'
import { certBean } from './certificate-bean.ts'
import { reading } from './crud.ts'
import { environmentPath } from './entity-scope.ts'
import { aliasOfCertificate, createAlias, keystoreOf } from './keystore-store.ts'
import { checkName } from './scope.ts'

const keystore = `${environmentPath}/keystores/:keystore`
const item = `${keystore}/certs/:cert`

/** The older half of the API, which the playbook uses: certificates by their own names. */
export const certRoutes: readonly ApiRoute[] = [
  reading(`${keystore}/certs`, async (view, call) => {
    const aliases = await view.list('alias', (await keystoreOf(view, call)).aliases)
    return aliases.map(({ body }) => body.certName)
  }),
  {
    method: 'POST',
    path: `${keystore}/certs`,
    role: 'operator',
    maxBody: maxUpload,
    success: 204,
    // The certificate is called as the alias is: that is the name it was given.
    handle: (call) => upload(call, 'keycertfile', (alias) => alias),
  },
  ...oneAliasRoutes(item, 'export', {
    find: (view, place, call) => aliasOfCertificate(view, place, call.params['cert'] ?? ''),
    bean: ({ body }, chain, now) => certBean(body.certName, chain, now),
  }),
  {
    method: 'POST',
    path: `${keystore}/keys`,
    role: 'operator',
    maxBody: maxUpload,
    success: 204,
    handle: (call) => upload(call, 'keycertjar', (alias) => `${alias}-cert`),
  },
]

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
