import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createLeaf, createRoot, pemOf } from '../../src/pki/make.ts'
import { oneTarget } from '../support/admin-client.ts'
import { type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'
import { startTlsBackend, type TlsBackend } from '../support/tls-backend.ts'

/** apigee-edge.md 2.4: whoever names a store directly sees its changes with the next deployment. */
const effects = [
  { takesEffect: 'at-once', direct: 503, redeployed: 503 },
  { takesEffect: 'edge', direct: 200, redeployed: 503 },
] as const

for (const { takesEffect, direct, redeployed } of effects) {
  describe(`takesEffect: ${takesEffect}`, () => {
    let backend: TlsBackend
    let running: ManagedTestGateway
    let other: string
    const statusOf = async (route: string): Promise<number> =>
      (await fetch(`http://127.0.0.1:${running.port}/${route}`)).status

    before(async () => {
      const [root, stranger] = await Promise.all([
        createRoot({ commonName: 'Root' }),
        createRoot({ commonName: 'Stranger' }),
      ])
      other = pemOf(stranger.certificate)
      backend = await startTlsBackend({ identity: await createLeaf(root, { names: ['127.0.0.1'] }) })
      running = await startManagedGateway({ apigee: { takesEffect } })
      const { api } = running
      for (const [store, certificate] of [
        ['corp', root.certificatePem],
        ['others', other],
      ] as const) {
        await api.keystore(store)
        await api.alias(store, 'root', certificate)
      }
      await api.reference('trust', 'corp')
      for (const [name, store] of [
        ['direct', 'corp'],
        ['by-reference', 'ref://trust'],
      ] as const) {
        const connection = `<URL>${backend.url}</URL><SSLInfo><Enabled>true</Enabled><TrustStore>${store}</TrustStore></SSLInfo>`
        await api.importBundle(name, oneTarget(name, connection))
        await api.deploy(name, 1)
      }
      assert.equal(await statusOf('direct'), 200)
      assert.equal(await statusOf('by-reference'), 200)
    })

    after(async () => {
      await running[Symbol.asyncDispose]()
      await backend[Symbol.asyncDispose]()
    })

    it('a switched reference matters at once', async () => {
      const said: unknown[] = []
      const end = running.gateway.subscribe((event) => {
        if (event.type === 'trust-changed') said.push([event.store, event.added.length, event.removed.length])
      })
      await running.api.switchReference('trust', 'others')
      assert.equal(await statusOf('by-reference'), 503)
      end()
      assert.deepEqual(said, [['ref://acme/test/trust', 1, 1]], 'the log says what is trusted by that name now')
      await running.api.switchReference('trust', 'corp')
      assert.equal(await statusOf('by-reference'), 200)
    })

    it(`an edited store matters at once by reference, and ${direct === 200 ? 'not yet' : 'at once'} where it is named`, async () => {
      await running.api.replaceAlias('corp', 'root', other)
      assert.equal(await statusOf('by-reference'), 503)
      assert.equal(await statusOf('direct'), direct)
    })

    it('a configuration that is only tried, or refused, makes nothing of it', async () => {
      const { configText } = running.gateway
      const tried = await running.gateway.resolveText(
        configText.replace(/takesEffect: [a-z-]+/, 'takesEffect: at-once'),
      )
      assert.equal(tried.ok, true)
      await running.api.keystore('spare')
      assert.equal(await statusOf('direct'), direct)
    })

    it('the next deployment has the store as it is', async () => {
      await running.api.deploy('direct', 1)
      assert.equal(await statusOf('direct'), redeployed)
    })
  })
}
