import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readZip } from '../../src/core/zip.ts'
import { adminPassword, type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'
import { type Recorder, recorder } from './recorder.ts'

/*
 * The real apigeetool, as its own documentation calls it, against a gateway that nobody used before. The tests run one after
 * the other and build on each other.
 */

const cli = fileURLToPath(new URL('../../node_modules/apigeetool/lib/cli.js', import.meta.url))

let gateway: ManagedTestGateway
/** Before the management API. */
let api: Recorder
let backend: Server

before(async () => {
  backend = createServer((request, response) => response.end(`backend saw ${request.url}`))
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
  gateway = await startManagedGateway({}, { workers: 2, environments: ['test', 'prod'] })
  api = await recorder(gateway.gateway.managementPort ?? 0)
})

after(async () => {
  api?.close()
  await gateway?.[Symbol.asyncDispose]()
  backend?.close()
})

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function run(command: string, ...args: readonly string[]): Promise<Ran> {
  const { directory } = gateway
  const all = [cli, command, '-L', api.origin, '-u', 'admin', '-p', adminPassword, '-o', 'acme', ...args]
  // Nothing of the surroundings: no proxy, no credentials.
  const options = { cwd: directory, env: { HOME: directory, PATH: process.env['PATH'] }, timeout: 30_000 }
  return new Promise((resolve) => {
    execFile(process.execPath, all, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
    })
  })
}

