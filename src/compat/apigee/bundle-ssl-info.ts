import type { SslInfo } from '../../state/kinds.ts'
import { type Children, children, flagOf, problem, type Reading, report, placeOf, textOf } from './bundle-notes.ts'
import type { XmlElement } from './xml.ts'

const known = [
  'Enabled',
  'Enforce',
  'ClientAuthEnabled',
  'KeyStore',
  'KeyAlias',
  'TrustStore',
  'IgnoreValidationErrors',
  'CommonName',
]
/** Taken and of no effect (apigee-edge.md 2.1). */
const withoutEffect = ['CRLStore', 'CertAlias', 'KeyHsm']

/**
 * `SSLInfo` (apigee-edge.md 2.1), its elements in any order, its values trimmed: samples wrap them in line ends.
 * @param enabled what holds where it does not say so itself: whether the URL is https
 */
export function sslInfoFromXml(reading: Reading, element: XmlElement, enabled: boolean): SslInfo {
  for (const child of element.elements) {
    reportMisspelt(reading, child)
    reportEmptyStore(reading, child)
  }
  const inner = children(reading, element, {
    only: known,
    last: ['Ciphers', 'Protocols'],
    ignored: withoutEffect,
  })
  const sslInfo: SslInfo = {
    enabled: flagOf(reading, inner.one('Enabled'), enabled),
    clientAuthEnabled: flagOf(reading, inner.one('ClientAuthEnabled'), false),
    enforce: flagOf(reading, inner.one('Enforce'), null),
    keyStore: named(inner, 'KeyStore'),
    keyAlias: named(inner, 'KeyAlias'),
    trustStore: named(inner, 'TrustStore'),
    ignoreValidationErrors: flagOf(reading, inner.one('IgnoreValidationErrors'), false),
    ciphers: listOf(reading, inner, 'Ciphers', 'Cipher'),
    protocols: listOf(reading, inner, 'Protocols', 'Protocol'),
    commonName: commonNameOf(reading, inner.one('CommonName')),
    ignored: [...new Set(element.elements.map(({ name }) => name).filter((name) => withoutEffect.includes(name)))],
  }
  checkIdentity(reading, element, sslInfo)
  return sslInfo
}

/** An unknown element is of no effect; that of a `Truststore` would be that another store than the one meant is used. */
function reportMisspelt(reading: Reading, { name, ...rest }: XmlElement): void {
  const meant = [...known, 'Ciphers', 'Protocols'].find((right) => right.toLowerCase() === name.toLowerCase())
  if (meant === undefined || meant === name) return
  problem(reading, 'error', 'element-misspelt', { name, ...rest }, `${name} in SSLInfo is not known; write ${meant}`)
}

/** `<TrustStore ref="x"/>`: somebody means a store, and without a word there would be none. */
function reportEmptyStore(reading: Reading, element: XmlElement): void {
  const { name, attributes } = element
  if (!['KeyStore', 'KeyAlias', 'TrustStore'].includes(name) || textOf(element) !== '') return
  if (attributes.has('ref')) {
    const message = `${name} says what it is with the attribute ref, which is not known; write it into the element, with ref:// for a reference and in { } for a flow variable`
    report(reading.unsupported, 'error', 'attribute-not-supported', placeOf(reading, element), message)
  } else problem(reading, 'info', 'element-empty', element, `${name} is empty, as if it were not there`)
}

function named(inner: Children, name: string): string | null {
  const text = textOf(inner.one(name))
  return text === '' ? null : text
}

function listOf(reading: Reading, inner: Children, list: string, item: string): readonly string[] {
  const element = inner.one(list)
  if (element === null) return []
  return children(reading, element, { many: [item] })
    .all(item)
    .map(textOf)
    .filter((text) => text !== '')
}

function commonNameOf(reading: Reading, element: XmlElement | null): SslInfo['commonName'] {
  const name = textOf(element)
  if (element === null || name === '') return null
  const wildcard = element.attributes.get('wildcardMatch')?.trim().toLowerCase()
  if (wildcard !== 'true' && wildcard !== 'false') {
    const message = 'CommonName needs the attribute wildcardMatch, true or false; false is taken'
    problem(reading, 'warning', 'attribute-missing', element, message)
  }
  return { name, wildcardMatch: wildcard === 'true' }
}

function checkIdentity(reading: Reading, element: XmlElement, sslInfo: SslInfo): void {
  const { enabled, clientAuthEnabled, keyStore, keyAlias } = sslInfo
  if (keyAlias?.startsWith('ref://') === true) {
    const message = 'KeyAlias names an alias itself; only KeyStore and TrustStore may be a reference (ref://)'
    problem(reading, 'error', 'key-alias-reference', element, message)
  }
  if (enabled && clientAuthEnabled && (keyStore === null || keyAlias === null)) {
    const message = 'ClientAuthEnabled is true without a KeyStore and a KeyAlias: there is no certificate to show'
    report(reading.unsupported, 'error', 'client-identity-missing', placeOf(reading, element), message)
  }
}
