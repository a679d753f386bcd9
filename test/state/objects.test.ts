import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StateTransaction } from '../../src/state/types.ts'
import { change, file, keystore, state } from './support.ts'

type Step = (tx: StateTransaction) => Promise<unknown>

/** What was stored in transactions one after another, what is asked, what is answered. */
const cases: readonly (readonly [sentence: string, before: readonly Step[], ask: Step, answer: unknown])[] = [
  ['what was never put is not there', [], (tx) => tx.get('keystore', 'o/e', 'k'), null],
  [
    'what was put is there as it was put',
    [(tx) => tx.put('keystore', 'o/e', 'k', { body: keystore(3) })],
    async (tx) => (await tx.get('keystore', 'o/e', 'k'))?.body,
    keystore(3),
  ],
  [
    'the same name of another kind or scope is another object',
    [(tx) => tx.put('keystore', 'o/e', 'k', { body: keystore() })],
    async (tx) => [await tx.get('reference', 'o/e', 'k'), await tx.get('keystore', 'o/f', 'k')],
    [null, null],
  ],
  [
    'names differ by case',
    [(tx) => tx.put('keystore', 'o/e', 'k', { body: keystore() })],
    (tx) => tx.get('keystore', 'o/e', 'K'),
    null,
  ],
  [
    'bytes stay where they are not named',
    [
      (tx) => tx.put('api-file', 'o/apis/a/1', 'x', file('bytes')),
      (tx) => tx.put('api-file', 'o/apis/a/1', 'x', { body: { bytes: 9 } }),
    ],
    async (tx) => [
      String(await tx.blob('api-file', 'o/apis/a/1', 'x')),
      (await tx.get('api-file', 'o/apis/a/1', 'x'))?.body,
    ],
    ['bytes', { bytes: 9 }],
  ],
  [
    'bytes go where null is put, and empty bytes are bytes',
    [
      (tx) => tx.put('api-file', 's', 'x', file('bytes')),
      (tx) => tx.put('api-file', 's', 'x', { body: { bytes: 0 }, blob: null }),
      (tx) => tx.put('api-file', 's', 'y', file('')),
    ],
    async (tx) => [await tx.blob('api-file', 's', 'x'), await tx.blob('api-file', 's', 'y')],
    [null, Buffer.alloc(0)],
  ],
  [
    'a secret stays, goes and is replaced like bytes',
    [
      async (tx) => {
        for (const name of ['stays', 'goes', 'other']) {
          await tx.put('setting', '', name, { body: { value: 1 }, secret: Buffer.from('one') })
        }
      },
      (tx) => tx.put('setting', '', 'stays', { body: { value: 2 } }),
      (tx) => tx.put('setting', '', 'goes', { body: { value: 2 }, secret: null }),
      (tx) => tx.put('setting', '', 'other', { body: { value: 2 }, secret: Buffer.from('two') }),
    ],
    async (tx) => [
      ...(await tx.list('setting', '')).map((it) => [it.name, it.hasSecret]),
      String(await tx.secret('setting', '', 'stays')),
      await tx.secret('setting', '', 'goes'),
      String(await tx.secret('setting', '', 'other')),
    ],
    [['goes', false], ['other', true], ['stays', true], 'one', null, 'two'],
  ],
  [
    'what was deleted is gone with bytes and secret, and comes back without them',
    [
      (tx) => tx.put('setting', '', 's', { body: { value: 1 }, blob: Buffer.from('b'), secret: Buffer.from('s') }),
      (tx) => tx.delete('setting', '', 's'),
      (tx) => tx.put('setting', '', 's', { body: { value: 2 } }),
    ],
    async (tx) => [await tx.blob('setting', '', 's'), await tx.secret('setting', '', 's')],
    [null, null],
  ],
  [
    'a deletion says whether there was something',
    [(tx) => tx.put('keystore', 'o/e', 'k', { body: keystore() })],
    async (tx) => [await tx.delete('keystore', 'o/e', 'k'), await tx.delete('keystore', 'o/e', 'k')],
    [true, false],
  ],
  [
    'a list is of one scope, in order of the names, by the page',
    [
      async (tx) => {
        for (const name of ['c', 'a', 'b', 'B', 'ä']) await tx.put('keystore', 'o/e', name, { body: keystore() })
        await tx.put('keystore', 'o/e/f', 'd', { body: keystore() })
      },
    ],
    async (tx) => [
      (await tx.list('keystore', 'o/e')).map((it) => it.name),
      await tx.names('keystore', 'o/e', { after: 'a' }),
      await tx.names('keystore', 'o/e', { from: 'b', limit: 1 }),
      (await tx.list('keystore', 'o/e', { limit: 0 })).length,
    ],
    [['B', 'a', 'b', 'c', 'ä'], ['b', 'c', 'ä'], ['b'], 0],
  ],
  [
    'below a scope are itself and what its path begins, no neighbour',
    [
      async (tx) => {
        for (const scope of ['o', 'o/a', 'o/a/b', 'o/a-b', 'o/a0', 'o/ab', 'p']) {
          await tx.put('keystore', scope, 'k', { body: keystore() })
        }
      },
    ],
    async (tx) => [
      (await tx.below('keystore', 'o/a')).map((it) => it.scope),
      (await tx.below('keystore', '')).map((it) => it.scope),
    ],
    [
      ['o/a', 'o/a/b'],
      ['o', 'o/a', 'o/a-b', 'o/a/b', 'o/a0', 'o/ab', 'p'],
    ],
  ],
  [
    'a deletion below a scope takes the same, and counts them',
    [
      async (tx) => {
        for (const scope of ['o', 'o/a', 'o/a/b', 'o/a-b']) await tx.put('keystore', scope, 'k', { body: keystore() })
        await tx.put('reference', 'o/a', 'r', {
          body: { ...keystore(), refers: 'k', resourceType: 'KeyStore', description: '' },
        })
      },
    ],
    async (tx) => [
      await tx.deleteBelow('keystore', 'o/a'),
      (await tx.below('keystore', '')).map((it) => it.scope),
      await tx.names('reference', 'o/a'),
      await tx.deleteBelow('keystore', ''),
    ],
    [2, ['o', 'o/a-b'], ['r'], 2],
  ],
  [
    'a change of one object raises its version above all others',
    [
      (tx) => tx.put('keystore', 'o/e', 'a', { body: keystore() }),
      (tx) => tx.put('keystore', 'o/e', 'b', { body: keystore() }),
      (tx) => tx.put('keystore', 'o/e', 'a', { body: keystore() }),
    ],
    async (tx) => {
      const [a, b] = await tx.list('keystore', 'o/e')
      return (a?.version ?? 0) > (b?.version ?? 0)
    },
    true,
  ],
  [
    'the kinds that were changed are known, also while nothing was',
    [(tx) => tx.put('keystore', 'o/e', 'a', { body: keystore() })],
    async (tx) => {
      await tx.delete('reference', 'o/e', 'none')
      await tx.delete('keystore', 'o/e', 'a')
      return [...tx.changed]
    },
    ['keystore'],
  ],
]

