import type { SslInfo } from '../../state/kinds.ts'
import { badValue, flagOf, objectOf, optionalText, textOf, textsOf, type Bean } from './bean.ts'

/** Whose SSLInfo it is: `ClientAuthEnabled` asks for a client key on a target and for a trust store on a virtual host. */
export type SslInfoOf = 'target' | 'virtual host'

/** `sSLInfo` of a bean (apigee-edge.md 1.3 rule 2, 2.1). null where there is none. @throws ApiError 400 */
export function sslInfoOf(value: unknown, of: SslInfoOf): SslInfo | null {
  if (value === undefined || value === null) return null
  const bean = objectOf(value, 'sSLInfo')
  const info: SslInfo = {
    enabled: flagOf(bean['enabled'], 'sSLInfo.enabled', false),
    clientAuthEnabled: flagOf(bean['clientAuthEnabled'], 'sSLInfo.clientAuthEnabled', false),
    enforce: bean['enforce'] === undefined ? null : flagOf(bean['enforce'], 'sSLInfo.enforce', false),
    keyStore: optionalText(bean['keyStore'], 'sSLInfo.keyStore'),
    keyAlias: optionalText(bean['keyAlias'], 'sSLInfo.keyAlias'),
    trustStore: optionalText(bean['trustStore'], 'sSLInfo.trustStore'),
    ignoreValidationErrors: flagOf(bean['ignoreValidationErrors'], 'sSLInfo.ignoreValidationErrors', false),
    ciphers: textsOf(bean['ciphers'], 'sSLInfo.ciphers'),
    protocols: textsOf(bean['protocols'], 'sSLInfo.protocols'),
    commonName: commonNameOf(bean['commonName']),
    ignored: meaningless
      .filter(([name]) => optionalText(bean[name], `sSLInfo.${name}`) !== null)
      .map(([, element]) => element),
  }
  check(info, of)
  return info
}

/** As Edge answers: two of the flags are text, the third is not (apigee-edge.md 1.6). */
export function sslInfoBean(info: SslInfo): Bean {
  return {
    ciphers: info.ciphers,
    clientAuthEnabled: String(info.clientAuthEnabled),
    ...(info.commonName === null
      ? {}
      : { commonName: { value: info.commonName.name, wildcardMatch: info.commonName.wildcardMatch } }),
    enabled: String(info.enabled),
    ...(info.enforce === null ? {} : { enforce: info.enforce }),
    ignoreValidationErrors: info.ignoreValidationErrors,
    ...(info.keyAlias === null ? {} : { keyAlias: info.keyAlias }),
    ...(info.keyStore === null ? {} : { keyStore: info.keyStore }),
    protocols: info.protocols,
    ...(info.trustStore === null ? {} : { trustStore: info.trustStore }),
  }
}

/** `ref://name` -> `name`; null for a literal or a flow variable. */
export function referenceName(store: string): string | null {
  return store.startsWith('ref://') ? store.slice('ref://'.length) : null
}

/** Property of the bean -> element that is accepted and means nothing here. */
const meaningless = [
  ['crlStore', 'CRLStore'],
  ['certAlias', 'CertAlias'],
  ['keyHsm', 'KeyHsm'],
] as const

function commonNameOf(value: unknown): SslInfo['commonName'] {
  if (typeof value === 'string') return value.trim() === '' ? null : { name: value.trim(), wildcardMatch: false }
  if (value === undefined || value === null) return null
  const bean = objectOf(value, 'sSLInfo.commonName')
  const name = textOf(bean['value'] ?? bean['name'], 'sSLInfo.commonName.value').trim()
  if (name === '') return null
  return { name, wildcardMatch: flagOf(bean['wildcardMatch'], 'sSLInfo.commonName.wildcardMatch', false) }
}

function check(info: SslInfo, of: SslInfoOf): void {
  if (info.keyAlias?.startsWith('ref://') === true) {
    throw badValue('sSLInfo.keyAlias', 'must be the name of an alias; only stores can be named by a reference')
  }
  for (const [what, store] of [
    ['sSLInfo.keyStore', info.keyStore],
    ['sSLInfo.trustStore', info.trustStore],
  ] as const) {
    if (store !== null && referenceName(store) === '') throw badValue(what, 'is ref:// without a name')
  }
  if (!info.enabled || !info.clientAuthEnabled) return
  if (of === 'target' && (info.keyStore === null || info.keyAlias === null)) {
    throw badValue('sSLInfo.clientAuthEnabled', 'is true, so keyStore and keyAlias are needed')
  }
  if (of === 'virtual host' && info.trustStore === null) {
    throw badValue('sSLInfo.clientAuthEnabled', 'is true, so trustStore is needed: it says which clients are trusted')
  }
}
