import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { messageOf } from '../../src/core/errors.ts'
import { readStateKey } from '../../src/state/key.ts'
import { directory } from './support.ts'

const bytes = Buffer.from('0123456789abcdef0123456789ABCDEF')
const base64 = bytes.toString('base64')

const spellings: readonly (readonly [sentence: string, text: string])[] = [
  ['base64', base64],
  ['base64 with an end of line', `${base64}\r\n`],
  ['base64 without padding', base64.replaceAll('=', '')],
  ['base64 of URLs', Buffer.from(bytes).toString('base64url')],
  ['hex', bytes.toString('hex')],
  ['hex in capitals, with space around', ` ${bytes.toString('hex').toUpperCase()}\n`],
]

for (const [sentence, text] of spellings) {
  test(`a key may be ${sentence}, in a file or in the environment`, (t) => {
    const file = join(directory(t), 'key')
    writeFileSync(file, text, { mode: 0o600 })
    assert.deepEqual(readStateKey({ file }).export(), bytes)
    assert.deepEqual(readStateKey({ env: { POSTERN_STATE_KEY: text } }).export(), bytes)
  })
}

const wrong: readonly (readonly [sentence: string, text: string, says: RegExp])[] = [
  ['31 bytes', bytes.subarray(1).toString('base64'), /these are 31 bytes; make one: .*openssl rand -base64 32/],
  ['64 bytes as hex', Buffer.concat([bytes, bytes]).toString('hex'), /these are 96 bytes/],
  ['a pass phrase', 'correct horse battery staple, and more of it!', /is neither/],
  ['nothing', '', /0 bytes|there is no key/],
]

for (const [sentence, text, says] of wrong) {
  test(`${sentence} is no key, and the error does not repeat it`, (t) => {
    const file = join(directory(t), 'key')
    writeFileSync(file, text, { mode: 0o600 })
    for (const source of [{ file }, { env: { POSTERN_STATE_KEY: text } }]) {
      assert.throws(
        () => readStateKey(source),
        (error) => says.test(messageOf(error)) && (text === '' || !messageOf(error).includes(text)),
      )
    }
  })
}

test('no key at all: the error says how to make one', (t) => {
  assert.throws(() => readStateKey({}), { code: 'state-key-missing', message: /openssl rand -base64 32/ })
  const file = join(directory(t), 'none')
  assert.throws(() => readStateKey({ file }), { code: 'state-key-missing', message: /openssl rand -base64 32/ })
})

test('a directory is no key file, and the file goes before the environment', (t) => {
  const path = directory(t)
  assert.throws(() => readStateKey({ file: path, env: { POSTERN_STATE_KEY: base64 } }), {
    code: 'state-key-unreadable',
  })
})

test('a key that others may read is refused, unless it is mounted by Kubernetes', (t) => {
  const path = directory(t)
  const file = join(path, 'key')
  writeFileSync(file, base64)
  for (const mode of [0o644, 0o640, 0o604]) {
    chmodSync(file, mode)
    assert.throws(() => readStateKey({ file }), { code: 'state-key-exposed', message: /chmod 600/ })
  }
  chmodSync(file, 0o400)
  assert.deepEqual(readStateKey({ file }).export(), bytes)

  mkdirSync(join(path, '..2026_01_01'))
  writeFileSync(join(path, '..2026_01_01', 'mounted'), base64, { mode: 0o644 })
  symlinkSync('..2026_01_01', join(path, '..data'))
  symlinkSync('..data/mounted', join(path, 'mounted'))
  assert.deepEqual(readStateKey({ file: join(path, 'mounted') }).export(), bytes)
  chmodSync(file, 0o644)
  assert.throws(() => readStateKey({ file }), { code: 'state-key-exposed' })
})
