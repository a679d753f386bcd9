import { parseCertificate } from '../../src/x509/certificate.ts'
import { DerError } from '../../src/x509/der.ts'
import { checkStapledOcsp, type OcspResponse, readOcspResponse } from '../../src/x509/ocsp.ts'
import { checker, Disagreement, type Target } from './target.ts'
import { mutants, ocspIssuer, ocspLeaf, ocspSeeds, ocspTime } from './x509-corpus.ts'

const question = { leaf: parseCertificate(ocspLeaf), issuer: parseCertificate(ocspIssuer), time: ocspTime }

/** What each genuine answer says, by the bytes that are signed: nothing else may be believed. */
const genuine = new Map(
  ocspSeeds.map(({ der }) => {
    const response = readOcspResponse(der)
    if (response.status !== 'successful') throw new Error('a seed without an answer')
    return [response.tbs.toString('latin1'), checkStapledOcsp(response, question).outcome] as const
  }),
)
if ([...genuine.values()].join(' ') !== 'good revoked good')
  throw new Error(`seeds: ${[...genuine.values()].join(' ')}`)

/** OCSP responses: an answer that is believed was signed as it stands. */
export const x509Ocsp: Target = {
  name: 'x509-ocsp',
  inputs: mutants(ocspSeeds),
  start: () =>
    checker(({ parts: [bytes = Buffer.alloc(0)] }) => {
      let response: OcspResponse
      try {
        response = readOcspResponse(bytes)
      } catch (error) {
        if (error instanceof DerError && error.offset >= 0 && error.offset <= bytes.length) return 'refused'
        throw error
      }
      const { outcome } = checkStapledOcsp(response, question)
      if (response.status !== 'successful' || outcome === 'invalid') return outcome
      if (genuine.get(response.tbs.toString('latin1')) !== outcome)
        throw new Disagreement(`${outcome}, which nobody signed`)
      return outcome
    }),
}
