import type { SslInfo } from '../../state/kinds.ts'
import type { StateView } from '../../state/types.ts'
import { ApiError } from '../api.ts'

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
 * Who in the environment `scope` (`ORG/ENV`) names the store or reference. References to a store are users of it, and what
 * names them is theirs; of an alias, everything that leads to it counts.
 */
export async function usersOf(view: StateView, scope: string, used: Used): Promise<readonly User[]> {
  const references = used.kind === 'keystore' ? await referencesTo(view, scope, used.name) : []
  const users: User[] = used.alias === undefined ? references.map((name) => ({ kind: 'reference', name })) : []
  const spellings = new Set(used.kind === 'keystore' ? [used.name] : [`ref://${used.name}`])
  if (used.alias !== undefined) for (const name of references) spellings.add(`ref://${name}`)
  const { alias } = used
  for (const kind of ['target-server', 'virtual-host'] as const) {
    for (const { name, body } of await view.list(kind, scope)) {
      if (body.sslInfo !== null && names(body.sslInfo, spellings, alias)) users.push({ kind, name })
    }
  }
  for (const { scope: api, name: revision } of await view.below('api-deployment', `${scope}/apis`)) {
    const name = api.slice(`${scope}/apis/`.length)
    if (await bundleNames(view, `${scope.split('/')[0]}/apis/${name}/${revision}`, spellings, alias)) {
      users.push({ kind: 'api-deployment', name: `${name}/${revision}` })
    }
  }
  return users
}

async function referencesTo(view: StateView, scope: string, store: string): Promise<readonly string[]> {
  const references = await view.list('reference', scope)
  return references.filter(({ body }) => body.refers === store).map(({ name }) => name)
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

/** @param spellings `name` and `ref://name` */
function names(info: SslInfo, spellings: ReadonlySet<string>, alias: string | undefined): boolean {
  const hasKey = info.keyStore !== null && spellings.has(info.keyStore)
  if (alias !== undefined) return hasKey && info.keyAlias === alias
  return hasKey || (info.trustStore !== null && spellings.has(info.trustStore))
}

/** By the text of a deployed bundle's target endpoints and policies: a flow variable that leads here is not seen. */
async function bundleNames(
  view: StateView,
  scope: string,
  spellings: ReadonlySet<string>,
  alias: string | undefined,
): Promise<boolean> {
  for (const path of await view.names('api-file', scope)) {
    if (!/^apiproxy\/(?:targets|policies)\/.+\.xml$/.test(path)) continue
    const text = ((await view.blob('api-file', scope, path)) ?? Buffer.alloc(0)).toString('utf8')
    const stores = [...textsIn(text, 'KeyStore'), ...(alias === undefined ? textsIn(text, 'TrustStore') : [])]
    if (!stores.some((store) => spellings.has(store))) continue
    if (alias === undefined || textsIn(text, 'KeyAlias').includes(alias)) return true
  }
  return false
}

/** What stands in elements of the name. Names of stores have no characters that XML would write otherwise. */
function textsIn(xml: string, element: string): string[] {
  const found = xml.replace(/<!--[\s\S]*?-->/g, '').matchAll(new RegExp(`<${element}>([^<]*)</${element}\\s*>`, 'g'))
  return [...found].map((match) => (match[1] as string).trim())
}
