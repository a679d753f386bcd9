/*
 * The management API at size, over HTTP against `postern serve`: 1,000 proxies of 5 revisions, one of each deployed, and
 * 1,000 stores. Ends with 1 where a bar is missed. `node tools/bench-managed-api.ts [COUNT]`
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createLeaf, createRoot } from '../src/pki/make.ts'
import { readStateKey } from '../src/state/key.ts'
import { openState } from '../src/state/open.ts'
import type { StateStore, StateTransaction } from '../src/state/types.ts'
import { type AdminClient, adminClient } from '../test/support/admin-client.ts'

const count = Number(process.argv[2] ?? 1000)
/** Milliseconds: the issue's. */
const bars = { start: 5000, read: 50, deploy: 1000 }
const rounds = 11
const stamps = { createdAt: 1, createdBy: 'ann@example.com', lastModifiedAt: 2, lastModifiedBy: 'ann@example.com' }
const scope = 'acme/test'

const directory = mkdtempSync(join(tmpdir(), 'postern-bench-api-'))
const env = {
  ...process.env,
  POSTERN_STATE_KEY: randomBytes(32).toString('base64'),
  POSTERN_ADMIN_PASSWORD: 'a-password-for-a-bench',
}
let missed = 0
let child: ChildProcess | null = null
try {
  const state = join(directory, 'state')
  const key = readStateKey({ env })
  const [port, admin] = [await freePort(), await freePort()]
  await timed('fill', null, async () => {
    const store = await openState({ directory: state, key })
    await fill(store, port)
    await store.close()
  })
  print('size of the state', `${(statSync(join(state, 'postern.db')).size / 1024 / 1024).toFixed(0)} MiB`)
  const configFile = join(directory, 'postern.yaml')
  const config = {
    organization: 'acme',
    environment: 'test',
    listeners: [{ name: 'http', address: '127.0.0.1', port }],
    management: { address: '127.0.0.1', port: admin },
    logs: [{ format: 'native', file: 'postern.log' }],
  }
  writeFileSync(configFile, JSON.stringify(config))
  const program = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
  const client = adminClient(`http://127.0.0.1:${admin}`, env.POSTERN_ADMIN_PASSWORD)
  const started = performance.now()
  child = spawn(process.execPath, [program, 'serve', '-c', configFile, '--state', state, '--workers', '2'], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  while (!(await answers(`http://127.0.0.1:${port}/proxy-0`))) await sleep(10)
  judge('start, until a request is taken', performance.now() - started, bars.start)
  while (!(await answers(`http://127.0.0.1:${admin}/healthz`))) await sleep(10)
  judge('start, until the management API answers', performance.now() - started, bars.start)
  print('memory after the start', memory(child))
  await timed('first login', null, () => client.send('GET', ''))
  const native = `http://127.0.0.1:${admin}/api/organizations/acme/environments/test/stores`
  // Stores that nothing uses are read beside the first requests.
  await sleep(300)
  const listed = performance.now()
  await nativeStores(native)
  judge('first list of stores, native', performance.now() - listed, bars.read)
  await median('list of stores, native', bars.read, () => nativeStores(native))
  await reads(client)
  await changes(client)
  await latency(client, port)
  print('memory at the end', memory(child))
  print('log', `${(statSync(join(directory, 'postern.log')).size / 1024).toFixed(0)} KiB`)
} finally {
  if (child !== null && child.exitCode === null) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  rmSync(directory, { recursive: true, force: true })
}
process.exit(missed === 0 ? 0 : 1)

async function nativeStores(url: string): Promise<void> {
  const authorization = `Basic ${Buffer.from(`admin:${env.POSTERN_ADMIN_PASSWORD}`).toString('base64')}`
  const answer = await fetch(url, { headers: { authorization } })
  const { stores } = (await answer.json()) as { stores: unknown[] }
  if (stores.length < Math.min(count, 1000)) throw new Error(`${answer.status}: ${stores.length} stores`)
}

async function reads(client: AdminClient): Promise<void> {
  const middle = Math.floor(count / 2)
  const api = `/apis/proxy-${middle}`
  const store = `/e/test/keystores/store-${middle}`
  const paths = {
    'list of proxies': '/apis',
    'a proxy': api,
    'list of its revisions': `${api}/revisions`,
    'a revision': `${api}/revisions/3`,
    'a revision, as a bundle': `${api}/revisions/3?format=bundle`,
    'deployments of a proxy': `${api}/deployments`,
    'deployments of a revision': `${api}/revisions/1/deployments`,
    'deployments in the environment': `/e/test/deployments`,
    'deployments of the organization': `/deployments`,
    'list of stores': '/e/test/keystores',
    'a store': store,
    'list of its aliases': `${store}/aliases`,
    'an alias': `${store}/aliases/root`,
    'list of its certificates': `${store}/certs`,
    'a certificate': `${store}/certs/root-cert`,
    'list of references': '/e/test/references',
    'a reference': `/e/test/references/ref-${middle}`,
    'list of target servers': '/e/test/targetservers',
    'a target server': `/e/test/targetservers/server-${middle}`,
    'list of virtual hosts': '/e/test/virtualhosts',
    'a virtual host': '/e/test/virtualhosts/default',
    'list of environments': '/environments',
    'the environment': '/e/test',
  }
  for (const [what, path] of Object.entries(paths)) {
    await median(what, bars.read, async () => void (await client.bytes(path)))
  }
}

async function changes(client: AdminClient): Promise<void> {
  const round = (work: (at: number) => Promise<unknown>): (() => Promise<unknown>) => {
    let at = 0
    return () => work(at++)
  }
  await median(
    'deploy of one',
    bars.deploy,
    round((at) => client.deploy('proxy-5', 2 + (at % 2))),
  )
  await median(
    'reference of one proxy switched',
    bars.deploy,
    round((at) => client.switchReference('ref-1', `store-${2 + (at % 2)}`)),
  )
  await median(
    `reference of ${count / 2} proxies switched`,
    bars.deploy,
    round((at) => client.switchReference('shared', `store-${4 + (at % 2)}`)),
  )
  await median(
    'alias replaced in a store of one proxy',
    bars.deploy,
    round(async () => client.replaceAlias('store-7', 'root', (await createRoot({ commonName: 'New' })).certificatePem)),
  )
  await median(
    'key store that nobody names',
    bars.deploy,
    round((at) => client.keystore(`new-${at}`)),
  )
}

/** What requests wait while workers take up a change, and what they wait otherwise. */
async function latency(client: AdminClient, port: number): Promise<void> {
  for (const [what, change] of [
    ['nothing', () => sleep(60)],
    ['a reference of one proxy', (at: number) => client.switchReference('ref-1', `store-${2 + (at % 2)}`)],
    [`a reference of ${count / 2}`, (at: number) => client.switchReference('shared', `store-${4 + (at % 2)}`)],
  ] as const) {
    const times: number[] = []
    const asked: Promise<void>[] = []
    const timer = setInterval(() => {
      const started = performance.now()
      const request = fetch(`http://127.0.0.1:${port}/proxy-8`, { headers: { 'x-null': 'yes' } })
      asked.push(
        request.then(async (response) => {
          await response.arrayBuffer()
          if (response.status !== 200) throw new Error(`${response.status} while ${what} changes`)
          times.push(performance.now() - started)
        }),
      )
    }, 5)
    for (let at = 0; at < rounds; at++) await change(at)
    clearInterval(timer)
    await Promise.all(asked)
    times.sort((one, other) => one - other)
    const at = (share: number): string => (times[Math.floor((times.length - 1) * share)] ?? 0).toFixed(1)
    print(`requests while ${what} changes`, `median ${at(0.5)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms`)
  }
}

async function fill(store: StateStore, port: number): Promise<void> {
  const client = await createLeaf(await createRoot({ commonName: 'Clients' }), { names: ['client.test'] })
  const tx = await store.begin()
  const environment = { ...stamps, description: '', properties: {} }
  await tx.put('organization', '', 'acme', { body: { ...stamps, displayName: 'acme', type: 'paid', properties: {} } })
  await tx.put('environment', 'acme', 'test', { body: environment })
  await tx.put('virtual-host', scope, 'default', {
    body: {
      ...stamps,
      port,
      hostAliases: [],
      interfaces: [],
      sslInfo: null,
      properties: {},
      propagateTlsInformation: { connectionProperties: false, clientProperties: false },
    },
  })
  await keystore(tx, 'keys', 'a1', client.chainPem, client.keyPem)
  await reference(tx, 'shared', 'store-4')
  for (let index = 0; index < count; index++) {
    const root = await createRoot({ commonName: `Root ${index}` })
    await keystore(tx, `store-${index}`, 'root', root.certificatePem, null)
    await reference(tx, `ref-${index}`, `store-${index}`)
    await tx.put('target-server', scope, `server-${index}`, {
      body: {
        ...stamps,
        host: '127.0.0.1',
        port: 9,
        isEnabled: true,
        description: '',
        protocol: 'HTTP',
        sslInfo: null,
      },
    })
    await proxy(tx, index)
  }
  await tx.commit()
}

async function keystore(
  tx: StateTransaction,
  name: string,
  alias: string,
  chain: string,
  key: string | null,
): Promise<void> {
  await tx.put('keystore', scope, name, { body: { ...stamps, generation: 1 } })
  await tx.put('alias', `${scope}/${name}`, alias, {
    body: {
      ...stamps,
      certName: `${alias}-cert`,
      keyName: key === null ? null : `${alias}-key`,
      fingerprints: ['A'.repeat(64)],
    },
    blob: Buffer.from(chain),
    ...(key === null ? {} : { secret: Buffer.from(key) }),
  })
}

async function reference(tx: StateTransaction, name: string, refers: string): Promise<void> {
  await tx.put('reference', scope, name, { body: { ...stamps, refers, resourceType: 'TrustStore', description: '' } })
}

/** Of five revisions, the first deployed. Half share a reference; a quarter shows a certificate; a tenth is balanced. */
async function proxy(tx: StateTransaction, index: number): Promise<void> {
  const name = `proxy-${index}`
  const trust = `<TrustStore>ref://${index % 2 === 0 ? 'shared' : `ref-${index}`}</TrustStore>`
  const identity = '<ClientAuthEnabled>true</ClientAuthEnabled><KeyStore>keys</KeyStore><KeyAlias>a1</KeyAlias>'
  const connection =
    index % 10 === 3
      ? `<LoadBalancer><Server name="server-${index}"/><Server name="server-0"/></LoadBalancer>`
      : `<URL>https://127.0.0.1:9/${name}</URL><SSLInfo><Enabled>true</Enabled>${trust}${index % 4 === 0 ? identity : ''}</SSLInfo>`
  const files = {
    [`${name}.xml`]: `<APIProxy name="${name}"><Description>of a bench</Description></APIProxy>`,
    'proxies/default.xml': `<ProxyEndpoint name="default"><HTTPProxyConnection><BasePath>/${name}</BasePath><VirtualHost>default</VirtualHost></HTTPProxyConnection><RouteRule name="null"><Condition>request.header.x-null = "yes"</Condition></RouteRule><RouteRule name="default"><TargetEndpoint>default</TargetEndpoint></RouteRule></ProxyEndpoint>`,
    'targets/default.xml': `<TargetEndpoint name="default"><HTTPTargetConnection>${connection}</HTTPTargetConnection></TargetEndpoint>`,
    'resources/jsc/one.js': `// ${'x'.repeat(2000)}`,
    'resources/xsl/two.xsl': `<a>${'y'.repeat(2000)}</a>`,
  }
  await tx.put('api', 'acme', name, { body: { ...stamps, lastRevision: 5 } })
  for (let revision = 1; revision <= 5; revision++) {
    const body = { ...stamps, displayName: name, description: '' }
    await tx.put('api-revision', `acme/apis/${name}`, String(revision), { body })
    for (const [path, text] of Object.entries(files)) {
      const blob = Buffer.from(text)
      const place = `acme/apis/${name}/${revision}`
      await tx.put('api-file', place, `apiproxy/${path}`, { body: { bytes: blob.length }, blob })
    }
  }
  await tx.put('api-deployment', `${scope}/apis/${name}`, '1', { body: { ...stamps, basePath: '/', delay: null } })
}

async function answers(url: string): Promise<boolean> {
  try {
    await (await fetch(url)).arrayBuffer()
    return true
  } catch {
    return false
  }
}

async function median(what: string, bar: number, work: () => Promise<unknown>): Promise<void> {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const started = performance.now()
    await work()
    times.push(performance.now() - started)
  }
  times.sort((one, other) => one - other)
  judge(what, times[Math.floor(rounds / 2)] ?? 0, bar, `, at most ${(times.at(-1) ?? 0).toFixed(1)} ms`)
}

async function timed(what: string, bar: number | null, work: () => Promise<unknown>): Promise<void> {
  const started = performance.now()
  await work()
  judge(what, performance.now() - started, bar)
}

function judge(what: string, ms: number, bar: number | null, more = ''): void {
  const isMissed = bar !== null && ms > bar
  if (isMissed) missed++
  print(what, `${ms.toFixed(1)} ms${more}${bar === null ? '' : ` (bar ${bar} ms)`}${isMissed ? '  MISSED' : ''}`)
}

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(44)}${value}\n`)
}

/** Resident, now and at its highest. */
function memory(of: ChildProcess): string {
  const status = readFileSync(`/proc/${of.pid}/status`, 'utf8')
  const mib = (field: string): string => {
    const kib = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? '0'
    return `${Math.round(Number(kib) / 1024)} MiB`
  }
  return `${mib('VmRSS')}, at most ${mib('VmHWM')}`
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
