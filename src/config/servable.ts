import { createSecureContext, type SecureContextOptions } from 'node:tls'

/** Throws what the runtime has against serving with this certificate and key. */
export function expectServable(tls: Pick<SecureContextOptions, 'cert' | 'key' | 'minVersion'>): void {
  createSecureContext(tls)
}
