import { type Database, numberOf } from './database.ts'

/**
 * Numbers of changes. What was rolled back had its numbers too, and somebody may remember them: none is given twice while
 * the process runs, and `restore` leaves a gap for those that the copy does not know of.
 */
export interface Versions {
  next(): number
  /** In the transaction of the change. */
  save(db: Database): void
}

const gap = 1_000_000

export function versionsOf(db: Database): Versions {
  let saved = savedIn(db)
  let last = saved
  return {
    next: () => ++last,
    save(target) {
      if (last === saved) return
      write(target, last)
      saved = last
    },
  }
}

export function leaveGap(db: Database): void {
  write(db, savedIn(db) + gap)
}

function savedIn(db: Database): number {
  return numberOf(db.get("SELECT value FROM meta WHERE name = 'version'")?.['value'])
}

function write(db: Database, value: number): void {
  db.run(
    "INSERT INTO meta (name, value) VALUES ('version', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    value,
  )
}
