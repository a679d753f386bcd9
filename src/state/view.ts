import { PosternError } from '../core/errors.ts'
import { bytesOf, type Database, numberOf, type Row, textOf } from './database.ts'
import type { Kind, Kinds } from './kinds.ts'
import type { Sealer } from './sealing.ts'
import type { Page, StateView, StoredObject } from './types.ts'

const columns = `SELECT o.scope, o.name, o.version, o.body, s.object IS NOT NULL AS sealed
  FROM object o LEFT JOIN secret s ON s.object = o.id WHERE o.kind = ?`

const sql = {
  get: `${columns} AND o.scope = ? AND o.name = ?`,
  list: `${columns} AND o.scope = ? AND o.name > ? AND o.name >= ? ORDER BY o.name LIMIT ?`,
  // '0' is what follows '/': everything that begins with `scope/`.
  below: `${columns} AND o.scope >= ? || '/' AND o.scope < ? || '0' ORDER BY o.scope, o.name`,
  all: `${columns} ORDER BY o.scope, o.name`,
  names: 'SELECT name FROM object WHERE kind = ? AND scope = ? AND name > ? AND name >= ? ORDER BY name LIMIT ?',
  blob: `SELECT c.bytes FROM object o JOIN content c ON c.object = o.id WHERE o.kind = ? AND o.scope = ? AND o.name = ?`,
  secret: `SELECT s.sealed FROM object o JOIN secret s ON s.object = o.id WHERE o.kind = ? AND o.scope = ? AND o.name = ?`,
}

/** What a connection sees. `expectOpen` throws once it may no longer be asked. */
export function viewOf(db: Database, sealer: Sealer, expectOpen: () => void): StateView {
  return {
    async get(kind, scope, name) {
      expectOpen()
      const row = db.get(sql.get, kind, scope, name)
      return row === undefined ? null : objectOf(db, kind, row)
    },
    async list(kind, scope, page) {
      expectOpen()
      return db.all(sql.list, kind, scope, ...range(page)).map((row) => objectOf(db, kind, row))
    },
    async below(kind, scope) {
      expectOpen()
      const rows =
        scope === ''
          ? db.all(sql.all, kind)
          : [...db.all(sql.list, kind, scope, ...range()), ...db.all(sql.below, kind, scope, scope)]
      return rows.map((row) => objectOf(db, kind, row))
    },
    async names(kind, scope, page) {
      expectOpen()
      return db.all(sql.names, kind, scope, ...range(page)).map((row) => textOf(row['name']))
    },
    async blob(kind, scope, name) {
      expectOpen()
      return bytesOf(db.get(sql.blob, kind, scope, name)?.['bytes'])
    },
    async secret(kind, scope, name) {
      expectOpen()
      const sealed = bytesOf(db.get(sql.secret, kind, scope, name)?.['sealed'])
      return sealed === null ? null : sealer.unseal({ kind, scope, name }, sealed)
    },
  }
}

/** No name is empty, so '' is before all; -1 is no limit. */
function range(page: Page = {}): readonly [after: string, from: string, limit: number] {
  return [page.after ?? '', page.from ?? '', page.limit ?? -1]
}

function objectOf<K extends Kind>(db: Database, kind: K, row: Row): StoredObject<K> {
  const scope = textOf(row['scope'])
  const name = textOf(row['name'])
  const body = bodyOf(db, `${kind} ${scope}/${name}`, textOf(row['body'])) as Kinds[K]
  return { kind, scope, name, body, version: numberOf(row['version']), hasSecret: row['sealed'] === 1 }
}

function bodyOf(db: Database, object: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new PosternError('state-damaged', `${db.file} is damaged: ${object} cannot be read`, { cause: error })
  }
}
