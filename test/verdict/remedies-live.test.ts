import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Gateway } from '../../src/control/gateway.ts'
import { startLab } from '../../src/lab/lab.ts'
import type { ScenarioName } from '../../src/lab/scenarios.ts'
import type { Remedy, Report } from '../../src/verdict/model.ts'

/*
 * A remedy is believed when it has been run: the commands of a real report, as they stand, in a shell, against a real
 * configuration; afterwards the backend is trusted, and a request through the gateway that runs by it gets its answer.
 */

const directory = mkdtempSync(join(tmpdir(), 'postern-remedies-live-'))
const config = join(directory, 'postern.yaml')
const bin = join(directory, 'bin')

/** Scenario, kind of remedy that mends it, and what it is about. */
const mended: readonly (readonly [ScenarioName, Remedy['kind'], string])[] = [
  ['missing-root', 'gateway', 'the root that its owner has sent goes into the store'],
  ['missing-root-served', 'gateway', 'the root that the backend serves goes into the store'],
  ['missing-intermediate', 'gateway', 'the intermediate that the leaf points to goes beside the store'],
  ['self-signed', 'gateway', 'the leaf itself is pinned'],
  ['name-mismatch', 'gateway', 'the name of the certificate is expected'],
  ['client-certificate-required', 'gateway', 'the identity that the backend accepts is shown'],
  ['client-certificate-required-tls12', 'gateway', 'and in TLS 1.2'],
  ['no-shared-cipher', 'gateway', 'the suite that the backend accepts is offered'],
  ['protocol-version-tls13', 'gateway', 'the version that the target had switched off is offered'],
  ['no-application-protocol', 'gateway', 'the application protocol that the backend wants is spoken'],
  ['old-tls', 'exception', 'an old version is offered, with what it gives up'],
  ['weak-key', 'exception', 'the security level is lowered'],
  ['expired', 'exception', 'the chain is not checked, in the name of somebody, for a week'],
  ['no-san', 'exception', 'the name is not checked, in the name of somebody, for a week'],
]

const lab = await startLab({ scenarios: ['ok', ...mended.map(([scenario]) => scenario)] })
after(async () => {
  await lab.close()
  rmSync(directory, { recursive: true, force: true })
})
arrange()
const gateway = await Gateway.start({ configFile: config, workers: 1, env: {}, pollMs: 100 })
after(() => gateway.stop(0))
const statusesBefore = await statuses()
const before = await check()
for (const [scenario, kind] of mended) {
  for (const command of commandsOf(before.get(scenario), kind)) await shell(command)
}
const then = await check()
// The gateway watches its files; this is for what it has not noticed yet.
await gateway.reload()
const statusesThen = await statuses()

describe('the commands of a remedy, run as they stand', () => {
  for (const [scenario, kind, what] of mended) {
    it(`${scenario}: ${what}`, () => {
      assert.notEqual(before.get(scenario)?.verdict.code, 'trusted')
      assert.notEqual(commandsOf(before.get(scenario), kind).length, 0)
      const { verdict } = then.get(scenario) ?? assert.fail()
      assert.equal(verdict.code, 'trusted', verdict.summary)
      // this one agrees to HTTP/2 and speaks none
      const status = scenario === 'no-application-protocol' ? 502 : 200
      assert.deepEqual([statusesBefore.get(scenario), statusesThen.get(scenario)], [502, status])
    })
  }

  it('are told of in the log without those that give something up, and without letters', async () => {
    const events = await diagnosedEvents()
    for (const { target, remedy } of events) {
      assert.ok(remedy.length <= 3, target)
      for (const { kind, risk, action, commands } of remedy) {
        assert.deepEqual(
          [typeof kind, typeof risk, typeof action, Array.isArray(commands)],
          ['string', 'string', 'string', true],
        )
        assert.ok(kind !== 'exception' && kind !== 'owner-message', `${target}: ${kind}`)
      }
    }
    assert.ok(events.some(({ remedy }) => remedy.some(({ commands }) => commands.length > 0)))
  })

  it('leave what was in order as it was', () => {
    assert.equal(then.get('ok')?.verdict.code, 'trusted')
    assert.deepEqual([statusesBefore.get('ok'), statusesThen.get('ok')], [200, 200])
  })
})

