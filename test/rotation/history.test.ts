import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type RequestSeen, type Swap, violations } from './history.ts'

/** A is trusted until 100, swapped out between 100 and 110, and comes back between 200 and 210. */
const swaps: readonly Swap[] = [
  swap({ kind: 'start', roots: ['A'], swappedAt: 0, settledAt: 0, generation: 1 }),
  swap({ kind: 'garbage', roots: null, swappedAt: 50, settledAt: 60, generation: 1, refusals: ['garbage'] }),
  swap({ kind: 'withdrawn', roots: ['B'], swappedAt: 100, settledAt: 110, generation: 2, snapshots: 'b' }),
  swap({ kind: 'good', roots: ['A'], swappedAt: 200, settledAt: 210, generation: 3 }),
]
const good: readonly RequestSeen[] = [
  request({ sequence: 1, startedAt: 10, endedAt: 20, connection: 'a1' }),
  request({ sequence: 2, startedAt: 50, endedAt: 70, connection: 'a1' }),
  request({ sequence: 3, startedAt: 95, endedAt: 140, connection: 'a1' }),
  request({ sequence: 4, startedAt: 105, endedAt: 115, status: 502, code: 'missing-root' }),
  request({ sequence: 5, startedAt: 120, endedAt: 130, status: 502, code: 'missing-root' }),
  request({ sequence: 6, startedAt: 220, endedAt: 230, connection: 'a2' }),
  request({ sequence: 7, startedAt: 230, endedAt: 240, connection: 'a3', resumed: true }),
]

describe('the judge of rotation', () => {
  it('finds nothing in a history that is good', () => {
    assert.deepEqual(violations({ swaps, requests: good }), [])
  })

  const wrong: readonly [
    string,
    RegExp,
    { readonly requests?: readonly RequestSeen[]; readonly swaps?: readonly Swap[] },
  ][] = [
    [
      'a request that failed while its root was trusted',
      /request 9 .* 502 missing-root while its root was trusted/,
      { requests: [request({ sequence: 9, startedAt: 20, endedAt: 30, status: 502, code: 'missing-root' })] },
    ],
    [
      'a request that failed because a bad bundle lay there',
      /request 9 .* 502 .* while its root was trusted/,
      { requests: [request({ sequence: 9, startedAt: 50, endedAt: 60, status: 502, code: 'empty-trust-store' })] },
    ],
    [
      'a connection that broke',
      /request 9 .* answered 0 while its root was trusted/,
      { requests: [request({ sequence: 9, startedAt: 20, endedAt: 30, status: 0 })] },
    ],
    [
      'a request that was answered after its root was withdrawn',
      /request 9 .* answered 200 after its root was withdrawn/,
      { requests: [request({ sequence: 9, startedAt: 111, endedAt: 115, connection: 'a9' })] },
    ],
    [
      'a fault that is not the one of trust',
      /request 9 .* answered 504 after/,
      { requests: [request({ sequence: 9, startedAt: 111, endedAt: 115, status: 504 })] },
    ],
    [
      'a refused request that the backend saw',
      /request 9 .* the backend saw it/,
      { requests: [request({ sequence: 9, startedAt: 111, endedAt: 115, status: 502, connection: 'a9' })] },
    ],
    [
      'a connection that outlived its generation',
      /request 9 .* over connection a1 of an older generation/,
      { requests: [request({ sequence: 9, startedAt: 220, endedAt: 225, connection: 'a1' })] },
    ],
    [
      'a session that outlived its generation',
      /request 5 .* first connection of its generation resumed/,
      {
        requests: [
          ...good.filter(({ sequence }) => sequence !== 5),
          request({ sequence: 5, startedAt: 215, endedAt: 218, connection: 'a9', resumed: true }),
        ],
      },
    ],
    [
      'a bad bundle that made a generation',
      /swap to empty .* made generation 4/,
      { swaps: [swap({ kind: 'empty', roots: null, swappedAt: 300, generation: 4, refusals: ['empty'] })] },
    ],
    [
      'a bad bundle that changed a snapshot',
      /swap to empty .* changed the snapshots/,
      {
        swaps: [
          swap({ kind: 'empty', roots: null, swappedAt: 300, generation: 3, snapshots: 'none', refusals: ['empty'] }),
        ],
      },
    ],
    [
      'a bad bundle that nobody reported',
      /swap to empty .* reported 0 times/,
      { swaps: [swap({ kind: 'empty', roots: null, swappedAt: 300, generation: 3 })] },
    ],
    [
      'a bad bundle that was reported twice',
      /swap to empty .* reported 2 times/,
      { swaps: [swap({ kind: 'empty', roots: null, swappedAt: 300, generation: 3, refusals: ['empty', 'empty'] })] },
    ],
    [
      'a good bundle that was refused',
      /swap to both .* refused: why/,
      { swaps: [swap({ kind: 'both', roots: ['A', 'B'], swappedAt: 300, generation: 4, refusals: ['why'] })] },
    ],
  ]
  for (const [what, pattern, more] of wrong) {
    it(`finds ${what}`, () => {
      const numbers = more.requests?.map(({ sequence }) => sequence) ?? []
      const requests = [...good.filter(({ sequence }) => !numbers.includes(sequence)), ...(more.requests ?? [])]
      const found = violations({ swaps: [...swaps, ...(more.swaps ?? [])], requests })
      assert.equal(found.length, 1, found.join('\n'))
      assert.match(found[0] ?? '', pattern)
    })
  }
})

function swap(given: Partial<Swap> & Pick<Swap, 'kind' | 'roots' | 'swappedAt' | 'generation'>): Swap {
  return { settledAt: given.swappedAt, snapshots: 'a', refusals: [], lingering: 0, ...given }
}

function request(given: Partial<RequestSeen> & Pick<RequestSeen, 'sequence' | 'startedAt' | 'endedAt'>): RequestSeen {
  return { target: 'a', root: 'A', status: 200, code: '', connection: '', resumed: false, ...given }
}
