import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { InventoryDocument, InventoryServer } from '../../src/diagnosis/inventory.ts'
import { labSubjects } from '../../src/lab/expectation.ts'
import type { ScenarioName } from '../../src/lab/scenarios.ts'
import { readBundle } from '../../src/x509/pem.ts'
import { get, type LabGateway, startLabGateway } from './lab-gateway.ts'

const wanted: readonly ScenarioName[] = ['ok', 'missing-root', 'wrong-order', 'refused']

describe('the inventory of a running gateway', () => {
  let setup: LabGateway

  before(async () => {
    setup = await startLabGateway({
      lab: { scenarios: wanted },
      change: (config) => ({
        ...config,
        management: { port: 0 },
        diagnosis: { live: true, wait: '5s' },
      }),
    })
  })
  after(() => setup[Symbol.asyncDispose]())

  it('knows every server of https, and of none a chain before there was traffic', async () => {
    const { servers } = await inventory(setup)
    assert.deepEqual(servers.map(({ target }) => target).sort(), [...wanted].sort())
    assert.deepEqual(
      servers.flatMap(({ chains }) => chains),
      [],
    )
  })

  it('has the chain that traffic has met, when it ends, and the anchor and store that it hangs on', async () => {
    await get(setup.port, '/native/ok')
    const [chain, ...others] = (await seen(setup, 'ok')).chains
    assert.deepEqual(others, [])
    assert.equal(chain?.source, 'traffic')
    assert.match(chain?.anchor?.subject ?? '', new RegExp(labSubjects.root))
    assert.deepEqual(chain?.stores, ['lab'])
    const certificates = readBundle(Buffer.from(chain?.chain.join('') ?? ''), 'inventory').certificates
    assert.equal(certificates[0]?.sha256, chain?.leaf.sha256)
    assert.equal(Date.parse(chain?.leafEnds ?? ''), certificates[0]?.notAfter)
    assert.ok(Date.parse(chain?.chainEnds ?? '') <= Date.parse(chain?.leafEnds ?? ''))
  })

  it('has the chain of a backend that was refused, as it was served, hanging on nothing', async () => {
    await get(setup.port, '/native/missing-root')
    const [chain] = (await seen(setup, 'missing-root')).chains
    assert.equal(chain?.source, 'probe')
    assert.equal(chain?.anchor, null)
    assert.deepEqual(chain?.stores, [])
    assert.equal(chain?.chain.length, 2)
  })

  it('counts a chain once, however often it is met', async () => {
    for (let count = 0; count < 5; count++) await get(setup.port, '/native/ok')
    assert.equal((await seen(setup, 'ok')).chains.length, 1)
  })

  it('has nothing of a backend that shows no certificate', async () => {
    await get(setup.port, '/native/refused')
    assert.deepEqual((await inventory(setup)).servers.find(({ target }) => target === 'refused')?.chains, [])
  })
})

async function inventory({ gateway }: LabGateway): Promise<InventoryDocument> {
  const response = await fetch(`http://127.0.0.1:${gateway.gateway.managementPort}/inventory`)
  assert.equal(response.status, 200)
  return (await response.json()) as InventoryDocument
}

/** The server of a target, once it has been seen: workers tell it a moment later. */
async function seen(setup: LabGateway, target: ScenarioName): Promise<InventoryServer> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const server = (await inventory(setup)).servers.find((each) => each.target === target)
    if (server !== undefined && server.chains.length > 0) return server
    await sleep(20)
  }
  throw new Error(`no chain of ${target} in the inventory`)
}
