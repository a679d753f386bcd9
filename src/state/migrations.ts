import { existsSync } from 'node:fs'
import { PosternError } from '../core/errors.ts'
import { copyDatabase } from './copy.ts'
import { type Database, inTransaction, numberOf } from './database.ts'

/** 'PSTN': tells a state from any other database of SQLite. */
export const applicationId = 0x5053544e

/** Step by step; what was released is never changed. `PRAGMA user_version` is the number of steps that were taken. */
const migrations: readonly string[] = [
  // Bytes and secrets stand apart from what is listed, so that a list reads neither.
  `CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE object (
     id INTEGER PRIMARY KEY,
     kind TEXT NOT NULL,
     scope TEXT NOT NULL,
     name TEXT NOT NULL,
     version INTEGER NOT NULL,
     body TEXT NOT NULL,
     UNIQUE (kind, scope, name)
   ) STRICT;
   CREATE TABLE content (
     object INTEGER PRIMARY KEY REFERENCES object (id) ON DELETE CASCADE,
     bytes BLOB NOT NULL
   ) STRICT;
   CREATE TABLE secret (
     object INTEGER PRIMARY KEY REFERENCES object (id) ON DELETE CASCADE,
     key_id TEXT NOT NULL,
     sealed BLOB NOT NULL
   ) STRICT;`,

  // REPLACE deletes without asking the trigger for deletions, hence the one for insertions.
  `CREATE TABLE audit (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     at INTEGER NOT NULL,
     user TEXT NOT NULL,
     peer TEXT NOT NULL,
     operation TEXT NOT NULL,
     method TEXT NOT NULL,
     uri TEXT NOT NULL,
     status INTEGER NOT NULL,
     organization TEXT NOT NULL
   ) STRICT;
   CREATE INDEX audit_at ON audit (at);
   CREATE INDEX audit_organization ON audit (organization, at);
   CREATE TRIGGER audit_update BEFORE UPDATE ON audit
     BEGIN SELECT RAISE (ABORT, 'the audit trail is append-only'); END;
   CREATE TRIGGER audit_delete BEFORE DELETE ON audit
     BEGIN SELECT RAISE (ABORT, 'the audit trail is append-only'); END;
   CREATE TRIGGER audit_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
     BEGIN SELECT RAISE (ABORT, 'the audit trail is append-only'); END;`,

  // Retention: what is below the mark may go, and the mark only rises.
  `DROP TRIGGER audit_delete;
   CREATE TRIGGER audit_delete BEFORE DELETE ON audit
     WHEN OLD.id >= coalesce((SELECT value FROM meta WHERE name = 'audit-kept-from'), 0)
     BEGIN SELECT RAISE (ABORT, 'the audit trail is append-only'); END;
   CREATE TRIGGER audit_mark_insert BEFORE INSERT ON meta
     WHEN NEW.name = 'audit-kept-from' AND (typeof(NEW.value) <> 'integer'
       OR NEW.value < coalesce((SELECT value FROM meta WHERE name = 'audit-kept-from'), 0))
     BEGIN SELECT RAISE (ABORT, 'the mark of the audit trail only rises'); END;
   CREATE TRIGGER audit_mark_update BEFORE UPDATE ON meta
     WHEN (OLD.name = 'audit-kept-from') <> (NEW.name = 'audit-kept-from')
       OR NEW.name = 'audit-kept-from' AND (typeof(NEW.value) <> 'integer' OR NEW.value < OLD.value)
     BEGIN SELECT RAISE (ABORT, 'the mark of the audit trail only rises'); END;
   CREATE TRIGGER audit_mark_delete BEFORE DELETE ON meta WHEN OLD.name = 'audit-kept-from'
     BEGIN SELECT RAISE (ABORT, 'the mark of the audit trail only rises'); END;`,
  `ALTER TABLE audit ADD COLUMN detail TEXT;`,
]

/** The version of the database that this program writes. */
export const stateVersion = migrations.length

/** Throws `state-damaged` where it is no state, `state-too-new` where a later program wrote it. @returns its version */
export function versionOf(db: Database): number {
  const id = numberOf(db.get('PRAGMA application_id')?.['application_id'])
  if (id !== applicationId) throw new PosternError('state-damaged', `${db.file} is not a state of this gateway`)
  const version = numberOf(db.get('PRAGMA user_version')?.['user_version'])
  if (version > stateVersion) {
    throw new PosternError(
      'state-too-new',
      `${db.file} was written by a later version of this program: it has version ${version}, this one knows ${stateVersion}`,
      { evidence: { file: db.file, version, known: stateVersion } },
    )
  }
  return version
}

/** Takes the steps up to `to`, each in a transaction of its own. */
export function migrate(db: Database, to: number = stateVersion): void {
  const from = numberOf(db.get('PRAGMA user_version')?.['user_version'])
  for (let version = from + 1; version <= to; version++) {
    inTransaction(db, () => {
      db.exec(migrations[version - 1] as string)
      db.exec(`PRAGMA user_version = ${version}; PRAGMA application_id = ${applicationId}`)
    })
  }
}

/** Brings an older database up, and keeps a copy as it was: `postern.db.before-2`. @returns the copy, null where it is new enough */
export async function upgrade(db: Database): Promise<string | null> {
  const from = versionOf(db)
  if (from === stateVersion) return null
  const copy = `${db.file}.before-${stateVersion}`
  // One that is there is of a run that ended before its migrations did: it is the older one, and stays.
  if (!existsSync(copy)) await copyDatabase(db.file, copy)
  migrate(db)
  return copy
}
