import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { randomInt } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import { labCommand } from '../../src/cli/lab.ts'
import { scenarioNames } from '../../src/lab/scenarios.ts'

const base = 30_000 + randomInt(2000)

/** Runs the command; `started` resolves with the table, `ended` with the exit code. */
function run(args: readonly string[]) {
  const stop = new AbortController()
  const { promise: started, resolve } = Promise.withResolvers<string>()
  const complaints: string[] = []
  const io = { stdout: resolve, stderr: (line: string) => void complaints.push(line) }
  const ended = labCommand(args, io, stop.signal)
  return { started, ended, complaints, stop: () => stop.abort() }
}

describe('postern lab', () => {
  it('names every scenario with address and expectation, serves, writes its files, and ends on the signal', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'postern-lab-'))
    const lab = run(['--port-base', String(base), '--out', directory])
    try {
      const table = await lab.started
      for (const [index, name] of scenarioNames.entries()) {
        assert.match(table, new RegExp(`^${name} +[\\w.]+:${base + index}$`, 'm'))
      }
      assert.match(
        table,
        /Expect verdict missing-root; mended by: gateway; guilty: Elsewhere Root CA; fault tls-untrusted\./,
      )
      const sent = request({ host: 'localhost', family: 4, port: base, ca: await readFile(join(directory, 'ca.crt')) })
      sent.end()
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      assert.match(await text(response), /"scenario":"ok"/)
      assert.equal((await stat(join(directory, 'client.key'))).mode & 0o777, 0o600)
      for (const file of ['elsewhere-root.crt', 'issuing-ca.crt', 'self-signed.crt', 'client.crt']) {
        assert.match(await readFile(join(directory, file), 'utf8'), /^-----BEGIN CERTIFICATE-----/)
      }
    } finally {
      lab.stop()
      assert.equal(await lab.ended, 0)
      await rm(directory, { recursive: true })
    }
  })

  it('starts only what it is asked for, and reports as JSON', async () => {
    const lab = run(['--port-base', String(base), '--only', 'expired', '--json'])
    const { backends } = JSON.parse(await lab.started) as { backends: { scenario: string; port: number }[] }
    lab.stop()
    assert.equal(await lab.ended, 0)
    assert.deepEqual(
      backends.map(({ scenario, port }) => ({ scenario, port })),
      [{ scenario: 'expired', port: base + scenarioNames.indexOf('expired') }],
    )
  })

  it('says that a port is taken, and by what option to move', async () => {
    const first = run(['--port-base', String(base), '--only', 'ok'])
    await first.started
    const second = run(['--port-base', String(base)])
    assert.equal(await second.ended, 1)
    assert.match(second.complaints.join(''), /EADDRINUSE.*--port-base/)
    first.stop()
    assert.equal(await first.ended, 0)
  })

  for (const [title, args] of [
    ['a scenario that does not exist', ['--only', 'fine']],
    ['a port that is no port', ['--port-base', '70000']],
    ['an option that does not exist', ['--verbose']],
  ] as const) {
    it(`refuses ${title}`, async () => {
      const lab = run(args)
      assert.equal(await lab.ended, 2)
      assert.match(lab.complaints.join(''), /^postern lab: /)
    })
  }
})
