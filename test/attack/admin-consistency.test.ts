import assert from 'node:assert/strict'
import { generateKeySync } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PosternError } from '../../src/core/errors.ts'
import { createLeaf, createRoot, pemOf } from '../../src/pki/make.ts'
import { openState } from '../../src/state/open.ts'
import type { StateTransaction } from '../../src/state/types.ts'
import { oneTarget } from '../support/admin-client.ts'
import { adminPassword, type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'
import { startTlsBackend, type TlsBackend } from '../support/tls-backend.ts'

let backend: TlsBackend
let certificates: { readonly good: string; readonly bad: string }

before(async () => {
  const [root, stranger] = await Promise.all([
    createRoot({ commonName: 'Root' }),
    createRoot({ commonName: 'Stranger' }),
  ])
  certificates = { good: root.certificatePem, bad: pemOf(stranger.certificate) }
  backend = await startTlsBackend({ identity: await createLeaf(root, { names: ['127.0.0.1'] }) })
})

after(() => backend[Symbol.asyncDispose]())

/** `/orders` trusts what the reference `trust` names: `good` or `bad`. */
async function running(...options: Parameters<typeof startManagedGateway>): Promise<ManagedTestGateway> {
  const gateway = await startManagedGateway(...options)
  const { api } = gateway
  for (const store of ['good', 'bad'] as const) {
    await api.keystore(store)
    await api.alias(store, 'root', certificates[store])
  }
  await api.reference('trust', 'good')
  const connection = `<URL>${backend.url}</URL><SSLInfo><Enabled>true</Enabled><TrustStore>ref://trust</TrustStore></SSLInfo>`
  await api.importBundle('orders', oneTarget('orders', connection))
  await api.deploy('orders', 1)
  return gateway
}

/** Over a connection of its own, so that any worker may get it. */
function statusOf(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const agent = new Agent({ keepAlive: false })
    const asked = request({ host: '127.0.0.1', port, path: '/orders', agent }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    asked.on('error', reject)
    asked.end()
  })
}

const referred = (gateway: ManagedTestGateway): Promise<string | undefined> =>
  gateway.store.read(async (view) => (await view.get('reference', 'acme/test', 'trust'))?.body.refers)

const authorization = `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}`

describe('A change', () => {
  test('while a worker dies: it is made whole, or not at all, and every worker agrees, the one that came in its place too', async () => {
    await using gateway = await running({}, { workers: 3 })
    const outcomes = new Set<number>()
    for (let round = 0; round < 8; round++) {
      const wanted = round % 2 === 0 ? 'bad' : 'good'
      const victim = gateway.gateway.workers[round % 3]
      const switching = gateway.api.switchReference('trust', wanted).then(
        ({ status }) => status,
        () => 0,
      )
      await sleep(round * 2)
      await victim?.terminate()
      outcomes.add(await switching)
      const kept = await referred(gateway)
      while (gateway.gateway.workers.length < 3) await sleep(5)
      // After the one that is being brought up.
      await gateway.gateway.reload()
      const statuses = await Promise.all(Array.from({ length: 12 }, () => statusOf(gateway.port)))
      assert.deepEqual(new Set(statuses), new Set([kept === 'good' ? 200 : 503]), `round ${round}, ${kept}`)
    }
    assert.ok(outcomes.has(200), 'a death of one worker must not refuse every change')
  })

  test('by many writers at once: each is there, in some order, and one of two who make the same is told so', async () => {
    await using gateway = await startManagedGateway()
    const url = (path: string): string => `http://127.0.0.1:${gateway.gateway.managementPort}/v1/o/acme/e/test/${path}`
    const post = async (path: string, body: object): Promise<number> => {
      const headers = { authorization, 'content-type': 'application/json' }
      return (await fetch(url(path), { method: 'POST', headers, body: JSON.stringify(body) })).status
    }
    const names = Array.from({ length: 20 }, (_, index) => `ks${index % 10}`)
    const statuses = await Promise.all(names.map((name) => post('keystores', { name })))
    assert.equal(statuses.filter((status) => status === 201).length, 10)
    assert.equal(statuses.filter((status) => status === 409).length, 10)
    assert.equal((await gateway.store.read((view) => view.names('keystore', 'acme/test'))).length, 10)
  })

  test('that is refused after it wrote something: nothing of it is there, and no entry says it was', async () => {
    await using gateway = await running()
    const count = async (): Promise<number> => (await gateway.store.audits({ rows: 1_000 })).length
    const [files, entries] = [() => gateway.store.read((view) => view.below('api-deployment', '')), await count()]
    const before_ = JSON.stringify(await files())
    // A second proxy at the same base path writes its deployment, and cannot run.
    const connection = `<URL>${backend.url}</URL>`
    await gateway.api.importBundle('again', oneTarget('orders', connection))
    await assert.rejects(gateway.api.deploy('again', 1))
    assert.equal(JSON.stringify(await files()), before_)
    const added = (await gateway.store.audits({ rows: (await count()) - entries })).filter(
      ({ uri, status }) => uri.includes('deployments') && status < 300,
    )
    assert.deepEqual(added, [])
    assert.equal(await statusOf(gateway.port), 200)
  })

  test('while a configuration file that is no good lies there: it is made, and the file stays refused', async () => {
    await using gateway = await running()
    const file = join(gateway.directory, 'postern.yaml')
    await writeFile(`${file}.bad`, 'listeners: nonsense\n')
    await rename(`${file}.bad`, file)
    await gateway.gateway.reload()
    assert.notEqual(gateway.gateway.lastRefusal, '')
    await gateway.api.switchReference('trust', 'bad')
    assert.equal(await statusOf(gateway.port), 503)
    assert.notEqual(gateway.gateway.lastRefusal, '')
  })
})