async function ran(command: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(command, ...args)
  assert.equal(code, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

const traffic = async (path: string): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${gateway.port}${path}`)
  return `${response.status} ${await response.text()}`
}

/** Writes a bundle and returns its directory. */
async function bundleIn(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const directory = join(gateway.directory, name)
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), text)
  }
  return directory
}

const proxyFiles = (basePath: string, target: string): Readonly<Record<string, string>> => ({
  'apiproxy/orders.xml': '<APIProxy name="orders"/>',
  'apiproxy/proxies/default.xml':
    `<ProxyEndpoint name="default"><HTTPProxyConnection><BasePath>${basePath}</BasePath>` +
    '<VirtualHost>default</VirtualHost></HTTPProxyConnection>' +
    '<RouteRule name="default"><TargetEndpoint>default</TargetEndpoint></RouteRule></ProxyEndpoint>',
  'apiproxy/targets/default.xml': `<TargetEndpoint name="default"><HTTPTargetConnection><URL>${target}</URL></HTTPTargetConnection></TargetEndpoint>`,
  'apiproxy/resources/jsc/f.js': 'var a',
})

const backendUrl = (path: string): string => `http://127.0.0.1:${(backend.address() as AddressInfo).port}${path}`

/** What deployproxy of a bundle with a resource, a target and a proxy endpoint asks for. */
const deploySequence = (revision: number): readonly string[] => [
  'GET /v1/o/acme/apis/orders',
  'POST /v1/o/acme/apis?action=import&validate=false&name=orders',
  `POST /v1/o/acme/apis/orders/revisions/${revision}/resources?type=jsc&name=f.js`,
  `POST /v1/o/acme/apis/orders/revisions/${revision}/targets?name=default`,
  `POST /v1/o/acme/apis/orders/revisions/${revision}/proxies?name=default`,
  `POST /v1/o/acme/e/test/apis/orders/revisions/${revision}/deployments`,
  `GET /v1/o/acme/apis/orders/revisions/${revision}/proxies`,
  `GET /v1/o/acme/apis/orders/revisions/${revision}/proxies/default`,
  'GET /v1/o/acme/e/test/virtualhosts/default',
]

test('deployproxy makes revision 1 of a directory, and traffic flows once it returns', async () => {
  const directory = await bundleIn('orders-1', proxyFiles('/orders', backendUrl('/one')))
  api.recorded()
  const stdout = await ran('deployproxy', '-e', 'test', '-n', 'orders', '-d', directory)
  assert.match(stdout, /"orders" Revision 1\n\s+deployed\n\s+environment = test\n\s+base path = \/\n\s+URI = http:/)
  assert.doesNotMatch(stdout, /Partial Failure/)
  assert.deepEqual(api.recorded(), deploySequence(1))
  assert.equal(await traffic('/orders/a'), '200 backend saw /one/a')
})

test('deployproxy again makes revision 2, which takes the place of revision 1', async () => {
  const directory = await bundleIn('orders-2', proxyFiles('/orders', backendUrl('/two')))
  api.recorded()
  const stdout = await ran('deployproxy', '-e', 'test', '-n', 'orders', '-d', directory)
  assert.match(stdout, /"orders" Revision 2\n\s+deployed/)
  assert.deepEqual(api.recorded(), deploySequence(2))
  assert.equal(await traffic('/orders/a'), '200 backend saw /two/a')
  const listed = JSON.parse(await ran('listdeployments', '-n', 'orders', '-j')) as unknown
  const deployments = [{ name: 'orders', environment: 'test', revision: 2, state: 'deployed', basePath: '/' }]
  assert.deepEqual(listed, { deployments })
})

test('deployproxy of a bundle that cannot run says which policy, where, and leaves what runs as it is', async () => {
  const files = proxyFiles('/orders', backendUrl('/three'))
  const step = '<PreFlow><Request><Step><Name>Python</Name></Step></Request></PreFlow><HTTPProxyConnection>'
  const directory = await bundleIn('orders-3', {
    ...files,
    'apiproxy/policies/Python.xml': '<Script name="Python"><ResourceURL>py://a.py</ResourceURL></Script>',
    'apiproxy/proxies/default.xml': (files['apiproxy/proxies/default.xml'] ?? '').replace(
      '<HTTPProxyConnection>',
      step,
    ),
  })
  const { code, stderr } = await run('deployproxy', '-e', 'test', '-n', 'orders', '-d', directory)
  assert.equal(code, 6)
  assert.match(stderr, /apiproxy\/proxies\/default\.xml.*Python/)
  assert.equal(await traffic('/orders/a'), '200 backend saw /two/a')
  await ran('listdeployments', '-e', 'test', '-l')
})

async function anyHost(environment: string): Promise<void> {
  for (const name of ['default', 'secure']) {
    const path = `/e/${environment}/virtualhosts/${name}`
    const host = JSON.parse((await gateway.api.send('GET', path)).body) as object
    await gateway.api.send('PUT', path, { ...host, port: '80', hostAliases: [] })
  }
}

test('deployExistingRevision deploys revision 1 again, and is refused where another environment serves its path', async () => {
  await ran('deployExistingRevision', '-e', 'test', '-n', 'orders', '-r', '1')
  assert.equal(await traffic('/orders/a'), '200 backend saw /one/a')
  // The virtual hosts of both environments are on the same listener, and answer for any host.
  await anyHost('prod')
  const refused = await run('deployExistingRevision', '-e', 'prod', '-n', 'orders', '-r', '2')
  assert.equal(refused.code, 6)
  assert.match(refused.stderr, /base path \/orders/)
  await ran('undeploy', '-e', 'test', '-n', 'orders')
  await ran('deployExistingRevision', '-e', 'prod', '-n', 'orders', '-r', '2')
  assert.equal(await traffic('/orders/a'), '200 backend saw /two/a')
  await ran('undeploy', '-e', 'prod', '-n', 'orders')
  await ran('deployExistingRevision', '-e', 'test', '-n', 'orders', '-r', '1')
})

test('fetchproxy writes a zip of what was deployed', async () => {
  const file = join(gateway.directory, 'orders.zip')
  await ran('fetchproxy', '-n', 'orders', '-r', '1', '-f', file)
  const texts = [...(await readZip(await readFile(file)))].map(([path, bytes]) => [path, bytes.toString()])
  assert.deepEqual(Object.fromEntries(texts), proxyFiles('/orders', backendUrl('/one')))
})

test('delete is refused while the proxy is deployed; undeploy ends its traffic; then it is deleted', async () => {
  const early = await run('delete', '-n', 'orders')
  assert.equal(early.code, 6)
  assert.match(early.stderr, /deployed in environment test/)
  const stdout = await ran('undeploy', '-e', 'test', '-n', 'orders')
  assert.match(stdout, /"orders" Revision 1\n\s+undeployed/)
  assert.doesNotMatch(stdout, /Partial Failure/)
  assert.match(await traffic('/orders/a'), /^404 /)
  const again = await run('undeploy', '-e', 'test', '-n', 'orders', '-r', '1')
  assert.equal(again.code, 6)
  await ran('delete', '-n', 'orders')
  assert.deepEqual(JSON.parse(await ran('listProxies', '-j')), [])
})

test('deployproxy with a base path puts it before that of the bundle', async () => {
  const directory = await bundleIn('prefixed', proxyFiles('/orders', backendUrl('/one')))
  const stdout = await ran('deployproxy', '-e', 'test', '-n', 'prefixed', '-d', directory, '-b', '/v1')
  assert.match(stdout, /base path = \/v1\n\s+URI = http:\S*\/v1\/orders\n/)
  assert.equal(await traffic('/v1/orders/a'), '200 backend saw /one/a')
  await ran('undeploy', '-e', 'test', '-n', 'prefixed')
  await ran('delete', '-n', 'prefixed')
})

test('a shared flow is deployed, listed, fetched, attached, undeployed and deleted', async () => {
  const files = {
    'sharedflowbundle/checks.xml': '<SharedFlowBundle name="checks"/>',
    'sharedflowbundle/policies/Stamp.xml': '<AssignMessage name="Stamp"/>',
    'sharedflowbundle/sharedflows/default.xml':
      '<SharedFlow name="default"><Step><Name>Stamp</Name></Step></SharedFlow>',
  }
  const directory = await bundleIn('checks', files)
  api.recorded()
  assert.match(
    await ran('deploySharedflow', '-e', 'test', '-n', 'checks', '-d', directory),
    /"checks" Revision 1\n\s+deployed/,
  )
  const sequence = api.recorded().filter((request) => request.includes('sharedflows'))
  assert.deepEqual(sequence, [
    'GET /v1/o/acme/sharedflows/checks',
    'POST /v1/o/acme/sharedflows?action=import&validate=false&name=checks',
    'POST /v1/o/acme/sharedflows/checks/revisions/1/policies',
    'POST /v1/o/acme/sharedflows/checks/revisions/1/sharedflows?name=default',
    'POST /v1/o/acme/e/test/sharedflows/checks/revisions/1/deployments',
  ])
  assert.deepEqual(JSON.parse(await ran('listSharedflows', '-j')), ['checks'])
  const deployments = [{ name: 'checks', environment: 'test', revision: 1, state: 'deployed' }]
  for (const by of [
    ['-n', 'checks'],
    ['-e', 'test'],
  ]) {
    assert.deepEqual(JSON.parse(await ran('listSharedflowDeployments', ...by, '-j')), { deployments })
  }
  const file = join(gateway.directory, 'checks.zip')
  await ran('fetchSharedflow', '-n', 'checks', '-r', '1', '-f', file)
  assert.deepEqual([...(await readZip(await readFile(file))).keys()], Object.keys(files))
  const hook = ['-e', 'test', '--flowHookName', 'PreProxyFlowHook']
  assert.match(await ran('attachFlowHook', ...hook, '--sharedFlowName', 'checks'), /checks/)
  assert.match(await ran('getFlowHook', ...hook), /checks/)
  await ran('detachFlowHook', ...hook)
  assert.doesNotMatch(await ran('getFlowHook', ...hook), /checks/)
  await ran('undeploySharedflow', '-e', 'test', '-n', 'checks')
  await ran('deleteSharedflow', '-n', 'checks')
  assert.deepEqual(JSON.parse(await ran('listSharedflows', '-j')), [])
})

/** The other commands, as they are documented; each with what its output must have (some print nothing of use). */
const siblings: readonly (readonly [what: string, commands: readonly (readonly [line: string, told: RegExp])[]])[] = [
  [
    'target servers',
    [
      [
        'createTargetServer -e test --targetServerName t --targetHost b.example --targetPort 443 --targetSSL true',
        /b\.example/,
      ],
      ['listTargetServers -e test', /t/],
      ['getTargetServer -e test --targetServerName t', /b\.example/],
      ['updateTargetServer -e test --targetServerName t --targetEnabled false', /false/],
      ['deleteTargetServer -e test --targetServerName t', /b\.example/],
    ],
  ],
  [
    'key value maps',
    [
      ['createKVMmap -e test --mapName m', /m/],
      ['addEntryToKVM -e test --mapName m --entryName a --entryValue one', /one/],
      ['getKVMentry -e test --mapName m --entryName a', /one/],
      ['getKVMmap -e test --mapName m', /one/],
      ['deleteKVMentry -e test --mapName m --entryName a', /a/],
      ['deleteKVMmap -e test --mapName m', /m/],
    ],
  ],
  [
    'caches',
    [
      ['createcache -e test -z c', /c/],
      ['listCaches -e test', /c/],
      ['getCache -e test -z c', /c/],
      ['clearCache -e test -z c', /./],
      ['deletecache -e test -z c', /c/],
    ],
  ],
  [
    'products, developers and apps',
    [
      ['createProduct --productName p --proxies orders --environments test --approvalType auto', /^/],
      ['createDeveloper --email d@b.example --firstName D --lastName E --userName d', /^/],
      ['createApp --name a --apiProducts p --email d@b.example', /^/],
      ['createAppKey --developerId d@b.example --appName a --key k --secret s --apiProducts p', /^/],
      ['deleteApp --email d@b.example --name a', /^/],
      ['deleteDeveloper --email d@b.example', /^/],
      ['deleteProduct --productName p', /^/],
    ],
  ],
]

for (const [what, commands] of siblings) {
  test(`the commands for ${what} run as they are documented`, async () => {
    for (const [line, told] of commands) {
      const [command = '', ...args] = line.split(' ')
      assert.match(await ran(command, ...args), told, line)
    }
  })
}

test('updateKVMentry changes an entry, as the SDK of the tool; its command line does not take the value it documents', async () => {
  await ran('createKVMmap', '-e', 'test', '--mapName', 'm')
  await ran('addEntryToKVM', '-e', 'test', '--mapName', 'm', '--entryName', 'a', '--entryValue', 'one')
  const { directory } = gateway
  const options = {
    baseuri: api.origin,
    username: 'admin',
    password: adminPassword,
    organization: 'acme',
    environment: 'test',
  }
  const entry = { ...options, mapName: 'm', entryName: 'a', entryValue: 'two' }
  const script = `require(${JSON.stringify(join(dirname(cli), 'main.js'))}).getPromiseSDK().updateKVMentry(${JSON.stringify(entry)})`
  await new Promise<void>((resolve, reject) => {
    execFile(process.execPath, ['-e', script], { cwd: directory, env: {} }, (error) =>
      error === null ? resolve() : reject(error),
    )
  })
  assert.match(await ran('getKVMentry', '-e', 'test', '--mapName', 'm', '--entryName', 'a'), /two/)
})

test('a wrong password is refused', async () => {
  const wrong = [cli, 'listProxies', '-L', api.origin, '-u', 'admin', '-p', 'wrong', '-o', 'acme']
  const code = await new Promise((resolve) => {
    execFile(process.execPath, wrong, { cwd: gateway.directory, env: {} }, (error) => resolve(error?.code ?? 0))
  })
  assert.equal(code, 6)
})
