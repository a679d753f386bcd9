import type { Crl } from '../x509/crl.ts'
import { walkEntries } from '../x509/crl-entries.ts'
import { DerReader, readWhole, tags } from '../x509/der.ts'

/** What an issuer of lists owes beyond what validation needs, as the end of a sentence; null where the list keeps it all. */
export function crlDuty(crl: Crl, web: boolean): string | null {
  const number = crl.extensions.find(({ oid }) => oid === '2.5.29.20')
  if (number === undefined) return 'has no number (RFC 5280 section 5.2.3)'
  if (number.critical) return 'has a critical number (RFC 5280 section 5.2.3)'
  if (crl.nextUpdate === null) return 'does not say when it will be replaced (RFC 5280 section 5.1.2.5)'
  if (crl.extensions.some(({ oid, critical }) => oid === '2.5.29.28' && !critical)) {
    return 'has an issuing distribution point that is not critical (RFC 5280 section 5.2.5)'
  }
  return web ? webDuty(crl) : null
}

/** BR section 7.2. */
function webDuty(crl: Crl): string | null {
  const point = crl.issuingDistributionPoint
  if (point?.indirect) return 'is for the certificates of others (BR section 7.2.2.1)'
  if (point?.onlyAttributeCertificates) return 'is for attribute certificates only (BR section 7.2.2.1)'
  if (point?.relativeName || point?.fullName?.some(({ kind }) => kind !== 'uri')) {
    return 'has an issuing distribution point that is no URI (BR section 7.2.2.1)'
  }
  return repeats(crl) ? 'lists a certificate twice' : null
}

// I10. Public lists this long are rare, and nothing of weight hangs on it.
const maxLooked = 100_000

/** Two entries for one certificate may give two dates and reasons. In an indirect list numbers repeat from issuer to issuer. */
function repeats(crl: Crl): boolean {
  if (crl.entryCount < 2 || crl.entryCount > maxLooked) return false
  const reader = new DerReader(readWhole(crl.tbs), 'to-be-signed part', tags.sequence)
  reader.optional('version', tags.integer)
  for (const field of ['signature algorithm', 'issuer', 'thisUpdate']) reader.next(field)
  if (reader.tag === tags.utcTime || reader.tag === tags.generalizedTime) reader.next('nextUpdate')
  const list = reader.next('revoked certificates', tags.sequence)
  const seen = new Set<string>()
  let twice = false
  walkEntries(list, (_entry, from, to, issuerAt) => {
    if (issuerAt !== -1) seen.clear()
    const serial = list.bytes.toString('latin1', from, to)
    twice = seen.has(serial)
    seen.add(serial)
    return twice
  })
  return twice
}
