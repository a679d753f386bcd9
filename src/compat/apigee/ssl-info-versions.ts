import { enforcedCiphers, judgeCiphers } from '../../config/cipher-string.ts'
import { TargetTls } from '../../config/schema-tls.ts'
import type { TargetTlsPlan, TlsVersion } from '../../proxy/plan.ts'
import type { SslInfo } from '../../state/kinds.ts'
import { find, type Notes, refuse } from './compile-notes.ts'

/** What `Protocols` and `Ciphers` of an SSLInfo come to. */
export type TlsVersions = Pick<TargetTlsPlan, 'minVersion' | 'maxVersion' | 'ciphers'>

const defaults = TargetTls.parse({})

/** @returns null where it was refused */
export function planVersions(sslInfo: SslInfo | null, object: string, notes: Notes): TlsVersions | null {
  const range = planRange(sslInfo?.protocols ?? [], object, notes)
  const ciphers = planCiphers(sslInfo?.ciphers ?? [], object, notes)
  if (range === null || ciphers === undefined) return null
  // OpenSSL offers nothing below TLS 1.2 at its default security level, and says so only at the handshake.
  if (ciphers?.includes('@SECLEVEL=0') !== true) {
    if (range.maxVersion < 'TLSv1.2') {
      const message = `Protocols allows nothing above ${range.maxVersion}, which OpenSSL does not speak at its default security level; add TLSv1.2, or the Cipher DEFAULT:@SECLEVEL=0`
      return refuse(notes, 'protocol-unusable', object, message)
    }
    if (range.minVersion < 'TLSv1.2') {
      const message = `${range.minVersion} has no effect at OpenSSL's default security level; TLSv1.2 and above are offered`
      find(notes, 'legacy-protocol', 'warning', object, message)
    }
  }
  return { ...range, ciphers }
}

const versions: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']
/** What a JVM calls them. SSLv2Hello is a form of the ClientHello and no version. */
const legacy: ReadonlySet<string> = new Set(['sslv2hello', 'sslv2', 'sslv3'])

function planRange(
  protocols: readonly string[],
  object: string,
  notes: Notes,
): { readonly minVersion: TlsVersion; readonly maxVersion: TlsVersion } | null {
  const { minVersion, maxVersion } = defaults
  if (protocols.length === 0) return { minVersion, maxVersion }
  const listed = new Set<TlsVersion>()
  for (const name of protocols) {
    const word = name.toLowerCase()
    const version = versions.find((each) => each.toLowerCase() === (word === 'tlsv1.0' ? 'tlsv1' : word))
    if (version !== undefined) listed.add(version)
    else if (legacy.has(word)) {
      find(notes, 'legacy-protocol', 'warning', object, `the protocol ${name} is never spoken and is left out`)
    } else {
      return refuse(notes, 'protocol-unknown', object, `"${name}" is no protocol; known are ${versions.join(', ')}`)
    }
  }
  const used = versions.filter((version) => listed.has(version))
  const [first] = used
  const last = used.at(-1)
  if (first === undefined || last === undefined) {
    return refuse(notes, 'protocol-unusable', object, `none of its protocols can be spoken: ${protocols.join(', ')}`)
  }
  const gaps = versions.slice(versions.indexOf(first), versions.indexOf(last)).filter((version) => !listed.has(version))
  if (gaps.length > 0) {
    const message = `${gaps.join(', ')} lies between the protocols listed and is offered as well: OpenSSL takes a range`
    find(notes, 'protocol-gap', 'warning', object, message)
  }
  return { minVersion: first, maxVersion: last }
}

/** @returns null: the runtime's own list; undefined: refused */
function planCiphers(names: readonly string[], object: string, notes: Notes): string | null | undefined {
  if (names.length === 0) return null
  const text = names.map(opensslName).join(':')
  const { faults, warnings } = judgeCiphers(text)
  for (const { message } of faults) {
    refuse(notes, 'cipher-unknown', object, `Ciphers, ${names.join(', ')}: ${message}`)
  }
  if (faults.length > 0) return undefined
  for (const warning of warnings) find(notes, 'cipher-list', 'warning', object, `Ciphers: ${warning}`)
  return enforcedCiphers(text)
}

/**
 * A suite's name in OpenSSL: `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` (IANA, and the JVM's; older ones begin with `SSL_`) is
 * `ECDHE-RSA-AES128-GCM-SHA256`. TLS 1.3 suites and OpenSSL's own names stay as they are; whether there is such a suite is
 * for OpenSSL to say.
 */
export function opensslName(name: string): string {
  const match = /^(?:TLS|SSL)_([A-Z0-9_]+?)_WITH_([A-Z0-9_]+)$/.exec(name)
  if (match === null) return name
  const [, exchange = '', cipher = ''] = match
  const parts = cipher
    .replace(/^3DES_EDE_CBC_/, 'DES-CBC3_')
    .replace(/^(AES|CAMELLIA|ARIA)_(\d+)_(?:CBC_)?/, '$1$2_')
    .replace(/^(CAMELLIA\d+|ARIA\d+)_GCM/, '$1_GCM')
    // CHACHA20-POLY1305 has one hash, and its name leaves it out
    .replace(/^(CHACHA20_POLY1305)_SHA256$/, '$1')
    .replace(/CCM_8$/, 'CCM8')
  return [...(exchange === 'RSA' ? [] : [exchange]), parts].join('_').replaceAll('_', '-')
}
