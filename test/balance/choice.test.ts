import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { Balancer } from '../../src/proxy/balance/balancer.ts'
import { Tries } from '../../src/proxy/balance/tries.ts'
import type { BalanceMethod } from '../../src/proxy/plan.ts'
import { bench, counts, ejectionPlan, serverPlan, servers, targetPlan, times } from './plans.ts'

const methods: readonly BalanceMethod[] = ['round-robin', 'weighted', 'least-requests']

describe('in turn', () => {
  test('one after the other, weights aside', () => {
    const { send } = bench(targetPlan({ servers: servers('a b*5 c') }))
    assert.deepEqual(
      times(7, () => send()),
      ['a', 'b', 'c', 'a', 'b', 'c', 'a'],
    )
  })

  test('a server that is out leaves its turns to all others alike', () => {
    const { balancer, send } = bench(targetPlan({ servers: servers('a b c d') }))
    balancer.health(1).healthy = false
    assert.deepEqual(counts(times(300, () => send())), { a: 100, c: 100, d: 100 })
    balancer.health(1).healthy = true
    assert.deepEqual(counts(times(400, () => send())), { a: 100, b: 100, c: 100, d: 100 })
  })

  test('workers begin with different servers', () => {
    const plan = targetPlan()
    const first = times(6, (worker) => {
      const { observer, now } = { observer: silent, now: () => 0 }
      return new Balancer(plan, { observer, now, worker, previous: null }).pick(new Tries())
    })
    assert.deepEqual(first, [0, 1, 2, 0, 1, 2])
  })
})

describe('by weight', () => {
  test('a heavy server is not chosen in one run', () => {
    const { send } = bench(targetPlan({ balance: 'weighted', servers: servers('a*5 b c') }))
    assert.equal(times(7, () => send()).join(''), 'aabacaa')
  })

  test('as often as the weights say, exactly, in every round', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(weights, (list) => {
        const plan = targetPlan({
          balance: 'weighted',
          servers: list.map((weight, index) => serverPlan(`s${index}`, { weight })),
        })
        const { send } = bench(plan)
        const sum = list.reduce((total, weight) => total + weight, 0)
        for (let round = 0; round < 2; round++) {
          const seen = counts(times(sum, () => send()))
          assert.deepEqual(
            list.map((_, index) => seen[`s${index}`]),
            list.length === 1 ? [sum] : list,
          )
        }
      }),
      { numRuns: 30 },
    )
  })

  test('at no moment is a server more than a round of the others behind or ahead', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 2, maxLength: 8 }), (list) => {
        const plan = targetPlan({
          balance: 'weighted',
          servers: list.map((weight, index) => serverPlan(`s${index}`, { weight })),
        })
        const { send } = bench(plan)
        const sum = list.reduce((total, weight) => total + weight, 0)
        const seen: Record<string, number> = {}
        for (let sent = 1; sent <= sum; sent++) {
          const name = send()
          seen[name] = (seen[name] ?? 0) + 1
          for (const [index, weight] of list.entries()) {
            const due = (sent * weight) / sum
            assert.ok(Math.abs((seen[`s${index}`] ?? 0) - due) < list.length, `${name} after ${sent}`)
          }
        }
      }),
      { numRuns: 50 },
    )
  })

  test('servers that come and go: shares are those of the ones that are there', () => {
    const { balancer, send } = bench(targetPlan({ balance: 'weighted', servers: servers('a*3 b*2 c') }))
    times(1000, (index) => {
      balancer.health(2).healthy = index % 7 < 3
      return send()
    })
    balancer.health(2).healthy = false
    const seen = counts(times(5000, () => send()))
    assert.ok(Math.abs((seen['a'] ?? 0) - 3000) <= 6, JSON.stringify(seen))
    assert.equal(seen['c'], undefined)
  })
})

describe('least requests', () => {
  test('the idle one gets the next', () => {
    const { open } = bench(targetPlan({ balance: 'least-requests' }))
    const tries = times(3, () => new Tries())
    assert.deepEqual(tries.map(open), ['a', 'b', 'c'])
    tries[1]?.end('ok')
    assert.equal(open(), 'b')
  })

  test('nobody under way: in turn, by weight', () => {
    const { send } = bench(targetPlan({ balance: 'least-requests', servers: servers('a*2 b') }))
    assert.deepEqual(counts(times(300, () => send())), { a: 200, b: 100 })
  })

  test('under load, requests under way are as the weights', () => {
    const { open } = bench(targetPlan({ balance: 'least-requests', servers: servers('a*4 b*2 c') }))
    assert.deepEqual(counts(times(700, () => open())), { a: 400, b: 200, c: 100 })
  })

  test('whatever begins and ends, the next goes to the one with the least under way for its weight, and all are counted', () => {
    const commands = fc.array(fc.oneof(fc.constant('begin'), fc.nat(50)), { maxLength: 300 })
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 6 }), commands, (list, run) => {
        const plan = targetPlan({
          balance: 'least-requests',
          servers: list.map((weight, index) => serverPlan(`s${index}`, { weight })),
        })
        const { balancer } = bench(plan)
        const under: Tries[] = []
        for (const command of run) {
          if (command !== 'begin') {
            under.splice(command % Math.max(1, under.length), 1)[0]?.end('ok')
            continue
          }
          const before = balancer.servers().map(({ active }, index) => active / (list[index] as number))
          const tries = new Tries()
          const server = balancer.pick(tries)
          under.push(tries)
          assert.equal(before[server], Math.min(...before))
        }
        const active = balancer.servers().reduce((sum, server) => sum + server.active, 0)
        assert.equal(active, under.length)
      }),
      { numRuns: 100 },
    )
  })
})

