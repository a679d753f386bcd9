import { parseCertificate } from '../../src/x509/certificate.ts'
import { type Crl, parseCrl } from '../../src/x509/crl.ts'
import { childrenOf, contentOf, DerError, DerReader, readWhole, tags } from '../../src/x509/der.ts'
import { verifySignature } from '../../src/x509/signature.ts'
import { checker, Disagreement, type Target } from './target.ts'
import { certificateSeeds, crlSeeds, mutants } from './x509-corpus.ts'

const originals = crlSeeds.map(({ der }) => parseCrl(der))
const key = parseCertificate((certificateSeeds[0] as { der: Buffer }).der).publicKey

/** Revocation lists: the walk over entries against the reader of elements. */
export const x509Crls: Target = {
  name: 'x509-crls',
  inputs: mutants(crlSeeds),
  start: () =>
    checker(({ parts: [bytes = Buffer.alloc(0)] }) => {
      let list: Crl
      try {
        list = parseCrl(bytes)
      } catch (error) {
        if (error instanceof DerError && error.offset >= 0 && error.offset <= bytes.length) return 'refused'
        throw error
      }
      if (!originals.some(({ tbs }) => tbs.equals(list.tbs)) && verifySignature(key, list) === 'good') {
        throw new Disagreement('a signature is good over other bytes')
      }
      const serials = serialsOf(list)
      if (serials.length !== list.entryCount) throw new Disagreement('another count of entries', serials.length)
      const issuers = [list.issuer, ...originals.map(({ issuer }) => issuer)]
      // Where no entry names another issuer, all are the list's own.
      const own = !bytes.includes(certificateIssuer)
      for (const [index, serial] of serials.entries()) {
        for (const issuer of issuers) {
          const found = list.entryOf(serial, issuer)
          if (found !== null && !found.serialBytes.equals(serial)) throw new Disagreement('an entry of another number')
          if (own && found !== null && issuer.canonical !== list.issuer.canonical)
            throw new Disagreement('an entry of another issuer')
        }
        if (own && list.entryOf(serial) === null) throw new Disagreement('an entry is not found', index)
      }
      if (list.entryOf(absent) !== null) throw new Disagreement('a number that is on no list')
      return list.defects.length === 0 ? 'read' : 'read, with defects'
    }),
}

const absent = Buffer.from('7f0102030405060708090a', 'hex')
const certificateIssuer = Buffer.from('551d1d', 'hex')

function serialsOf({ tbs }: Crl): Buffer[] {
  const reader = new DerReader(readWhole(tbs), 'list')
  reader.optional('version', tags.integer)
  reader.next('algorithm')
  reader.next('issuer')
  reader.next('thisUpdate')
  if (reader.tag === tags.utcTime || reader.tag === tags.generalizedTime) reader.next('nextUpdate')
  const list = reader.optional('entries', tags.sequence)
  if (list === null) return []
  return childrenOf(list, 'entries').map((entry) =>
    Buffer.from(contentOf(new DerReader(entry, 'entry').next('serial'))),
  )
}
