import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import { readLine, readList } from '../../src/cli/tls-list.ts'
import { countSummary, renderSummary } from '../../src/cli/tls-summary.ts'
import { storedOutcome } from '../../src/cli/tls-outcome.ts'
import { runCli } from '../cli/run-cli.ts'

// oxlint-disable-next-line no-control-regex
const moves = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/u

describe('a list of endpoints that somebody else has written', () => {
  let directory = ''
  before(async () => (directory = await mkdtemp(join(tmpdir(), 'postern-list-'))))
  after(() => rm(directory, { recursive: true, force: true }))

  for (const [what, line] of [
    ['an endpoint', '127.0.0.1:1\u001b]0;title\u0007'],
    ['a word behind the endpoint', '127.0.0.1:1 \u001b[2J'],
    ['a name', '127.0.0.1:1 name=\u001b[31mred'],
    ['a file', '127.0.0.1:1 ca=\u202e\u001b[31mred'],
    ['a store', '127.0.0.1:1 store=\u009b31mred'],
  ] as const) {
    it(`moves no cursor by ${what}`, async () => {
      const list = join(directory, 'list')
      await writeFile(list, `127.0.0.1:2\n${line}\n`)
      const { code, out, err } = await runCli(['tls', 'check', '--from', list, '--bundled'])
      assert.equal(code, 2)
      assert.doesNotMatch(out + err, moves)
      assert.match(err, /\\u\{/)
    })
  }

  for (const [what, name] of [
    ['too long', 'a'.repeat(300)],
    ['an address', '192.0.2.1'],
    ['two words', '"a b"'],
    ['turned round', '\u202egro.a'],
    ['cut by a zero', 'a.b\u0000.c'],
  ] as const) {
    it(`asks for no name that is ${what}`, () => {
      const read = readLine(`127.0.0.1:1 name=${name}`, 1)
      assert.match(typeof read === 'string' ? read : '', /is not a DNS name/)
    })
  }

  it('is read no further where it has a line without end', async () => {
    let chunks = 0
    const endless = new Readable({
      read() {
        chunks += 1
        this.push(chunks > 1000 ? null : Buffer.alloc(65_536, 'a'))
      },
    })
    await assert.rejects(readList('-', endless), /longer than 4096 characters/)
    assert.ok(chunks < 10, `${chunks} chunks were read`)
  })

  it('is read whole where characters and line ends fall between two chunks', async () => {
    const bytes = Buffer.from('a.test:1 # ä\r\nb.test:2 # ö\nc.test:3')
    const list = await readList('-', Readable.from([...bytes].map((byte) => Buffer.from([byte]))))
    assert.deepEqual(
      list.map(({ endpoint, line }) => [endpoint, line]),
      [
        ['a.test:1', 1],
        ['b.test:2', 2],
        ['c.test:3', 3],
      ],
    )
  })
})

describe('results of an earlier run that somebody else has written', () => {
  const report = (code: string, subject: string): unknown => ({
    verdict: { code, party: 'backend', summary: '' },
    chain: { path: [{ subject, sha256: 'AA', notAfter: '2030-01-01T00:00:00Z\u001b[31m' }] },
    endpoint: { entry: 'a:1', server: 'a:1' },
    snapshot: '0',
    mode: 'runtime',
    asOf: null,
  })

  for (const code of ['__proto__', 'constructor', 'no-such-code', '\u001b[2J']) {
    it(`are none where the verdict is ${JSON.stringify(code)}`, () => {
      assert.throws(() => storedOutcome(report(code, 'CN=a'), 'results'), /no results of this command/)
    })
  }

  it('move no cursor by the names in them', () => {
    const counter = countSummary()
    counter.add('a:1', storedOutcome(report('trusted', 'CN=a\u001b[2J\n0 servers\u202e'), 'results').outcome)
    const text = renderSummary(counter.summary(1, 0))
    assert.doesNotMatch(text, moves)
    assert.equal(text.split('\n').length, 4)
  })
})
