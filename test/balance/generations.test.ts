import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Tries } from '../../src/proxy/balance/tries.ts'
import {
  bench,
  breakerPlan,
  ejectionPlan,
  healthPlan,
  retryPlan,
  serverPlan,
  servers,
  targetPlan,
  times,
} from './plans.ts'

const plan = targetPlan({
  servers: servers('a b'),
  health: healthPlan(),
  ejection: ejectionPlan({ consecutiveFailures: 1 }),
})

/** An equal plan that shares no object with the first, as one that came by message. */
const copied = structuredClone(plan)

describe('a new generation', () => {
  test('knows which servers of an equal plan are unhealthy or ejected', () => {
    const one = bench(plan)
    one.balancer.health(0).healthy = false
    assert.equal(one.send('failed'), 'b')
    const two = one.next(copied)
    assert.equal(two.balancer.health(0), one.balancer.health(0))
    assert.equal(two.send(), 'none')
    two.clock.now += 10_000
    assert.equal(two.send(), 'b')
  })

  test('knows them in another order, beside new ones, by their plan and not by their place', () => {
    const one = bench(plan)
    one.balancer.health(0).healthy = false
    const two = one.next({ ...copied, servers: servers('c b a') })
    assert.deepEqual([two.send(), two.send(), two.send()], ['c', 'b', 'c'])
  })

  test('a server with another plan begins anew: what was found was about another one', () => {
    const changes = [{ port: 81 }, { weight: 2 }, { tls: null, h2c: true }, { host: '127.0.0.2' }]
    for (const change of changes) {
      const one = bench(plan)
      one.balancer.health(0).healthy = false
      const two = one.next({ ...copied, servers: [serverPlan('a', change), serverPlan('b')] })
      assert.equal(two.balancer.health(0).healthy, true, JSON.stringify(change))
      assert.equal(one.balancer.health(0).healthy, false)
    }
  })

  test('with other checks, or none, begins with healthy servers', () => {
    for (const health of [null, healthPlan({ intervalMs: 200 })]) {
      const one = bench(plan)
      one.balancer.health(0).healthy = false
      assert.equal(one.next({ ...copied, health }).balancer.health(0).healthy, true)
    }
  })

  test('with another plan of ejection forgets who was ejected, and without one ejects nobody', () => {
    for (const ejection of [null, ejectionPlan({ consecutiveFailures: 2 })]) {
      const one = bench(plan)
      times(2, () => one.send('failed'))
      assert.equal(one.send(), 'none')
      assert.equal(one.next({ ...copied, ejection }).send(), 'a')
    }
  })

  test('that is built and never committed has changed nothing', () => {
    const one = bench(plan)
    one.balancer.health(0).healthy = false
    one.next({ ...copied, health: null, ejection: null, servers: servers('a b c') })
    assert.equal(one.balancer.health(0).healthy, false)
    assert.equal(one.send('failed'), 'b')
    assert.equal(one.send(), 'none')
  })

  test('requests of the old one still count, where they are and how they end', () => {
    const one = bench({ ...plan, balance: 'least-requests' })
    const under = new Tries()
    assert.equal(one.open(under), 'a')
    const two = one.next({ ...copied, balance: 'least-requests' })
    assert.deepEqual([two.open(), two.balancer.servers()[0]?.active], ['b', 1])
    under.end('failed')
    assert.equal(two.balancer.servers()[0]?.state, 'ejected')
    assert.equal(two.balancer.servers()[0]?.active, 0)
  })

  test('an open breaker stays open while the target is the same, and is a new one when its servers are others', () => {
    const broken = { ...plan, ejection: null, breaker: breakerPlan() }
    const one = bench(broken)
    times(10, () => one.send('failed'))
    assert.equal(one.next(structuredClone(broken)).send(), 'circuit open')
    assert.equal(one.next({ ...structuredClone(broken), servers: servers('a c') }).send(), 'a')
    assert.equal(one.next({ ...broken, breaker: breakerPlan({ openMs: 1 }) }).send(), 'a')
    assert.equal(one.next({ ...broken, breaker: null }).send(), 'a')
  })

  test('a request under way in it when the breaker is gone ends as any other', () => {
    const one = bench({ ...plan, breaker: breakerPlan() })
    const under = new Tries()
    one.open(under)
    one.next({ ...copied, breaker: null })
    under.end('ok')
    assert.equal(one.balancer.servers()[0]?.active, 0)
  })

  test('reloading gives no fresh budget of retries', () => {
    const tight = { ...plan, retries: retryPlan({ budgetPercent: 0, budgetMinPerSecond: 1 }) }
    let target = bench(tight)
    let granted = 0
    for (let reload = 0; reload < 50; reload++) {
      target = target.next(structuredClone(tight))
      const tries = new Tries()
      target.open(tries)
      tries.end('neutral')
      if (target.balancer.mayRetry(tries, 'connect', 'GET', 0)) granted++
    }
    assert.equal(granted, 10)
  })
})
