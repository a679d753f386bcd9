import { type Database, numberOf } from './database.ts'

/** When a copy was made, written into it: the time of a file is that of the last one who copied the file. */
export function setCopiedAt(db: Database, at: number): void {
  db.run(
    "INSERT INTO meta (name, value) VALUES ('copied-at', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    at,
  )
}

/** null: it is no copy, or one of a version that did not write this down. */
export function copiedAt(db: Database): number | null {
  const value = db.get("SELECT value FROM meta WHERE name = 'copied-at'")?.['value']
  return value === undefined ? null : numberOf(value)
}

/** It is a state again. */
export function removeCopiedAt(db: Database): void {
  db.run("DELETE FROM meta WHERE name = 'copied-at'")
}
