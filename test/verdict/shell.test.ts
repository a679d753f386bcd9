import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { fileStem, onOneLine, shellWord } from '../../src/verdict/shell.ts'

/* What a certificate says may end up in a command that somebody pastes into a shell. */

const hostile = [
  "it's",
  '$(touch pwned)',
  '`touch pwned`',
  '; touch pwned #',
  '"; touch pwned; "',
  "'; touch pwned; '",
  String.raw`back\slash`,
  '-n',
  '~root',
  '*',
  '!!',
  '%1',
  '=ls',
  '',
  ' ',
  'a  b',
  '&& touch pwned',
  '| cat',
  '> pwned',
  '\u00fcber.example',
]

describe('a word of a command', () => {
  it('stands for exactly the text it was made from, whatever that is', () => {
    for (const text of hostile) assert.equal(printedBy(shellWord(text)), text, JSON.stringify(text))
  })

  it('plain words stay as they are, so that commands stay readable', () => {
    for (const text of ['billing', './corp-ca.pem', 'https://billing.internal:8443', 'ECDHE+AESGCM', 'a@b', '50%']) {
      assert.equal(shellWord(text), text)
    }
  })

  it('is refused for text that a line cannot show', () => {
    for (const text of ['two\nlines', 'nul\0', 'escape\u001b[2J', 'turned\u202eround', 'line\u2028end', '\ud800']) {
      assert.throws(() => shellWord(text), { code: 'unquotable' }, JSON.stringify(text))
    }
  })

  it('any text is either quoted on one line and comes back unchanged, or refused', () => {
    const words: [string, string][] = []
    const anything = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom(...Array.from('\'"`$\\ ;&|<>()*?[]#~=%!{}\n\0a')) }),
    )
    fc.assert(
      fc.property(anything, (text) => {
        let word: string
        try {
          word = shellWord(text)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'unquotable')
          assert.match(text, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
          return
        }
        assert.doesNotMatch(word, /[\n\r]/)
        words.push([text, word])
      }),
      { numRuns: 2000 },
    )
    // one shell for all of them: words that run into each other would show
    for (let at = 0; at < words.length; at += 500) {
      const some = words.slice(at, at + 500)
      const script = `printf '%s\\0' ${some.map(([, word]) => word).join(' ')}`
      const printed = execFileSync('sh', ['-c', script]).toString('utf8').split('\0').slice(0, -1)
      assert.deepEqual(
        printed,
        some.map(([text]) => text),
      )
    }
  })
})

describe('text of a peer in a line', () => {
  it('shows what it cannot print and is never endless', () => {
    assert.equal(onOneLine('a\nb\u001b[31m\u202e'), String.raw`a\u{A}b\u{1B}[31m\u{202E}`)
    assert.equal(onOneLine('x'.repeat(1000), 20), `${'x'.repeat(17)}...`)
    assert.equal(onOneLine('plain "text", \u00fc'), 'plain "text", \u00fc')
  })
})

describe('a file name from a subject', () => {
  it('is made of letters, digits and dashes, and begins with none of them', () => {
    const cases: Readonly<Record<string, string>> = {
      'CN=Elsewhere Root CA, O=Elsewhere': 'elsewhere-root-ca',
      'O=Only, CN=Last': 'last',
      'O=No common name': 'o-no-common-name',
      'CN=../../etc/passwd': 'etc-passwd',
      'CN=--help': 'help',
      'CN=\u4e2d\u6587': 'certificate',
      '': 'certificate',
    }
    for (const [subject, stem] of Object.entries(cases)) assert.equal(fileStem(subject), stem)
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => /^[a-z0-9][a-z0-9-]{0,47}$/.test(fileStem(`CN=${text}`))),
    )
  })
})

function printedBy(word: string): string {
  return execFileSync('sh', ['-c', `printf %s ${word}`]).toString('utf8')
}
