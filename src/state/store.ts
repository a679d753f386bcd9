import { PosternError } from '../core/errors.ts'
import { queryAudits, writeAudit } from './audit.ts'
import { pruneSlice, sliceRows } from './audit-pruning.ts'
import { copyDatabase } from './copy.ts'
import { type Database, inTransaction } from './database.ts'
import type { Sealer } from './sealing.ts'
import { type Snapshots, snapshotsOf } from './snapshots.ts'
import { startTransaction } from './transaction.ts'
import { turns } from './turns.ts'
import type { AuditEntry, StateStore } from './types.ts'
import { versionsOf } from './versions.ts'
import { viewOf } from './view.ts'

/** How long others wait for one that does not end, in milliseconds. */
export interface StateTimes {
  /** A transaction that is open for longer is rolled back. */
  readonly transaction: number
  /** A view that is open for longer is ended: it keeps the log from being cut back. */
  readonly view: number
  /** `close` waits this long for the transaction under way. */
  readonly close: number
}

export const defaultTimes: StateTimes = { transaction: 60_000, view: 60_000, close: 5_000 }

const mostWaiting = 1_000

export interface StoreParts {
  /** The one connection that writes. */
  readonly db: Database
  readonly sealer: Sealer
  readonly times: StateTimes
  /** Called once everything is closed. */
  readonly release: () => void
}

/** The store over an open database of this version. */
export function storeOf({ db, sealer, times, release }: StoreParts): StateStore {
  const snapshots = snapshotsOf(db.file)
  const queue = turns()
  const versions = versionsOf(db)
  const audits = auditsIn(db, () => queue.take(), expectOpen)
  let underWay: { end(reason: PosternError): void } | null = null
  let closing: Promise<void> | null = null

  return {
    async read(work) {
      expectOpen()
      return await read(snapshots, sealer, times.view, work)
    },

    async begin() {
      expectOpen()
      const next = await queue.take(mostWaiting)
      try {
        expectOpen()
        const transaction = startTransaction({
          db,
          sealer,
          versions,
          limitMs: times.transaction,
          ended(committed) {
            underWay = null
            if (committed) snapshots.changed()
            next()
          },
        })
        underWay = transaction
        return transaction
      } catch (error) {
        next()
        throw error
      }
    },

    async audit(entry) {
      expectOpen()
      await audits(entry)
    },

    async audits(query) {
      expectOpen()
      // Of now, also what was written since the snapshot that views share.
      snapshots.changed()
      const { db: snapshot, release: end } = snapshots.take()
      try {
        return queryAudits(snapshot, query)
      } finally {
        end()
      }
    },

    async pruneAudits(retention, now) {
      for (let gone = 0; ; ) {
        expectOpen()
        const next = await queue.take()
        try {
          expectOpen()
          const slice = pruneSlice(db, retention, now)
          gone += slice
          if (slice < sliceRows) return gone
        } finally {
          next()
        }
        await new Promise((resolve) => setImmediate(resolve))
      }
    },

    async backup(file) {
      expectOpen()
      await copyDatabase(db.file, file)
    },

    close,
    [Symbol.asyncDispose]: close,
  }

  function expectOpen(): void {
    if (closing !== null) throw closed()
  }

  function close(): Promise<void> {
    closing ??= closeAll()
    return closing
  }

  async function closeAll(): Promise<void> {
    const timer = setTimeout(() => underWay?.end(closed()), times.close)
    const next = await queue.take()
    clearTimeout(timer)
    try {
      snapshots.close()
      // The last connection copies the log into the file and removes it.
      db.close()
    } finally {
      release()
      next()
    }
  }
}

async function read<T>(
  snapshots: Snapshots,
  sealer: Sealer,
  limitMs: number,
  work: (view: ReturnType<typeof viewOf>) => Promise<T>,
): Promise<T> {
  const { db, release } = snapshots.take()
  let over: PosternError | null = null
  const end = (reason: PosternError): void => {
    over = reason
    clearTimeout(timer)
    release()
  }
  const timer = setTimeout(() => {
    end(new PosternError('state-view-ended', `the view of the state was open for ${limitMs / 1000} s and was ended`))
  }, limitMs)
  timer.unref()
  try {
    const view = viewOf(db, sealer, () => {
      if (over !== null) throw over
      if (!db.connection.isOpen) throw closed()
    })
    return await work(view)
  } finally {
    if (over === null)
      end(new PosternError('state-view-ended', 'the view of the state has ended with the work it was for'))
  }
}

/** Entries that come while a writer has its turn are written together in the next one. */
function auditsIn(
  db: Database,
  take: () => Promise<() => void>,
  expectOpen: () => void,
): (entry: AuditEntry) => Promise<void> {
  let waiting: AuditEntry[] = []
  let written: Promise<void> | null = null
  return async (entry) => {
    if (waiting.length >= mostWaiting) {
      throw new PosternError('state-busy', `${mostWaiting} audit entries wait to be written already; try again`)
    }
    waiting.push(entry)
    written ??= writeAll()
    await written
  }

  async function writeAll(): Promise<void> {
    const next = await take()
    const entries = waiting
    waiting = []
    written = null
    try {
      expectOpen()
      inTransaction(db, () => {
        for (const entry of entries) writeAudit(db, entry)
      })
    } finally {
      next()
    }
  }
}

function closed(): PosternError {
  return new PosternError('state-closed', 'the state is closed')
}
