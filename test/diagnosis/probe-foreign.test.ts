import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { AddressInfo } from 'node:net'
import type { TargetTlsPlan } from '../../src/proxy/plan.ts'
import { client, clientRoot, issuing, leaf, probeOf, stranger, verdictOf } from './probe-rig.ts'

const has = (program: string, ...args: readonly string[]): false | string =>
  spawnSync(program, args, { stdio: 'ignore' }).status === 0 ? false : `no ${program}`

const identityOf = ({ chainPem, keyPem }: typeof client): TargetTlsPlan['clientCertificate'] => ({
  chain: chainPem,
  key: keyPem,
})
const gnutls = 'gnutls-serv'
const response = Buffer.from('30030a0103', 'hex')
let folder = ''

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'probe-'))
  const files = {
    'leaf.pem': leaf.certificatePem,
    'chain.pem': leaf.chainPem,
    'issuers.pem': issuing.certificatePem,
    'leaf.key': leaf.keyPem,
    'clients.pem': clientRoot.certificatePem,
  }
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text)
  writeFileSync(join(folder, 'ocsp.der'), response)
})
after(() => rmSync(folder, { recursive: true, force: true }))

/** A server program; `port` is found in what it prints, or was given to it. */
class Served implements AsyncDisposable {
  readonly port: number
  readonly #child: ChildProcess

  constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

async function opensslServer(...args: readonly string[]): Promise<Served> {
  const identity = ['-cert', 'leaf.pem', '-cert_chain', 'issuers.pem', '-key', 'leaf.key']
  const child = spawn('openssl', ['s_server', '-accept', '127.0.0.1:0', ...identity, ...args], { cwd: folder })
  let text = ''
  for await (const piece of child.stdout) {
    text += String(piece)
    const port = /ACCEPT 127\.0\.0\.1:(\d+)/.exec(text)?.[1]
    if (port === undefined) continue
    child.stdout.resume()
    child.stderr.resume()
    return new Served(child, Number(port))
  }
  throw new Error(`openssl s_server: ${text}`)
}

async function gnutlsServer(...args: readonly string[]): Promise<Served> {
  const port = await freePort()
  const identity = ['--x509certfile', 'chain.pem', '--x509keyfile', 'leaf.key', '--x509cafile', 'clients.pem']
  const child = spawn(gnutls, ['--echo', '--port', String(port), ...identity, ...args], { cwd: folder })
  child.stdout.resume()
  child.stderr.resume()
  const served = new Served(child, port)
  for (let i = 0; i < 200; i++) {
    if ((await probeOf(port, { settle: false })).fault?.verdict !== 'connection-refused') return served
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('gnutls-serv does not listen')
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe('openssl s_server', { skip: has('openssl', 'version') }, () => {
  for (const version of ['-tls1_2', '-tls1_3']) {
    it(`is seen as it is: chain and stapled response, ${version}`, async () => {
      await using server = await opensslServer(version, '-status_file', 'ocsp.der', '-groups', 'P-384')
      const { fault, handshake } = await probeOf(server.port)
      assert.equal(fault, null)
      assert.deepEqual(handshake?.served, [leaf.certificate, issuing.certificate])
      assert.deepEqual([handshake?.ocsp, handshake?.helloRetry], [response, version === '-tls1_3'])
    })

    it(`wants a client certificate, ${version}`, async () => {
      await using server = await opensslServer(
        version,
        '-Verify',
        '3',
        '-verify_return_error',
        '-CAfile',
        'clients.pem',
      )
      const none = await verdictOf(server.port)
      assert.deepEqual([none.code, none.probe.connections], ['client-certificate-required', 1])
      assert.deepEqual(none.evidence['acceptableIssuers'], ['CN=Client Root, O=Partners'])
      const wrong = await verdictOf(server.port, { tls: { clientCertificate: identityOf(stranger) } })
      assert.deepEqual([wrong.code, wrong.evidence['issuerAccepted']], ['client-certificate-rejected', false])
      assert.equal((await probeOf(server.port, { tls: { clientCertificate: identityOf(client) } })).fault, null)
    })
  }

  it('with one cipher is asked which', async () => {
    await using server = await opensslServer('-tls1_2', '-cipher', 'ECDHE-ECDSA-CAMELLIA256-SHA384')
    const { code, evidence } = await verdictOf(server.port)
    assert.deepEqual(
      [code, evidence['accepted']],
      ['no-shared-cipher', ['TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_CBC_SHA384']],
    )
  })

  it('that rejects names is asked without one', async () => {
    await using server = await opensslServer(
      '-servername',
      'b.internal',
      '-servername_fatal',
      '-cert2',
      'leaf.pem',
      '-key2',
      'leaf.key',
    )
    const { code, evidence } = await verdictOf(server.port)
    assert.deepEqual([code, evidence['alert'], evidence['withoutName']], ['server-name-rejected', 112, true])
  })
})

describe('gnutls-serv', { skip: has(gnutls, '--version') }, () => {
  for (const version of ['VERS-TLS1.2', 'VERS-TLS1.3']) {
    it(`wants a client certificate, ${version}`, async () => {
      await using server = await gnutlsServer(
        '--priority',
        `NORMAL:-VERS-ALL:+${version}`,
        '--require-client-cert',
        '--verify-client-cert',
      )
      const none = await verdictOf(server.port)
      assert.equal(none.code, 'client-certificate-required', none.summary)
      assert.deepEqual(none.probe.handshake?.served, [leaf.certificate, issuing.certificate])
      const wrong = await verdictOf(server.port, { tls: { clientCertificate: identityOf(stranger) } })
      assert.equal(wrong.code, 'client-certificate-rejected', wrong.summary)
      assert.equal((await probeOf(server.port, { tls: { clientCertificate: identityOf(client) } })).fault, null)
    })
  }

  it('of an old version is asked which', async () => {
    await using server = await gnutlsServer('--priority', 'LEGACY:-VERS-ALL:+VERS-TLS1.1', '--disable-client-cert')
    const { code, party, evidence } = await verdictOf(server.port)
    assert.deepEqual([code, party, evidence['accepted']], ['protocol-version', 'backend', ['TLSv1.1']])
  })
})
