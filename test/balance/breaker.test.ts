import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { Tries } from '../../src/proxy/balance/tries.ts'
import { bench, breakerPlan, refused, servers, targetPlan, times, untrusted } from './plans.ts'

/**
 * Half of at least ten requests in ten seconds open it for five. Steps: `+` and `-` with a number: so many successes or
 * faults; `!3` three answers of 500; `0` a client that went away; `>5` five seconds pass; `x` a request is refused.
 */
const rows: readonly (readonly [sentence: string, steps: string, told: readonly string[]])[] = [
  ['too few requests are not judged', '-9', []],
  ['the one that makes them enough is', '-10 x', ['open 10/10']],
  ['also when that one went well', '-9 +1 x', ['open 9/10']],
  ['half is enough', '+5 -5 x', ['open 5/10']],
  ['less than half is not', '+6 -5 +1', []],
  ['answers that say that the server failed are failures', '!10 x', ['open 10/10']],
  ['clients that went away count neither way', '-9 0 0 0', []],
  ['what is older than the window counts no more', '-9 >10 -9', []],
  ['it stays open for its time and not longer', '-10 >4 x >1 +1', ['open 10/10', 'half-open']],
  ['it closes after three trials went well', '-10 >5 +3', ['open 10/10', 'half-open', 'closed']],
  ['and counts from nothing then', '-10 >5 +3 -9 +1 x', ['open 10/10', 'half-open', 'closed', 'open 9/10']],
  [
    'a trial that fails opens it for another while',
    '-10 >5 +2 -1 x >4 x >1 +1',
    ['open 10/10', 'half-open', 'open 0/0', 'half-open'],
  ],
  ['an answer of 500 is a failed trial', '-10 >5 !1 x', ['open 10/10', 'half-open', 'open 0/0']],
  [
    'a client that goes away in a trial leaves it to the next one',
    '-10 >5 0 +3',
    ['open 10/10', 'half-open', 'closed'],
  ],
]

const half = { servers: servers('a'), breaker: breakerPlan() }

