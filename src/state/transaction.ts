import { PosternError } from '../core/errors.ts'
import { writeAudit } from './audit.ts'
import { type Database, numberOf } from './database.ts'
import type { Kind } from './kinds.ts'
import { expectContent, expectPlace } from './limits.ts'
import type { Sealer } from './sealing.ts'
import type { StateTransaction } from './types.ts'
import type { Versions } from './versions.ts'
import { viewOf } from './view.ts'

export interface TransactionContext {
  readonly db: Database
  readonly sealer: Sealer
  readonly versions: Versions
  /** After this long it is ended for whoever forgot it, or waits for what does not come. */
  readonly limitMs: number
  /** Called once. */
  readonly ended: (committed: boolean) => void
}

const sql = {
  put: `INSERT INTO object (kind, scope, name, version, body) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (kind, scope, name) DO UPDATE SET version = excluded.version, body = excluded.body RETURNING id`,
  putBlob: `INSERT INTO content (object, bytes) VALUES (?, ?) ON CONFLICT (object) DO UPDATE SET bytes = excluded.bytes`,
  dropBlob: 'DELETE FROM content WHERE object = ?',
  putSecret: `INSERT INTO secret (object, key_id, sealed) VALUES (?, ?, ?)
    ON CONFLICT (object) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed`,
  dropSecret: 'DELETE FROM secret WHERE object = ?',
  delete: 'DELETE FROM object WHERE kind = ? AND scope = ? AND name = ?',
  deleteScope: 'DELETE FROM object WHERE kind = ? AND scope = ?',
  deleteBelow: "DELETE FROM object WHERE kind = ? AND scope >= ? || '/' AND scope < ? || '0'",
  deleteAll: 'DELETE FROM object WHERE kind = ?',
}

/** Begins; the connection is this transaction's until `ended` is called. */
export function startTransaction(context: TransactionContext): StateTransaction & { end(reason: PosternError): void } {
  const { db, sealer, versions } = context
  db.exec('BEGIN IMMEDIATE')
  const changed = new Set<Kind>()
  let over: PosternError | null = null
  let failed: { readonly error: unknown } | null = null

  const timer = setTimeout(() => {
    const seconds = context.limitMs / 1000
    end(new PosternError('state-transaction-expired', `the transaction was open for ${seconds} s and was rolled back`))
  }, context.limitMs)
  timer.unref()

  const expectOpen = (): void => {
    if (over !== null) throw over
  }

  return {
    ...viewOf(db, sealer, expectOpen),
    changed,

    async put(kind, scope, name, content) {
      expectOpen()
      expectPlace(scope, name)
      const body = JSON.stringify(content.body)
      expectContent(`${kind} ${scope}/${name}`, body, content)
      write(kind, () => {
        const id = numberOf(db.get(sql.put, kind, scope, name, versions.next(), body)?.['id'])
        const { blob, secret } = content
        if (blob === null) db.run(sql.dropBlob, id)
        else if (blob !== undefined) db.run(sql.putBlob, id, blob)
        if (secret === null) db.run(sql.dropSecret, id)
        else if (secret !== undefined) {
          db.run(sql.putSecret, id, sealer.keyId, sealer.seal({ kind, scope, name }, secret))
        }
      })
    },

    async delete(kind, scope, name) {
      expectOpen()
      return write(kind, () => db.run(sql.delete, kind, scope, name)) > 0
    },

    async deleteBelow(kind, scope) {
      expectOpen()
      return write(kind, () =>
        scope === ''
          ? db.run(sql.deleteAll, kind)
          : db.run(sql.deleteScope, kind, scope) + db.run(sql.deleteBelow, kind, scope, scope),
      )
    },

    async audit(entry) {
      expectOpen()
      attempt(() => {
        writeAudit(db, entry)
      })
    },

    async commit() {
      expectOpen()
      if (failed !== null) {
        end(ended())
        throw failed.error
      }
      try {
        db.expectThere()
        versions.save(db)
        db.exec('COMMIT')
      } catch (error) {
        end(ended())
        throw error
      }
      finish(ended(), true)
    },

    // After its end there is nothing to undo: whoever cleans up need not know how far it came.
    async rollback() {
      if (over === null) end(ended())
    },

    end,
  }

  /** Part of a change that was not made makes the whole one be refused (I3). */
  function attempt<T>(work: () => T): T {
    if (failed !== null) throw failed.error
    try {
      return work()
    } catch (error) {
      failed = { error }
      throw error
    }
  }

  function write(kind: Kind, work: () => number | void): number {
    const count = attempt(work)
    if (count !== 0) changed.add(kind)
    return count ?? 1
  }

  function end(reason: PosternError): void {
    if (over !== null) return
    try {
      // A full disk ends a transaction by itself.
      if (db.inTransaction) db.exec('ROLLBACK')
    } finally {
      finish(reason, false)
    }
  }

  function finish(reason: PosternError, committed: boolean): void {
    over = reason
    clearTimeout(timer)
    context.ended(committed)
  }
}

function ended(): PosternError {
  return new PosternError('state-transaction-ended', 'the transaction has ended already')
}
