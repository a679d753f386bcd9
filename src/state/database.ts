import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { PosternError } from '../core/errors.ts'
import { withProblem } from './problem.ts'

export type Row = Readonly<Record<string, unknown>>

/** One connection; statements are prepared once. Throws `state-*`. */
export interface Database {
  readonly file: string
  readonly connection: DatabaseSync
  readonly inTransaction: boolean
  get(sql: string, ...values: readonly SQLInputValue[]): Row | undefined
  all(sql: string, ...values: readonly SQLInputValue[]): readonly Row[]
  /** @returns how many rows it changed */
  run(sql: string, ...values: readonly SQLInputValue[]): number
  exec(sql: string): void
  /** Throws `state-missing` where another file, or none, is under its name: what is written would be lost with it. */
  expectThere(): void
  close(): void
}

export interface DatabaseOptions {
  readonly readOnly?: boolean
  /** Of a file that nobody writes, perhaps in a directory that nobody may write: no lock, no file beside it. */
  readonly immutable?: boolean
  /** False where nothing is to outlive the process. */
  readonly durable?: boolean
}

/** The write-ahead log is cut back to this many bytes once it was copied into the file. */
const logBytes = 16 * 1024 * 1024

/** Waits of SQLite stop the thread: only a backup or a restore that runs beside can cause one. */
const busyMs = 2_000

export function openDatabase(file: string, options: DatabaseOptions = {}): Database {
  const { readOnly = false, immutable = false, durable = true } = options
  const connection = withProblem(file, () => {
    const location = immutable ? immutableUrl(file) : file
    const opened = new DatabaseSync(location, { readOnly, timeout: busyMs, enableForeignKeyConstraints: true })
    try {
      opened.enableDefensive(true)
      opened.exec('PRAGMA trusted_schema = OFF')
      if (readOnly) opened.exec('PRAGMA query_only = ON')
      else {
        opened.exec(`PRAGMA synchronous = ${durable ? 'FULL' : 'OFF'}`)
        // What was deleted is not left in free pages: old secrets, sealed with a key that was given up.
        opened.exec(`PRAGMA secure_delete = ON; PRAGMA journal_size_limit = ${logBytes}`)
      }
      return opened
    } catch (error) {
      opened.close()
      throw error
    }
  })
  const statements = new Map<string, StatementSync>()
  const opened = withProblem(file, () => statSync(file))

  return {
    file,
    connection,
    get inTransaction() {
      return connection.isTransaction
    },
    get: (sql, ...values) => withProblem(file, () => prepared(sql).get(...values)),
    all: (sql, ...values) => withProblem(file, () => prepared(sql).all(...values)),
    run: (sql, ...values) => withProblem(file, () => Number(prepared(sql).run(...values).changes)),
    exec: (sql) => withProblem(file, () => connection.exec(sql)),
    expectThere() {
      const now = statSync(file, { throwIfNoEntry: false })
      if (now?.ino === opened.ino && now.dev === opened.dev) return
      const text = `${file} was removed or replaced while it was open; stop the gateway, and put a backup in its place with postern restore`
      throw new PosternError('state-missing', text, { evidence: { file } })
    },
    close() {
      statements.clear()
      if (connection.isOpen) connection.close()
    },
  }

  function prepared(sql: string): StatementSync {
    const known = statements.get(sql)
    if (known !== undefined) return known
    const statement = connection.prepare(sql)
    statements.set(sql, statement)
    return statement
  }
}

/** Calls in one transaction: everything that it did, or nothing. */
export function inTransaction<T>(db: Database, work: () => T): T {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/** Throws `state-damaged` where the file is not what SQLite wrote. */
export function expectSound(db: Database, check: 'quick_check' | 'integrity_check' = 'quick_check'): void {
  const reason = db.get(`PRAGMA ${check}(1)`)?.[check]
  if (reason !== 'ok') throw damaged(db.file, reason)
}

export function damaged(file: string, reason: unknown): PosternError {
  const text = `${file} is damaged; put a backup in its place with postern restore`
  return new PosternError('state-damaged', text, { evidence: { file, reason } })
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

export function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

export function bytesOf(value: unknown): Buffer | null {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : null
}

function immutableUrl(file: string): URL {
  const url = pathToFileURL(resolve(file))
  url.searchParams.set('immutable', '1')
  return url
}
