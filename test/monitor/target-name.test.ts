import assert from 'node:assert/strict'
import { test } from 'node:test'
import { targetNamed } from '../../src/admin/native/target-named.ts'
import { filterOf, valueOf } from '../../src/monitor/dimensions.ts'
import { shortTargetName } from '../../src/monitor/target-name.ts'
import { rollupKey } from './support.ts'

for (const [target, short] of [
  ['acme/test/orders/3/default', 'default'],
  ['acme/test/orders/3/default:route', 'default:route'],
  ['acme/prod/orders/3/default', 'acme/prod/orders/3/default'],
  ['acme/test/orders', 'acme/test/orders'],
  ['stock', 'stock'],
] as const) {
  test(`${target} is called ${short}`, () => assert.equal(shortTargetName(target, 'acme', 'test'), short))
}

test('a filter finds a target by both its names, and leaves it out by both', () => {
  const key = rollupKey({ target: 'acme/test/orders/3/default' })
  assert.equal(valueOf(key, 'targetName'), 'default')
  for (const [name, found] of [
    ['default', true],
    ['acme/test/orders/3/default', true],
    ['acme/test/orders/4/default', false],
  ] as const) {
    assert.equal(filterOf([{ dimension: 'target', values: [name] }])(key), found)
    assert.equal(filterOf([{ dimension: 'target', values: [name], not: true }])(key), !found)
  }
})

test('a short name is one target, or all that it may be are named', () => {
  const place = { organization: 'acme', environment: 'test' }
  const targets = [
    'acme/test/orders/3/default',
    'acme/test/billing/1/default',
    'acme/test/billing/1/bank',
    'stock',
  ].map((name) => ({ name }))
  assert.equal(targetNamed(targets, place, 'bank')?.name, 'acme/test/billing/1/bank')
  assert.equal(targetNamed(targets, place, 'acme/test/orders/3/default')?.name, 'acme/test/orders/3/default')
  assert.equal(targetNamed(targets, place, 'stock')?.name, 'stock')
  assert.equal(targetNamed(targets, place, 'nowhere'), null)
  assert.throws(() => targetNamed(targets, place, 'default'), {
    code: 'target-ambiguous',
    message: /2 targets are called default: acme\/test\/billing\/1\/default, acme\/test\/orders\/3\/default;/,
  })
})
