import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { parse, stringify } from 'yaml'
import { adminPassword } from '../support/managed-gateway.ts'
import { openBundle, startSupportRig } from '../support-bundle/rig.ts'
import { runCli } from './run-cli.ts'

const rig = await startSupportRig(['missing-root', 'ok'], {
  change: (config, directory) => {
    const targets = config['targets'] as Record<string, Record<string, unknown>>
    targets['by-proxy'] = {
      ...targets['missing-root'],
      egress: { url: 'http://127.0.0.1:9', user: 'somebody-31', password: { file: join(directory, 'password') } },
    }
    return config
  },
  prepare: (directory) => writeFile(join(directory, 'password'), 'a-password-of-the-proxy\n'),
})
const cwd = join(rig.directory, 'work')
await mkdir(cwd)
after(() => rig[Symbol.asyncDispose]())
const env = { POSTERN_USER: 'admin', POSTERN_PASSWORD: adminPassword }
const at = ['support', '--admin', rig.admin] as const
const run = (...args: readonly string[]) => runCli(args, { cwd, env })
const opened = async (file: string) => openBundle(await readFile(join(cwd, file)))

describe('postern support', { timeout: 90_000 }, () => {
  it('writes the archive of a request, for its owner alone, and prints what it says', async () => {
    const id = await rig.fails('/apigee/missing-root/a?apikey=0123456789')
    const { code, out, err } = await run(...at, '--request', id, '--org', 'myorg', '--env', 'test', '-o', 'a.zip')
    assert.deepEqual([code, err], [0, ''])
    assert.equal((await stat(join(cwd, 'a.zip'))).mode & 0o777, 0o600)
    const bundle = await opened('a.zip')
    assert.equal(bundle.json('request.json').verdict, 'missing-root')
    const steady = out
      .replaceAll(id, 'ID')
      .replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT')
      .replaceAll(/\d+ KiB/g, 'N KiB')
    assert.equal(steady, await golden('cli.txt', steady))
  })

  it('finds organization and environment itself, names the file after the question, and prints JSON', async () => {
    const { code, out } = await run(...at, '--target', 'ok', '--no-logs', '--json')
    assert.equal(code, 0)
    const told = JSON.parse(out) as { file: string; summary: string; manifest: { question: object } }
    assert.match(told.file, /^postern-support-ok-\d{8}T\d{6}Z\.zip$/)
    assert.match(told.summary, /^# Target ok: trusted\n/)
    assert.deepEqual(
      { ...told.manifest.question },
      {
        organization: 'myorg',
        environment: 'test',
        requestId: null,
        proxy: null,
        target: 'ok',
        capture: false,
        logs: false,
      },
    )
    await opened(told.file)
  })

  it('of a configuration file asks the servers itself, and reads its log files', async () => {
    const id = await rig.fails('/native/missing-root/b?token=query-token-1234')
    const file = join(rig.running.directory, 'postern.yaml')
    const { code, out, err } = await run('support', '-c', file, '--request', id, '--capture', '--out', 'local.zip')
    assert.deepEqual([code, err], [0, ''])
    assert.match(out, new RegExp(`^Request ${id}: missing-root\n`))
    const bundle = await opened('local.zip')
    assert.equal(bundle.json('target/report.json').verdict.code, 'missing-root')
    assert.equal(bundle.json('request.json').request, 'GET /native/missing-root/b?token=***** HTTP/1.1')
    assert.match(bundle.text('logs/1-native.log'), new RegExp(id))
    assert.ok(bundle.manifest.missing.some(({ why }) => why.includes('--admin URL')))
    assert.ok([...bundle.files.keys()].some((name) => name.endsWith('.pcap')))
    const target = await run('support', '-c', file, '--target', 'by-proxy', '--out', 'proxy.zip')
    assert.equal(target.code, 0, target.err)
    for (const [name, bytes] of (await opened('proxy.zip')).files) {
      for (const secret of ['a-password-of-the-proxy', 'somebody-31', 'query-token-1234']) {
        assert.ok(!bytes.includes(secret), `${name} has ${secret}`)
      }
    }
  })

  const refused: readonly (readonly [args: readonly string[], code: number, says: RegExp])[] = [
    [[...at], 2, /one of --request, --proxy and --target is needed\nSee: postern support --help/],
    [[...at, '-c', 'x', '--target', 'ok'], 2, /one of them/],
    [[...at, '--target', 'none'], 1, /target-unknown: no target none runs in environment test of myorg/],
    [[...at, '--request', 'none'], 1, /request-unknown: .* with proxy or target a bundle has what there is without it/],
    [[...at, '--target', 'ok', '--org', 'nobody', '--env', 'test'], 1, /environment-unknown/],
    [['support', '--admin', 'http://127.0.0.1:9', '--target', 'ok'], 2, /127\.0\.0\.1:9: /],
    [['support', '--target', 'ok'], 2, /-c FILE or --admin URL is needed/],
    [[...at, '--target', 'ok', '-o', 'taken.zip'], 2, /taken\.zip: there is such a file already/],
    [[...at, '--target', 'ok', '-o', 'no/where.zip'], 2, /there is no directory /],
    [[...at, '--targets', 'ok'], 2, /did you mean --target/],
  ]
  it('refuses with one sentence and the status that says whose fault it is', async () => {
    await writeFile(join(cwd, 'taken.zip'), 'mine')
    const before = await readdir(cwd)
    const all = await Promise.all(refused.map(([args]) => run(...args)))
    for (const [index, told] of all.entries()) {
      const [args, code, says] = refused[index] as (typeof refused)[number]
      assert.deepEqual([told.code, told.out], [code, ''], args.join(' '))
      assert.match(told.err, says, args.join(' '))
    }
    assert.equal(await readFile(join(cwd, 'taken.zip'), 'utf8'), 'mine')
    assert.deepEqual(await readdir(cwd), before)
  })

  it('of a request that no log file has says what the gateway may know', async () => {
    const file = join(rig.running.directory, 'postern.yaml')
    const { code, err } = await run('support', '-c', file, '--request', 'none')
    assert.equal(code, 1)
    assert.match(
      err,
      /no native log file of the configuration has a request none; the running gateway may know it: --admin URL/,
    )
    const config = parse(await readFile(file, 'utf8')) as Record<string, unknown>
    await writeFile(
      join(cwd, 'stdout.yaml'),
      stringify({ ...config, logs: [{ format: 'native' }], management: undefined }),
    )
    const told = await run('support', '-c', 'stdout.yaml', '--target', 'ok', '--request', 'none', '-o', 'stdout.zip')
    assert.equal(told.code, 0, told.err)
    assert.match(told.out, /Missing: logs\/1-native\.log: this sink is the standard output and no file/)
  })
})

async function golden(name: string, text: string): Promise<string> {
  const file = join(import.meta.dirname, '..', 'goldens', 'support', name)
  if (process.env['UPDATE_GOLDENS'] === '1') await writeFile(file, text)
  return readFile(file, 'utf8')
}