for (const balance of methods) {
  describe(`every method: ${balance}`, () => {
    test('an unhealthy server gets nothing', () => {
      const { balancer, send } = bench(targetPlan({ balance }))
      balancer.health(0).healthy = false
      assert.deepEqual(Object.keys(counts(times(50, () => send()))).sort(), ['b', 'c'])
    })

    test('a fallback server gets requests exactly while no other is usable', () => {
      const { balancer, send } = bench(targetPlan({ balance, servers: servers('a b c!') }))
      assert.deepEqual(Object.keys(counts(times(50, () => send()))).sort(), ['a', 'b'])
      balancer.health(0).healthy = false
      assert.deepEqual(counts(times(50, () => send())), { b: 50 })
      balancer.health(1).healthy = false
      assert.deepEqual(counts(times(50, () => send())), { c: 50 })
      balancer.health(1).healthy = true
      assert.deepEqual(counts(times(50, () => send())), { b: 50 })
    })

    test('a request tries every server before it comes to one again, fallback servers last', () => {
      const { open } = bench(targetPlan({ balance, servers: servers('a b c d!') }))
      const tries = new Tries()
      const seen = times(5, () => {
        const name = open(tries)
        tries.end('failed')
        return name
      })
      assert.deepEqual(seen.slice(0, 3).sort(), ['a', 'b', 'c'])
      assert.equal(seen[3], 'd')
      assert.notEqual(seen[4], 'd')
    })

    test('the next request knows nothing of the tries of the one before', () => {
      const { open } = bench(targetPlan({ balance, servers: servers('a b!') }))
      const tries = new Tries()
      assert.equal(open(tries), 'a')
      tries.end('failed')
      assert.equal(open(tries), 'b')
      tries.reset()
      assert.equal(open(tries), 'a')
    })

    test('the only server is tried again when there is no other', () => {
      const { open } = bench(targetPlan({ balance, servers: servers('a') }))
      const tries = new Tries()
      assert.equal(open(tries), 'a')
      tries.end('failed')
      assert.equal(open(tries), 'a')
    })

    test('nobody usable: refused, with the reason of each server, and nothing is under way', () => {
      const { balancer, send, clock } = bench(
        targetPlan({ balance, servers: servers('a b'), ejection: ejectionPlan({ consecutiveFailures: 1 }) }),
      )
      const health = balancer.health(0)
      health.healthy = false
      health.failure = { verdict: 'unknown-issuer', party: 'gateway', summary: '10.0.0.1:443: unknown-issuer' }
      assert.equal(send('failed'), 'b')
      assert.equal(send(), 'none')
      const fault = balancer.fault(-1)
      assert.equal(
        fault.summary,
        'no server of target "t" can be used: a is unhealthy (unknown-issuer): 10.0.0.1:443: unknown-issuer; ' +
          'b is ejected: its requests failed in a row, left out for another 10 s',
      )
      assert.equal(fault.kind, 'no-server')
      assert.deepEqual(
        balancer.servers().map(({ active }) => active),
        [0, 0],
      )
      clock.now += 10_000
      assert.equal(send(), 'b')
    })
  })
}

describe('the refusal', () => {
  test('names who can mend it when it is one party for all servers', () => {
    const { balancer } = bench(targetPlan({ servers: servers('a b') }))
    const failure = { verdict: 'missing-root', party: 'gateway', summary: 'x' } as const
    for (const server of [0, 1]) Object.assign(balancer.health(server), { healthy: false, failure })
    assert.equal(balancer.fault(-1).party, 'gateway')
    balancer.health(1).failure = { ...failure, party: 'network' }
    assert.equal(balancer.fault(-1).party, 'backend')
  })

  test('stays short however many servers there are', () => {
    const plan = targetPlan({ servers: times(256, (index) => serverPlan(`server-${index}`)) })
    const { balancer } = bench(plan)
    const failure = { verdict: null, party: 'backend', summary: 'x'.repeat(1024) } as const
    for (const server of plan.servers.keys()) Object.assign(balancer.health(server), { healthy: false, failure })
    const { summary, evidence } = balancer.fault(-1)
    assert.ok(summary.length <= 2200, `${summary.length}`)
    assert.match(summary, /; and 248 more$/)
    assert.ok(JSON.stringify(evidence).length < 2048)
  })
})

describe('tries', () => {
  test('count each end once, and never below zero', () => {
    const { balancer } = bench(targetPlan({ servers: servers('a') }))
    const tries = new Tries()
    balancer.pick(tries)
    tries.end('ok')
    tries.end('failed')
    tries.reset()
    assert.equal(balancer.servers()[0]?.active, 0)
  })

  test('a request that is sent on without having failed loses no try', () => {
    const { balancer, open } = bench(targetPlan())
    const tries = new Tries()
    open(tries)
    open(tries)
    assert.equal(tries.count, 1)
    assert.equal(
      balancer.servers().reduce((sum, { active }) => sum + active, 0),
      1,
    )
  })
})

const silent = {
  serverHealth() {},
  unhealthyForgotten() {},
  serverEjected() {},
  breaker() {},
  retried() {},
}
