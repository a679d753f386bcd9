import type { KeyObject } from 'node:crypto'
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock } from '../core/clock.ts'
import { type Database, expectSound, openDatabase } from './database.ts'
import { createPrivate, databaseFile, makeDirectory, syncDirectory } from './files.ts'
import { expectKey, setKey } from './key-check.ts'
import { lockState } from './lock.ts'
import { migrate, upgrade, versionOf } from './migrations.ts'
import { randomKey, type Sealer, sealerOf } from './sealing.ts'
import { defaultTimes, type StateTimes, storeOf } from './store.ts'
import type { StateStore } from './types.ts'

export interface StateOptions {
  /** Made if it is not there. */
  readonly directory: string
  /** Of `readStateKey`: 32 bytes. */
  readonly key: KeyObject
  readonly clock?: Clock
  readonly times?: Partial<StateTimes>
}

/**
 * Opens the state in a directory, and makes it where there is none. Throws `state-in-use`, `state-key-wrong`, `state-too-new`,
 * `state-damaged`, `state-unwritable`, `state-full`: then nothing was changed.
 */
export async function openState(options: StateOptions): Promise<StateStore> {
  return await open(options, true)
}

/** The same for tests and trials: in files of its own that are gone when it is closed, with a key that nobody knows. */
export async function openMemoryState(options: Pick<StateOptions, 'clock' | 'times'> = {}): Promise<StateStore> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-state-'))
  if (temporary.size === 0) process.on('exit', removeTemporary)
  temporary.add(directory)
  return await open({ ...options, directory, key: randomKey() }, false, () => {
    rmSync(directory, { recursive: true, force: true })
    temporary.delete(directory)
    if (temporary.size === 0) process.off('exit', removeTemporary)
  })
}

/** Directories of states that were not closed yet. */
const temporary = new Set<string>()

function removeTemporary(): void {
  for (const directory of temporary) rmSync(directory, { recursive: true, force: true })
}

async function open(options: StateOptions, durable: boolean, closed: () => void = () => {}): Promise<StateStore> {
  const { directory, clock = systemClock, times } = options
  const sealer = sealerOf(options.key)
  makeDirectory(directory)
  const lock = lockState(directory)
  let db: Database | null = null
  try {
    const file = databaseFile(directory)
    if (existsSync(file)) expectState(file, sealer)
    else createState(file, sealer, clock)
    db = openDatabase(file, { durable })
    db.exec('PRAGMA journal_mode = WAL')
    await upgrade(db)
    const release = (): void => {
      lock.release()
      closed()
    }
    return storeOf({ db, sealer, times: { ...defaultTimes, ...times }, release })
  } catch (error) {
    db?.close()
    lock.release()
    closed()
    throw error
  }
}

/** By a connection that cannot write: what is refused stays as it is, its log included. */
function expectState(file: string, sealer: Sealer): void {
  const db = openDatabase(file, { readOnly: true })
  try {
    versionOf(db)
    expectKey(db, sealer)
    expectSound(db)
  } finally {
    db.close()
  }
}

/** Complete, or not there: a database that was cut to nothing is never taken for a new one. */
function createState(file: string, sealer: Sealer, clock: Clock): void {
  const directory = join(file, '..')
  const fresh = join(directory, '.postern.db.new')
  const remove = (): void => {
    for (const part of [fresh, `${fresh}-journal`]) rmSync(part, { force: true })
  }
  remove()
  createPrivate(fresh)
  const db = openDatabase(fresh)
  try {
    migrate(db)
    setKey(db, sealer)
    db.run("INSERT INTO meta (name, value) VALUES ('created-at', ?)", clock())
  } finally {
    db.close()
  }
  renameSync(fresh, file)
  syncDirectory(directory)
}
