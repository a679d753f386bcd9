import { judgeCiphers } from './cipher-string.ts'
import type { Path } from './document.ts'
import { asList, asText, type RawRecord } from './raw.ts'

/** Where the checks put what they find. */
export interface Sink {
  suggest(name: string, names: readonly string[]): string | null
  problem(path: Path, message: string, instead: string, of?: 'key' | 'value'): void
  warning(path: Path, message: string, instead: string, of?: 'key' | 'value'): void
}

const versions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

/** Versions and cipher lists that contradict each other: OpenSSL would say so at the first handshake, or never. */
export function checkTlsVersions(path: Path, tls: RawRecord, sink: Sink): void {
  const min = versionOf(tls, 'minVersion', 'TLSv1.2')
  const max = versionOf(tls, 'maxVersion', 'TLSv1.3')
  const ciphers = asText(tls['ciphers'])
  const stated = Object.hasOwn(tls, 'minVersion') ? 'minVersion' : 'maxVersion'
  if (min >= 0 && max >= 0 && min > max) {
    const instead = stated === 'minVersion' ? `minVersion: ${versions[max]} or lower` : `minVersion: ${versions[max]}`
    sink.problem(
      [...path, stated],
      `the lowest version ${versions[min]} is above the highest, ${versions[max]}`,
      instead,
    )
    return
  }
  const levelZero = ciphers !== null && ciphers.includes('@SECLEVEL=0')
  // OpenSSL offers nothing below TLS 1.2 at its default security level, and says so only at the handshake
  if (max >= 0 && max < 2 && !levelZero) {
    sink.problem(
      [...path, 'maxVersion'],
      `${versions[max]} cannot be reached at OpenSSL's default security level`,
      'ciphers: "DEFAULT:@SECLEVEL=0" beside it, or TLSv1.2',
    )
  } else if (min >= 0 && min < 2 && max >= 2 && !levelZero) {
    sink.warning(
      [...path, 'minVersion'],
      `${versions[min]} has no effect at OpenSSL's default security level`,
      'TLSv1.2, or ciphers: "DEFAULT:@SECLEVEL=0" beside it',
    )
  }
  if (max >= 0 && max < 2 && asList(tls['alpn']).includes('h2')) {
    const message = `h2 needs TLS 1.2 (RFC 9113 section 9.2), and maxVersion is ${versions[max]}`
    sink.problem([...path, 'alpn'], message, '[http/1.1]')
  }
  if (ciphers === null) return
  const judgement = judgeCiphers(ciphers)
  if (judgement.faults.length > 0) return
  const names = ciphers.split(/[:,; ]+/).filter((name) => name !== '')
  const modern = names.filter((name) => name.startsWith('TLS_')).length
  if (modern === names.length && max >= 0 && max < 3) {
    sink.problem(
      [...path, 'ciphers'],
      `only TLS 1.3 suites, and maxVersion is ${versions[max]}`,
      'suites of TLS 1.2, such as ECDHE+AESGCM',
    )
  } else if (modern === 0 && min === 3) {
    sink.problem([...path, 'ciphers'], 'no TLS 1.3 suite, and minVersion is TLSv1.3', 'TLS_AES_256_GCM_SHA384')
  }
  for (const warning of judgement.warnings) {
    if ((max < 3 || min === 3) && warning.includes('switches TLS 1.3 off')) continue
    sink.warning([...path, 'ciphers'], warning, 'the default, by leaving ciphers out, unless this is meant')
  }
}

/** Place in `versions`; -1 for a value that the schema refuses. */
function versionOf(tls: RawRecord, key: string, fallback: string): number {
  return Object.hasOwn(tls, key) ? versions.indexOf(asText(tls[key]) ?? '') : versions.indexOf(fallback)
}
