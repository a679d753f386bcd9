import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { parse, stringify } from 'yaml'
import type { PosternEvent } from '../../src/observe/events.ts'
import { createLeaf, createRoot, pemOf } from '../../src/pki/make.ts'
import { shellWord } from '../../src/verdict/shell.ts'
import { oneTarget } from '../support/admin-client.ts'
import { adminPassword, startManagedGateway } from '../support/managed-gateway.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { runCli } from './run-cli.ts'

/* Commands that ask the running gateway, because what it trusts is in its stores and in no file. */

const root = await createRoot({ commonName: 'Backend Root', organization: 'Acme' })
const other = await createRoot({ commonName: 'Other Root', organization: 'Acme' })
const leaf = await createLeaf(root, { names: ['127.0.0.1'] })
const backend = await startTlsBackend({
  identity: { chainPem: pemOf(leaf.certificate, root.certificate), keyPem: leaf.keyPem },
})
const cli = `${shellWord(process.execPath)} ${shellWord(join(import.meta.dirname, '../../src/cli/main.ts'))}`
const running = await startManagedGateway({}, { posternCommand: cli })
after(async () => {
  await running[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
})
const { api, directory, gateway } = running
await api.keystore('partners')
await api.alias('partners', 'other', other.certificatePem)
await api.reference('trust', 'partners')
await api.importBundle(
  'orders',
  oneTarget(
    'orders',
    `<URL>https://127.0.0.1:${backend.port}</URL><SSLInfo><Enabled>true</Enabled><TrustStore>ref://trust</TrustStore></SSLInfo>`,
  ),
)
await api.deploy('orders', 1)
const listeners = [{ name: 'http', address: '127.0.0.1', port: 0 }]
const config = {
  listeners,
  diagnosis: { live: true, wait: '5s' },
  trustStores: { partners: { sources: [{ managed: 'ref://trust' }] } },
  targets: { billing: { url: `https://127.0.0.1:${backend.port}`, tls: { trust: ['partners'] } } },
  proxies: { billing: { basePath: '/billing', target: 'billing' } },
}
await running.reconfigure(config)
const file = join(directory, 'another.yaml')
await writeFile(
  file,
  stringify({
    organization: 'acme',
    environment: 'test',
    management: { address: '127.0.0.1', port: 0 },
    ...config,
  }),
)
const admin = `http://127.0.0.1:${gateway.managementPort}`
const env = { POSTERN_USER: 'admin', POSTERN_PASSWORD: adminPassword }
const stored = 'acme/test/orders/1/default'
const shell = (command: string) =>
  promisify(execFile)('/bin/sh', ['-c', command], { cwd: directory, env: { ...process.env, ...env } }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: { code: number; stdout: string }) => error,
  )

async function diagnosedBy(path: string): Promise<Extract<PosternEvent, { type: 'diagnosed' }>> {
  const { promise, resolve } = Promise.withResolvers<Extract<PosternEvent, { type: 'diagnosed' }>>()
  const end = gateway.subscribe((event) => event.type === 'diagnosed' && resolve(event))
  const { status } = await fetch(`http://127.0.0.1:${running.port}${path}`)
  assert.ok(status >= 502, String(status))
  const event = await promise
  end()
  return event
}

