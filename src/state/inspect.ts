import { statSync } from 'node:fs'
import { PosternError } from '../core/errors.ts'
import { copiedAt } from './copied-at.ts'
import { damaged, type Database, expectSound, numberOf, openDatabase, textOf } from './database.ts'
import { expectThere } from './files.ts'
import { expectKey, keyIdOf } from './key-check.ts'
import { versionOf } from './migrations.ts'
import type { Sealer } from './sealing.ts'

/** What is in a state or a copy of one, by kind and name; nothing of what the objects hold. */
export interface StateContents {
  readonly version: number
  /** When the state was made. Milliseconds since the epoch. */
  readonly createdAt: number
  /** When the copy was made: as it says itself, or the time of the file where it does not. */
  readonly copied: { readonly at: number; readonly from: 'copy' | 'file' }
  /** Which key its secrets are encrypted with; says nothing of the key. */
  readonly keyId: string
  readonly audits: number
  readonly kinds: readonly { readonly kind: string; readonly objects: readonly ObjectName[] }[]
}

export interface ObjectName {
  readonly scope: string
  readonly name: string
  readonly hasSecret: boolean
}

/** Of a copy, which nobody writes meanwhile. */
export function contentsOf(file: string): StateContents {
  return withCopy(file, (db) => {
    const version = versionOf(db)
    const copied = copiedAt(db)
    const rows = db.all(`SELECT o.kind, o.scope, o.name, s.object IS NOT NULL AS sealed
      FROM object o LEFT JOIN secret s ON s.object = o.id ORDER BY o.kind, o.scope, o.name`)
    const kinds = new Map<string, ObjectName[]>()
    for (const row of rows) {
      const kind = textOf(row['kind'])
      const objects = kinds.get(kind) ?? []
      objects.push({ scope: textOf(row['scope']), name: textOf(row['name']), hasSecret: row['sealed'] === 1 })
      kinds.set(kind, objects)
    }
    return {
      version,
      copied: copied === null ? { at: Math.round(statSync(file).mtimeMs), from: 'file' } : { at: copied, from: 'copy' },
      createdAt: numberOf(db.get("SELECT value FROM meta WHERE name = 'created-at'")?.['value']),
      keyId: keyIdOf(db),
      audits: hasAudits(version) ? numberOf(db.get('SELECT count(*) AS count FROM audit')?.['count']) : 0,
      kinds: [...kinds].map(([kind, objects]) => ({ kind, objects })),
    }
  })
}

/** Throws `state-damaged`, `state-too-new`, `state-key-wrong`, `state-secret-damaged` for a copy that cannot be run with this key. */
export function expectUsable(file: string, sealer: Sealer): void {
  withCopy(file, (db) => {
    versionOf(db)
    expectKey(db, sealer)
    expectSound(db, 'integrity_check')
    if (db.all('PRAGMA foreign_key_check').length > 0) throw damaged(file, 'foreign keys')
    for (const row of sealedRows(db)) sealer.unseal(row.place, row.sealed).fill(0)
  })
}

export interface SealedRow {
  readonly id: number
  readonly place: { readonly kind: string; readonly scope: string; readonly name: string }
  readonly keyId: string
  readonly sealed: Uint8Array
}

/** Every secret, a few at a time. */
export function* sealedRows(db: Database): Generator<SealedRow> {
  for (let after = 0; ; ) {
    const rows = db.all(
      `SELECT s.object, s.key_id, s.sealed, o.kind, o.scope, o.name FROM secret s JOIN object o ON o.id = s.object
        WHERE s.object > ? ORDER BY s.object LIMIT 100`,
      after,
    )
    if (rows.length === 0) return
    for (const row of rows) {
      after = numberOf(row['object'])
      const place = { kind: textOf(row['kind']), scope: textOf(row['scope']), name: textOf(row['name']) }
      yield { id: after, place, keyId: textOf(row['key_id']), sealed: row['sealed'] as Uint8Array }
    }
  }
}

function withCopy<T>(file: string, use: (db: Database) => T): T {
  expectThere(file)
  // What is read below is the file alone.
  if ((statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) {
    throw new PosternError(
      'state-in-use',
      `${file} is a state with changes beside it, not a copy of one; make one with postern backup`,
    )
  }
  const db = openDatabase(file, { readOnly: true, immutable: true })
  try {
    return use(db)
  } finally {
    db.close()
  }
}

/** The trail came with version 2. */
function hasAudits(version: number): boolean {
  return version >= 2
}
