import { PosternError } from '../core/errors.ts'

/** One certificate revocation list (RFC 5280 section 5). */
export interface Crl {
  readonly der: Buffer
}

export function parseCrl(_bytes: Uint8Array): Crl {
  throw new PosternError('not-there-yet', 'CRLs cannot be read yet')
}