describe('tls check through the management API', { timeout: 60_000 }, () => {
  it('prints what it prints without one', async () => {
    await writeFile(join(directory, 'other.pem'), other.certificatePem)
    const alone = await runCli(
      ['tls', 'check', `127.0.0.1:${backend.port}`, '--ca', 'other.pem', '--no-aia', '--json'],
      { cwd: directory },
    )
    const asked = await runCli(['tls', 'check', stored, '--admin', admin, '--no-aia', '--json'], { env })
    assert.deepEqual([alone.code, asked.code], [1, 1], asked.err)
    const [one, two] = [JSON.parse(alone.out), JSON.parse(asked.out)]
    assert.deepEqual(Object.keys(two), Object.keys(one))
    assert.equal(two.verdict.code, one.verdict.code)
    assert.equal(two.endpoint.target, stored)
    const text = await runCli(['tls', 'check', stored, '--admin', `${admin}/`], { env })
    assert.equal(text.code, 1)
    assert.match(text.out, /^acme\/test\/orders\/1\/default \(127\.0\.0\.1:\d+\): NOT TRUSTED: missing-root/)
    assert.match(text.out, /\nWhat to do\n[\s\S]*\nConnection\n/)
    const several = await runCli(['tls', 'check', stored, 'billing', '--admin', admin, '--json'], { env })
    const lines = several.out.trimEnd().split('\n')
    assert.equal(lines.length, 3)
    assert.equal(JSON.parse(lines[2] ?? '').summary.faults, 2)
  })

  const refusals: readonly (readonly [
    why: string,
    args: readonly string[],
    env: Record<string, string>,
    said: RegExp,
  ])[] = [
    ['no credentials', [stored, '--admin', admin], {}, /set POSTERN_TOKEN, or POSTERN_USER and POSTERN_PASSWORD/],
    [
      'a wrong password',
      [stored, '--admin', admin],
      { ...env, POSTERN_PASSWORD: 'not-this-one' },
      /user or password are wrong/,
    ],
    ['a target that is not there', ['nobody', '--admin', admin], env, /there is no target nobody/],
    ['a place where nobody listens', [stored, '--admin', 'http://127.0.0.1:1'], env, /http:\/\/127\.0\.0\.1:1: /],
    ['an option for another way', [stored, '--admin', admin, '--system'], env, /--system does not go with --admin/],
    ['a password in the URL', [stored, '--admin', 'http://a:se%63ret@127.0.0.1'], env, /has credentials in it/],
  ]
  for (const [why, args, variables, said] of refusals) {
    it(`${why}: ends with 2 and says so`, async () => {
      const empty = { POSTERN_TOKEN: '', POSTERN_USER: '', POSTERN_PASSWORD: '' }
      const { code, out, err } = await runCli(['tls', 'check', ...args], { env: { ...empty, ...variables } })
      assert.deepEqual([code, out], [2, ''], err)
      assert.match(err, said)
      assert.doesNotMatch(err, /se%63ret|secret|not-this-one|Unhandled/)
    })
  }
})

