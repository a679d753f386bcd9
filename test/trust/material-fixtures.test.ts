import assert from 'node:assert/strict'
import { createHmac, createPrivateKey, pbkdf2Sync, X509Certificate } from 'node:crypto'
import { describe, it } from 'node:test'
import { readMaterial } from '../../src/trust/material.ts'
import { DerReader, rawOf, readWhole } from '../../src/x509/der.ts'
import { commonNameOf } from '../../src/x509/name.ts'
import { berOf, element, fixture } from './material-support.ts'

const password = 'changeit'
const root = 'Fixture Root'
const leaf = 'leaf.fixture.test'

const stores: readonly {
  readonly file: string
  readonly entries: Readonly<Record<string, readonly string[]>>
  readonly hasKey: boolean
}[] = [
  { file: 'openssl-legacy.p12', entries: { leaf: [leaf, root] }, hasKey: true },
  { file: 'openssl-rc2-128.p12', entries: { leaf: [leaf, root] }, hasKey: true },
  { file: 'key.jks', entries: { leaf: [leaf, root] }, hasKey: true },
  { file: 'trust.jks', entries: { 'fixture root': [root], leaf: [leaf] }, hasKey: false },
  { file: 'trust-java.p12', entries: { 'fixture root': [root] }, hasKey: false },
]

describe('a store that another program wrote', () => {
  for (const { file, entries, hasKey } of stores) {
    it(`is read with its aliases: ${file}`, async () => {
      const material = await readMaterial(fixture(file), { label: file, password })
      const held = material.entries.map(({ alias, certificates }) => [alias, namesOf(certificates)])
      assert.deepEqual(Object.fromEntries(held), entries)
      assert.deepEqual(new Set(namesOf(material.certificates)), new Set(Object.values(entries).flat()))
      assert.equal(material.key !== null, hasKey)
      if (material.key === null) return
      const certificate = new X509Certificate(material.certificates[0]?.pem ?? '')
      assert.ok(certificate.checkPrivateKey(createPrivateKey(material.key)))
    })

    it(`is not opened with another password: ${file}`, async () => {
      await assert.rejects(readMaterial(fixture(file), { label: file, password: 'changeit2' }), {
        code: 'material-password-wrong',
      })
    })

    it(`is refused where a bit in its middle is another: ${file}`, async () => {
      const bytes = fixture(file)
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1
      await assert.rejects(readMaterial(bytes, { label: file, password }), { code: 'material-password-wrong' })
    })
  }

  it('is read without a password where Java does so, and says what was not checked', async () => {
    const material = await readMaterial(fixture('trust.jks'), { label: 'trust.jks' })
    assert.deepEqual(namesOf(material.certificates), [leaf, root])
    assert.match(material.notes.join(), /could not be checked/)
    const checked = await readMaterial(fixture('trust.jks'), { label: 'trust.jks', password })
    assert.deepEqual(checked.notes, [])
  })

  it('is read with any password where none protects it', async () => {
    for (const given of [undefined, '', 'x']) {
      const material = await readMaterial(fixture('open.p12'), { label: 'open.p12', password: given })
      assert.deepEqual([namesOf(material.certificates), material.notes], [[root], []])
    }
  })

  for (const file of ['openssl-legacy.p12', 'trust-java.p12']) {
    it(`is read in BER as well: ${file}`, async () => {
      // The MAC is over the content as it is, so only what is around it may be written otherwise.
      const bytes = berOf(fixture(file))
      assert.ok(bytes.includes(Buffer.from([0x24, 0x80])))
      const material = await readMaterial(bytes, { label: file, password })
      assert.deepEqual(namesOf(material.certificates), file === 'trust-java.p12' ? [root] : [leaf, root])
    })
  }

  it('is read in BER inside as well', async () => {
    const bytes = berOf(underPbmac1(fixture('openssl-legacy.p12'), 2048, berOf))
    const material = await readMaterial(bytes, { label: 'a.p12', password })
    assert.deepEqual(namesOf(material.certificates), [leaf, root])
    assert.ok(material.key !== null)
  })

  it('is read under PBMAC1 (RFC 9579), and not with another password', async () => {
    const bytes = underPbmac1(fixture('trust-java.p12'))
    const material = await readMaterial(bytes, { label: 'a.p12', password })
    assert.deepEqual(namesOf(material.certificates), [root])
    await assert.rejects(readMaterial(bytes, { label: 'a.p12', password: 'x' }), { code: 'material-password-wrong' })
  })

  it('asks for more rounds than anybody needs: refused before they are made', async () => {
    const bytes = underPbmac1(fixture('trust-java.p12'), 2_000_000_000)
    await assert.rejects(readMaterial(bytes, { label: 'a.p12', password }), {
      code: 'material-unsupported',
      message: 'a.p12: it asks for 2000000000 rounds of key derivation',
    })
  })
})

const namesOf = (certificates: readonly { subject: Parameters<typeof commonNameOf>[0] }[]) =>
  certificates.map(({ subject }) => commonNameOf(subject))

/** The same store with a MAC whose key PBKDF2 makes. `asked`: the rounds it claims. */
function underPbmac1(pfx: Buffer, asked = 2048, written = (bytes: Buffer) => bytes): Buffer {
  const reader = new DerReader(readWhole(pfx), 'PFX')
  const version = rawOf(reader.next('version'))
  const safe = reader.next('authenticated safe')
  const inner = new DerReader(safe, 'content')
  inner.next('type')
  const wrapped = new DerReader(inner.next('content'), 'content').next('octets')
  const authenticated = written(wrapped.bytes.subarray(wrapped.body, wrapped.end))
  const salt = Buffer.from('0123456789abcdef')
  const key = pbkdf2Sync(password, salt, 2048, 32, 'sha256')
  const hmac256 = element(0x30, hex('06082a864886f70d0209'), hex('0500'))
  const rounds = Buffer.alloc(4)
  rounds.writeUInt32BE(asked)
  const pbkdf2 = element(
    0x30,
    hex('06092a864886f70d01050c'),
    element(0x30, element(0x04, salt), element(0x02, trimmed(rounds)), hex('020120'), hmac256),
  )
  const algorithm = element(0x30, hex('06092a864886f70d01050e'), element(0x30, pbkdf2, hmac256))
  const digest = createHmac('sha256', key).update(authenticated).digest()
  const mac = element(
    0x30,
    element(0x30, algorithm, element(0x04, digest)),
    element(0x04, Buffer.from('NOT USED')),
    hex('020101'),
  )
  const content = element(0xa0, element(0x04, authenticated))
  return element(0x30, version, element(0x30, hex('06092a864886f70d010701'), content), mac)
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

/** A positive INTEGER's content, minimal. */
function trimmed(bytes: Buffer): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0)
  const rest = bytes.subarray(start)
  return (rest[0] as number) >= 0x80 ? Buffer.concat([Buffer.from([0]), rest]) : rest
}
