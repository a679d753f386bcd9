import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, describe, it } from 'node:test'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { startLab } from '../../src/lab/lab.ts'
import type { ScenarioName } from '../../src/lab/scenarios.ts'
import { readBundle } from '../../src/x509/pem.ts'
import { checkStapledOcsp, readOcspResponse } from '../../src/x509/ocsp.ts'

const scenarios = [
  'ok-tls12',
  'ok-tls13',
  'ok-hello-retry',
  'ocsp-good',
  'ocsp-revoked',
  'depth-exceeded',
  'maze',
  'many-paths',
  'cross-signed',
  'missing-upper-intermediate',
] as const satisfies readonly ScenarioName[]
const lab = await startLab({ scenarios })
after(() => lab.close())

/** A handshake with the backend, verified or not. */
async function handshake(scenario: ScenarioName, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { host, port, serverName } = lab.backend(scenario)
  const ca = lab.trust.bundlePem
  const socket = connect({ host, port, servername: serverName, ca, rejectUnauthorized: false, ...options })
  await once(socket, 'secureConnect')
  return socket
}

const served = (scenario: ScenarioName) =>
  readBundle(Buffer.from(lab.backend(scenario).servedPem ?? ''), scenario).certificates

describe('what is planted in a backend is really there', () => {
  it('one version of TLS', async () => {
    for (const [scenario, version] of [
      ['ok-tls12', 'TLSv1.2'],
      ['ok-tls13', 'TLSv1.3'],
    ] as const) {
      const socket = await handshake(scenario)
      assert.equal(socket.getProtocol(), version)
      socket.destroy()
    }
  })

  it('a group whose key share no client sends along', async () => {
    const socket = await handshake('ok-hello-retry')
    const key = socket.getEphemeralKeyInfo()
    assert.equal(key !== null && 'name' in key && key.name, 'secp384r1')
    socket.destroy()
  })

  it('a stapled response, signed by the issuer and about the leaf', async () => {
    for (const [scenario, outcome] of [
      ['ocsp-good', 'good'],
      ['ocsp-revoked', 'revoked'],
    ] as const) {
      const { promise, resolve } = Promise.withResolvers<Buffer>()
      const { host, port, serverName } = lab.backend(scenario)
      const socket = connect({ host, port, servername: serverName, ca: lab.trust.bundlePem, requestOCSP: true })
      socket.on('OCSPResponse', resolve)
      const response = readOcspResponse(await promise)
      socket.destroy()
      const [leaf, issuer] = served(scenario)
      assert.ok(leaf && issuer)
      assert.equal(checkStapledOcsp(response, { leaf, issuer, time: Date.now() }).outcome, outcome)
      // Of another certificate of the same issuer it says nothing.
      const [other] = served('ok-tls12')
      assert.ok(other)
      assert.notEqual(checkStapledOcsp(response, { leaf: other, issuer, time: Date.now() }).outcome, outcome)
    }
  })

  it('a path that is too deep, and crowds of paths', () => {
    assert.equal(served('depth-exceeded').length, 1 + 102)
    for (const [scenario, floors, copies] of [
      ['maze', 8, 4],
      ['many-paths', 6, 3],
    ] as const) {
      const bySubject = Map.groupBy(served(scenario).slice(1), ({ subject }) => subject.canonical)
      assert.equal(bySubject.size, floors)
      for (const group of bySubject.values()) assert.equal(group.length, copies)
    }
  })

  it('a cross-sign of a root that the store holds as well', () => {
    const held = readBundle(Buffer.from(lab.backend('cross-signed').target.furtherAnchorsPem), 'held').certificates
    const crossSign = served('cross-signed').at(-1)
    assert.ok(crossSign && !crossSign.selfSigned)
    assert.ok(held.some(({ subject }) => subject.canonical === crossSign.subject.canonical))
    assert.ok(held.some(({ subject }) => subject.canonical === crossSign.issuer.canonical))
  })

  it('the address of the intermediate that is left out, where it can be fetched', async () => {
    const top = served('missing-upper-intermediate').at(-1)
    const [url = ''] = top?.aiaUrls.caIssuers ?? []
    const response = await fetch(url)
    const [issuer] = readBundle(Buffer.from(await response.arrayBuffer()), url).certificates
    assert.equal(issuer?.subject.canonical, top?.issuer.canonical)
    assert.equal((await fetch(new URL('/nothing.cer', url))).status, 404)
  })
})
