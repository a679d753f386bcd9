import { PosternError } from '../core/errors.ts'
import { type Database, openDatabase } from './database.ts'

/** Connections that see the database of one moment each. */
export interface Snapshots {
  /** Of now; those who ask between two changes share it. */
  take(): { readonly db: Database; readonly release: () => void }
  /** From here on another snapshot is taken. */
  changed(): void
  close(): void
}

interface Held {
  readonly db: Database
  users: number
}

/** Moments that may be looked at at once (I10); each keeps what was changed since in the log. */
const most = 32
const keptIdle = 4

export function snapshotsOf(file: string): Snapshots {
  const idle: Database[] = []
  const all = new Set<Database>()
  let current: Held | null = null

  return {
    take() {
      const held = current ?? begin()
      current = held
      held.users++
      let released = false
      return {
        db: held.db,
        release() {
          if (released) return
          released = true
          if (--held.users === 0) end(held)
        },
      }
    },
    changed() {
      current = null
    },
    close() {
      for (const db of all) db.close()
      all.clear()
      current = null
    },
  }

  function begin(): Held {
    const db = idle.pop() ?? opened()
    // A deferred transaction sees the moment of its first read, https://sqlite.org/isolation.html.
    db.exec('BEGIN')
    db.get('SELECT count(*) FROM meta')
    return { db, users: 0 }
  }

  function opened(): Database {
    if (all.size >= most) throw new PosternError('state-busy', `${most} views of the state are open already; try again`)
    const db = openDatabase(file, { readOnly: true })
    all.add(db)
    return db
  }

  function end(held: Held): void {
    if (current === held) current = null
    if (!all.has(held.db)) return
    held.db.exec('COMMIT')
    if (idle.length < keptIdle) {
      idle.push(held.db)
      return
    }
    held.db.close()
    all.delete(held.db)
  }
}
