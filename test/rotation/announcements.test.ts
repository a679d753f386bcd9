import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createRoot } from '../../src/pki/make.ts'
import { oneTarget } from '../support/admin-client.ts'
import { startManagedGateway } from '../support/managed-gateway.ts'

it('what is to be known of stored objects is said when it begins, and not again with every change', async () => {
  const said: string[] = []
  await using running = await startManagedGateway(
    {},
    { onEvent: (event) => void (event.type === 'warning' && said.push(`${event.code} ${event.message.slice(0, 21)}`)) },
  )
  const { api } = running
  const root = (await createRoot({ commonName: 'Root' })).certificatePem
  const warnings = async (work: () => Promise<unknown>): Promise<readonly string[]> => {
    const generation = running.gateway.generation
    await work()
    assert.ok(running.gateway.generation > generation)
    return said.splice(0)
  }
  const deployed = async (name: string): Promise<void> => {
    const connection = `<URL>https://127.0.0.1:9</URL><SSLInfo><Enabled>true</Enabled><TrustStore>${name}</TrustStore></SSLInfo>`
    await api.keystore(name)
    await api.importBundle(name, oneTarget(name, connection))
    await api.deploy(name, 1)
  }
  const lacking = (name: string): string => `trust-store-without-anchor acme/test/apis/${name}/1,`
  assert.deepEqual(await warnings(() => deployed('one')), [lacking('one')])
  assert.deepEqual(await warnings(() => deployed('two')), [lacking('two')])
  assert.deepEqual(await warnings(() => api.alias('one', 'root', root)), [])
  assert.deepEqual(await warnings(() => api.removeAlias('one', 'root')), [lacking('one')])
})
