import { PosternError } from '../core/errors.ts'
import { bytesOf, type Database, textOf } from './database.ts'
import type { Sealer } from './sealing.ts'

const place = { kind: 'meta', scope: '', name: 'key-check' }
const setMeta = 'INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value'

/** Writes down which key the secrets of this database are sealed with, and a text sealed with it. */
export function setKey(db: Database, sealer: Sealer): void {
  db.run(setMeta, 'key-id', sealer.keyId)
  db.run(setMeta, 'key-check', sealer.seal(place, Buffer.from('postern')))
}

export function keyIdOf(db: Database): string {
  return textOf(db.get("SELECT value FROM meta WHERE name = 'key-id'")?.['value'])
}

/** Throws `state-key-wrong` where the database has another key. */
export function expectKey(db: Database, sealer: Sealer): void {
  const keyId = keyIdOf(db)
  if (keyId !== sealer.keyId) {
    throw new PosternError(
      'state-key-wrong',
      `${db.file} is encrypted with another key: it needs the key with id ${keyId}, this one has id ${sealer.keyId}`,
      { evidence: { file: db.file, needed: keyId, given: sealer.keyId } },
    )
  }
  const check = bytesOf(db.get("SELECT value FROM meta WHERE name = 'key-check'")?.['value'])
  sealer.unseal(place, check ?? Buffer.alloc(0))
}
