import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { forEach, inOrder } from '../../src/cli/tls-each.ts'
import { junitXml } from '../../src/cli/tls-junit.ts'
import { showProgress } from '../../src/cli/tls-progress.ts'
import { openResults } from '../../src/cli/tls-results.ts'
import { countSummary, renderSummary } from '../../src/cli/tls-summary.ts'

const directory = await mkdtemp(join(tmpdir(), 'postern-tls-'))
after(() => rm(directory, { recursive: true, force: true }))

describe('the file of results', () => {
  it('drops a torn last line, hands over the whole ones, and goes on after them', async () => {
    const path = join(directory, 'torn.jsonl')
    await writeFile(path, '{"a":1}\n{"a":2}\n{"a":3,"tor')
    const held: unknown[] = []
    const results = openResults(path, true, (line) => held.push(line))
    results.add('{"a":3}')
    results.close()
    assert.deepEqual(held, [{ a: 1 }, { a: 2 }])
    assert.equal(await readFile(path, 'utf8'), '{"a":1}\n{"a":2}\n{"a":3}\n')
  })

  it('reads lines that are longer than what is read at a time', async () => {
    const path = join(directory, 'long.jsonl')
    const long = 'é'.repeat(100_000)
    await writeFile(path, `${JSON.stringify({ long })}\n${JSON.stringify({ b: 1 })}\n`)
    const held: unknown[] = []
    openResults(path, true, (line) => held.push(line)).close()
    assert.deepEqual(held, [{ long }, { b: 1 }])
  })

  it('leaves alone a file that holds something and is not to be resumed, or is no result', async () => {
    const path = join(directory, 'other.txt')
    await writeFile(path, 'dear diary\nno more')
    assert.throws(() => openResults(path, false, () => {}), { code: 'usage', message: /--resume to go on/ })
    assert.throws(() => openResults(path, true, () => {}), { code: 'usage', message: /line 1 is no result/ })
    assert.equal(await readFile(path, 'utf8'), 'dear diary\nno more')
  })
})

describe('progress', () => {
  const run = (isTTY: boolean): string => {
    let text = ''
    let clock = 0
    const progress = showProgress(
      { total: 40, atATime: 8 },
      { isTTY, columns: 60, write: (part) => (text += part) },
      () => clock,
    )
    for (let done = 0; done < 40; done++) {
      clock += 250
      progress.step(done % 20 !== 0)
    }
    progress.end()
    return text
  }

  it('is a bar on a terminal that never is wider than it', () => {
    const text = run(true)
    const drawn = text.split('\r').filter((part) => part !== '')
    assert.match(text, /20 of 40, 1 fault, 4\/s, about 5 s left/)
    for (const line of drawn) assert.ok(line.replace('\u001b[K', '').trimEnd().length < 60, line)
    assert.ok(text.endsWith('40 of 40, 2 faults, 4/s\u001b[K\n'), JSON.stringify(text.slice(-80)))
  })

  it('goes by the rate of late, and says nothing of the last ones, which have all begun', () => {
    let text = ''
    let clock = 0
    const output = { isTTY: false, columns: 80, write: (part: string) => (text += part) }
    const progress = showProgress({ total: 100, atATime: 10 }, output, () => clock)
    for (let done = 0; done < 100; done++) {
      clock += done < 50 ? 10 : 2000
      progress.step(true)
    }
    const lines = text.trimEnd().split('\n')
    assert.equal(lines[4], '50 of 100, 0 faults, 100/s, about 1 s left')
    assert.equal(lines[6], '70 of 100, 0 faults, 0.5/s, about 60 s left')
    assert.equal(lines[8], '90 of 100, 0 faults, 0.5/s')
  })

  it('is a plain line for each tenth elsewhere', () => {
    const lines = run(false).trimEnd().split('\n')
    assert.equal(lines.length, 10)
    assert.equal(lines[4], '20 of 40, 1 fault, 4/s, about 5 s left')
    assert.ok(!lines.join('').includes('\r') && !lines.join('').includes('\u001b'))
  })
})

