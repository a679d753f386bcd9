import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { coarsestKey, isFailed } from '../observe/rollup-key.ts'
import type { RequestSample } from '../observe/rollup.ts'
import { addCell, addPacked, type Cell, emptyCell, packCell } from './cells.ts'
import { downTo, type KeptFrom, type LevelName, levels, type Stretch } from './levels.ts'
import { endOf, type PendingCell } from './pending.ts'
import { openFile, pragma } from './store-file.ts'
import { KeyTable, textOfKey } from './store-keys.ts'

/** Samples of one key that an hour keeps: of those that failed, and of others. */
const hourSamples = { failed: 20, well: 3 }

interface LevelStatements {
  readonly minutes: number
  readonly read: StatementSync
  readonly insert: StatementSync
  readonly update: StatementSync
  readonly scan: StatementSync
  readonly scanKey: StatementSync
}

/** An open file of rollups. Everything here may throw what SQLite says. */
export class Written {
  readonly db: DatabaseSync
  readonly keys: KeyTable
  rows = 0
  readonly #maxKeys: number
  readonly #levels: Readonly<Record<LevelName, LevelStatements>>
  readonly #addSample: StatementSync
  readonly #trimSamples: StatementSync
  #kept: KeptFrom

  constructor(file: string, maxKeys: number) {
    this.db = openFile(file)
    this.#maxKeys = maxKeys
    try {
      this.keys = new KeyTable(this.db)
      this.#levels = Object.fromEntries(
        levels.map(({ name, minutes }) => [name, this.#prepare(name, minutes)]),
      ) as unknown as Record<LevelName, LevelStatements>
      this.#addSample = this.db.prepare('INSERT INTO sample (key, ended, request, body) VALUES (?, ?, ?, ?)')
      this.#trimSamples = this.db.prepare(
        `DELETE FROM sample WHERE id IN (SELECT id FROM sample WHERE key = ? AND ended >= ? AND ended < ?
           ORDER BY ended DESC LIMIT -1 OFFSET ?)`,
      )
      this.#kept = this.#readKept()
      for (const { name } of levels) {
        this.rows += Number(this.db.prepare(`SELECT count(*) AS n FROM ${name}`).get()?.['n'])
      }
    } catch (error) {
      this.db.close()
      throw error
    }
  }

  /** From when on each level still has everything. */
  get kept(): KeptFrom {
    return this.#kept
  }

  /** Of the data, without pages that are free again. */
  get bytes(): number {
    return (pragma(this.db, 'page_count') - pragma(this.db, 'freelist_count')) * pragma(this.db, 'page_size')
  }

  get oldest(): number | null {
    const times = levels.flatMap(({ name }) => this.oldestOf(name) ?? [])
    return times.length === 0 ? null : Math.min(...times) * 60_000
  }

  oldestOf(level: LevelName): number | null {
    const at = this.db.prepare(`SELECT min(at) AS at FROM ${level}`).get()?.['at']
    return typeof at === 'number' ? at : null
  }

  /**
   * Adds to what there is: all of it in all levels, or nothing.
   *
   * @param isOver of minutes that run, samples of what went well are not kept yet: they would be many for a minute
   */
  write(minute: number, cells: readonly PendingCell[], isOver: boolean): void {
    this.transaction(() => {
      for (const { key, cell, samples } of cells) {
        let text = textOfKey(key)
        let kept = key
        if (this.keys.size >= this.#maxKeys && !this.keys.has(text)) {
          kept = coarsestKey(key, key)
          text = textOfKey(kept)
        }
        const id = this.keys.idOf(text, kept)
        if (cell.requests > 0) {
          for (const { name, minutes } of levels) this.#merge(name, downTo(minute, minutes), id, cell)
        }
        if (isOver || isFailed(key)) this.#keepSamples(id, samples)
      }
    })
  }

