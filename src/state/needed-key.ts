import { existsSync, statSync } from 'node:fs'
import { openDatabase } from './database.ts'
import { databaseFile } from './files.ts'
import { keyIdOf } from './key-check.ts'

/**
 * The id of the key that a state, by its directory, or a copy of one is encrypted with. For a hint: '' where it cannot be read,
 * as whoever opens it with a key is told what is wrong with it; null where nothing is there.
 */
export function neededKeyId(place: string): string | null {
  const file = statSync(place, { throwIfNoEntry: false })?.isDirectory() === true ? databaseFile(place) : place
  if (!existsSync(file)) return null
  try {
    const db = openDatabase(file, { readOnly: true })
    try {
      return keyIdOf(db)
    } finally {
      db.close()
    }
  } catch {
    return ''
  }
}
