import { type Database, inTransaction, numberOf } from './database.ts'
import { writeAudit } from './audit.ts'

/** How much of the audit trail is kept. */
export interface AuditRetention {
  /** Milliseconds; whole days of UTC go, so an entry stays up to a day longer. */
  readonly keep: number
  /** When there are more, the oldest go, and a hundredth of these with them. */
  readonly rows: number
}

/** Of one turn of the writer: others wait for it (I10). */
export const sliceRows = 500

const day = 86_400_000

/**
 * Removes the oldest entries that need not be kept, at most `sliceRows` of them, and says so in the trail. The triggers let
 * none go that is not below the mark, and the mark rises in the same transaction.
 *
 * @returns how many are gone; fewer than `sliceRows`: there are no more
 */
export function pruneSlice(db: Database, { keep, rows }: AuditRetention, now: number): number {
  const first = edge(db, 'min')
  const last = edge(db, 'max')
  if (first === null || last === null) return 0
  const before = Math.floor((now - keep) / day) * day
  // Ids have no gaps: each is one more than the one before, and what goes is the oldest.
  const tooMany = last - first + 1 > rows ? last + 1 - (rows - Math.floor(rows / 100)) : first
  const oldest = db.all('SELECT id, at FROM audit ORDER BY id LIMIT ?', sliceRows)
  // In order of their writing: a clock that was set back does not let newer ones go.
  const kept = oldest.findIndex(({ id, at }) => numberOf(id) >= tooMany && numberOf(at) >= before)
  const gone = oldest.slice(0, kept < 0 ? oldest.length : kept)
  const newest = gone.at(-1)
  if (newest === undefined) return 0
  inTransaction(db, () => {
    db.run(raise, numberOf(newest['id']) + 1)
    db.run('DELETE FROM audit WHERE id <= ?', numberOf(newest['id']))
    const until = new Date(Math.max(...gone.map(({ at }) => numberOf(at)))).toISOString()
    writeAudit(db, {
      at: now,
      user: 'postern',
      from: '',
      operation: 'PRUNE',
      method: 'DELETE',
      uri: `/api/audit?entries=${gone.length}&until=${until}`,
      status: 200,
      organization: '',
    })
  })
  return gone.length
}

const raise = `INSERT INTO meta (name, value) VALUES ('audit-kept-from', CAST(? AS INTEGER))
  ON CONFLICT (name) DO UPDATE SET value = excluded.value`

function edge(db: Database, which: 'min' | 'max'): number | null {
  const id = db.get(`SELECT ${which}(id) AS id FROM audit`)?.['id']
  return typeof id === 'number' ? id : null
}