/** Of the first remedy of the kind that has commands of this program. */
function commandsOf(report: Report | undefined, kind: Remedy['kind']): readonly string[] {
  return (
    report?.remedy.find((remedy) => remedy.kind === kind && remedy.commands.some((command) => /postern/.test(command)))
      ?.commands ?? []
  )
}

function arrange(): void {
  mkdirSync(bin)
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
  writeFileSync(join(bin, 'postern'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`)
  chmodSync(join(bin, 'postern'), 0o755)
  writeFileSync(join(directory, 'lab.pem'), lab.trust.bundlePem)
  // The one thing that no command can fetch: what the owner of the CA sends, under the name that the remedy gives it.
  writeFileSync(join(directory, 'elsewhere-root-ca.pem'), lab.mends.elsewhereRootPem)
  writeFileSync(join(directory, 'client.crt'), lab.clientIdentity.certificatePem)
  writeFileSync(join(directory, 'client.key'), lab.clientIdentity.keyPem)
  const targets = lab.backends.map(({ scenario, host, port, serverName }) => {
    // one target has an identity, so that there is one at hand
    const identity = scenario === 'ok' ? ', clientCertificate: { certificate: ./client.crt, key: ./client.key }' : ''
    // the default speaks both
    const alpn = scenario === 'no-application-protocol' ? ', alpn: [http/1.1]' : ''
    const old = scenario === 'protocol-version-tls13' ? ', maxVersion: TLSv1.2' : ''
    return `  ${scenario}:\n    url: https://${host}:${port}\n    tls: { trust: [lab], serverName: ${serverName}${identity}${alpn}${old} } # one of the lab\n`
  })
  const proxies = lab.backends.map(({ scenario }) => `  ${scenario}: { basePath: /${scenario}, target: ${scenario} }\n`)
  writeFileSync(
    config,
    `listeners:\n  - { name: http, address: 127.0.0.1, port: 0 }\ntrustStores:\n  lab: { sources: [ { file: ./lab.pem } ] }\ntargets:\n${targets.join('')}proxies:\n${proxies.join('')}logs:\n  - { format: native, file: ./postern.log }\n`,
  )
}

async function statuses(): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>()
  for (const { scenario } of lab.backends) {
    const response = await fetch(`http://127.0.0.1:${gateway.ports['http']}/${scenario}`)
    await response.arrayBuffer()
    found.set(scenario, response.status)
  }
  return found
}

async function check(): Promise<ReadonlyMap<string, Report>> {
  const names = lab.backends.map(({ scenario }) => scenario)
  const output = await shell(`postern tls check -c '${config}' --json ${names.join(' ')}; true`)
  const reports = output
    .split('\n')
    .flatMap((line) =>
      line.startsWith('{"verdict"') ? [JSON.parse(line) as Report & { endpoint: { entry: string } }] : [],
    )
  assert.equal(reports.length, names.length, output.slice(0, 1000))
  return new Map(reports.map((report) => [report.endpoint.entry, report]))
}

interface DiagnosedEvent {
  readonly type: string
  readonly target: string
  readonly remedy: readonly Remedy[]
}

/** As they stand in the log file, once there is one for most of the backends that failed. */
async function diagnosedEvents(): Promise<readonly DiagnosedEvent[]> {
  for (let tries = 0; ; tries += 1) {
    const lines = readFileSync(join(directory, 'postern.log'), 'utf8').split('\n').slice(0, -1)
    const events = lines.map((line) => JSON.parse(line) as DiagnosedEvent).filter(({ type }) => type === 'diagnosed')
    if (new Set(events.map(({ target }) => target)).size > mended.length / 2) return events
    assert.ok(tries < 100, `${events.length} events`)
    await setTimeout(50)
  }
}

/** Not synchronous: the backends are in this process. */
async function shell(command: string): Promise<string> {
  const { npm_lifecycle_event: _, ...env } = process.env
  const path = [bin, process.env['PATH'] ?? ''].join(delimiter)
  const child = spawn('sh', ['-c', command], {
    cwd: directory,
    env: { ...env, PATH: path, OWNER: 'platform team' },
    timeout: 30_000,
  })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const [status] = (await once(child, 'close')) as [number | null]
  assert.equal(status, 0, `${command}\n${output}${errors}`)
  return output
}
