import assert from 'node:assert/strict'
import { rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLeaf, createRoot } from '../../src/pki/make.ts'
import { get } from '../scenarios/lab-gateway.ts'
import { startTestGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts'
import { startTlsBackend } from '../support/tls-backend.ts'
import { createVolume } from './volume.ts'

const rootA = await createRoot({ commonName: 'Root A' })
const rootB = await createRoot({ commonName: 'Root B' })
const leaf = await createLeaf(rootA, { names: ['127.0.0.1'] })

type Write = (path: string, text: string) => Promise<void>

/** How a file gets another content. */
const ways: Readonly<Record<string, Write>> = {
  'an edit in place': writeFile,
  'an editor that writes a new file and renames it over the old one': async (path, text) => {
    await writeFile(`${path}.tmp~`, text)
    await rename(`${path}.tmp~`, path)
  },
  'an editor that moves the old file away first': async (path, text) => {
    await rename(path, `${path}~`)
    await writeFile(path, text)
  },
  'removal and a new file': async (path, text) => {
    await rm(path)
    await writeFile(path, text)
  },
}

const looks: Readonly<Record<string, Partial<TestGatewayOptions>>> = {
  // Long enough that nothing here can be due to polling.
  'by the events of the file system': { pollMs: 3_600_000 },
  'by looking from time to time alone': { pollMs: 100, watchEvents: false },
}

for (const [look, options] of Object.entries(looks)) {
  describe(`a bundle that changes is noticed ${look}`, () => {
    for (const [way, write] of Object.entries(ways)) {
      it(way, async () => {
        await using setup = await trusting({ file: './ca.pem' }, options, { 'ca.pem': rootA.certificatePem })
        const path = join(setup.gateway.directory, 'ca.pem')
        await expectStatus(setup, 200)
        await write(path, rootB.certificatePem)
        await expectStatus(setup, 502)
        await write(path, rootA.certificatePem)
        await expectStatus(setup, 200)
      })
    }

    it("a volume's ..data swapped, read as a file", async () => {
      await using volume = await createVolume({ 'ca.pem': rootA.certificatePem })
      await using setup = await trusting({ file: volume.file('ca.pem') }, options)
      await expectStatus(setup, 200)
      await volume.swap({ 'ca.pem': rootB.certificatePem })
      await expectStatus(setup, 502)
      await volume.swap({ 'ca.pem': rootA.certificatePem })
      await expectStatus(setup, 200)
    })

    it('a link of an operator that is turned to another file', async () => {
      const files = { 'v1.pem': rootA.certificatePem, 'v2.pem': rootB.certificatePem }
      await using volume = await createVolume(files)
      const link = join(volume.directory, 'current')
      const turn = async (name: string): Promise<void> => {
        await symlink(volume.file(name), `${link}.new`)
        await rename(`${link}.new`, link)
      }
      await turn('v1.pem')
      await using setup = await trusting({ file: link }, options)
      await expectStatus(setup, 200)
      await turn('v2.pem')
      await expectStatus(setup, 502)
    })

    it('a bad edit changes nothing, and the good one after it counts', async () => {
      await using setup = await trusting({ file: './ca.pem' }, options, { 'ca.pem': rootA.certificatePem })
      const path = join(setup.gateway.directory, 'ca.pem')
      await expectStatus(setup, 200)
      await writeFile(path, '')
      await arrived(setup.gateway, 'generation-refused')
      assert.equal((await get(setup.port, '/')).status, 200)
      await writeFile(path, rootB.certificatePem)
      await expectStatus(setup, 502)
      assert.equal(setup.gateway.events.filter(({ type }) => type === 'generation-refused').length, 1)
    })
  })
}

it('a file that only looks touched makes no generation', async () => {
  await using setup = await trusting({ file: './ca.pem' }, { pollMs: 50 }, { 'ca.pem': rootA.certificatePem })
  const path = join(setup.gateway.directory, 'ca.pem')
  for (let year = 2001; year < 2004; year++) {
    await utimes(path, new Date(year, 1), new Date(year, 1))
    await sleep(120)
  }
  await setup.gateway.gateway.reload()
  assert.equal(setup.gateway.gateway.generation, 1)
})

interface Setup extends AsyncDisposable {
  readonly gateway: TestGateway
  readonly port: number
}

/** A gateway before a backend of root A, with `source` as its trust. */
async function trusting(
  source: Readonly<Record<string, string>>,
  options: Partial<TestGatewayOptions>,
  files: Readonly<Record<string, string>> = {},
): Promise<Setup> {
  const backend = await startTlsBackend({ identity: leaf })
  const gateway = await startTestGateway(
    {
      trustStores: { corp: { sources: [source] } },
      targets: { backend: { url: backend.url, tls: { trust: ['corp'] } } },
      proxies: { backend: { basePath: '/', target: 'backend' } },
    },
    { ...options, files },
  )
  return {
    gateway,
    port: gateway.gateway.ports['http'] ?? 0,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await backend[Symbol.asyncDispose]()
    },
  }
}

/** Waits for the change to be in force; nothing here calls `reload()`. */
async function expectStatus({ port }: Setup, status: number): Promise<void> {
  const timeout = AbortSignal.timeout(10_000)
  for (;;) {
    const answer = await get(port, '/')
    if (answer.status === status) return
    assert.equal(timeout.aborted, false, `still ${answer.status}, not ${status}, after 10 s`)
    await sleep(10)
  }
}

async function arrived(gateway: TestGateway, type: string): Promise<void> {
  const timeout = AbortSignal.timeout(10_000)
  while (!gateway.events.some((event) => event.type === type)) {
    assert.equal(timeout.aborted, false, `no ${type} within 10 s`)
    await sleep(10)
  }
}