describe('commands that meet managed stores without a state', { timeout: 60_000 }, () => {
  const offline: readonly (readonly string[])[] = [
    ['validate', file],
    ['tls', 'check', 'billing', '-c', file],
    ['trust', 'what-if', '-c', file, '--store', 'partners'],
    ['config', 'set', '-c', file, 'drain.timeout', '7s'],
  ]
  for (const args of offline) {
    it(`${args.slice(0, 2).join(' ')} says who knows them, and how to ask`, async () => {
      const { code, out, err } = await runCli(args)
      assert.notEqual(code, 0)
      assert.match(out + err, /Managed stores are known to the running gateway alone; .*--admin URL/)
      assert.doesNotMatch(out + err, /instead:/)
    })
  }

  it('an identity of a managed store as well, without advice on files', async () => {
    const place = join(directory, 'identity.yaml')
    const billing = {
      url: 'https://b.example',
      tls: { trust: ['roots'], clientCertificate: { keyStore: 'keys', alias: 'me' } },
    }
    await writeFile(
      place,
      stringify({ ...config, trustStores: { roots: { sources: [{ bundled: true }] } }, targets: { billing } }),
    )
    const { out } = await runCli(['validate', place])
    assert.match(out, /Managed stores are known/)
    assert.doesNotMatch(out, /instead: the certificate chain/)
  })

  it('validate --admin says what the gateway would', async () => {
    const good = await runCli(['validate', file, '--admin', admin], { env })
    assert.deepEqual([good.code, good.err], [0, ''], good.out)
    assert.match(good.out, /another\.yaml: good for the gateway at http/)
    const bad = join(directory, 'bad.yaml')
    const text = stringify({ ...config, trustStores: { partners: { sources: [{ managed: 'ref://nobody' }] } } })
    await writeFile(bad, text)
    const refused = await runCli(['validate', bad, '--admin', admin], { env })
    assert.equal(refused.code, 1, refused.err)
    assert.match(
      refused.out,
      /^\S*bad\.yaml:\d+:\d+ {2}trustStores\.partners\S* {2}there is no managed store "ref:\/\/nobody"/,
    )
    assert.match(refused.out, /bad\.yaml: 1 fault\n$/)
    const json = JSON.parse((await runCli(['validate', bad, '--admin', admin, '--json'], { env })).out)
    assert.deepEqual([json.ok, json.problems.length, json.problems[0].file], [false, 1, bad])
    assert.equal((await runCli(['validate', bad, '--admin', admin, '--probe'], { env })).code, 2)
    assert.equal((await runCli(['validate', join(directory, 'none.yaml'), '--admin', admin], { env })).code, 2)
  })

  it('config set --admin has the gateway check the change', async () => {
    const set = (value: string) =>
      runCli(['config', 'set', '-c', file, '--admin', admin, 'drain.timeout', value], { env })
    assert.equal((await set('7s')).code, 0)
    const refused = await set('soon')
    assert.equal(refused.code, 1)
    assert.match(refused.out, /drain\.timeout[\s\S]*not changed/)
    assert.equal(parse(await readFile(file, 'utf8')).drain.timeout, '7s')
  })

  it('an inventory of a gateway with users takes the same credentials', async () => {
    const plain = join(directory, 'plain.yaml')
    await writeFile(join(directory, 'root.pem'), root.certificatePem)
    const billing = { url: `https://127.0.0.1:${backend.port}`, tls: { trust: ['corp'] } }
    await writeFile(
      plain,
      stringify({
        listeners,
        trustStores: { corp: { sources: [{ file: './root.pem' }] } },
        targets: { billing },
      }),
    )
    await runCli(['tls', 'check', 'billing', '--admin', admin], { env })
    const whatIf = (url: string, variables: Record<string, string>) =>
      runCli(['trust', 'what-if', '-c', plain, '--store', 'corp', '--no-aia', '--inventory', url], { env: variables })
    const asked = await whatIf(`${admin}/inventory`, env)
    assert.equal(asked.code, 0, asked.err)
    const nobody = await whatIf(`${admin}/inventory`, { POSTERN_TOKEN: '', POSTERN_USER: '', POSTERN_PASSWORD: '' })
    assert.equal(nobody.code, 2)
    assert.match(nobody.err, /it asks for credentials; set POSTERN_TOKEN/)
    const inUrl = await whatIf(`http://admin:se%63ret@127.0.0.1:${gateway.managementPort}/inventory`, env)
    assert.equal(inUrl.code, 2)
    assert.match(inUrl.err, /has credentials in its URL/)
    assert.doesNotMatch(inUrl.err, /se%63ret|secret/)
  })
})

// The last one: it mends what the others see broken.
describe('the log of a target that trusts a managed store', { timeout: 60_000 }, () => {
  it('names store and reference, and its commands show and mend it', async () => {
    const ofFile = await diagnosedBy('/billing')
    const ofBundle = await diagnosedBy('/orders')
    for (const { look, target } of [ofFile, ofBundle]) {
      assert.ok(look.endsWith(` tls check --admin ${admin} ${target}`), look)
      const before = await shell(look)
      assert.equal(before.code, 1, before.stdout)
      assert.match(before.stdout, /missing-root/)
    }
    const [remedy] = ofFile.remedy
    assert.match(remedy?.action ?? '', /trust store partners of acme\/test \(where ref:\/\/trust leads\)/)
    assert.equal(remedy?.kind, 'edge-management-api')
    for (const command of remedy?.commands ?? []) {
      const done = await shell(command)
      assert.equal(done.code, 0, command)
    }
    for (const { look } of [ofFile, ofBundle]) assert.equal((await shell(look)).code, 0)
    assert.equal((await fetch(`http://127.0.0.1:${running.port}/billing`)).status, 200)
    // Twice: the reason is to be read, and not only a number.
    const again = await shell(remedy?.commands.at(-1) ?? '')
    assert.notEqual(again.code, 0)
    assert.match(again.stdout, /already exists|exists/i)
  })
})
