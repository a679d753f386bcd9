import { domainToASCII } from 'node:url'

import type { Certificate } from './certificate.ts'
import { ipBytes } from './ip-address.ts'

type Named = Pick<Certificate, 'subjectAltNames'>

export type IdentityResult =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly reason: 'name-mismatch' | 'no-subject-alternative-name'
      readonly expected: readonly string[]
      readonly presented: readonly string[]
    }

/** Host names and addresses that the certificate claims, as presented. */
export const presentedNames = (certificate: Named): readonly string[] =>
  certificate.subjectAltNames.filter(({ kind }) => kind === 'dns' || kind === 'ip').map(({ value }) => value)

/** Whether the certificate covers at least one of the names that are expected. */
export function checkIdentity(certificate: Named, names: readonly string[]): IdentityResult {
  if (names.some((name) => covers(certificate, name))) return { ok: true }
  const presented = presentedNames(certificate)
  const reason = presented.length === 0 ? 'no-subject-alternative-name' : 'name-mismatch'
  return { ok: false, reason, expected: names, presented }
}

/**
 * RFC 9525 section 6: a DNS name against dNSName entries, an IP literal against iPAddress entries, and never the common
 * name, which RFC 9525 section 2 rules out because its text has no defined meaning.
 */
export function covers(certificate: Named, name: string): boolean {
  const address = ipBytes(name)
  if (address !== null) {
    return certificate.subjectAltNames.some(
      ({ kind, value }) => kind === 'ip' && ipBytes(value)?.equals(address) === true,
    )
  }
  const host = hostName(name)
  if (host === null) return false
  return certificate.subjectAltNames.some(
    ({ kind, value }) => kind === 'dns' && dnsNameMatches(value.toLowerCase(), host),
  )
}

/** Lower-case A-labels without the root's dot; null where the text cannot be a host name. */
function hostName(name: string): string | null {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name
  const ascii = nonAscii.test(bare) ? domainToASCII(bare) : bare.toLowerCase()
  return ascii.length <= 253 && hostPattern.test(ascii) && ipBytes(ascii) === null ? ascii : null
}

const nonAscii = /[\u0080-\u{10ffff}]/u
// The underscore is no host name character but lives in private zones; it can only match itself.
const hostPattern = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/

function dnsNameMatches(presented: string, host: string): boolean {
  if (!presented.startsWith('*.')) return presented === host
  // RFC 9525 section 6.3: the complete left-most label, and exactly one label of the host. `*.com` would cover everybody.
  const suffix = presented.slice(1)
  if (!suffix.includes('.', 1)) return false
  const dot = host.indexOf('.')
  return dot > 0 && host.slice(dot) === suffix
}
