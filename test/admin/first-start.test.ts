import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { stringify } from 'yaml'
import { seedState } from '../../src/admin/seed.ts'
import { startManaged } from '../../src/admin/start.ts'
import { messageOf } from '../../src/core/errors.ts'
import { createSecretKey, randomBytes } from 'node:crypto'
import type { PosternEvent } from '../../src/observe/events.ts'
import { openMemoryState, openState } from '../../src/state/open.ts'
import type { StateStore } from '../../src/state/types.ts'
import { startManagedGateway } from '../support/managed-gateway.ts'

const directory = mkdtempSync(join(tmpdir(), 'postern-first-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const key = createSecretKey(randomBytes(32))
let states = 0

function newState(): () => Promise<StateStore> {
  const path = join(directory, `state-${states++}`)
  return () => openState({ directory: path, key })
}

interface Start {
  readonly port?: number
  readonly managementPort?: number
  readonly organization?: string
  readonly environments?: readonly string[]
  readonly adminPassword?: string
  readonly config?: object
}

function start(store: StateStore, options: Start = {}) {
  const { port = 0, managementPort = 0, organization = 'acme', config = {}, ...rest } = options
  const configFile = join(directory, `postern-${states++}.yaml`)
  const text = stringify({
    organization,
    listeners: [{ name: 'http', address: '127.0.0.1', port }],
    management: { address: '127.0.0.1', port: managementPort },
    logs: [{ format: 'native', file: 'postern.log' }],
    diagnosis: { live: false },
    ...config,
  })
  writeFileSync(configFile, text)
  return startManaged({ workers: 1, env: {}, ...rest, configFile, store })
}

async function kept(open: () => Promise<StateStore>) {
  await using store = await open()
  return await store.read(async (view) => ({
    users: await view.names('user', ''),
    organizations: await view.names('organization', ''),
    environments: (await view.below('environment', '')).map(({ scope, name }) => `${scope}/${name}`),
  }))
}

const nothing = { users: [], organizations: [], environments: [] }

for (const which of ['port', 'managementPort'] as const) {
  test(`a first start whose ${which} is taken leaves nobody and nothing, and the next one gives the password`, async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const open = newState()
    try {
      await assert.rejects(start(await open(), { [which]: (taken.address() as AddressInfo).port }), /EADDRINUSE/)
    } finally {
      taken.close()
    }
    assert.deepEqual(await kept(open), nothing)
    {
      await using managed = await start(await open())
      assert.match(managed.firstAdmin?.password ?? '', /^[\w-]{24}$/)
      const authorization = `Basic ${btoa(`admin:${managed.firstAdmin?.password}`)}`
      const answer = await fetch(`http://127.0.0.1:${managed.gateway.managementPort}/api/session`, {
        headers: { authorization },
      })
      assert.equal(answer.status, 200)
    }
    assert.deepEqual(await kept(open), { users: ['admin'], organizations: ['acme'], environments: ['acme/default'] })
    await using again = await start(await open())
    assert.equal(again.firstAdmin, null)
  })
}

test('without a management listener there is an admin too', async () => {
  await using managed = await start(await newState()(), { config: { management: undefined } })
  assert.equal(managed.firstAdmin?.user, 'admin')
})

test('a password for the first user that is too short ends the start, whatever it says to a state with users', async () => {
  const open = newState()
  await assert.rejects(start(await open(), { adminPassword: 'short' }), {
    code: 'bad-password',
    message: /^POSTERN_ADMIN_PASSWORD: a password has 8 to 1024 characters/,
  })
  assert.deepEqual(await kept(open), nothing)
  await (await start(await open())).stop(0)
  await using again = await start(await open(), { adminPassword: 'short' })
  assert.equal(again.firstAdmin, null)
})

test('another organization than the state has is refused, and becomes none; another environment is made', async () => {
  const open = newState()
  await (await start(await open(), { environments: ['test'] })).stop(0)
  const before = await kept(open)
  await assert.rejects(start(await open(), { organization: 'beta', environments: ['prod'] }), {
    code: 'organization-unknown',
    message: /no organization "beta"; it has acme\..*POST \/v1\/organizations/,
  })
  assert.deepEqual(await kept(open), before)
  await (await start(await open(), { environments: ['test', 'prod'] })).stop(0)
  assert.deepEqual((await kept(open)).environments, ['acme/prod', 'acme/test'])
})

test('a managed store that is not there: where it was looked for is said, and nothing is left behind', async () => {
  const open = newState()
  const config = { trustStores: { partners: { sources: [{ managed: 'ref://partners' }] } } }
  await assert.rejects(start(await open(), { environments: ['prod'], config }), (error) =>
    messageOf(error).includes('no managed store "ref://partners" in organization "acme", environment "prod"'),
  )
  assert.deepEqual(await kept(open), nothing)
})

test('the virtual hosts of a start take the ports of the configuration until somebody changes them', async () => {
  const store = await openMemoryState()
  const seed = { organization: 'acme', environments: ['test'] }
  const ports = (): Promise<readonly (number | undefined)[]> =>
    store.read(async (view) => [
      (await view.get('virtual-host', 'acme/test', 'default'))?.body.port,
      (await view.get('virtual-host', 'acme/test', 'secure'))?.body.port,
    ])
  try {
    await seedState(store, { ...seed, listeners: [{ port: 8180 }] }, () => 1)
    assert.deepEqual(await ports(), [8180, 443])
    await seedState(store, { ...seed, listeners: [{ port: 8183 }, { port: 8443, tls: {} }] }, () => 2)
    assert.deepEqual(await ports(), [8183, 8443])
    await seedState(store, { ...seed, listeners: [{ port: 8184 }] }, () => 2)
    assert.deepEqual(await ports(), [8184, 8443], 'without a listener for it there is no other port to name')
    const tx = await store.begin()
    const found = await tx.get('virtual-host', 'acme/test', 'default')
    assert.ok(found)
    await tx.put('virtual-host', 'acme/test', 'default', { body: { ...found.body, lastModifiedBy: 'ann' } })
    await tx.commit()
    await seedState(store, { ...seed, listeners: [{ port: 8185 }, { port: 9443, tls: {} }] }, () => 3)
    assert.deepEqual(await ports(), [8184, 9443])
  } finally {
    await store.close()
  }
})

test('the management listener says where it listens, and off loopback without TLS it is warned of', async () => {
  for (const address of ['127.0.0.1', '0.0.0.0']) {
    const events: PosternEvent[] = []
    await using managed = await startManagedGateway(
      { management: { address, port: 0 } },
      { onEvent: (event) => events.push(event) },
    )
    const listening = events.filter((event) => event.type === 'listening')
    assert.deepEqual(
      listening.map(({ listener, port, tls }) => [listener, port, tls]),
      [
        ['http', managed.port, false],
        ['management', managed.gateway.managementPort, false],
      ],
    )
    const warned = events.filter((event) => event.type === 'warning' && event.message.includes('not loopback'))
    assert.equal(warned.length, address === '0.0.0.0' ? 1 : 0)
  }
})
