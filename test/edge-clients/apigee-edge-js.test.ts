import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { type ManagedGateway, startManaged } from '../../src/admin/start.ts'
import { writeZip } from '../../src/core/zip.ts'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { openMemoryState } from '../../src/state/open.ts'

/*
 * apigee-edge-js's own tests, as it ships them, against a gateway that nobody used before: a real client with the real
 * expectations of Edge. One process for each file of tests, as each of them makes and deletes what it needs.
 */

/** The newest by its name is the one that the package's tests take; the one it ships has expired. */
const pair = 'test/resources/20990101-0000'

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url))

/** Tests of each file of apigee-edge-js 0.4.40. `spec.js` talks to a portal's host, and `common.js` has none. */
const expected: Readonly<Record<string, number>> = {
  'appcredential.js': 19,
  'cache.js': 14,
  'connect.js': 4,
  'developer.js': 8,
  'developerApp.js': 19,
  'environment.js': 12,
  'flowhook.js': 3,
  'keystore.js': 11,
  'kvm.js': 11,
  'maskconfig.js': 10,
  'organization.js': 10,
  'product.js': 9,
  'promise.js': 20,
  'proxy.js': 25,
  'reference.js': 22,
  'resourcefile.js': 31,
  'sharedflow.js': 7,
  'targetserver.js': 11,
}
const leftOut: ReadonlySet<string> = new Set(['common.js', 'spec.js'])

let managed: ManagedGateway
let directory: string
let api: string

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-edge-js-'))
  await copyOfPackage()
  managed = await start()
  api = `http://127.0.0.1:${managed.gateway.managementPort}`
  const token = await newToken()
  await fixtures()
  // With a user beside it the client would try to refresh the token.
  await writeFile(join(directory, 'testConfig.json'), JSON.stringify({ mgmtServer: api, org: 'acme', token }))
})

after(async () => {
  await managed?.stop(0)
  await rm(directory, { recursive: true, force: true })
})

test('every test of apigee-edge-js passes', async (context) => {
  const outcomes = await runMocha()
  const files = await testFiles()
  const numbers: Record<string, number> = {}
  for (const file of files) {
    const tests = outcomes.filter((each) => each.file.endsWith(`/test/${file}`))
    numbers[file] = tests.filter((each) => each.passed).length
    context.diagnostic(`${file}: ${numbers[file]} of ${tests.length} passed`)
  }
  const failed = outcomes.filter((each) => !each.passed)
  assert.deepEqual(
    failed.map(({ title, why }) => `${title}: ${why}`),
    [],
  )
  assert.deepEqual(numbers, expected, 'no test was left out by the client itself')
})

interface Outcome {
  readonly file: string
  readonly title: string
  readonly passed: boolean
  readonly why: string
}

/**
 * All files in one process, as the package does it, but for one: reference.js goes on when half of the keystores that it
 * asked for are made. Over a single connection its requests arrive in the order in which it made them.
 */
async function runMocha(): Promise<readonly Outcome[]> {
  const files = await testFiles()
  const racing = 'reference.js'
  await writeFile(join(directory, 'one-connection.js'), "require('node:http').globalAgent.maxSockets = 1")
  return [
    ...(await mocha(files.filter((file) => file !== racing))),
    ...(await mocha([racing], '--require', './one-connection.js')),
  ]
}

async function testFiles(): Promise<readonly string[]> {
  const names = await readdir(join(directory, 'test'))
  return names.filter((name) => name.endsWith('.js') && !leftOut.has(name))
}

