import type { KeyObject } from 'node:crypto'
import { PosternError } from '../core/errors.ts'
import { inTransaction, openDatabase } from './database.ts'
import { databaseFile, expectThere } from './files.ts'
import { sealedRows } from './inspect.ts'
import { expectKey, setKey } from './key-check.ts'
import { lockState } from './lock.ts'
import { versionOf } from './migrations.ts'
import { sealerOf } from './sealing.ts'

export interface Rekeyed {
  readonly secrets: number
  readonly from: string
  readonly to: string
}

/**
 * Encrypts every secret with another key, in one transaction: whatever ends the process, the state has the one key or the other.
 * Nothing that was encrypted with the old one is left in the file (`secure_delete`). Throws `state-in-use` while a gateway runs.
 */
export function rekeyState(directory: string, oldKey: KeyObject, newKey: KeyObject): Rekeyed {
  const old = sealerOf(oldKey)
  const next = sealerOf(newKey)
  if (old.keyId === next.keyId) throw new PosternError('state-key-same', 'the new key is the one that is in use')
  const file = databaseFile(directory)
  expectThere(file)
  const lock = lockState(directory)
  try {
    const db = openDatabase(file)
    try {
      versionOf(db)
      expectKey(db, old)
      const secrets = inTransaction(db, () => {
        let count = 0
        for (const { id, place, sealed } of sealedRows(db)) {
          const plain = old.unseal(place, sealed)
          db.run('UPDATE secret SET key_id = ?, sealed = ? WHERE object = ?', next.keyId, next.seal(place, plain), id)
          plain.fill(0)
          count++
        }
        setKey(db, next)
        return count
      })
      return { secrets, from: old.keyId, to: next.keyId }
    } finally {
      db.close()
    }
  } finally {
    lock.release()
  }
}