for (const [sentence, before, ask, answer] of cases) {
  test(sentence, async (t) => {
    const store = await state(t)
    for (const step of before) await change(store, step)
    assert.deepEqual(await change(store, ask), answer)
  })
}

const refused: readonly (readonly [sentence: string, code: string, step: Step])[] = [
  ['an empty name', 'state-name', (tx) => tx.put('keystore', 'o/e', '', { body: keystore() })],
  ['a name with a zero character', 'state-name', (tx) => tx.put('keystore', 'o/e', 'a\0b', { body: keystore() })],
  ['half a surrogate pair', 'state-name', (tx) => tx.put('keystore', 'o/e', '\ud800', { body: keystore() })],
  ['a scope with an empty part', 'state-name', (tx) => tx.put('keystore', 'o//e', 'k', { body: keystore() })],
  ['a name too long', 'state-name', (tx) => tx.put('keystore', 'o/e', 'k'.repeat(5_000), { body: keystore() })],
  [
    'a secret too large',
    'state-too-large',
    (tx) => tx.put('setting', '', 's', { body: { value: 1 }, secret: Buffer.alloc(1024 * 1024 + 1) }),
  ],
]

for (const [sentence, code, step] of refused) {
  test(`${sentence} is refused, and nothing of it is stored`, async (t) => {
    const store = await state(t)
    await assert.rejects(change(store, step), { code })
    assert.equal((await store.read((view) => view.below('keystore', ''))).length, 0)
  })
}
