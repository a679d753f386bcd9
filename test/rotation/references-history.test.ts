import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  type Arrival,
  type Change,
  type Outcome,
  type RouteRequest,
  refusedCode,
  violations,
} from './references-history.ts'

const trusted: Outcome = { kind: 'served', client: '' }
const refused: Outcome = { kind: 'refused' }

const change = (sentAt: number, answeredAt: number, outcome: Outcome, status = 200): Change => {
  return { route: 'r', what: 'reference', sentAt, answeredAt, status, outcome, lingering: 0 }
}
const arrival = (of: Partial<Arrival> = {}): Arrival => ({ at: 0, connection: 'c1', client: '', resumed: false, ...of })
const served = (startedAt: number, endedAt: number, of: Partial<RouteRequest> = {}): RouteRequest => ({
  sequence: startedAt,
  route: 'r',
  startedAt,
  endedAt,
  status: 200,
  code: '',
  arrivals: [arrival({ at: startedAt + 1 })],
  ...of,
})
const refusal = (startedAt: number, endedAt: number, of: Partial<RouteRequest> = {}): RouteRequest => {
  return served(startedAt, endedAt, { status: 503, code: refusedCode, arrivals: [], ...of })
}

/** Trusted, refused between 100 and 120, trusted again between 200 and 220. */
const changes = [change(0, 0, trusted), change(100, 120, refused), change(200, 220, trusted)]
const again = { arrivals: [arrival({ at: 231, connection: 'c2' })] }
const sound = [
  served(10, 20),
  served(90, 105),
  refusal(95, 130),
  served(115, 140, { arrivals: [arrival({ at: 116 })] }),
  refusal(121, 150),
  refusal(190, 205),
  refusal(205, 230),
  served(230, 240, again),
]

it('is content with a sound history', () => {
  assert.deepEqual(violations({ changes, requests: sound }), [])
})

const kinds: Readonly<Record<string, readonly [RouteRequest, RegExp]>> = {
  'a request begun after the answer is served as before': [served(121, 150), /served while only "refused"/],
  'one is refused that began after trust was back': [refusal(221, 230), /refused while only "served as "/],
  'one is refused before anything was asked for': [refusal(10, 20), /refused while only "served as "/],
  'one breaks': [served(10, 20, { status: 0, arrivals: [] }), /no answer after 10 ms/],
  'one hangs': [served(10, 10_010, { status: 0 }), /no answer after 10000 ms/],
  'another status': [served(105, 110, { status: 502, code: 'x' }), /answered 502 x/],
  'the right status for another reason': [refusal(130, 140, { code: 'other' }), /answered 503 other/],
  'a refused one came to the backend all the same': [
    refusal(130, 140, { arrivals: [arrival({ at: 131, connection: 'c9' })] }),
    /forwarded as "" while only "refused"/,
  ],
  'one is answered without the backend': [served(10, 20, { arrivals: [] }), /no backend saw it/],
  'a connection outlives its trust': [
    served(230, 240, { sequence: 2, arrivals: [arrival({ at: 231, connection: 'c1' })] }),
    /connection c1 of an older era/,
  ],
  'a session outlives its trust': [
    served(229, 230, { arrivals: [arrival({ at: 229, connection: 'c3', resumed: true })] }),
    /resumed a session/,
  ],
}
for (const [kind, [request, expected]] of Object.entries(kinds)) {
  it(`finds: ${kind}`, () => {
    const found = violations({ changes, requests: [...sound, { ...request, sequence: request.sequence + 0.5 }] })
    assert.match(found.join('\n'), expected)
  })
}

it('finds a request that had begun and comes to the backend more than a second after the answer', () => {
  const late = (at: number): readonly string[] =>
    violations({ changes: changes.slice(0, 2), requests: [served(110, 1500, { arrivals: [arrival({ at })] })] })
  assert.deepEqual(late(1119), [])
  assert.match(late(1130).join(), /came to the backend 1010 ms after the answer/)
})

it('finds a change that was refused', () => {
  const found = violations({ changes: [...changes, change(300, 310, trusted, 500)], requests: [] })
  assert.deepEqual(found, ['change of r: reference: answered 500'])
})

it('finds connections that were left open', () => {
  const found = violations({
    changes: [change(0, 0, trusted), { ...change(100, 120, refused), lingering: 2 }],
    requests: [],
  })
  assert.deepEqual(found, ['change of r: reference: 2 connections from before were left open'])
})

it('finds a request that is forwarded with the identity before', () => {
  const [one, two]: readonly Outcome[] = [
    { kind: 'served', client: 'one' },
    { kind: 'served', client: 'two' },
  ]
  const of = (client: string, connection: string): Partial<RouteRequest> => ({
    arrivals: [arrival({ at: 131, client, connection })],
  })
  const identities = [change(0, 0, one as Outcome), change(100, 120, two as Outcome)]
  const found = (request: RouteRequest): readonly string[] => violations({ changes: identities, requests: [request] })
  assert.deepEqual(found(served(130, 140, of('two', 'c2'))), [])
  assert.match(found(served(130, 140, of('one', 'c2'))).join(), /forwarded as "one" while only "served as two"/)
})
