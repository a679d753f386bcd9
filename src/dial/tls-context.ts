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
  }
  if (tls.ciphers !== null) options.ciphers = tls.ciphers
  if (tls.clientCertificate !== null) {
    options.cert = tls.clientCertificate.chain
    options.key = tls.clientCertificate.key
  }
  return createSecureContext(options)
}