async function mocha(files: readonly string[], ...options: readonly string[]): Promise<readonly Outcome[]> {
  const result = join(directory, 'result.json')
  await rm(result, { force: true })
  const reporter = ['--reporter', 'json', '--reporter-option', `output=${result}`]
  const args = [join(modules, 'mocha/bin/mocha.js'), '--exit', ...reporter, ...options]
  const env = {
    HOME: directory,
    PATH: process.env['PATH'],
    // One test wants to fail at the product's public login host; nothing may leave this machine.
    HTTPS_PROXY: 'http://127.0.0.1:1',
    NO_PROXY: '127.0.0.1',
  }
  const all = [...args, ...files.map((name) => `test/${name}`)]
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, all, { cwd: directory, env, timeout: 120_000 }, (_error, stdout, stderr) =>
      resolve(`${stdout}${stderr}`),
    )
  })
  const text = await readFile(result, 'utf8').catch(() => assert.fail(`mocha wrote no result\n${output}`))
  type Listed = readonly {
    readonly file: string
    readonly fullTitle: string
    readonly err: { readonly message?: string }
  }[]
  const { passes, failures, pending } = JSON.parse(text) as { passes: Listed; failures: Listed; pending: Listed }
  const outcomes = (listed: Listed, passed: boolean): readonly Outcome[] =>
    listed.map(({ file, fullTitle, err }) => ({ file, title: fullTitle, passed, why: err.message ?? 'not run' }))
  return [...outcomes(passes, true), ...outcomes(failures, false), ...outcomes(pending, false)]
}

async function copyOfPackage(): Promise<void> {
  await cp(join(modules, 'apigee-edge-js'), directory, { recursive: true })
  await symlink(modules, join(directory, 'node_modules'))
  const names = ['user.dchiesa.demo.altostrat.com']
  const { certificatePem, keyPem } = await createLeaf(await createRoot({ commonName: 'Root', key: 'rsa-2048' }), {
    names,
    key: 'rsa-2048',
  })
  await writeFile(join(directory, `${pair}.cert`), certificatePem)
  await writeFile(join(directory, `${pair}.key`), keyPem)
}

async function start(): Promise<ManagedGateway> {
  const configFile = join(directory, 'postern.yaml')
  await writeFile(
    configFile,
    stringify({
      organization: 'acme',
      listeners: [
        { name: 'http', address: '127.0.0.1', port: 0 },
        {
          name: 'https',
          address: '127.0.0.1',
          port: 0,
          tls: { certificates: [{ certificate: `${pair}.cert`, key: `${pair}.key` }] },
        },
      ],
      management: { address: '127.0.0.1', port: 0 },
      logs: [{ format: 'native', file: 'postern.log' }],
      // Bundles of the package have steps that are not run; it deploys them and sends no request.
      apigee: { unsupportedPolicies: 'answer-500' },
      diagnosis: { live: false },
    }),
  )
  const store = await openMemoryState()
  const environments = ['test', 'prod']
  return startManaged({ configFile, store, environments, adminPassword: password, workers: 1, env: {} })
}

const password = 'a-password-for-tests'

async function newToken(): Promise<string> {
  const made = await post('/api/tokens', { description: 'apigee-edge-js' })
  return ((await made.json()) as { token: string }).token
}

/** What the package's tests need to find (they were written against an organization in use). */
async function fixtures(): Promise<void> {
  for (const name of ['gold', 'silver', 'bronze']) await post('/v1/o/acme/apiproducts', { name })
  await post('/v1/o/acme/developers', { email: 'a@b.example', firstName: 'A', lastName: 'B', userName: 'ab' })
  const proxy = Buffer.from('<APIProxy name="fixture"/>')
  await post('/v1/o/acme/apis?action=import&name=fixture', await writeZip(new Map([['apiproxy/fixture.xml', proxy]])))
}

async function post(path: string, body: Uint8Array | object): Promise<Response> {
  const isBytes = body instanceof Uint8Array
  const answer = await fetch(`${api}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`,
      'content-type': isBytes ? 'application/octet-stream' : 'application/json',
    },
    body: isBytes ? new Uint8Array(body) : JSON.stringify(body),
  })
  if (answer.status !== 201) assert.fail(`POST ${path}: ${answer.status} ${await answer.text()}`)
  return answer
}
