import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { keepAuditTrail } from '../../src/admin/audit-retention.ts'
import { openMemoryState } from '../../src/state/open.ts'
import type { AuditEntry } from '../../src/state/types.ts'
import { startManagedGateway } from '../support/managed-gateway.ts'

const day = 86_400_000
const entry: Omit<AuditEntry, 'at'> = {
  user: 'ann',
  from: '127.0.0.1',
  operation: 'CREATE',
  method: 'POST',
  uri: '/api/users',
  status: 201,
  organization: '',
}

test('a gateway keeps of the audit trail what its configuration says, from its start on', {
  timeout: 20_000,
}, async () => {
  for (const [audit, days] of [
    [{}, [400, 364, 200, 1]],
    [{ keep: '180d' }, [400, 364, 200, 1]],
  ] as const) {
    const store = await openMemoryState()
    for (const age of days) await store.audit({ ...entry, at: Date.now() - age * day })
    const management = { address: '127.0.0.1', port: 0, audit }
    await using _running = await startManagedGateway({ management }, { store })
    const seen = async () => (await store.audits({})).filter(({ operation }) => operation === 'CREATE').length
    const left = 'keep' in audit ? 1 : 3
    while ((await seen()) > left) await sleep(5)
    await sleep(30)
    assert.equal(await seen(), left)
    const [pruned] = (await store.audits({})).filter(({ operation }) => operation === 'PRUNE')
    assert.match(pruned?.uri ?? '', 'keep' in audit ? /entries=3&/ : /entries=1&/)
  }
})

test('it is looked at again and again, by the clock and the configuration of then; a failure is told', async () => {
  let now = 1_000 * day
  let failing = false
  const asked: string[] = []
  const told: string[] = []
  const end = keepAuditTrail({
    store: {
      async pruneAudits({ keep, rows }, at) {
        asked.push(`${keep / day}d ${rows} at ${at / day}`)
        if (failing) throw new Error('the disk is full')
        return 0
      },
    },
    config: () => ({}),
    clock: () => now,
    onError: (message) => told.push(message),
    every: 10,
  })
  assert.deepEqual(asked, ['365d 1000000 at 1000'])
  now += day
  while (asked.at(-1) !== '365d 1000000 at 1001') await sleep(5)
  assert.deepEqual(told, [])
  failing = true
  while (told.length < 2) await sleep(5)
  assert.equal(told[0], 'the disk is full')
  await end()
  const { length } = asked
  await sleep(50)
  assert.equal(asked.length, length)
})
