/**
 * Why it is not known of a certificate that it is unrevoked, or that it is revoked, as plain data: found by `x509`, told by
 * `verdict`. `crl`: the lists that this gateway holds. `stale`: it has ended. `unusable`: it does not count for another reason.
 */
export interface RevocationFacts {
  readonly source: 'crl' | 'staple'
  readonly state: 'revoked' | 'missing' | 'stale' | 'not-yet-valid' | 'unusable'
  /** Names as people call them. */
  readonly subject: string
  readonly issuer: string
  readonly serial: string
  /** ISO 8601; of the list or of the response, null where it does not say. */
  readonly thisUpdate: string | null
  readonly nextUpdate: string | null
  readonly revokedAt: string | null
  /** As the issuer gives it (RFC 5280 section 5.3.1). */
  readonly reason: string | null
  /** What makes it unusable, as the end of a sentence. */
  readonly why: string
  /** Where the issuer publishes its lists, as the certificate says. */
  readonly crlUrls: readonly string[]
}