  /** Takes out the oldest rows that begin before a time, some at once. @returns how many */
  prune(level: LevelName, before: number, limit: number): number {
    const { minutes } = this.#levels[level]
    return this.transaction(() => {
      const oldest = this.db
        .prepare(`SELECT at FROM ${level} WHERE at < ? ORDER BY at LIMIT 1 OFFSET ?`)
        .get(before, limit - 1)?.['at']
      // What is below the mark is not read any more, so that a minute of which a part is gone is not taken for whole.
      const since = (typeof oldest === 'number' ? oldest : before - minutes) + minutes
      this.db
        .prepare('INSERT INTO kept VALUES (?, ?) ON CONFLICT DO UPDATE SET since = max(since, excluded.since)')
        .run(level, since)
      const gone = Number(
        this.db
          .prepare(
            `DELETE FROM ${level} WHERE (at, key) IN (SELECT at, key FROM ${level} WHERE at < ? ORDER BY at LIMIT ?)`,
          )
          .run(before, limit).changes,
      )
      this.rows -= gone
      this.#kept = this.#readKept()
      return gone
    })
  }

  pruneSamples(before: number, limit: number): number {
    return Number(
      this.db
        .prepare('DELETE FROM sample WHERE id IN (SELECT id FROM sample WHERE ended < ? ORDER BY ended LIMIT ?)')
        .run(before, limit).changes,
    )
  }

  /** @param ids only these keys; null: all */
  scan(
    stretch: Stretch,
    ids: readonly number[] | null,
    visit: (at: number, id: number, bytes: Uint8Array) => void,
  ): void {
    const { scan, scanKey } = this.#levels[stretch.level]
    if (ids === null) {
      for (const row of scan.iterate(stretch.from, stretch.to) as unknown as Iterable<[number, number, Uint8Array]>) {
        visit(row[0], row[1], row[2])
      }
      return
    }
    for (const id of ids) {
      for (const row of scanKey.iterate(id, stretch.from, stretch.to) as unknown as Iterable<[number, Uint8Array]>) {
        visit(row[0], id, row[1])
      }
    }
  }

  transaction<T>(work: () => T): T {
    this.db.exec('BEGIN IMMEDIATE')
    const { rows } = this
    try {
      const result = work()
      this.db.exec('COMMIT')
      return result
    } catch (error) {
      this.rows = rows
      if (this.db.isTransaction) this.db.exec('ROLLBACK')
      this.keys.reload()
      throw error
    }
  }

  close(): void {
    if (this.db.isOpen) this.db.close()
  }

  #merge(level: LevelName, at: number, key: number, cell: Cell): void {
    const { read, insert, update } = this.#levels[level]
    const known = read.get(at, key) as unknown as [Uint8Array] | undefined
    if (known === undefined) {
      insert.run(at, key, packCell(cell))
      this.rows++
      return
    }
    const sum = emptyCell()
    addPacked(sum, known[0])
    addCell(sum, cell)
    update.run(packCell(sum), at, key)
  }

  #keepSamples(key: number, samples: readonly RequestSample[]): void {
    const trimmed = new Set<number>()
    for (const sample of samples) {
      const ended = endOf(sample)
      this.#addSample.run(key, ended, sample.id, JSON.stringify(sample))
      trimmed.add(downTo(ended, 3_600_000))
    }
    const known = this.keys.get(key)
    const limit = known !== undefined && isFailed(known) ? hourSamples.failed : hourSamples.well
    for (const hour of trimmed) this.#trimSamples.run(key, hour, hour + 3_600_000, limit)
  }

  #prepare(name: LevelName, minutes: number): LevelStatements {
    const read = this.db.prepare(`SELECT value FROM ${name} WHERE at = ? AND key = ?`)
    const scan = this.db.prepare(`SELECT at, key, value FROM ${name} WHERE at >= ? AND at < ?`)
    const scanKey = this.db.prepare(`SELECT at, value FROM ${name} WHERE key = ? AND at >= ? AND at < ?`)
    // Objects with names take twice the time of the rest.
    for (const statement of [read, scan, scanKey]) statement.setReturnArrays(true)
    return {
      minutes,
      read,
      insert: this.db.prepare(`INSERT INTO ${name} (at, key, value) VALUES (?, ?, ?)`),
      update: this.db.prepare(`UPDATE ${name} SET value = ? WHERE at = ? AND key = ?`),
      scan,
      scanKey,
    }
  }

  #readKept(): KeptFrom {
    const kept = { minute: 0, hour: 0, day: 0 }
    for (const { level, since } of this.db.prepare('SELECT level, since FROM kept').all()) {
      kept[level as LevelName] = Number(since)
    }
    return kept
  }
}