describe('JUnit XML', () => {
  it('counts, and cannot be broken by what a backend calls itself', () => {
    const xml = junitXml([
      { name: 'a:443', group: 'endpoint', seconds: 0.5, failure: null },
      {
        name: 'b:443',
        group: 'billing',
        seconds: 1,
        failure: { code: 'expired', summary: 'CN="<x>&\u0000\ud800', text: ']]></failure>\u001b[31m' },
      },
    ])
    assert.equal(
      xml,
      `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="postern tls check" tests="2" failures="1" errors="0" skipped="0" time="1.500">
  <testsuite name="postern tls check" tests="2" failures="1" errors="0" skipped="0" time="1.500">
    <testcase classname="endpoint" name="a:443" time="0.500"/>
    <testcase classname="billing" name="b:443" time="1.000">
      <failure type="expired" message="expired: CN=&quot;&lt;x&gt;&amp;\ufffd\ufffd">]]&gt;&lt;/failure&gt;\ufffd[31m</failure>
    </testcase>
  </testsuite>
</testsuites>
`,
    )
  })
})

describe('the summary', () => {
  const ends = (sha256: string, notAfter: string) => ({ subject: `CN=${sha256}`, sha256, notAfter })

  it('counts verdicts, most first, and names the certificates that end soonest with who depends on them', () => {
    const counter = countSummary()
    const trusted = { code: 'trusted', party: 'backend', summary: '', seconds: 0 }
    counter.add('a:443', { ...trusted, ends: ends('late', '2040-01-01T00:00:00Z') })
    counter.add('b:443', { ...trusted, ends: ends('soon', '2030-01-01T00:00:00Z') })
    counter.add('c:443', { ...trusted, ends: ends('soon', '2030-01-01T00:00:00Z') })
    for (const code of ['expired', 'missing-root', 'missing-root']) {
      counter.add('x:443', {
        code,
        party: code === 'expired' ? 'backend' : 'gateway',
        summary: '',
        seconds: 0,
        ends: null,
      })
    }
    assert.equal(
      renderSummary(counter.summary(2, 1)),
      `6 servers: 3 trusted, 3 not, 2 from the earlier run, 1 not checked
       2  missing-root
       1  expired
Whose side: 2 gateway, 1 backend
End soonest, of what is trusted:
  2030-01-01  CN=soon  (b:443 and 1 more)
  2040-01-01  CN=late  (a:443)
`,
    )
  })

  it('does not grow with the servers', () => {
    const counter = countSummary()
    for (let index = 0; index < 5000; index++) {
      const notAfter = new Date(Date.UTC(2030, 0, 1 + ((index * 7919) % 5000))).toISOString()
      counter.add(`${index}:443`, {
        code: 'trusted',
        party: 'backend',
        summary: '',
        seconds: 0,
        ends: ends(`C${index}`, notAfter),
      })
    }
    const { endSoonest } = counter.summary(0, 0)
    assert.deepEqual(
      endSoonest.map(({ notAfter }) => notAfter.slice(0, 10)),
      ['2030-01-01', '2030-01-02', '2030-01-03', '2030-01-04', '2030-01-05'],
    )
  })
})

describe('work on many', () => {
  it('is bounded, complete, and ends with the first bug', async () => {
    let running = 0
    let most = 0
    const done: number[] = []
    const work = async (item: number): Promise<void> => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
      done.push(item)
    }
    const never = new AbortController().signal
    assert.equal(await forEach(Array(100).keys(), 7, work, never), 0)
    assert.deepEqual([most, done.length], [7, 100])
    const failing = forEach(Array(100).keys(), 7, () => Promise.reject(new Error('bug')), never)
    await assert.rejects(failing, /bug/)
  })

  it('begins nothing after the signal, and says how much is left', async () => {
    const controller = new AbortController()
    const begun: number[] = []
    const work = async (item: number): Promise<void> => {
      begun.push(item)
      if (item === 9) controller.abort()
    }
    const left = await forEach(Array(100).keys(), 1, work, controller.signal)
    assert.deepEqual([begun.length, left], [10, 90])
    assert.equal(await forEach(Array(5).keys(), 2, work, controller.signal), 5)
  })

  it('is shown in the order it was asked for', () => {
    const shown: string[] = []
    const show = inOrder((value: string) => shown.push(value))
    for (const [number, value] of [
      [2, 'c'],
      [0, 'a'],
      [1, 'b'],
    ] as const)
      show(number, value)
    assert.deepEqual(shown, ['a', 'b', 'c'])
  })
})
