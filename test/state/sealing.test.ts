import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { inspect } from 'node:util'
import { test } from 'node:test'
import { randomKey, sealerOf } from '../../src/state/sealing.ts'

const place = { kind: 'alias', scope: 'o/e/k', name: 'a' }

test('the same secret is never encrypted to the same bytes twice, and read from both', () => {
  const sealer = sealerOf(randomKey())
  const sealed = Array.from({ length: 100 }, () => sealer.seal(place, Buffer.from('secret')))
  assert.equal(new Set(sealed.map((it) => it.toString('hex', 0, 12))).size, 100)
  for (const it of sealed) assert.equal(String(sealer.unseal(place, it)), 'secret')
})

test('every place is another, also those that read the same when joined', () => {
  const sealer = sealerOf(randomKey())
  const sealed = sealer.seal(place, Buffer.from('secret'))
  for (const other of [
    { ...place, kind: 'setting' },
    { ...place, scope: 'o/e', name: 'k/a' },
    { ...place, scope: 'o/f/k' },
    { ...place, name: 'b' },
  ]) {
    assert.throws(() => sealer.unseal(other, sealed), { code: 'state-secret-damaged' })
  }
  assert.throws(() => sealerOf(randomKey()).unseal(place, sealed), { code: 'state-secret-damaged' })
})

test('a key of another length is refused; a key is not shown, its id is that of the key', () => {
  assert.throws(() => sealerOf(createSecretKey(Buffer.alloc(16))), { code: 'state-key-length' })
  const key = randomKey()
  const sealer = sealerOf(key)
  assert.equal(sealerOf(createSecretKey(key.export())).keyId, sealer.keyId)
  assert.notEqual(sealerOf(randomKey()).keyId, sealer.keyId)
  const shown = inspect([key, sealer], { depth: 9, showHidden: true })
  assert.ok(!shown.includes(key.export().toString('hex').slice(0, 16)))
})
