import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { openCollection } from '../../src/support/collection.ts'
import { addLogFiles } from '../../src/support/log-files.ts'
import { type LogBudget, logBudget, logExcerpt } from '../../src/support/log-lines.ts'

const folder = await mkdtemp(join(tmpdir(), 'postern-log-lines-'))
after(() => rm(folder, { recursive: true, force: true }))

let number = 0
async function logs(...texts: readonly string[]): Promise<string> {
  const path = join(folder, `${number++}.log`)
  for (const [index, text] of texts.entries()) await writeFile(index === 0 ? path : `${path}.${index}`, text)
  return path
}

const search = { needles: ['id-7'], wanted: (record: string) => record.includes('id-7') }
const line = (at: number, id = `id-${at}`): string => `{"n":${at},"id":"${id}"}\n`
const many = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, at) => line(from + at + 1_000_000)).join('')

describe('log lines of one request', () => {
  it('are found anywhere in a file, in the order of the file', async () => {
    const text = `${line(1, 'id-7')}${many(0, 20_000)}${line(2, 'id-7')}${many(0, 20_000)}${line(3, 'id-7')}`
    const found = await logExcerpt(await logs(text), search, logBudget())
    assert.equal(found.text, `${line(1, 'id-7')}${line(2, 'id-7')}${line(3, 'id-7')}`)
    assert.deepEqual([found.records, found.stopped], [3, ''])
  })

  it('are found in what the file was rotated to', async () => {
    const path = await logs(line(3, 'id-7'), many(0, 3), `${line(1, 'id-7')}${line(2)}`)
    const found = await logExcerpt(path, search, logBudget())
    assert.equal(found.text, `${line(1, 'id-7')}${line(3, 'id-7')}`)
    assert.deepEqual(found.files, [path, `${path}.1`, `${path}.2`])
  })

  it('bring the stack trace that follows them, wherever the file is cut for reading', async () => {
    const trace = `\tat a.b.C(D.java:1)\n`.repeat(60)
    const record = `2026-01-01 00:00:00,000  messageid:id-7 ERROR\njavax.net.ssl.SSLHandshakeException: x\n${trace}Caused by: y\n`
    for (const shift of [0, 100, 700, 1200, 1900]) {
      const behind = '2026-01-01 z\n'.padEnd(256 * 1024 - shift - 1, 'z').concat('\n')
      const found = await logExcerpt(await logs(`2026-01-01 before\n${record}${behind}`), search, logBudget())
      assert.equal(found.text, record, String(shift))
    }
  })

  it('a line without an end, an empty file and a file that is not there', async () => {
    assert.equal((await logExcerpt(await logs('id-7'), search, logBudget())).text, 'id-7')
    assert.deepEqual(await logExcerpt(await logs(''), search, logBudget()), {
      text: '',
      records: 0,
      files: [join(folder, `${number - 1}.log`)],
      stopped: '',
    })
    assert.deepEqual((await logExcerpt(join(folder, 'none'), search, logBudget())).files, [])
  })

  const bounds: readonly (readonly [string, LogBudget, string])[] = [
    ['reads no more than it may', { read: 300_000, kept: 1_000_000 }, 'as much as is read was read'],
    ['keeps no more than it may', { read: 64_000_000, kept: 1000 }, 'as much as is kept was found'],
  ]
  for (const [what, budget, why] of bounds) {
    it(`${what}, and says so; the newest are kept`, async () => {
      const path = await logs(line(1, 'id-7').repeat(60_000))
      const found = await logExcerpt(path, search, budget)
      assert.equal(found.stopped, why)
      assert.ok(found.records > 0 && found.records < 60_000)
      assert.ok(budget.read >= 0 && budget.kept >= 0)
    })
  }

  it('are not those of a request whose id only begins or ends like it', async () => {
    const path = await logs(`${line(1, 'id-7')}${line(2, 'id-71')}${line(3, 'my-id-7')}${line(4, 'id-7-1')}x id-7: y\n`)
    const signal = new AbortController().signal
    const into = openCollection(signal)
    const question = { requestId: 'id-7', at: null, targets: [], signal }
    await addLogFiles(into, [{ format: 'native', path, kind: '' }], question)
    assert.equal(into.files[0]?.content, `${line(1, 'id-7')}x id-7: y\n`)
  })

  it('come with events of the target at that time, and no access of others to it', async () => {
    const event = (seconds: number, type: string, target: string): string =>
      `${JSON.stringify({ time: new Date(1e12 + seconds * 1000).toISOString(), type, target })}\n`
    const near = event(4, 'diagnosed', 't')
    const path = await logs(
      [event(-60, 'diagnosed', 't'), event(0, 'access', 't'), near, event(1, 'diagnosed', 'u'), line(1, 'id-7')].join(
        '',
      ),
    )
    const signal = new AbortController().signal
    const told = async (at: number | null) => {
      const into = openCollection(signal)
      await addLogFiles(into, [{ format: 'native', path, kind: '' }], { requestId: 'id-7', at, targets: ['t'], signal })
      return into.files[0]?.content
    }
    assert.equal(await told(1e12), `${near}${line(1, 'id-7')}`)
    assert.equal(await told(null), `${event(-60, 'diagnosed', 't')}${near}${line(1, 'id-7')}`)
  })

  it('a line of megabytes does not keep it', async () => {
    const path = await logs(`${line(1, 'id-7')}${'x'.repeat(5_000_000)}\n${line(2, 'id-7')}`)
    const found = await logExcerpt(path, search, logBudget())
    assert.equal(found.text, `${line(1, 'id-7')}${line(2, 'id-7')}`)
  })
})
