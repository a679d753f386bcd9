import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { KeystoreBody, Stamps } from '../../src/state/kinds.ts'
import { openMemoryState, type StateOptions } from '../../src/state/open.ts'
import type { AuditEntry, ObjectContent, StateStore, StateTransaction } from '../../src/state/types.ts'

const stamps: Stamps = { createdAt: 1, createdBy: 'ann', lastModifiedAt: 2, lastModifiedBy: 'bob' }

export function keystore(generation = 1): KeystoreBody {
  return { ...stamps, generation }
}

export function file(text: string): ObjectContent<'api-file'> {
  return { body: { bytes: text.length }, blob: Buffer.from(text) }
}

export const entry: AuditEntry = {
  at: 1_000,
  user: 'ann',
  from: '127.0.0.1',
  operation: 'CREATE',
  method: 'POST',
  uri: '/v1/organizations/o/environments/e/keystores',
  status: 201,
  organization: 'o',
}

/** A state that is gone with the test. */
export async function state(t: TestContext, times?: StateOptions['times']): Promise<StateStore> {
  const store = await openMemoryState(times === undefined ? {} : { times })
  t.after(() => store.close())
  return store
}

export function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'postern-state-test-'))
  t.after(() => {
    rmSync(path, { recursive: true, force: true })
  })
  return path
}

/** Everything in one transaction. */
export async function change<T>(store: StateStore, work: (tx: StateTransaction) => Promise<T>): Promise<T> {
  const tx = await store.begin()
  try {
    const result = await work(tx)
    await tx.commit()
    return result
  } finally {
    await tx.rollback()
  }
}
