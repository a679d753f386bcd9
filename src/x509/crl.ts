import { type Crl, parseCrl } from './crl-list.ts'
import { asBuffer, DerError } from './der.ts'
import { decodeBody, pemPieces } from './pem-blocks.ts'

export type { CrlEntry } from './crl-entries.ts'
export { type Crl, parseCrl } from './crl-list.ts'

// I10. As many as a store may hold certificates of issuers.
const maxLists = 4096

/**
 * Every revocation list of a file: one in DER, or `X509 CRL` blocks of a PEM text, between which other blocks and text may
 * stand. Refuses the whole file on the first fault, and one without any list (I3): the error says which block.
 */
export function readCrls(input: Uint8Array | string): Crl[] {
  if (typeof input !== 'string' && input[0] === 0x30) return [parseCrl(input)]
  const text = typeof input === 'string' ? input : asBuffer(input).toString('latin1')
  const crls: Crl[] = []
  for (const piece of pemPieces(text)) {
    if (piece.kind === 'text') continue
    if (piece.kind === 'fault') throw new DerError(0, `line ${piece.line}: ${piece.reason}`)
    if (piece.label !== 'X509 CRL') continue
    const der = decodeBody(piece.body)
    if (typeof der === 'string') throw new DerError(0, `line ${piece.line}: ${der}`)
    if (crls.length === maxLists) throw new DerError(0, `more than ${maxLists} revocation lists`)
    crls.push(parseAt(der, piece.line))
  }
  if (crls.length === 0) throw new DerError(0, 'holds no revocation list: neither DER nor an X509 CRL block')
  return crls
}

function parseAt(der: Buffer, line: number): Crl {
  try {
    return parseCrl(der)
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    throw new DerError(error.offset, `block of line ${line}: ${error.reason}`)
  }
}
