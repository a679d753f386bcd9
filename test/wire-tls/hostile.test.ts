import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { mutated } from '../fuzz/mutations.ts'
import { checkFlight, cutOf, flightBases, flightOf, flightTokens, knobs } from './hostile-flights.ts'

const bytes = fc.uint8Array({ maxLength: 400 }).map((each) => Buffer.from(each))

describe('hostile bytes', () => {
  it('that are random are read without a throw, and nothing is taken back when more arrive', () => {
    fc.assert(
      fc.property(bytes, knobs, (each, knob) => {
        const flight = flightOf(each, knob)
        checkFlight(flight, cutOf(flight, knob))
      }),
      { numRuns: 2000, seed: 20 },
    )
  })

  it('that were a flight once are read without a throw, and nothing is taken back when more arrive', () => {
    const changed = mutated(fc.constantFrom(...flightBases), flightTokens, flightBases, 6)
    fc.assert(
      fc.property(changed, knobs, (each, knob) => {
        const flight = flightOf(each, knob)
        checkFlight(flight, cutOf(flight, knob))
      }),
      { numRuns: 3000, seed: 20 },
    )
  })
})
