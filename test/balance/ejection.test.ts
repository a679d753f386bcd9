import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { Tries } from '../../src/proxy/balance/tries.ts'
import { bench, ejectionPlan, refused, serverPlan, servers, targetPlan, times, untrusted } from './plans.ts'

/**
 * A target with one server, three failures to an ejection of 10 s. Steps: `+` a success, `-` a fault, `!` a 503, `0` a client
 * that went away, `>5` five seconds pass, `x` a request finds no server.
 */
const rows: readonly (readonly [sentence: string, steps: string, told: readonly string[]])[] = [
  ['two failures are not three', '- - +', []],
  ['three in a row eject', '- - - x', ['a ejected for 10000 after 3']],
  ['a success in between begins a new count', '- - + - - +', []],
  ['a client that went away says nothing', '- - 0 -', ['a ejected for 10000 after 3']],
  ['statuses that the plan names are failures', '! ! ! x', ['a ejected for 10000 after 3']],
  ['it comes back by time and not before', '- - - >9 x >1 +', ['a ejected for 10000 after 3']],
  [
    'each further time in a row lasts as much longer',
    '- - - >10 - - - >19 x >1 -',
    ['a ejected for 10000 after 3', 'a ejected for 20000 after 3'],
  ],
  [
    'but not longer than the longest',
    '- - - >10 - - - >20 - - - >30 - - - >35 +',
    [10, 20, 30, 35].map((seconds) => `a ejected for ${seconds}000 after 3`),
  ],
  [
    'a success after it has come back begins anew',
    '- - - >10 + - - -',
    ['a ejected for 10000 after 3', 'a ejected for 10000 after 3'],
  ],
]

describe('a server whose requests fail in a row', () => {
  for (const [sentence, steps, told] of rows) {
    test(sentence, () => {
      const target = bench(targetPlan({ servers: servers('a'), ejection: ejectionPlan() }))
      for (const step of steps.split(' ')) {
        if (step.startsWith('>')) target.clock.now += 1000 * Number(step.slice(1))
        else if (step === 'x') assert.equal(target.send(), 'none')
        else if (step === '!') assert.equal(target.send('ok', 503), 'a')
        else assert.equal(target.send(step === '+' ? 'ok' : step === '-' ? 'failed' : 'neutral'), 'a')
      }
      assert.deepEqual(target.told, told)
    })
  }

  test('without a plan for it nothing is ejected', () => {
    const target = bench(targetPlan({ servers: servers('a') }))
    for (const name of times(100, () => target.send('failed'))) assert.equal(name, 'a')
  })

  test('what was under way when it was ejected counts towards no second ejection', () => {
    const target = bench(targetPlan({ servers: servers('a'), ejection: ejectionPlan() }))
    const tries = times(9, () => new Tries())
    for (const each of tries) target.open(each)
    for (const each of tries) each.end('failed')
    target.clock.now += 10_000
    for (const _ of times(2, () => 0)) assert.equal(target.send('failed'), 'a')
    assert.deepEqual(target.told, ['a ejected for 10000 after 3'])
  })

  test('a success that was under way does not call it back', () => {
    const target = bench(targetPlan({ servers: servers('a'), ejection: ejectionPlan() }))
    const late = new Tries()
    target.open(late)
    times(3, () => target.send('failed'))
    late.answered(200)
    late.end('ok')
    assert.equal(target.send(), 'none')
  })
})

