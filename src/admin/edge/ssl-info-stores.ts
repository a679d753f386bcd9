import type { SslInfo } from '../../state/kinds.ts'
import type { StateView } from '../../state/types.ts'
import { readBundle } from '../../x509/pem.ts'
import { ApiError } from '../api.ts'
import { badValue } from './bean.ts'
import { referenceName } from './ssl-info-bean.ts'

/** Throws where a virtual host names a store or an alias that is not there, or a certificate that has expired. */
export async function checkStores(view: StateView, scope: string, info: SslInfo, now: number): Promise<void> {
  if (!info.enabled) return
  if (info.trustStore !== null) await storeOf(view, scope, info.trustStore, 'sSLInfo.trustStore')
  if (info.keyStore === null) {
    if (info.keyAlias !== null) throw badValue('sSLInfo.keyAlias', 'is there, so keyStore is needed')
    return
  }
  const store = await storeOf(view, scope, info.keyStore, 'sSLInfo.keyStore')
  if (info.keyAlias === null) throw badValue('sSLInfo.keyStore', 'is there, so keyAlias is needed')
  await checkAlias(view, `${scope}/${store}`, info.keyAlias, now)
}

/** Name of the store that a literal or a reference leads to. */
async function storeOf(view: StateView, scope: string, named: string, what: string): Promise<string> {
  if (named.includes('{')) throw badValue(what, 'has a flow variable; a virtual host takes a name or ref://name')
  const reference = referenceName(named)
  let store = named
  if (reference !== null) {
    const found = await view.get('reference', scope, reference)
    if (found === null) {
      throw new ApiError(
        400,
        'messaging.config.beans.ResourceReferenceDoesNotExist',
        `${what}: reference ${reference} does not exist`,
      )
    }
    store = found.body.refers
  }
  if ((await view.get('keystore', scope, store)) !== null) return store
  throw new ApiError(400, 'messaging.config.beans.KeyStoreNotFound', `${what}: keystore ${store} does not exist`)
}

async function checkAlias(view: StateView, scope: string, alias: string, now: number): Promise<void> {
  const store = scope.slice(scope.lastIndexOf('/') + 1)
  const found = await view.get('alias', scope, alias)
  if (found === null) {
    throw new ApiError(
      400,
      'messaging.config.beans.AliasNotFound',
      `sSLInfo.keyAlias: keystore ${store} has no alias ${alias}`,
    )
  }
  if (found.body.keyName === null) {
    throw badValue('sSLInfo.keyAlias', `is ${alias}, which is a certificate without a private key`)
  }
  const chain = await view.blob('alias', scope, alias)
  const leaf = chain === null ? undefined : readBundle(chain, `alias ${alias}`).certificates[0]
  if (leaf !== undefined && leaf.notAfter < now) {
    throw new ApiError(
      400,
      'messaging.config.beans.CertificateExpired',
      `sSLInfo.keyAlias: the certificate of ${alias} in keystore ${store} expired ${new Date(leaf.notAfter).toISOString()}`,
    )
  }
}
