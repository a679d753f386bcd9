import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StateView } from '../../src/state/types.ts'
import { change, entry, keystore, state } from './support.ts'

const count = async (view: StateView): Promise<number> => (await view.names('keystore', 'o/e')).length

test('a view sees nothing of an open transaction, and of a finished one only if it began after it', async (t) => {
  const store = await state(t)
  const tx = await store.begin()
  await tx.put('keystore', 'o/e', 'a', { body: keystore() })
  assert.equal(await store.read(count), 0)
  assert.equal(await count(tx), 1)
  await store.read(async (view) => {
    assert.equal(await count(view), 0)
    await tx.commit()
    assert.equal(await count(view), 0)
    assert.equal(await store.read(count), 1)
    await change(store, (next) => next.put('keystore', 'o/e', 'b', { body: keystore() }))
    assert.equal(await count(view), 0)
    assert.equal(await store.read(count), 2)
  })
  assert.equal(await store.read(count), 2)
})

test('what was rolled back is not there, and its versions are not given again', async (t) => {
  const store = await state(t)
  const tx = await store.begin()
  await tx.put('keystore', 'o/e', 'a', { body: keystore() })
  const seen = (await tx.get('keystore', 'o/e', 'a'))?.version ?? 0
  await tx.rollback()
  assert.equal(await store.read(count), 0)
  await change(store, (next) => next.put('keystore', 'o/e', 'a', { body: keystore(2) }))
  const now = await store.read((view) => view.get('keystore', 'o/e', 'a'))
  assert.ok((now?.version ?? 0) > seen)
})

test('writers come one after another, in the order they asked', async (t) => {
  const store = await state(t)
  const order: string[] = []
  const write = async (name: string): Promise<void> => {
    const tx = await store.begin()
    order.push(`${name} begins`)
    await new Promise((resolve) => setImmediate(resolve))
    await tx.put('keystore', 'o/e', name, { body: keystore() })
    order.push(`${name} ends`)
    await tx.commit()
  }
  await Promise.all(['a', 'b', 'c'].map(write))
  assert.deepEqual(order, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  assert.equal(await store.read(count), 3)
})

test('a turn goes to the one who waits, not to one who comes as it ends', async (t) => {
  const store = await state(t)
  const first = await store.begin()
  const order: string[] = []
  const turn = async (name: string): Promise<void> => {
    const tx = await store.begin()
    order.push(name)
    await tx.put('keystore', 'o/e', name, { body: keystore() })
    await tx.commit()
  }
  const waiting = turn('waited')
  const ended = first.commit()
  await Promise.all([waiting, turn('came'), ended])
  assert.deepEqual(order, ['waited', 'came'])
})

test('a transaction that nobody ends is rolled back after its time, and the next one gets its turn', async (t) => {
  const store = await state(t, { transaction: 50 })
  const forgotten = await store.begin()
  await forgotten.put('keystore', 'o/e', 'a', { body: keystore() })
  // The timer alone does not keep a process.
  const alive = setInterval(() => {}, 1_000)
  await change(store, (tx) => tx.put('keystore', 'o/e', 'b', { body: keystore() }))
  clearInterval(alive)
  assert.deepEqual(await store.read((view) => view.names('keystore', 'o/e')), ['b'])
  await assert.rejects(forgotten.put('keystore', 'o/e', 'c', { body: keystore() }), {
    code: 'state-transaction-expired',
  })
  await assert.rejects(forgotten.commit(), { code: 'state-transaction-expired' })
  await forgotten.rollback()
})

test('an ended transaction does nothing more; a rollback of it is harmless', async (t) => {
  const store = await state(t)
  const tx = await store.begin()
  await tx.put('keystore', 'o/e', 'a', { body: keystore() })
  await tx.commit()
  await tx.rollback()
  await assert.rejects(tx.delete('keystore', 'o/e', 'a'), { code: 'state-transaction-ended' })
  await assert.rejects(tx.get('keystore', 'o/e', 'a'), { code: 'state-transaction-ended' })
  await assert.rejects(tx.commit(), { code: 'state-transaction-ended' })
  assert.equal(await store.read(count), 1)
})

test('a view ends with its work, and after its time', async (t) => {
  const store = await state(t, { view: 30 })
  let kept: StateView | null = null
  assert.equal(
    await store.read(async (view) => {
      kept = view
      return await count(view)
    }),
    0,
  )
  await assert.rejects(async () => await count(kept as unknown as StateView), { code: 'state-view-ended' })
  await assert.rejects(
    store.read(async (view) => {
      await new Promise((resolve) => setTimeout(resolve, 60))
      return await count(view)
    }),
    { code: 'state-view-ended' },
  )
})

test('many views of many moments are refused in the end, and there again once some ended', async (t) => {
  const store = await state(t)
  const ends: (() => void)[] = []
  const views: Promise<unknown>[] = []
  const hold = (): Promise<void> => store.read(() => new Promise<void>((resolve) => ends.push(resolve)))
  for (let index = 0; index < 32; index++) {
    views.push(hold(), hold())
    await change(store, (tx) => tx.put('keystore', 'o/e', `${index}`, { body: keystore() }))
  }
  await assert.rejects(store.read(count), { code: 'state-busy' })
  for (const end of ends) end()
  await Promise.all(views)
  assert.equal(await store.read(count), 32)
})

test('more than a thousand waiting writers are refused', async (t) => {
  const store = await state(t)
  const tx = await store.begin()
  const waiting = Array.from({ length: 1_000 }, async () => {
    const next = await store.begin()
    await next.rollback()
  })
  await assert.rejects(store.begin(), { code: 'state-busy' })
  await tx.rollback()
  await Promise.all(waiting)
  await change(store, (next) => next.put('keystore', 'o/e', 'a', { body: keystore() }))
})

test('a closed state answers nothing; closing waits for a transaction, but not for ever', async (t) => {
  const store = await state(t, { close: 50 })
  const tx = await store.begin()
  await tx.put('keystore', 'o/e', 'a', { body: keystore() })
  const next = assert.rejects(store.begin(), { code: 'state-closed' })
  await Promise.all([store.close(), store.close()])
  await next
  await assert.rejects(tx.commit(), { code: 'state-closed' })
  await assert.rejects(store.read(count), { code: 'state-closed' })
  await assert.rejects(store.audit(entry), { code: 'state-closed' })
})