describe('the cause of an ejection', () => {
  test('is its last failure: told, and named with who can mend it where no server is left', () => {
    const target = bench(targetPlan({ servers: servers('a'), ejection: ejectionPlan({ consecutiveFailures: 2 }) }))
    target.send('failed', 0, refused)
    target.send('failed', 0, untrusted)
    assert.deepEqual(target.causes, ['missing-root gateway 10.0.0.1:443: missing-root'])
    const { kind, verdict, party, summary } = untrusted
    const fault = target.balancer.fault(-1)
    assert.equal(fault.party, 'gateway')
    assert.equal(
      fault.summary,
      'no server of target "t" can be used: a is ejected (missing-root): its requests failed in a row, ' +
        'left out for another 10 s; the last one: 10.0.0.1:443: missing-root',
    )
    assert.deepEqual(fault.evidence['servers'], [
      { server: 'a', state: 'ejected', verdict, party, cause: { kind, verdict, party, summary } },
    ])
  })

  test('may be a status', () => {
    const target = bench(targetPlan({ servers: servers('a'), ejection: ejectionPlan({ consecutiveFailures: 1 }) }))
    target.send('ok', 503)
    assert.deepEqual(target.causes, ['null backend status 503'])
    assert.match(target.balancer.fault(-1).summary, /a is ejected: .*; the last one: status 503$/)
  })

  test('is not the status of a response that broke after its head', () => {
    const target = bench(targetPlan({ servers: servers('a'), ejection: ejectionPlan({ consecutiveFailures: 1 }) }))
    for (const fault of [refused, undefined]) {
      const tries = new Tries()
      target.open(tries)
      tries.answered(503)
      tries.end('failed', fault)
      target.clock.now += 10_000
    }
    assert.deepEqual(target.causes, ['connection-refused backend 10.0.0.1:443: connection refused', 'none'])
  })

  test('is not what was under way then and failed later, and a success forgets it', () => {
    const target = bench(targetPlan({ servers: servers('a'), ejection: ejectionPlan({ consecutiveFailures: 1 }) }))
    const late = new Tries()
    target.open(late)
    target.send('failed', 0, refused)
    late.end('failed', untrusted)
    assert.equal(target.balancer.servers()[0]?.cause?.kind, 'connect-refused')
    target.clock.now += 10_000
    target.send()
    target.send('failed')
    assert.deepEqual(target.causes, ['connection-refused backend 10.0.0.1:443: connection refused', 'none'])
  })

  test('is kept short, however long its fault is, and so is what is said of many servers', () => {
    const plan = {
      servers: times(20, (index) => serverPlan(`s${index}`)),
      ejection: ejectionPlan({ consecutiveFailures: 1 }),
    }
    const target = bench(targetPlan(plan))
    times(20, () => target.send('failed', 0, { ...refused, summary: 'x'.repeat(100_000) }))
    const { summary, evidence } = target.balancer.fault(-1)
    assert.ok(summary.length <= 2200, `${summary.length}`)
    assert.ok(JSON.stringify(evidence).length < 4096)
    assert.ok(target.balancer.servers().every(({ cause }) => (cause?.summary.length ?? 0) <= 512))
  })
})

describe('how many may be ejected at once', () => {
  const cases = [
    ['half of two is one', 'a b', 50, 1],
    ['half of three is one', 'a b c', 50, 1],
    ['a tenth of nine is none', 'a b c d e f g h i', 10, 0],
    ['all', 'a b c', 100, 3],
  ] as const
  for (const [sentence, names, maxPercent, expected] of cases) {
    test(sentence, () => {
      const target = bench(targetPlan({ servers: servers(names), ejection: ejectionPlan({ maxPercent }) }))
      times(100, () => target.send('failed'))
      assert.equal(target.told.length, expected)
    })
  }

  test('at no moment more than the percentage, whatever fails and however time passes', () => {
    const step = fc.record({
      failed: fc.boolean(),
      pause: fc.integer({ min: 0, max: 4000 }),
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 100 }),
        fc.array(step, { maxLength: 200 }),
        (size, maxPercent, steps) => {
          const names = times(size, (index) => `s${index}`).join(' ')
          const ejection = ejectionPlan({ maxPercent, consecutiveFailures: 1 })
          const target = bench(targetPlan({ servers: servers(names), ejection }))
          for (const { failed, pause } of steps) {
            target.send(failed ? 'failed' : 'ok')
            target.clock.now += pause
            const out = target.balancer.servers().filter(({ state }) => state === 'ejected').length
            assert.ok(out * 100 <= maxPercent * size, `${out} of ${size}`)
          }
        },
      ),
      { numRuns: 100 },
    )
  })

  test('who was spared goes when there is room', () => {
    const target = bench(targetPlan({ servers: servers('a b'), ejection: ejectionPlan({ maxPercent: 50 }) }))
    times(6, () => target.send('failed'))
    assert.equal(target.send('failed'), 'b')
    target.clock.now += 10_000
    assert.deepEqual([target.send(), target.send('failed')].sort(), ['a', 'b'])
    assert.deepEqual(target.told, ['a ejected for 10000 after 3', 'b ejected for 10000 after 5'])
  })
})
