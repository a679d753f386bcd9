import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { TargetTlsPlan } from '../proxy/plan.ts'

/**
 * The OpenSSL context of one snapshot: built once, used for every connection of its pool and for nothing else (I2).
 * `ca` is always a list that the trust module made: never a string, never empty by accident (`ca: ''` would mean every
 * public root). A client identity is given as key and chain, never as `pfx`, whose CA certificates would become anchors.
 */
export function createTargetContext(tls: TargetTlsPlan): SecureContext {
  const options: SecureContextOptions & { allowPartialTrustChain?: boolean } = {
    ca: [...tls.anchors, ...tls.intermediates],
    allowPartialTrustChain: tls.partialChain,
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    ecdhCurve: keyExchangeGroups,
  }
  if (tls.ciphers !== null) options.ciphers = tls.ciphers
  if (tls.clientCertificate !== null) {
    options.cert = tls.clientCertificate.chain
    options.key = tls.clientCertificate.key
  }
  // The runtime then asks OpenSSL for a list for every certificate of a path, its root included.
  if (tls.revocation.mode === 'crl') options.crl = [...tls.revocation.crls]
  return createSecureContext(options)
}

/** Whether one context does for both: every field that `createTargetContext` reads is the same, lists as the same object. */
export function sameContext(one: TargetTlsPlan, other: TargetTlsPlan): boolean {
  return (
    one.anchors === other.anchors &&
    one.intermediates === other.intermediates &&
    one.partialChain === other.partialChain &&
    one.minVersion === other.minVersion &&
    one.maxVersion === other.maxVersion &&
    one.ciphers === other.ciphers &&
    one.clientCertificate === other.clientCertificate &&
    listsOf(one) === listsOf(other)
  )
}

/** A staple is asked for and checked by each connection. */
const listsOf = ({ revocation }: TargetTlsPlan): readonly string[] | null =>
  revocation.mode === 'crl' ? revocation.crls : null

/**
 * What the runtime offers by default, with another one first: the first group is the one whose key share is sent along.
 * ML-KEM's is dear to make, and most backends do not know it; those that prefer it ask for it with a HelloRetryRequest
 * (RFC 8446 section 4.1.4), so nothing is given up for one round trip more.
 */
export const keyExchangeGroups = 'X25519:X25519MLKEM768:P-256:X448:P-384:P-521'
