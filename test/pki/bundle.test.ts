import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { mergeBundle, titleOf } from '../../src/pki/bundle.ts'
import { createIntermediate, createLeaf, createRoot, type Identity, pemOf } from '../../src/pki/make.ts'
import type { Certificate } from '../../src/x509/certificate.ts'
import { handshake } from './handshake.ts'
import { hasOpenssl } from './openssl.ts'

const root = await createRoot({ commonName: 'Root' })
const policy = await createIntermediate(root, { commonName: 'Policy CA' })
const issuing = await createIntermediate(policy, { commonName: 'Issuing CA' })
const sibling = await createIntermediate(root, { commonName: 'Sibling CA' })
const leaf = await createLeaf(issuing, { names: ['billing.test'] })
const other = await createRoot({ commonName: 'Other Root' })

const pem = (label: string, ...made: readonly Identity[]) => ({
  label,
  bytes: Buffer.from(pemOf(...made.map((it) => it.certificate))),
})
const namesOf = ({ certificates }: { certificates: readonly Certificate[] }) => certificates.map(titleOf)

const directory = mkdtempSync(join(tmpdir(), 'postern-bundle-'))
after(() => rmSync(directory, { recursive: true }))

/** Runs openssl on files in the test's directory and returns what it wrote to `out`. */
function openssl(args: readonly string[], out: string): Buffer {
  execFileSync('openssl', [...args, '-out', out], { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] })
  return readFileSync(join(directory, out))
}

describe('merging CA files', () => {
  it('puts issuing authorities before their issuers and roots last, whatever the order of the input', async () => {
    const files = [pem('a', root), pem('b', issuing), pem('c', policy)]
    for (const inputs of [files, files.toReversed(), [files[1]!, files[0]!, files[2]!]]) {
      assert.deepEqual(namesOf(await mergeBundle(inputs)), ['Issuing CA', 'Policy CA', 'Root'])
    }
  })

  it('keeps separate chains in the order of the input, and brothers too', async () => {
    const bundle = await mergeBundle([pem('one', other), pem('two', root, sibling, policy)])
    assert.deepEqual(namesOf(bundle), ['Other Root', 'Sibling CA', 'Policy CA', 'Root'])
  })

  it('orders a ring of cross-signs without end', async () => {
    const cross = await createIntermediate(other, { commonName: 'Root', key: root.keys })
    const back = await createIntermediate(root, { commonName: 'Other Root', key: other.keys })
    const bundle = await mergeBundle([pem('ring', cross, back, issuing, policy)])
    assert.deepEqual(namesOf(bundle).slice(0, 2), ['Issuing CA', 'Policy CA'])
    assert.equal(bundle.certificates.length, 4)
  })

  it('reads DER', async () => {
    const bundle = await mergeBundle([{ label: 'root.cer', bytes: root.certificate }, pem('p7', policy)])
    assert.deepEqual(namesOf(bundle), ['Policy CA', 'Root'])
  })

  it('drops a leaf and says so, and keeps it when told to', async () => {
    const dropped = await mergeBundle([pem('chain.pem', leaf, issuing, policy, root)])
    assert.deepEqual(dropped.dropped, [
      { source: 'chain.pem', what: 'billing.test', why: 'not a certificate authority' },
    ])
    const kept = await mergeBundle([pem('chain.pem', root, leaf, issuing, policy)], { keepLeaves: true })
    assert.deepEqual(namesOf(kept), ['billing.test', 'Issuing CA', 'Policy CA', 'Root'])
  })

  it('drops duplicates and names the file that had them first', async () => {
    const { dropped, certificates } = await mergeBundle([pem('a.pem', root), pem('b.pem', root)])
    assert.equal(certificates.length, 1)
    assert.deepEqual(dropped, [{ source: 'b.pem', what: 'Root', why: 'the same certificate is in a.pem' }])
  })

  it('never writes a private key, and names the file that holds one', async () => {
    const bytes = Buffer.from(root.keyPem + root.certificatePem)
    const bundle = await mergeBundle([{ label: 'server.pem', bytes }])
    assert.equal(bundle.pem, root.certificatePem)
    assert.deepEqual(
      bundle.dropped.map(({ source, what }) => `${source}: ${what}`),
      ['server.pem: private-key'],
    )
  })

  it('refuses a damaged file whole, with the place', async () => {
    const broken = root.certificatePem + policy.certificatePem.replace(/\n.{10}/, '\n!!!!!!!!!!')
    await assert.rejects(mergeBundle([{ label: 'broken.pem', bytes: Buffer.from(broken) }]), {
      code: 'bundle-refused',
      message: /^broken\.pem, certificate 2 \(line \d+\): /,
    })
  })

  it('refuses to write an empty bundle', async () => {
    await assert.rejects(mergeBundle([pem('leaf.pem', leaf)]), {
      code: 'bundle-empty',
      message: 'no certificate authority in leaf.pem: billing.test (not a certificate authority)',
    })
  })

  it('names the certificates whose issuer is missing', async () => {
    assert.deepEqual(namesOf({ certificates: (await mergeBundle([pem('a', issuing, root)])).incomplete }), [
      'Issuing CA',
    ])
    assert.deepEqual((await mergeBundle([pem('a', issuing, policy, root)])).incomplete, [])
  })

  it('gives what a client needs for a server that sends its leaf alone', async () => {
    const bundle = await mergeBundle([pem('a', root), pem('b', issuing, policy)])
    const server = { chainPem: leaf.certificatePem, keyPem: leaf.keyPem, serverName: 'billing.test' }
    assert.equal(await handshake({ ...server, caPem: bundle.pem }), 'ok')
    const incomplete = await mergeBundle([pem('a', root), pem('b', issuing)])
    assert.equal(await handshake({ ...server, caPem: incomplete.pem }), 'UNABLE_TO_GET_ISSUER_CERT')
  })
})

