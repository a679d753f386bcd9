import { DerError, readWhole } from '../x509/der.ts'
import { readName, renderName } from '../x509/name.ts'

/** A DER name as people read it; its first bytes in hexadecimal where it is malformed. */
export function issuerText(der: Buffer): string {
  try {
    return renderName(readName(readWhole(der), 'issuer'), 'edge').slice(0, 1024)
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    return `unreadable (#${der.toString('hex').slice(0, 64).toUpperCase()})`
  }
}
