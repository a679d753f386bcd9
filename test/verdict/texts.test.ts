import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { scenarios } from '../../src/lab/scenarios.ts'
import { type VerdictCode, verdictCodes } from '../../src/verdict/codes.ts'
import { type FindingCode, findingCodes } from '../../src/verdict/findings.ts'
import { bareContext } from '../../src/verdict/remedy-context.ts'
import { remediesFor } from '../../src/verdict/remedies.ts'
import { findingTexts, pageOf, verdictTexts } from '../../src/verdict/texts.ts'
import { context, now, usualCase } from './cases.ts'

/* A code is one thing with five sides: its table, its text, its remedies, its page, its backend in the lab. */

const root = join(import.meta.dirname, '..', '..')
const codes = Object.keys(verdictCodes) as VerdictCode[]
const findings = Object.keys(findingCodes) as FindingCode[]

describe('every verdict code', () => {
  it('has a text, and every text has its code', () => {
    assert.deepEqual(Object.keys(verdictTexts).sort(), [...codes].sort())
  })

  it('is explained in a few sentences, with what decides and what others call it', () => {
    for (const code of codes) {
      const { meaning, evidence, elsewhere } = verdictTexts[code]
      const sentences = meaning.match(/[.!?](?:\s|$)/g)?.length ?? 0
      assert.ok(sentences >= 1 && sentences <= 5, `${code}: ${sentences} sentences`)
      assert.ok(meaning.length <= 500, `${code}: ${meaning.length} characters`)
      for (const text of [evidence, elsewhere]) assert.match(text, /\w{3}.*[.!?)"]$/s, code)
    }
  })

  it('says what its party does', () => {
    for (const code of codes) {
      if (code !== 'trusted') assert.ok(verdictTexts[code].fix[verdictCodes[code].party], code)
    }
  })

  it('has remedies for a target and for an address alone, and none of them begins with switching a check off', () => {
    for (const code of codes) {
      for (const where of [context(), bareContext('billing.internal', 443, now)]) {
        const remedies = remediesFor(usualCase(code), where)
        if (code === 'trusted') assert.deepEqual(remedies, [])
        else {
          assert.ok(remedies.length > 0, code)
          assert.notEqual(remedies[0]?.kind, 'exception', code)
        }
        const first = remedies.findIndex(({ kind }) => kind === 'exception')
        assert.ok(first === -1 || remedies.slice(first).every(({ kind }) => kind === 'exception'), `${code}: last`)
        for (const { kind, risk, action, commands } of remedies) {
          assert.match(action, /^[A-Z].*[.:]$/, code)
          if (kind === 'exception') assert.ok(risk.length > 20, `${code}: an exception without its risk`)
          for (const command of commands) assert.doesNotMatch(command, /--insecure|-k\b|verify_?none|skip: all/i)
        }
      }
    }
  })

  it('has a backend in the lab, or a reason why none can cause it; never both', () => {
    const inLab = new Set<string>(Object.values(scenarios).map(({ expect }) => expect.verdict))
    for (const code of codes) {
      const reason = verdictTexts[code].notInLab
      assert.equal(inLab.has(code), reason === null, `${code}: ${reason ?? 'no scenario, and no reason'}`)
    }
  })
})

describe('every finding code', () => {
  it('has a text, and every text has its code', () => {
    assert.deepEqual(Object.keys(findingTexts).sort(), [...findings].sort())
    for (const code of findings) {
      const { meaning, evidence, act } = findingTexts[code]
      for (const text of [meaning, evidence, act]) assert.match(text, /\w.*\.$/s, code)
    }
  })

  it('is no verdict code as well', () => {
    assert.deepEqual(
      findings.filter((code) => Object.hasOwn(verdictCodes, code)),
      [],
    )
  })
})

describe('every page', () => {
  it('is there under the address that reports print, and belongs to a code', () => {
    for (const code of [...codes, ...findings]) {
      const path = join(root, pageOf(code))
      assert.ok(existsSync(path), `${pageOf(code)} is missing; run: npm run docs`)
      assert.match(readFileSync(path, 'utf8'), new RegExp(`^# ${code}\n`))
    }
    const pages = (folder: string) => readdirSync(join(root, 'docs', 'reference', folder)).sort()
    assert.deepEqual(pages('verdicts'), codes.map((code) => `${code}.md`).sort())
    assert.deepEqual(pages('findings'), findings.map((code) => `${code}.md`).sort())
  })

  it('leads to codes that exist, and not to itself', () => {
    const known = new Set<string>([...codes, ...findings])
    for (const [code, { see }] of Object.entries({ ...verdictTexts, ...findingTexts })) {
      assert.ok(see.length > 0, code)
      for (const other of see) assert.ok(known.has(other) && other !== code, `${code} -> ${other}`)
    }
  })
})
