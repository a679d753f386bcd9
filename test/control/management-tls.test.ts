import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { it } from 'node:test'
import { connect } from 'node:tls'
import { createSelfSigned } from '../../src/pki/make.ts'
import { startTestGateway, type TestConfig, type TestGateway } from '../support/gateway.ts'

async function served({ gateway }: TestGateway): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: gateway.managementPort ?? 0, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return String(subject.CN)
}

it('the certificate of the management listener follows a configuration that is taken up, and no other', async () => {
  await using taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const [one, two] = await Promise.all(
    ['one', 'two'].map((name) => createSelfSigned({ names: [name], commonName: name })),
  )
  assert.ok(one !== undefined && two !== undefined)
  const files = { 'one.pem': one.chainPem, 'one.key': one.keyPem, 'two.pem': two.chainPem, 'two.key': two.keyPem }
  const listeners = [{ name: 'http', address: '127.0.0.1', port: 0 }]
  const config = (name: string): TestConfig => ({
    proxies: {},
    listeners,
    management: { port: 0, tls: { certificates: [{ certificate: `${name}.pem`, key: `${name}.key` }] } },
  })
  await using gateway = await startTestGateway(config('one'), { files })
  const more = { name: 'more', address: '127.0.0.1', port: (taken.address() as AddressInfo).port }
  assert.equal(await gateway.reconfigure({ ...config('two'), listeners: [...listeners, more] }), false)
  assert.notEqual(gateway.gateway.lastRefusal, '')
  assert.equal(await served(gateway), 'one', 'of what was refused nothing is in force')
  await gateway.reconfigure(config('two'))
  assert.equal(gateway.gateway.lastRefusal, '')
  assert.equal(await served(gateway), 'two')
})
