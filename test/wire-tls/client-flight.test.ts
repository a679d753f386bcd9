import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createRoot, createLeaf } from '../../src/pki/make.ts'
import { cipherSuiteName } from '../../src/wire/tls/cipher-suites.ts'
import { readClientFlight } from '../../src/wire/tls/client-flight.ts'
import { capture } from './capture.ts'
import { pieces, record } from './flight-make.ts'

const root = await createRoot({ commonName: 'Root' })
const leaf = await createLeaf(root, { names: ['a.internal'] })
const identity = { cert: leaf.chainPem, key: leaf.keyPem }

describe('a ClientHello', () => {
  it('shows name, versions, ciphers, groups and protocols', async () => {
    const { sent, keylog } = await capture(identity, {
      servername: 'a.internal',
      minVersion: 'TLSv1.2',
      ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256',
      ecdhCurve: 'X25519:P-256',
      ALPNProtocols: ['h2', 'http/1.1'],
    })
    const hello = readClientFlight(sent)
    assert.ok(hello)
    assert.equal(hello.serverName, 'a.internal')
    assert.deepEqual(hello.versions, [0x0304, 0x0303])
    assert.deepEqual(hello.ciphers.filter((each) => each !== 0xff).map(cipherSuiteName), [
      'TLS_AES_128_GCM_SHA256',
      'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    ])
    assert.deepEqual(hello.groups, [29, 23])
    assert.deepEqual(hello.alpn, ['h2', 'http/1.1'])
    assert.ok(hello.signatureAlgorithms.includes(0x0403))
    assert.equal(keylog[0]?.split(' ')[1], hello.random.toString('hex'))
  })

  it('of TLS 1.2 without a name has its own version and none', async () => {
    const { sent } = await capture(identity, { maxVersion: 'TLSv1.2' })
    const hello = readClientFlight(sent)
    assert.deepEqual([hello?.versions, hello?.serverName, hello?.alpn], [[0x0303], null, []])
  })

  it('is read over several records, and null while it is incomplete', async () => {
    const { sent } = await capture(identity, { servername: 'a.internal' })
    const body = sent.subarray(5, 5 + sent.readUInt16BE(3))
    const whole = readClientFlight(sent)
    assert.deepEqual(readClientFlight(Buffer.concat(pieces(body, 50).map((piece) => record(22, piece)))), whole)
    assert.equal(readClientFlight(sent.subarray(0, 100)), null)
    assert.equal(readClientFlight(Buffer.alloc(0)), null)
    assert.equal(readClientFlight(Buffer.from('GET / HTTP/1.1\r\n')), null)
  })
})
