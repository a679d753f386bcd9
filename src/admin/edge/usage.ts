import type { SslInfo } from '../../state/kinds.ts'
import type { StateView } from '../../state/types.ts'
import { ApiError } from '../api.ts'
import { referenceName } from './ssl-info-bean.ts'

export interface Used {
  readonly kind: 'keystore' | 'reference'
  readonly name: string
  /** Only uses of this alias of the keystore. */
  readonly alias?: string
}

export interface User {
  readonly kind: 'reference' | 'target-server' | 'virtual-host' | 'api-deployment'
  /** Of a deployment: `orders/1`. */
  readonly name: string
}

/**
 * Who in the environment `scope` (`ORG/ENV`) names the store or reference. Uses by way of a reference are the
 * reference's; a store's users are then `{kind: 'reference'}`.
 */
export async function usersOf(view: StateView, scope: string, used: Used): Promise<readonly User[]> {
  const users: User[] = []
  if (used.kind === 'keystore' && used.alias === undefined) {
    for (const reference of await view.list('reference', scope)) {
      if (reference.body.refers === used.name) users.push({ kind: 'reference', name: reference.name })
    }
  }
  for (const kind of ['target-server', 'virtual-host'] as const) {
    for (const { name, body } of await view.list(kind, scope)) {
      if (body.sslInfo !== null && names(body.sslInfo, used)) users.push({ kind, name })
    }
  }
  for (const { scope: api, name: revision } of await view.below('api-deployment', `${scope}/apis`)) {
    const name = api.slice(`${scope}/apis/`.length)
    if (await bundleNames(view, `${scope.split('/')[0]}/apis/${name}/${revision}`, used)) {
      users.push({ kind: 'api-deployment', name: `${name}/${revision}` })
    }
  }
  return users
}

/** Throws 409 where there are users; the message names them. */
export async function refuseIfUsed(view: StateView, scope: string, used: Used, code: string): Promise<void> {
  const users = await usersOf(view, scope, used)
  if (users.length === 0) return
  const shown = users.slice(0, 10).map((user) => `${words[user.kind]} ${user.name}`)
  const more = users.length > shown.length ? `, and ${users.length - shown.length} more` : ''
  throw new ApiError(409, code, `${used.name} is used by ${shown.join(', ')}${more}`, { users })
}

const words: Readonly<Record<User['kind'], string>> = {
  reference: 'reference',
  'target-server': 'target server',
  'virtual-host': 'virtual host',
  'api-deployment': 'the deployed revision',
}

function names(info: SslInfo, used: Used): boolean {
  const namesIt = (store: string | null): boolean =>
    store !== null && (used.kind === 'reference' ? referenceName(store) === used.name : store === used.name)
  if (used.alias !== undefined) return namesIt(info.keyStore) && info.keyAlias === used.alias
  return namesIt(info.keyStore) || namesIt(info.trustStore)
}

/** By the text of a deployed bundle's target endpoints and policies: a flow variable that leads here is not seen. */
async function bundleNames(view: StateView, scope: string, used: Used): Promise<boolean> {
  const wanted = used.kind === 'reference' ? `ref://${used.name}` : used.name
  for (const path of await view.names('api-file', scope)) {
    if (!/^apiproxy\/(?:targets|policies)\/.+\.xml$/.test(path)) continue
    const text = ((await view.blob('api-file', scope, path)) ?? Buffer.alloc(0)).toString('utf8')
    const stores = textsIn(text, 'KeyStore').concat(used.alias === undefined ? textsIn(text, 'TrustStore') : [])
    if (!stores.includes(wanted)) continue
    if (used.alias === undefined || textsIn(text, 'KeyAlias').includes(used.alias)) return true
  }
  return false
}

/** What stands in elements of the name. Names of stores have no characters that XML would write otherwise. */
function textsIn(xml: string, element: string): string[] {
  const found = xml.replace(/<!--[\s\S]*?-->/g, '').matchAll(new RegExp(`<${element}>([^<]*)</${element}\\s*>`, 'g'))
  return [...found].map((match) => (match[1] as string).trim())
}
