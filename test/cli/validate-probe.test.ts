import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { stringify } from 'yaml'
import { startLab } from '../../src/lab/lab.ts'
import { type ScenarioName, serverNameOf } from '../../src/lab/scenarios.ts'
import { runCli } from './run-cli.ts'

/* Preflight of a pipeline: the file is good, and so is every backend it names. */

const lab = await startLab({ scenarios: ['ok', 'ok-rsa', 'expired', 'name-mismatch', 'refused'] })
const directory = await mkdtemp(join(tmpdir(), 'postern-preflight-'))
after(async () => {
  await lab.close()
  await rm(directory, { recursive: true, force: true })
})
await writeFile(join(directory, 'lab.pem'), lab.trust.bundlePem)

const addressOf = (scenario: ScenarioName): string => `${lab.backend(scenario).host}:${lab.backend(scenario).port}`
const targetFor = (scenario: ScenarioName, more: object = {}): object => ({
  url: `https://${addressOf(scenario)}`,
  tls: { trust: ['lab'], serverName: serverNameOf(scenario) },
  ...more,
})

async function validate(targets: Record<string, object>, ...args: string[]) {
  await writeFile(
    join(directory, 'postern.yaml'),
    stringify({
      listeners: [{ name: 'http', address: '127.0.0.1', port: 8080 }],
      trustStores: { lab: { sources: [{ file: 'lab.pem' }] } },
      targets,
    }),
  )
  return runCli(['validate', 'postern.yaml', ...args], { cwd: directory })
}

describe('validate --probe', () => {
  it('says of every target that it is trusted, and exits with 0', async () => {
    const { code, out } = await validate(
      {
        one: targetFor('ok'),
        two: targetFor('ok', {
          servers: [
            { address: addressOf('ok') },
            { name: 'rsa', address: addressOf('ok-rsa'), serverName: serverNameOf('ok-rsa') },
          ],
        }),
        plain: { url: 'http://127.0.0.1:9' },
      },
      '--probe',
    )
    assert.equal(code, 0, out)
    assert.match(out, /^postern\.yaml: good\n/)
    assert.ok(
      out.endsWith(`probe: 3 of 3 servers trusted
  target one: trusted
  target two: trusted, all 2 servers
  target plain: plain HTTP, not probed
`),
      out,
    )
  })

  it('names each target that is not, with its report, and exits with 1', async () => {
    const targets = { one: targetFor('ok'), old: targetFor('expired'), gone: targetFor('refused') }
    const { code, out } = await validate(targets, '--probe')
    assert.equal(code, 1)
    assert.match(out, /\nprobe: 1 of 3 servers trusted\n {2}target one: trusted\n {2}target old: \S+ expired: /)
    assert.match(out, /\n {2}target gone: \S+ connection-refused: /)
    assert.match(out, /\nold \(127\.0\.0\.1:\d+\).*expired/)
  })

  it('has the reports in --json, as tls check has them', async () => {
    const targets = { one: targetFor('ok'), other: targetFor('name-mismatch') }
    const { code, out } = await validate(targets, '--probe', '--json')
    const { ok, probes } = JSON.parse(out)
    assert.deepEqual([code, ok], [1, true])
    assert.deepEqual(
      probes.map(({ endpoint, verdict }: { endpoint: { target: string }; verdict: { code: string } }) => [
        endpoint.target,
        verdict.code,
      ]),
      [
        ['one', 'trusted'],
        ['other', 'name-mismatch'],
      ],
    )
    assert.deepEqual(Object.keys(probes[0]).slice(0, 4), ['verdict', 'findings', 'chain', 'remedy'])
  })

  it('opens no connection without --probe, or where the file is at fault', async () => {
    lab.reset()
    assert.equal((await validate({ one: targetFor('ok') })).code, 0)
    const { code, out } = await validate({ one: targetFor('ok'), two: { url: 'nonsense' } }, '--probe')
    assert.equal(code, 1)
    assert.doesNotMatch(out, /probe:/)
    await lab.settled('ok')
    assert.equal(lab.counters('ok').connections, 0)
  })
})
