import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { RetryRules } from '../../src/proxy/balance/retry-rules.ts'
import { Tries } from '../../src/proxy/balance/tries.ts'
import type { RetryCause } from '../../src/proxy/plan.ts'
import { bench, retryPlan, targetPlan, times } from './plans.ts'

const every: readonly RetryCause[] = ['connect', 'untrusted', 'refused-stream', 'reset', 'timeout', 'status']

describe('what may be sent again', () => {
  const rules = new RetryRules(retryPlan({ on: every, methods: ['GET'], statuses: [[502, 503]] }))
  const rows: readonly (readonly [string, RetryCause, string, number, boolean])[] = [
    ['nothing was sent: a POST too', 'connect', 'POST', 0, true],
    ['refused by verification: a POST too', 'untrusted', 'POST', 0, true],
    ['the backend vouches that it did nothing: a POST too', 'refused-stream', 'POST', 0, true],
    ['the connection died: a GET', 'reset', 'GET', 0, true],
    ['the connection died: no POST', 'reset', 'POST', 0, false],
    ['methods are case sensitive', 'reset', 'get', 0, false],
    ['no answer in time: a GET', 'timeout', 'GET', 0, true],
    ['no answer in time: no POST', 'timeout', 'POST', 0, false],
    ['a status that is named', 'status', 'GET', 503, true],
    ['its neighbour is not', 'status', 'GET', 504, false],
    ['a status that is named, and no POST', 'status', 'POST', 503, false],
  ]
  for (const [sentence, cause, method, status, expected] of rows) {
    test(sentence, () => assert.equal(rules.retryable(cause, method, status), expected))
  }

  test('causes that are not named are not retried', () => {
    for (const cause of every) {
      const others = new RetryRules(retryPlan({ on: every.filter((other) => other !== cause), statuses: [[503, 503]] }))
      assert.equal(others.retryable(cause, 'GET', 503), false, cause)
    }
  })
})

describe('how often', () => {
  test('as many further tries as the plan says', () => {
    for (const attempts of [0, 1, 3]) {
      const { balancer } = bench(targetPlan({ retries: retryPlan({ attempts }) }))
      const tries = new Tries()
      let granted = 0
      for (;;) {
        balancer.pick(tries)
        tries.end('failed')
        if (!balancer.mayRetry(tries, 'connect', 'GET', 0)) break
        granted++
      }
      assert.equal(granted, attempts)
    }
  })

  test('another generation in the middle does not give more', () => {
    const plan = targetPlan({ retries: retryPlan({ attempts: 1 }) })
    const one = bench(plan)
    const tries = new Tries()
    one.open(tries)
    tries.end('failed')
    assert.equal(one.balancer.mayRetry(tries, 'connect', 'GET', 0), true)
    const two = one.next(plan)
    two.open(tries)
    tries.end('failed')
    assert.equal(two.balancer.mayRetry(tries, 'connect', 'GET', 0), false)
  })

  test('a target with few requests has some a second', () => {
    const target = bench(targetPlan({ retries: retryPlan({ budgetPercent: 0, budgetMinPerSecond: 2 }) }))
    assert.equal(retriesOf(target, 100), 20)
    target.clock.now += 9000
    assert.equal(retriesOf(target, 100), 0)
    target.clock.now += 1000
    assert.equal(retriesOf(target, 100), 20)
  })

  test('a budget of nothing is none', () => {
    const target = bench(targetPlan({ retries: retryPlan({ budgetPercent: 0, budgetMinPerSecond: 0 }) }))
    assert.equal(retriesOf(target, 100), 0)
  })

  test('a percentage of the requests', () => {
    const target = bench(targetPlan({ retries: retryPlan({ budgetPercent: 20, budgetMinPerSecond: 0 }) }))
    times(100, () => target.send())
    // Each of these is a request as well: 20 % of 100 + n.
    assert.equal(retriesOf(target, 100), 40)
  })

  test('a request whose connection went away before it was taken up, again and again, is one request', () => {
    const target = bench(targetPlan({ retries: retryPlan({ budgetPercent: 100, budgetMinPerSecond: 0 }) }))
    const tries = new Tries()
    for (const _ of times(10, () => 0)) target.open(tries)
    assert.equal(tries.count, 1)
    tries.end('failed')
    assert.equal(target.balancer.mayRetry(tries, 'connect', 'GET', 0), true)
    assert.equal(target.balancer.mayRetry(tries, 'connect', 'GET', 0), false)
    // Kept by the exchange, the next one is another request.
    tries.reset()
    target.open(tries)
    tries.end('failed')
    assert.equal(target.balancer.mayRetry(tries, 'connect', 'GET', 0), true)
  })

  test('a cause that may not be retried takes nothing', () => {
    const target = bench(targetPlan({ retries: retryPlan({ budgetPercent: 0, budgetMinPerSecond: 1 }) }))
    const tries = new Tries()
    target.open(tries)
    tries.end('failed')
    times(50, () => assert.equal(target.balancer.mayRetry(tries, 'timeout', 'GET', 0), false))
    assert.equal(retriesOf(target, 100), 10)
  })

  test('in no ten seconds more than the percentage of the requests in them and the least, and the least is always there', () => {
    const steps = fc.array(fc.record({ pause: fc.integer({ min: 0, max: 3000 }), requests: fc.nat(30) }), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(fc.nat(100), fc.nat(5), steps, (budgetPercent, budgetMinPerSecond, run) => {
        const target = bench(targetPlan({ retries: retryPlan({ budgetPercent, budgetMinPerSecond }) }))
        const seconds = new Map<number, { requests: number; retries: number }>()
        for (const { pause, requests } of run) {
          target.clock.now += pause
          const second = Math.floor(target.clock.now / 1000)
          const entry = seconds.get(second) ?? { requests: 0, retries: 0 }
          seconds.set(second, entry)
          entry.requests += requests
          const granted = retriesOf(target, requests)
          entry.retries += granted
          let inWindow = 0
          let retried = 0
          for (let at = second - 9; at <= second; at++) {
            inWindow += seconds.get(at)?.requests ?? 0
            retried += seconds.get(at)?.retries ?? 0
          }
          const allowed = (inWindow * budgetPercent) / 100 + 10 * budgetMinPerSecond
          // Of what was granted: requests grow old, and what was right stays granted.
          assert.ok(granted === 0 || retried <= allowed, `${retried} of ${allowed}`)
          if (entry.requests > 0 && retried < Math.min(inWindow, Math.floor(allowed))) {
            // Less than allowed only because fewer asked.
            assert.equal(granted, requests, `${retried} of ${allowed}`)
          }
        }
      }),
      { numRuns: 100 },
    )
  })
})

/** So many requests fail on connecting; how many of them may be sent again. */
function retriesOf(target: ReturnType<typeof bench>, requests: number): number {
  let granted = 0
  for (let sent = 0; sent < requests; sent++) {
    const tries = new Tries()
    target.open(tries)
    tries.end('failed')
    if (target.balancer.mayRetry(tries, 'connect', 'POST', 0)) granted++
  }
  return granted
}
