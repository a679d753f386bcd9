import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import {
  createIntermediate,
  createKeyPair,
  createLeaf,
  createRoot,
  createSelfSigned,
  type Identity,
  pemOf,
} from '../../src/pki/make.ts'
import { handshake } from './handshake.ts'
import { hasOpenssl } from './openssl.ts'

const now = new Date()
const ago = (days: number) => new Date(now.getTime() - days * 86_400_000)
const name = 'billing.test'

interface Case {
  readonly title: string
  readonly expected: string
  /** OpenSSL's own verdict through `openssl verify`, where the name plays no part. */
  readonly verified: boolean
  readonly make: () => Promise<{ leaf: Identity; trusted: Identity }>
}

/** A root, an intermediate with the options given, and a leaf with the options given. */
async function chain(
  intermediate: Partial<Parameters<typeof createIntermediate>[1]> = {},
  leaf: Partial<Parameters<typeof createLeaf>[1]> = {},
) {
  const trusted = await createRoot({ commonName: 'Test Root', organization: 'Postern tests' })
  const issuing = await createIntermediate(trusted, { commonName: 'Test Issuing CA', ...intermediate })
  return { trusted, issuing, leaf: await createLeaf(issuing, { names: [name], ...leaf }) }
}

const cases: readonly Case[] = [
  { title: 'a leaf under an intermediate is accepted', expected: 'ok', verified: true, make: () => chain() },
  {
    title: 'an RSA chain is accepted',
    expected: 'ok',
    verified: true,
    make: () => chain({ key: 'rsa-2048' }, { key: 'rsa-2048' }),
  },
  {
    title: 'a chain of P-384 and P-521 keys is accepted',
    expected: 'ok',
    verified: true,
    make: () => chain({ key: 'ec-p384' }, { key: 'ec-p521' }),
  },
  {
    title: 'an Ed25519 issuer is accepted',
    expected: 'ok',
    verified: true,
    make: () => chain({ key: 'ed25519' }),
  },
  {
    title: 'a chain without authority key ids is accepted by the runtime, and refused by strict checkers',
    expected: 'ok',
    verified: false,
    make: () => chain({ authorityKeyId: false }, { authorityKeyId: false, subjectKeyId: false }),
  },
  {
    title: 'an empty subject with the name in the subjectAltName is accepted',
    expected: 'ok',
    verified: true,
    make: () => chain({}, { commonName: '' }),
  },
  {
    title: 'a permitted name under name constraints is accepted',
    expected: 'ok',
    verified: true,
    make: () => chain({ nameConstraints: { permitted: ['test', '10.0.0.0/9'] } }, { names: [name, '10.127.0.1'] }),
  },
  {
    title: 'a cross-signed intermediate leads to the other root',
    expected: 'ok',
    verified: true,
    async make() {
      const { issuing } = await chain()
      const trusted = await createRoot({ commonName: 'Other Root' })
      const cross = await createIntermediate(trusted, { commonName: 'Test Issuing CA', key: issuing.keys })
      return { trusted, leaf: await createLeaf(cross, { names: [name] }) }
    },
  },
  {
    title: 'a self-signed leaf that is trusted itself is accepted',
    expected: 'ok',
    verified: true,
    async make() {
      const leaf = await createSelfSigned({ names: [name] })
      return { trusted: leaf, leaf }
    },
  },
  {
    title: 'a self-signed leaf that nobody trusts is refused',
    expected: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    verified: false,
    async make() {
      return { trusted: (await chain()).trusted, leaf: await createSelfSigned({ names: [name] }) }
    },
  },
  {
    title: 'another root is refused',
    expected: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    verified: false,
    async make() {
      return { ...(await chain()), trusted: await createRoot({ commonName: 'Other Root' }) }
    },
  },
  {
    title: 'an expired leaf is refused',
    expected: 'CERT_HAS_EXPIRED',
    verified: false,
    make: () => chain({}, { notBefore: ago(30), notAfter: ago(1) }),
  },
  {
    title: 'an expired intermediate is refused',
    expected: 'CERT_HAS_EXPIRED',
    verified: false,
    make: () => chain({ notBefore: ago(30), notAfter: ago(1) }),
  },
  {
    title: 'a leaf that is not yet valid is refused',
    expected: 'CERT_NOT_YET_VALID',
    verified: false,
    make: () => chain({}, { notBefore: ago(-1) }),
  },
  {
    title: 'an issuer without CA:TRUE is refused',
    expected: 'INVALID_PURPOSE',
    verified: false,
    make: () => chain({ ca: false }),
  },
  {
    title: 'an issuer that may not sign certificates is refused',
    expected: 'UNSPECIFIED',
    verified: false,
    make: () => chain({ keyUsage: ['digitalSignature'] }),
  },
  {
    title: 'a client certificate is refused as a server',
    expected: 'INVALID_PURPOSE',
    verified: false,
    make: () => chain({}, { purposes: ['clientAuth'] }),
  },
  {
    title: 'a path longer than pathLength is refused',
    expected: 'PATH_LENGTH_EXCEEDED',
    verified: false,
    async make() {
      const { trusted, issuing } = await chain({ pathLength: 0 })
      const below = await createIntermediate(issuing, { commonName: 'One Too Many' })
      return { trusted, leaf: await createLeaf(below, { names: [name] }) }
    },
  },
  {
    title: 'a name outside the name constraints is refused',
    expected: 'UNSPECIFIED',
    verified: false,
    make: () => chain({ nameConstraints: { permitted: ['corp.example'] } }),
  },
  {
    title: 'an address inside an excluded network is refused',
    expected: 'UNSPECIFIED',
    verified: false,
    make: () => chain({ nameConstraints: { excluded: ['10.0.0.0/9', 'fd00::/8'] } }, { names: [name, '10.127.0.1'] }),
  },
  {
    title: 'a SHA-1 signature is refused',
    expected: 'UNSPECIFIED',
    verified: false,
    make: () => chain({}, { hash: 'SHA-1' }),
  },
  {
    title: 'another name is refused',
    expected: 'ERR_TLS_CERT_ALTNAME_INVALID',
    verified: true,
    make: () => chain({}, { names: ['orders.test'] }),
  },
]

