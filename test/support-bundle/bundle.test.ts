import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { RecordedTransaction } from '../../src/observe/recording.ts'
import type { ScenarioName } from '../../src/lab/scenarios.ts'
import { startSupportRig, type SupportBundle } from './rig.ts'

/** One request that failed is followed by its id into every file of its bundle. */

const scenarios: readonly ScenarioName[] = [
  'ok',
  'missing-root',
  'missing-intermediate',
  'name-mismatch',
  'expired',
  'handshake-closed',
  'client-certificate-rejected',
]
const goldenScenarios: readonly ScenarioName[] = ['missing-root', 'name-mismatch']
const rig = await startSupportRig(scenarios)
after(() => rig[Symbol.asyncDispose]())
const path = (scenario: ScenarioName): string => `/apigee/${scenario}/orders?q=1`
for (const scenario of scenarios) await rig.trace(`apigee-${scenario}`)
/** Sent at once: what is counted is told once a second. */
const [ids, pages] = await Promise.all([
  Promise.all(scenarios.map((scenario) => rig.fails(path(scenario)))),
  Promise.all(goldenScenarios.map((each) => rig.fails(path(each), { headers: { 'user-agent': 'test' } }))),
])

describe('the bundle of a request that failed', { timeout: 60_000 }, () => {
  for (const [index, scenario] of scenarios.entries()) {
    if (scenario === 'ok') continue
    it(`says the same of ${scenario} in summary, request, trace, report, logs and capture`, async () => {
      const id = ids[index] as string
      const bundle = await rig.bundle({ requestId: id, capture: true })
      const { verdict, fault, target, faultCode } = bundle.json('request.json')
      const code = verdict as string
      assert.notEqual(code, '', String(fault))
      assert.equal(target, scenario)
      assert.match(bundle.text('summary.md'), new RegExp(`^# Request ${id}: ${code}\n`))
      assert.equal(bundle.json('target/report.json').verdict.code, code)
      assert.match(bundle.text('target/report.txt'), new RegExp(`NOT TRUSTED: ${code}`))
      const [trace] = bundle.manifest.files.filter(({ name }) => /^trace\/.*json$/.test(name))
      assert.equal(bundle.json(trace?.name ?? '').fault.verdict, code)
      assert.ok(bundle.text(trace?.name.replace('.json', '.xml') ?? '').includes(faultCode as string))
      const lines = bundle
        .text('logs/1-native.log')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Line)
      const access = lines.find(({ type }) => type === 'access')
      assert.deepEqual([access?.id, access?.verdict], [id, code])
      assert.ok(lines.some((line) => line.type === 'diagnosed' && line.verdict === code))
      for (const line of lines) assert.ok(line.id === id || line.request?.id === id || line.target === scenario)
      assert.match(bundle.text('logs/2-edge-system.log'), new RegExp(`messageid:${id} .*verdict:${code}`))
      assert.equal(bundle.json('events.json').at(-1).verdict, code)
      const [capture] = bundle.manifest.files.filter(({ name }) => name.startsWith('capture/'))
      assert.ok((capture?.bytes ?? 0) > 500, 'a handshake')
      const served = bundle.files.has('target/served.txt') ? [] : ['target/served.txt']
      assert.deepEqual(
        bundle.manifest.missing.map(({ what }) => what),
        served,
      )
    })
  }

  it('shows which certificate is in neither the chain nor the store', async () => {
    const missing = await rig.bundle({ target: 'missing-root' })
    assert.match(missing.text('target/comparison.txt'), /its issuer: {3}CN=Elsewhere Root CA.*MISSING/)
    const trusted = await rig.bundle({ target: 'ok' })
    assert.doesNotMatch(trusted.text('target/comparison.txt'), /MISSING/)
    assert.match(trusted.text('summary.md'), /^# Target ok: trusted\n/)
    assert.ok(trusted.text('target/store.pem').includes(rig.lab.trust.bundlePem.trim()))
  })

  it('of a proxy has every target of it, and no request', async () => {
    const bundle = await rig.bundle({ proxy: 'native-expired', logs: false })
    assert.equal(bundle.json('target/report.json').endpoint.target, 'expired')
    assert.ok(!bundle.files.has('request.json') && !bundle.files.has('curl.sh'))
    assert.deepEqual(bundle.manifest.missing, [{ what: 'logs/', why: 'not asked for' }])
  })

  it('is made one at a time; what is asked meanwhile is told to come back', async () => {
    const ask = () => rig.call('POST', '/api/organizations/myorg/environments/test/support', { target: 'ok' })
    const answers = await Promise.all([ask(), ask(), ask()])
    const statuses = answers.map(({ status }) => status).sort((one, other) => one - other)
    await Promise.all(answers.map((answer) => answer.arrayBuffer()))
    assert.deepEqual(statuses, [200, 429, 429])
    assert.equal((await ask()).status, 200)
  })

  it('says what it has not, and how to get it', async () => {
    const id = await rig.fails('/native/expired/x')
    const bundle = await rig.bundle({ requestId: id })
    const [lacks] = bundle.manifest.missing
    assert.equal(lacks?.what, 'trace/')
    const command = lacks?.why.slice(lacks.why.indexOf('curl')) ?? ''
    const { stdout } = await shell(command, rig.directory)
    assert.equal((JSON.parse(stdout) as { proxy: string }).proxy, 'native-expired')
  })

  it('has a curl command that meets the same fault, with placeholders for credentials', async () => {
    const scenario = 'missing-root'
    const body = `{"note":"it's \\"quoted\\" $HOME"}`
    const headers = {
      authorization: 'Basic c2VjcmV0OnNlY3JldA==',
      'x-odd': `a'b"c$d\`e`,
      'content-type': 'application/json',
    }
    const path = `/apigee/${scenario}/echo?apikey=0123456789&q=%27$(id)&[]={}`
    const id = await rig.fails(path, { method: 'PUT', headers, body })
    const bundle = await rig.bundle({ requestId: id })
    const script = bundle.text('curl.sh')
    assert.match(script, /# Set before: AUTHORIZATION, APIKEY\./)
    assert.match(script, /# The body is missing: the request failed before its body was read\./)
    assert.ok(bundle.manifest.missing.some(({ what }) => what === 'request-body.txt'))
    const folder = await unpacked(bundle)
    const { stdout } = await shell('sh ./curl.sh', folder, { AUTHORIZATION: 'Basic bmV3Om5ldw==', APIKEY: 'new' })
    assert.match(stdout, /^HTTP\/1\.1 503 /)
    assert.match(stdout, /SslHandshakeFailed/)
    // What the gateway got the second time.
    const second = await recorded((each) => each.method === 'PUT' && each.id !== id)
    const [received] = second.steps.filter(({ type }) => type === 'request-received')
    assert.equal(second.uri, path.replace('0123456789', '*****'))
    assert.ok(received?.type === 'request-received')
    const got = new Map(received.message.headers.map(([name, value]) => [name.toLowerCase(), value]))
    assert.equal(got.get('x-odd'), headers['x-odd'])
    assert.equal(got.get('host'), `127.0.0.1:${rig.running.port}`)
  })

  it('has a curl command that sends the body of a request that went well', async () => {
    const body = '{"note":"it\'s \\"quoted\\" $HOME\\n"}\n'
    const id = await rig.fails('/apigee/ok/echo?q=1', { method: 'POST', body })
    const bundle = await rig.bundle({ requestId: id })
    assert.equal(bundle.text('request-body.txt'), body)
    const { stdout } = await shell('sh unpacked/curl.sh', await unpacked(bundle).then(() => rig.directory))
    assert.match(stdout, /^HTTP\/1\.1 200 /)
    assert.ok(stdout.endsWith(`\r\n\r\n${body}`), stdout)
    assert.match(bundle.text('summary.md'), new RegExp(`^# Request ${id}: no fault is known\n`))
  })

  for (const [index, scenario] of goldenScenarios.entries()) {
    it(`has a page for a person: ${scenario}`, async () => {
      const id = pages[index] as string
      const bundle = await rig.bundle({ requestId: id })
      await againstGolden(`${scenario}.md`, steady(bundle.text('summary.md'), id))
    })
  }
})

async function recorded(wanted: (each: RecordedTransaction) => boolean): Promise<RecordedTransaction> {
  for (let tries = 0; tries < 200; tries++) {
    const all = rig.running.gateway.traces.all().flatMap(({ transactions }) => transactions)
    const found = all.find(wanted)
    if (found !== undefined) return found
    await sleep(25)
  }
  throw new Error('it was not recorded')
}

interface Line {
  readonly id?: string
  readonly type: string
  readonly verdict?: string
  readonly target?: string
  readonly request?: { readonly id: string }
}

const goldens = join(import.meta.dirname, '..', 'goldens', 'support')

async function againstGolden(name: string, text: string): Promise<void> {
  const file = join(goldens, name)
  if (process.env['UPDATE_GOLDENS'] === '1') {
    await mkdir(goldens, { recursive: true })
    await writeFile(file, text)
  }
  assert.equal(text, await readFile(file, 'utf8'))
}

/** Without what differs from run to run. */
function steady(text: string, id: string): string {
  return (
    text
      // Where a command is folded depends on the length of paths.
      .replaceAll(/ \\\n +/g, ' ')
      .replaceAll(id, 'ID')
      .replaceAll(rig.running.directory, '/etc/postern')
      .replaceAll(rig.directory, '/etc/postern')
      .replaceAll(/127\.0\.0\.1[:-]\d+/g, '127.0.0.1:PORT')
      .replaceAll(/\b[0-9A-F]{64}\b/g, 'SHA-256')
      .replaceAll(/\b[0-9A-F]{40}\b/g, 'KEY-ID')
      .replaceAll(/\b[0-9A-F]{30,32}\b/g, 'SERIAL')
      .replaceAll(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
      .replaceAll(/\b20\d\d-\d\d-\d\d\b/g, 'DATE')
      .replaceAll(/took \| \d+ ms/g, 'took | N ms')
      .replaceAll(/snapshot \| [0-9a-f]{16}/g, 'snapshot | SNAPSHOT')
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}/g, 'SESSION')
  )
}

async function unpacked({ files }: SupportBundle): Promise<string> {
  const folder = join(rig.directory, 'unpacked')
  await mkdir(folder, { recursive: true })
  for (const [name, bytes] of files) if (!name.includes('/')) await writeFile(join(folder, name), bytes)
  return folder
}

function shell(command: string, cwd: string, env: Readonly<Record<string, string>> = {}) {
  return promisify(execFile)('/bin/sh', ['-c', command], {
    cwd,
    timeout: 20_000,
    env: { ...process.env, POSTERN_USER: 'admin', POSTERN_PASSWORD: 'a-password-for-tests', ...env },
  })
}
