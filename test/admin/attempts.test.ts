import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Attempts, Buckets } from '../../src/admin/access/attempts.ts'

const rates = { userAndAddress: { burst: 100, every: 1_000 }, address: { burst: 1, every: 1_000 } }

for (const [what, one, other, same] of [
  ['the same IPv4 address', '192.0.2.1', '192.0.2.1', true],
  ['two IPv4 addresses', '192.0.2.1', '192.0.2.2', false],
  ['two addresses of one /64', '2001:db8:1:2::1', '2001:db8:1:2:aaaa:bbbb:cccc:dddd', true],
  ['two /64', '2001:db8:1:2::1', '2001:db8:1:3::1', false],
  ['two spellings of a network of zeros', '2001:db8::1', '2001:db8:0:0:1::1', true],
  ['loopback and another network', '::1', '2001:db8::1', false],
  ['a zone', 'fe80::1%eth0', 'fe80::2%eth1', true],
] as const) {
  test(`${what} ${same ? 'share' : 'do not share'} their attempts`, () => {
    const attempts = new Attempts(() => 0, rates)
    assert.equal(attempts.begin('a', one), 0)
    assert.equal(attempts.begin('b', other) > 0, same)
  })
}

test('an attempt that the user has no more of costs the address none', () => {
  const attempts = new Attempts(() => 0, {
    userAndAddress: { burst: 1, every: 5_000 },
    address: { burst: 2, every: 1_000 },
  })
  assert.equal(attempts.begin('a', 'x'), 0)
  for (let i = 0; i < 5; i++) assert.equal(attempts.begin('a', 'x'), 5)
  assert.equal(attempts.begin('b', 'x'), 0)
  assert.equal(attempts.begin('b', 'x'), 1)
})

test('a user has so many attempts from all addresses together, and whoever was let in before has his own', () => {
  let now = 0
  const attempts = new Attempts(() => now, {
    ...rates,
    address: { burst: 10, every: 1_000 },
    user: { burst: 3, every: 10_000 },
  })
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) assert.equal(attempts.begin('ann', address), 0)
  assert.equal(attempts.begin('ann', '192.0.2.4'), 10)
  assert.equal(attempts.begin('bob', '192.0.2.4'), 0, 'another user has them all')
  assert.equal(attempts.begin('', '192.0.2.4'), 0, "tokens are nobody's")
  assert.equal(attempts.begin('ann', '192.0.2.4', false), 0)
  attempts.giveBack('ann', '192.0.2.4', false)
  assert.equal(attempts.begin('ann', '192.0.2.5'), 10, 'what was not taken is not given back')
  attempts.giveBack('ann', '192.0.2.1')
  assert.equal(attempts.begin('ann', '192.0.2.5'), 0)
  now += 10_000
  assert.equal(attempts.begin('ann', '192.0.2.6'), 0)
  assert.equal(attempts.begin('ann', '192.0.2.6'), 10)
})

test('buckets are as many as there is room for, fill with time, and a clock set back takes nothing', () => {
  let now = 100_000
  const buckets = new Buckets({ burst: 2, every: 1_000 }, () => now, 3)
  for (const key of ['a', 'b', 'c', 'd']) {
    assert.equal(buckets.take(key), 0)
    assert.equal(buckets.take(key), 0)
  }
  assert.equal(buckets.take('b'), 1_000)
  assert.equal(buckets.take('a'), 0, 'the oldest was forgotten')
  now += 500
  assert.equal(buckets.take('d'), 500)
  now += 500
  assert.equal(buckets.take('d'), 0)
  now -= 50_000
  assert.equal(buckets.take('d'), 1_000)
})