describe('a target with a breaker', () => {
  for (const [sentence, steps, told] of rows) {
    test(sentence, () => {
      const target = bench(targetPlan(half))
      for (const step of steps.split(' ')) {
        const count = Number(step.slice(1))
        if (step.startsWith('>')) target.clock.now += 1000 * count
        else if (step === 'x') assert.equal(target.send(), 'circuit open')
        else if (step === '0') assert.equal(target.send('neutral'), 'a')
        else if (step.startsWith('!'))
          for (const name of times(count, () => target.send('ok', 500))) assert.equal(name, 'a')
        else
          for (const name of times(count, () => target.send(step.startsWith('+') ? 'ok' : 'failed')))
            assert.equal(name, 'a')
      }
      assert.deepEqual(target.told, told)
    })
  }

  test('one trial at a time', () => {
    const target = opened()
    const trial = new Tries()
    assert.equal(target.open(trial), 'a')
    for (const name of times(5, () => target.send())) assert.equal(name, 'circuit open')
    trial.end('ok')
    assert.equal(target.send(), 'a')
  })

  test('the head of an answer ends a trial: a stream may go on for hours', () => {
    const target = opened()
    for (const tries of times(3, () => new Tries())) {
      assert.equal(target.open(tries), 'a')
      tries.answered(200)
    }
    assert.deepEqual(target.told.slice(1), ['half-open', 'closed'])
    assert.equal(target.balancer.servers()[0]?.active, 3)
  })

  test('a trial that breaks after its head has had its say', () => {
    const target = opened()
    const tries = new Tries()
    target.open(tries)
    tries.answered(200)
    tries.end('failed')
    assert.deepEqual(target.told.slice(1), ['half-open'])
  })

  test('a trial without end does not keep others away for longer than the breaker is open', () => {
    const target = opened()
    assert.equal(target.open(), 'a')
    target.clock.now += 4999
    assert.equal(target.send(), 'circuit open')
    target.clock.now += 1
    assert.equal(target.send(), 'a')
  })

  test('what was under way when it opened decides nothing later', () => {
    const target = bench(targetPlan(half))
    const early = times(4, () => new Tries())
    for (const tries of early) target.open(tries)
    times(10, () => target.send('failed'))
    target.clock.now += 5000
    assert.equal(target.open(), 'a')
    early[0]?.end('failed')
    early[1]?.end('ok')
    early[2]?.answered(200)
    early[3]?.end('neutral')
    assert.equal(target.send(), 'circuit open')
    assert.deepEqual(target.told, ['open 10/10', 'half-open'])
  })

  test('a request that finds no server is no trial', () => {
    const target = opened()
    target.balancer.health(0).healthy = false
    assert.equal(target.send(), 'none')
    target.balancer.health(0).healthy = true
    assert.equal(target.send(), 'a')
  })

  test('the refusal says for how long', () => {
    const target = bench(targetPlan(half))
    times(10, () => target.send('failed'))
    target.clock.now += 1000
    const fault = target.balancer.fault(-2)
    assert.equal(fault.kind, 'circuit-open')
    assert.equal(fault.summary, 'too many requests to target "t" have failed: its breaker is open for another 4 s')
  })

  test('the refusal names the last failure and whoever can mend it, also while a trial is under way', () => {
    const target = bench(targetPlan(half))
    times(9, () => target.send('failed', 0, refused))
    target.send('failed', 0, untrusted)
    const { kind, verdict, party, summary } = untrusted
    const fault = target.balancer.fault(-2)
    assert.equal(fault.verdict, null)
    assert.equal(fault.party, 'gateway')
    assert.match(fault.summary, /its breaker is open for another 5 s; the last one: 10\.0\.0\.1:443: missing-root$/)
    assert.deepEqual(fault.evidence, { target: 't', openMs: 5000, cause: { kind, verdict, party, summary } })
    assert.deepEqual(target.causes, ['missing-root gateway 10.0.0.1:443: missing-root'])
    target.clock.now += 5000
    target.open()
    assert.match(target.balancer.fault(-2).summary, /one request at a time; the last one: .*missing-root$/)
  })

  test('answers that say that the server failed are named by their status', () => {
    const target = bench(targetPlan(half))
    times(10, () => target.send('ok', 503))
    target.send()
    const { party, evidence } = target.balancer.fault(-2)
    assert.equal(party, 'backend')
    const cause = { kind: 'status', verdict: null, party: 'backend', summary: 'status 503' }
    assert.deepEqual(evidence['cause'], cause)
    target.clock.now += 5000
    const trial = new Tries()
    target.open(trial)
    trial.answered(500)
    assert.match(target.balancer.fault(-2).summary, /; the last one: status 500$/)
    assert.deepEqual(target.causes, ['null backend status 503', 'none', 'null backend status 500'])
  })

  test('a success or a client that went away is not the cause, and closing forgets it', () => {
    const target = bench(targetPlan(half))
    times(9, () => target.send('failed', 0, refused))
    target.send('neutral', 0, untrusted)
    target.send()
    assert.match(target.balancer.fault(-2).summary, /connection refused$/)
    target.clock.now += 5000
    times(3, () => target.send())
    assert.equal(target.balancer.fault(-2).evidence['cause'], undefined)
  })

  test('while few enough fail it lets everything through, whatever the order', () => {
    const plan = targetPlan({ servers: servers('a'), breaker: breakerPlan({ failurePercent: 50, minimumRequests: 1 }) })
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 200 }), (pauses) => {
        const target = bench(plan)
        for (const pause of pauses) {
          // A pair with its success first is never more than half of any window that holds both.
          assert.equal(target.send('ok'), 'a')
          assert.equal(target.send('ok'), 'a')
          assert.equal(target.send('failed'), 'a')
          target.clock.now += pause
        }
        assert.deepEqual(target.told, [])
      }),
    )
  })
})

/** Its time is over; the next request is a trial. */
function opened() {
  const target = bench(targetPlan(half))
  times(10, () => target.send('failed'))
  target.clock.now += 5000
  return target
}