describe('The state under a running gateway', () => {
  async function withFiles(work: (gateway: ManagedTestGateway, database: string) => Promise<void>): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'postern-lost-'))
    const store = await openState({ directory, key: generateKeySync('aes', { length: 256 }) })
    const gateway = await running({}, { store })
    try {
      await work(gateway, join(directory, 'postern.db'))
    } finally {
      await gateway[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    }
  }

  const change = async (gateway: ManagedTestGateway): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${gateway.gateway.managementPort}/v1/o/acme/e/test/references/trust`, {
      method: 'PUT',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'trust', refers: 'bad', resourceType: 'TrustStore' }),
    })
    await answer.text()
    return answer.status
  }

  for (const { what, replacement } of [
    { what: 'removed', replacement: false },
    { what: 'replaced', replacement: true },
  ]) {
    test(`${what}: a change is refused, as nobody would find it again, and traffic goes on`, async () => {
      await withFiles(async (gateway, database) => {
        await rename(database, `${database}.away`)
        if (replacement) {
          await writeFile(database, '')
          await chmod(database, 0o600)
        }
        assert.equal(await change(gateway), 500)
        assert.equal(await statusOf(gateway.port), 200)
        await rm(database, { force: true })
        await rename(`${database}.away`, database)
        assert.equal(await change(gateway), 200)
        assert.equal(await statusOf(gateway.port), 503)
      })
    })
  }

  for (const { code, status } of [
    { code: 'state-full', status: 507 },
    { code: 'state-busy', status: 503 },
    { code: 'state-damaged', status: 500 },
  ]) {
    test(`${code}: changes are answered with ${status}, and traffic goes on`, async () => {
      await withFiles(async (gateway) => {
        const broken = gateway.store as { begin: () => Promise<StateTransaction> }
        const begin = broken.begin.bind(broken)
        broken.begin = () => Promise.reject(new PosternError(code, 'no'))
        assert.equal(await change(gateway), status)
        assert.equal(await statusOf(gateway.port), 200)
        broken.begin = begin
        assert.equal(await change(gateway), 200)
      })
    })
  }
})

test('a link under the name of a file that is written is not written through', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-link-'))
  try {
    const victim = join(directory, 'victim')
    await writeFile(victim, 'precious')
    const state = join(directory, 'state')
    await mkdir(state)
    await symlink(victim, join(state, 'postern.pid'))
    const store = await openState({ directory: state, key: generateKeySync('aes', { length: 256 }) })
    await store.close()
    assert.equal(await readFile(victim, 'utf8'), 'precious')
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
