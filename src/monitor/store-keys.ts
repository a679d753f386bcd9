import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { RollupKey } from '../observe/rollup.ts'

/** Every key that a row or a sample has, by its number; all in memory, as there are few of them. */
export class KeyTable {
  readonly #db: DatabaseSync
  readonly #insert: StatementSync
  readonly #ids = new Map<string, number>()
  readonly #keys = new Map<number, RollupKey>()

  constructor(db: DatabaseSync) {
    this.#db = db
    this.#insert = db.prepare('INSERT INTO key (text) VALUES (?)')
    this.reload()
  }

  get size(): number {
    return this.#keys.size
  }

  has(text: string): boolean {
    return this.#ids.has(text)
  }

  get(id: number): RollupKey | undefined {
    return this.#keys.get(id)
  }

  entries(): Iterable<[number, RollupKey]> {
    return this.#keys.entries()
  }

  /** Number of a key; within a transaction, which `reload` has to follow where it fails. */
  idOf(text: string, key: RollupKey): number {
    const known = this.#ids.get(text)
    if (known !== undefined) return known
    const id = Number(this.#insert.run(text).lastInsertRowid)
    this.#ids.set(text, id)
    this.#keys.set(id, key)
    return id
  }

  reload(): void {
    this.#ids.clear()
    this.#keys.clear()
    for (const { id, text } of this.#db.prepare('SELECT id, text FROM key').iterate()) {
      this.#ids.set(String(text), Number(id))
      this.#keys.set(Number(id), parsedKey(String(text)))
    }
  }

  /** Takes out those of a range that nothing has any more. @returns where to go on; 0: all were looked at */
  purge(after: number): number {
    const last = this.#db.prepare('SELECT id FROM key WHERE id > ? ORDER BY id LIMIT 1 OFFSET 499').get(after)
    const to = last === undefined ? Number.MAX_SAFE_INTEGER : Number(last['id'])
    const unused = this.#db
      .prepare(
        `SELECT id, text FROM key WHERE id > ? AND id <= ?
           AND NOT EXISTS (SELECT 1 FROM minute WHERE minute.key = key.id)
           AND NOT EXISTS (SELECT 1 FROM hour WHERE hour.key = key.id)
           AND NOT EXISTS (SELECT 1 FROM day WHERE day.key = key.id)
           AND NOT EXISTS (SELECT 1 FROM sample WHERE sample.key = key.id)`,
      )
      .all(after, to)
    const remove = this.#db.prepare('DELETE FROM key WHERE id = ?')
    for (const { id, text } of unused) {
      remove.run(id as number)
      this.#ids.delete(String(text))
      this.#keys.delete(Number(id))
    }
    return last === undefined ? 0 : to
  }
}

const fields = [
  'proxyKey',
  'organization',
  'environment',
  'proxy',
  'revision',
  'basePath',
  'listener',
  'method',
  'target',
  'status',
  'targetStatus',
  'fault',
  'verdict',
  'party',
  'faultCode',
  'faultSource',
] as const satisfies readonly (keyof RollupKey)[]

export function textOfKey(key: RollupKey): string {
  return JSON.stringify(fields.map((field) => key[field]))
}

function parsedKey(text: string): RollupKey {
  const values = JSON.parse(text) as unknown[]
  return Object.fromEntries(fields.map((field, at) => [field, values[at]])) as unknown as RollupKey
}