describe('made certificates under a real handshake', () => {
  for (const { title, expected, make } of cases) {
    it(title, async () => {
      const { leaf, trusted } = await make()
      const caPem = trusted.certificatePem
      const outcome = await handshake({ chainPem: leaf.chainPem, keyPem: leaf.keyPem, caPem, serverName: name })
      assert.equal(outcome, expected)
    })
  }
})

describe('made certificates under openssl verify', { skip: hasOpenssl ? false : 'skipped: no openssl' }, () => {
  for (const { title, verified, make } of cases) {
    it(title, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'postern-pki-'))
      try {
        const { leaf, trusted } = await make()
        await writeFile(join(directory, 'root.pem'), trusted.certificatePem)
        await writeFile(join(directory, 'leaf.pem'), leaf.certificatePem)
        await writeFile(join(directory, 'others.pem'), pemOf(leaf.certificate, ...leaf.issuers))
        const args = ['verify', '-x509_strict', '-purpose', 'sslserver', '-auth_level', '1', '-no-CApath', '-CAfile']
        const run = promisify(execFile)('openssl', [...args, 'root.pem', '-untrusted', 'others.pem', 'leaf.pem'], {
          cwd: directory,
        })
        const outcome = await run.then(
          () => 'verified',
          (failed: { stderr: string }) => failed.stderr,
        )
        assert.equal(outcome === 'verified', verified, outcome)
      } finally {
        await rm(directory, { recursive: true })
      }
    })
  }
})

describe('made certificates', () => {
  it('have positive serials of at least 64 random bits, all different', async () => {
    const root = await createRoot({ commonName: 'Root' })
    const leaves = await Promise.all(Array.from({ length: 5 }, () => createLeaf(root, { names: [name] })))
    const serials = leaves.map((leaf) => new X509Certificate(leaf.certificate).serialNumber)
    for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/)
    assert.equal(new Set(serials).size, serials.length)
  })

  it('do not outlive their issuer', async () => {
    const root = await createRoot({ commonName: 'Root', notAfter: ago(-2) })
    const leaf = new X509Certificate((await createLeaf(root, { names: [name] })).certificate)
    assert.equal(leaf.validTo, new X509Certificate(root.certificate).validTo)
  })

  it('take a key pair again, so that a renewal keeps its key', async () => {
    const keys = await createKeyPair('ec-p256')
    const root = await createRoot({ commonName: 'Root' })
    const [first, second] = await Promise.all([1, 2].map(() => createLeaf(root, { names: [name], key: keys })))
    const spki = (made: Identity) =>
      new X509Certificate(made.certificate).publicKey.export({ format: 'der', type: 'spki' })
    assert.deepEqual(spki(first!), spki(second!))
    assert.notDeepEqual(first!.certificate, second!.certificate)
  })

  it('carry every kind of name in the subjectAltName, and the URLs they are given', async () => {
    const root = await createRoot({ commonName: 'Root' })
    const leaf = await createLeaf(root, {
      names: ['a.test', '*.b.test', '10.0.0.5', '2001:db8::1', 'spiffe://corp.test/billing', 'ops@corp.test'],
      issuerUrl: 'http://pki.test/root.cer',
      crlUrl: 'http://pki.test/root.crl',
    })
    const { subjectAltName, infoAccess } = new X509Certificate(leaf.certificate)
    assert.equal(
      subjectAltName,
      'DNS:a.test, DNS:*.b.test, IP Address:10.0.0.5, IP Address:2001:DB8:0:0:0:0:0:1, URI:spiffe://corp.test/billing, email:ops@corp.test',
    )
    assert.match(infoAccess ?? '', /CA Issuers - URI:http:\/\/pki\.test\/root\.cer/)
  })

  it('are refused when they would end before they begin', async () => {
    await assert.rejects(createRoot({ commonName: 'Root', notBefore: ago(1), notAfter: ago(2) }), {
      code: 'PKI_BAD_VALIDITY',
      message: 'certificate "Root": notAfter lies before notBefore',
    })
  })
})
