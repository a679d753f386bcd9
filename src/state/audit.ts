import { type Database, numberOf, type Row, textOf } from './database.ts'
import type { AuditEntry, AuditQuery } from './types.ts'

const insert = `INSERT INTO audit (at, user, peer, operation, method, uri, status, organization, detail)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`

/** Characters that are kept of what others wrote (I10). */
const longest = 2_048

const most = 10_000

export function writeAudit(db: Database, entry: AuditEntry): void {
  const { at, user, from, operation, method, uri, status, organization, detail } = entry
  const texts = [user, from, operation, method, uri].map(clipped) as [string, string, string, string, string]
  db.run(insert, at, ...texts, status, clipped(organization), detail === undefined ? null : clipped(detail))
}

export function queryAudits(db: Database, query: AuditQuery): readonly AuditEntry[] {
  const { organization, start = 0, end = Number.MAX_SAFE_INTEGER, user, rows = 100 } = query
  const conditions = [
    'at BETWEEN ? AND ?',
    ...(organization === undefined ? [] : ['organization = ?']),
    ...(user === undefined ? [] : ['user = ?']),
  ]
  const values = [
    start,
    end,
    ...(organization === undefined ? [] : [organization]),
    ...(user === undefined ? [] : [user]),
  ]
  const limit = Math.max(0, Math.min(most, Math.trunc(rows)))
  return db
    .all(`SELECT * FROM audit WHERE ${conditions.join(' AND ')} ORDER BY at DESC, id DESC LIMIT ?`, ...values, limit)
    .map(entryOf)
}

function clipped(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}...`
}

function entryOf(row: Row): AuditEntry {
  return {
    at: numberOf(row['at']),
    user: textOf(row['user']),
    from: textOf(row['peer']),
    operation: textOf(row['operation']),
    method: textOf(row['method']),
    uri: textOf(row['uri']),
    status: numberOf(row['status']),
    organization: textOf(row['organization']),
    ...(row['detail'] === null ? {} : { detail: textOf(row['detail']) }),
  }
}