describe('merging files made by openssl', { skip: hasOpenssl ? false : 'skipped: no openssl' }, () => {
  writeFileSync(join(directory, 'chain.pem'), pemOf(root.certificate, issuing.certificate, policy.certificate))
  writeFileSync(join(directory, 'leaf.pem'), leaf.certificatePem)
  writeFileSync(join(directory, 'leaf.key'), leaf.keyPem, { mode: 0o600 })
  const chain = ['Issuing CA', 'Policy CA', 'Root']

  it('reads PKCS#7, binary and PEM', async () => {
    const make = ['crl2pkcs7', '-nocrl', '-certfile', 'chain.pem']
    for (const bytes of [openssl(make, 'chain.p7b'), openssl([...make, '-outform', 'DER'], 'chain.p7c')]) {
      assert.deepEqual(namesOf(await mergeBundle([{ label: 'chain.p7b', bytes }])), chain)
    }
  })

  const exports: readonly { readonly title: string; readonly args: readonly string[] }[] = [
    { title: 'as OpenSSL 3 writes it', args: [] },
    {
      title: 'with triple DES and a SHA-1 MAC',
      args: ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'],
    },
    { title: 'with AES-128 and a SHA-512 MAC', args: ['-certpbe', 'AES-128-CBC', '-macalg', 'sha512'] },
    { title: 'with the certificates unencrypted', args: ['-certpbe', 'NONE'] },
    { title: 'without a MAC', args: ['-nomac'] },
    { title: 'with RC2-40, as OpenSSL 1 wrote it', args: ['-legacy'] },
  ]
  for (const { title, args } of exports) {
    for (const password of ['pässword', '']) {
      it(`reads PKCS#12 ${title}, ${password === '' ? 'without' : 'with'} a password`, async () => {
        const make = ['pkcs12', '-export', '-inkey', 'leaf.key', '-in', 'leaf.pem', '-certfile', 'chain.pem']
        const bytes = openssl([...make, '-passout', `pass:${password}`, ...args], 'store.p12')
        const bundle = await mergeBundle([{ label: 'store.p12', bytes }], { password, keepLeaves: true })
        assert.deepEqual(namesOf(bundle), ['billing.test', ...chain])
        assert.doesNotMatch(bundle.pem, /PRIVATE/)
        assert.deepEqual(
          bundle.dropped.map(({ what }) => what),
          ['an encrypted private key'],
        )
      })
    }
  }

  it('reads PKCS#12 with certificates only', async () => {
    const bytes = openssl(['pkcs12', '-export', '-nokeys', '-in', 'chain.pem', '-passout', 'pass:x'], 'ca.p12')
    const bundle = await mergeBundle([{ label: 'ca.p12', bytes }], { password: 'x' })
    assert.deepEqual(namesOf(bundle), chain)
    assert.deepEqual(bundle.dropped, [])
  })

  it('refuses PKCS#12 with a wrong password, and asks for one that is missing', async () => {
    const bytes = openssl(['pkcs12', '-export', '-nokeys', '-in', 'chain.pem', '-passout', 'pass:x'], 'ca.p12')
    const input = [{ label: 'ca.p12', bytes }]
    await assert.rejects(mergeBundle(input, { password: 'y' }), {
      code: 'pkcs12-password',
      message: 'ca.p12: the password does not open it',
    })
    await assert.rejects(mergeBundle(input), {
      code: 'pkcs12-password',
      message: 'ca.p12: it wants a password: --password-file FILE',
    })
  })

  it('refuses PKCS#12 that was altered', async () => {
    const bytes = openssl(['pkcs12', '-export', '-nokeys', '-in', 'chain.pem', '-passout', 'pass:x'], 'ca.p12')
    bytes[bytes.length >> 1]! ^= 1
    await assert.rejects(mergeBundle([{ label: 'ca.p12', bytes }], { password: 'x' }), { code: 'pkcs12-password' })
  })
})
