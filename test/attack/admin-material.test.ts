import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeSelfSigned } from '../../src/admin/edge/alias-self-signed.ts'
import { oneAtATime } from '../../src/core/one-at-a-time.ts'
import { codeOf } from '../../src/core/errors.ts'
import { readMaterial } from '../../src/trust/material.ts'
import { selfSignedDer } from '../../src/pki/self-signed.ts'
import { bag, certificateBag, number, octets, oid, pfx, seq, tlv } from './pfx.ts'

const subject = { commonName: 'a', org: '', orgUnit: '', locality: '', state: '', countryCode: '', email: '' }

function certificateOf(keys: { publicKey: KeyObject; privateKey: KeyObject }): Buffer {
  const notBefore = new Date(Date.now() - 1000)
  const notAfter = new Date(Date.now() + 86_400_000)
  return Buffer.from(selfSignedDer({ subject, names: ['a.test'], keys, digest: 'sha256', notBefore, notAfter }))
}

/** The same certificate with other bytes in its signature: another certificate. */
function variants(der: Buffer, count: number): readonly Buffer[] {
  return Array.from({ length: count }, (_, index) => {
    const copy = Buffer.from(der)
    copy.writeUInt32BE(index, copy.length - 12)
    return copy
  })
}

async function refusal(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'taken',
    (error: unknown) => codeOf(error),
  )
}

describe('Files that cost more than they should', () => {
  test('many keys beside many certificates: refused for their number, and fewer are matched without a signature for each pair', async () => {
    const mine = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const key = bag(1, mine.privateKey.export({ type: 'pkcs8', format: 'der' }))
    const foreign = variants(certificateOf(other), 600).map(certificateBag)
    const own = certificateBag(certificateOf(mine))
    const many = pfx(...foreign, own, ...Array.from({ length: 65 }, () => key))
    assert.equal(await refusal(readMaterial(many, { label: 'file' })), 'material-unsupported')
    const startedAt = process.cpuUsage()
    const some = pfx(...foreign, own, ...Array.from({ length: 40 }, () => key))
    assert.equal(await refusal(readMaterial(some, { label: 'file', alias: 'x' })), 'material-several-keys')
    const { user } = process.cpuUsage(startedAt)
    // 40 x 600 signatures of RSA take more than 20 s.
    assert.ok(user < 6_000_000, `${user / 1000} ms`)
    const { key: found } = await readMaterial(pfx(...foreign, own, key), { label: 'file' })
    assert.notEqual(found, null)
  })

  test('scrypt for one key after the other: the whole file has one budget', async () => {
    const parameters = seq(octets(Buffer.alloc(8)), number(65_536), number(8), number(16))
    const derivation = seq(oid('2b06010401da47040b'), parameters)
    const cipher = seq(oid('60864801650304010 2'), octets(Buffer.alloc(16)))
    const algorithm = seq(oid('2a864886f70d01050d'), seq(derivation, cipher))
    // More memory and time than the budget has for the second of them, whatever became of the first.
    const twice = pfx(...[1, 2].map(() => bag(2, seq(algorithm, octets(Buffer.alloc(32))))))
    const rounds = { left: 10_000_000 }
    const { derivedKey } = await import('../../src/trust/password-based.ts')
    const { readWhole } = await import('../../src/x509/der.ts')
    const password = { text: 'secret', wide: Buffer.alloc(0) }
    await derivedKey(readWhole(derivation), password, 16, rounds)
    await assert.rejects(derivedKey(readWhole(derivation), password, 16, rounds), /too much memory or time/)
    assert.equal(await refusal(readMaterial(twice, { label: 'file', password: 'x' })), 'material-password-wrong')
  })

  test('a private key that is too large to sign with: refused, and one that is just large is taken', async () => {
    const bits = (size: number): string => {
      // Nothing of RSA but its size is looked at here.
      const odd = (bytes: number): Buffer => tlv(0x02, Buffer.concat([Buffer.alloc(1), Buffer.alloc(bytes, 0xff)]))
      const half = [1, 2, 3, 4, 5].map(() => odd(size / 16))
      const pkcs1 = seq(number(0), odd(size / 8), number(65_537), odd(size / 8), ...half)
      return `-----BEGIN RSA PRIVATE KEY-----\n${pkcs1.toString('base64')}\n-----END RSA PRIVATE KEY-----\n`
    }
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const certificate = certificateOf(pair)
    const of = (size: number) => readMaterial(certificate, { label: 'file', key: Buffer.from(bits(size)) })
    assert.equal(await refusal(of(16_384)), 'material-unsupported')
    assert.equal(await refusal(of(8192)), 'material-key-mismatch')
  })

  test('certificates that are all called alike: the way up from a leaf is bounded', async () => {
    const { ownChain } = await import('../../src/trust/own-chain.ts')
    const { parseCertificate } = await import('../../src/x509/certificate.ts')
    const made = await makeSelfSigned(
      { alias: 'a', subject, names: ['a.test'], keyBits: 2048, digest: 'sha256', days: 1 },
      Date.now(),
    )
    const leaf = made.certificate
    const given = variants(leaf.der, 200).map((der) => parseCertificate(der))
    let signatures = 0
    const counted = given.map((certificate) => ({
      ...certificate,
      get publicKey() {
        signatures++
        return certificate.publicKey
      },
    }))
    ownChain({ ...leaf, selfSigned: false }, counted)
    // Two steps look at each once, for its kind of key; eight are tried.
    assert.ok(signatures < 450, `${signatures}`)
  })
})

test('what takes a thread of the pool for long runs alone, and a failure stops nobody', async () => {
  let running = 0
  let most = 0
  const work = (fails: boolean) => async (): Promise<string> => {
    most = Math.max(most, ++running)
    await sleep(5)
    running--
    if (fails) throw new Error('no')
    return 'done'
  }
  const results = await Promise.allSettled([false, true, false, false].map((fails) => oneAtATime(work(fails))))
  assert.equal(most, 1)
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  )
})
