import { closeSync, existsSync, openSync, renameSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { messageOf, PosternError } from '../core/errors.ts'

/** 'PSTO': tells observed rollups from any other database of SQLite. */
const applicationId = 0x5053544f

const levelTable = (name: string): string =>
  `CREATE TABLE ${name} (at INTEGER NOT NULL, key INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (at, key)) STRICT, WITHOUT ROWID;
   CREATE INDEX ${name}_key ON ${name} (key, at);`

/** Step by step; what was released is never changed. `PRAGMA user_version` is the number of steps that were taken. */
const migrations: readonly string[] = [
  // `kept`: from when on each level still has everything; minutes since the epoch, as every \`at\` but that of samples.
  `CREATE TABLE kept (level TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE key (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
   ${levelTable('minute')}
   ${levelTable('hour')}
   ${levelTable('day')}
   CREATE TABLE sample (
     id INTEGER PRIMARY KEY,
     key INTEGER NOT NULL,
     ended INTEGER NOT NULL,
     request TEXT NOT NULL,
     body TEXT NOT NULL
   ) STRICT;
   CREATE INDEX sample_key ON sample (key, ended);
   CREATE INDEX sample_ended ON sample (ended);
   CREATE INDEX sample_request ON sample (request);`,
]

/** Up to this size the whole file is checked when it is opened; damage further in shows when it is read. */
const checkedPages = 16_384

/** Opens or begins a file; ':memory:' for none. Throws `monitoring-damaged`, `monitoring-too-new`, or what SQLite says. */
export function openFile(file: string): DatabaseSync {
  // What clients asked for is nobody else's to read; files beside it have its mode. (I7)
  if (file !== ':memory:') closeSync(openSync(file, 'a', 0o600))
  const db = new DatabaseSync(file, { timeout: 1_000 })
  try {
    expectOurs(db, file)
    db.exec('PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384')
    if (pragma(db, 'user_version') === 0) db.exec('PRAGMA auto_vacuum = INCREMENTAL')
    // What a power cut takes is the last minutes; what is killed, the last seconds. Nothing waits for the disk.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304')
    for (let version = pragma(db, 'user_version'); version < migrations.length; version++) {
      db.exec(
        `BEGIN IMMEDIATE; ${migrations[version] as string};
         PRAGMA user_version = ${version + 1}; PRAGMA application_id = ${applicationId}; COMMIT`,
      )
    }
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

export function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0] ?? 0)
}

/** The file is not one that can be read on: another one has to begin. */
export function isDamage(error: unknown): boolean {
  if (error instanceof PosternError) return error.code === 'monitoring-damaged'
  // SQLITE_CORRUPT, SQLITE_NOTADB; and SQLITE_ERROR where a table is not what it was made as.
  return /^(?:database disk image is malformed|file is not a database|no such (?:table|column)|malformed database schema)/.test(
    messageOf(error),
  )
}

/** @returns the name that it has now */
export function moveAside(file: string, now: number): string {
  const stamp = new Date(now).toISOString().replace(/[:.]/g, '-')
  const aside = `${file}.damaged-${stamp}`
  renameSync(file, aside)
  // They belong to what was moved, and would be taken for those of the next.
  for (const end of ['-wal', '-shm']) if (existsSync(file + end)) renameSync(file + end, aside + end)
  rmSync(`${file}-journal`, { force: true })
  return aside
}

function expectOurs(db: DatabaseSync, file: string): void {
  const id = pragma(db, 'application_id')
  const version = pragma(db, 'user_version')
  const empty = pragma(db, 'schema_version') === 0
  if (empty) return
  if (id !== applicationId || version === 0) {
    throw new PosternError('monitoring-damaged', `${file} is no store of monitoring`)
  }
  if (version > migrations.length) {
    const text = `${file} was written by a later version of this program: it has version ${version}, this one knows ${migrations.length}`
    throw new PosternError('monitoring-too-new', text, { evidence: { version, known: migrations.length } })
  }
  if (pragma(db, 'page_count') > checkedPages) return
  const reason = db.prepare('PRAGMA quick_check(1)').get()?.['quick_check']
  if (reason !== 'ok') throw new PosternError('monitoring-damaged', `${file} is damaged: ${String(reason)}`)
}
