import * as fc from 'fast-check'
import { checkFlight, cutOf, flightBases, flightOf, flightTokens, knobs } from '../wire-tls/hostile-flights.ts'
import { mutated } from './mutations.ts'
import { checker, type Target } from './target.ts'

/** What a TLS server sends, in clear and encrypted with a key that the reader has. */
export const tlsFlights: Target = {
  name: 'tls-flights',
  inputs: fc.record({
    parts: mutated(fc.constantFrom(...flightBases), flightTokens, flightBases, 6).map((bytes) => [bytes]),
    knob: knobs,
  }),
  start: () =>
    checker(({ parts, knob }) => {
      const flight = flightOf(Buffer.concat(parts), knob)
      return checkFlight(flight, cutOf(flight, knob))
    }),
}
