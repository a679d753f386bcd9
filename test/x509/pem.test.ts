import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'

import { PosternError } from '../../src/core/errors.ts'
import { type BundleFault, readBundle, readBundleLeniently } from '../../src/x509/pem.ts'
import { make, makeChain } from '../trust/pki.ts'
import { pem, pkcs7, tlv } from './der-make.ts'

const { root, intermediate, leaf } = await makeChain()
const other = await make('CN=Other Root', { ca: true })
const rootDer = root.certificate.der
const key = createPrivateKey(root.key)
const rsaKey = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
const passphrase = 'correct horse'
const cut = root.pem.split('\n').slice(0, 5).join('\n')
const damaged = root.pem.replace(/^M/m, '*')
const oneLine = root.pem.replaceAll('\n', ' ')

const accepted: readonly {
  name: string
  bytes: Buffer | string
  subjects: readonly string[]
  ignored?: readonly string[]
}[] = [
  { name: 'one certificate', bytes: root.pem, subjects: ['root'] },
  {
    name: 'several, in the order of the file',
    bytes: leaf.pem + intermediate.pem + root.pem,
    subjects: ['leaf', 'intermediate', 'root'],
  },
  { name: 'CRLF line ends', bytes: root.pem.replaceAll('\n', '\r\n'), subjects: ['root'] },
  { name: 'CR line ends', bytes: root.pem.replaceAll('\n', '\r'), subjects: ['root'] },
  { name: 'a byte order mark of UTF-8', bytes: `\ufeff${root.pem}`, subjects: ['root'] },
  { name: 'no line break at the end', bytes: root.pem.trimEnd(), subjects: ['root'] },
  { name: 'blanks at line ends', bytes: root.pem.replaceAll('\n', ' \n'), subjects: ['root'] },
  {
    name: 'a body on one long line',
    bytes: root.pem.replaceAll(/(?<=[A-Za-z0-9+/])\n(?=[A-Za-z0-9+/])/g, ''),
    subjects: ['root'],
  },
  {
    name: 'text before, between and after',
    bytes: `# corp\n${root.pem}subject=x\n\n${other.pem}end`,
    subjects: ['root', 'other'],
    ignored: ['text', 'text', 'text'],
  },
  {
    name: 'text that starts with 0 as DER does',
    bytes: `0 s:CN = x\n${root.pem}`,
    subjects: ['root'],
    ignored: ['text'],
  },
  { name: 'the old X509 label', bytes: pem('X509 CERTIFICATE', rootDer), subjects: ['root'] },
  {
    name: 'a TRUSTED block beside a plain one',
    bytes: pem('TRUSTED CERTIFICATE', rootDer) + other.pem,
    subjects: ['other'],
    ignored: ['TRUSTED CERTIFICATE'],
  },
  { name: 'a duplicate', bytes: root.pem + other.pem + root.pem, subjects: ['root', 'other'], ignored: ['duplicate'] },
  { name: 'one DER certificate', bytes: rootDer, subjects: ['root'] },
  { name: 'PKCS#7 in DER', bytes: pkcs7([intermediate.certificate.der, rootDer]), subjects: ['intermediate', 'root'] },
  {
    name: 'PKCS#7 in PEM, then a certificate',
    bytes: pem('PKCS7', pkcs7([intermediate.certificate.der, rootDer])) + other.pem,
    subjects: ['intermediate', 'root', 'other'],
  },
  { name: 'the CMS label', bytes: pem('CMS', pkcs7([rootDer])), subjects: ['root'] },
]

const ids: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries({ root, intermediate, leaf, other }).map(([name, made]) => [made.certificate.sha256, name]),
)

for (const { name, bytes, subjects, ignored = [] } of accepted) {
  test(`a bundle may hold ${name}`, () => {
    const bundle = readBundle(Buffer.from(bytes), 'corp-ca.pem')
    assert.deepEqual(
      bundle.certificates.map(({ sha256 }) => ids[sha256]),
      subjects,
    )
    assert.deepEqual(
      bundle.ignored.map(({ what }) => what),
      ignored,
    )
  })
}

const keyForms: readonly { name: string; bytes: Buffer | string }[] = [
  { name: 'PKCS#8', bytes: root.key },
  { name: 'SEC1', bytes: key.export({ type: 'sec1', format: 'pem' }) },
  { name: 'PKCS#1', bytes: rsaKey.export({ type: 'pkcs1', format: 'pem' }) },
  { name: 'encrypted PKCS#8', bytes: key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }) },
  {
    name: 'encrypted PKCS#1',
    bytes: rsaKey.export({ type: 'pkcs1', format: 'pem', cipher: 'aes-256-cbc', passphrase }),
  },
  { name: 'OpenSSH', bytes: pem('OPENSSH PRIVATE KEY', Buffer.from('openssh-key-v1')) },
  { name: 'PKCS#8 in DER', bytes: key.export({ type: 'pkcs8', format: 'der' }) },
  { name: 'SEC1 in DER', bytes: key.export({ type: 'sec1', format: 'der' }) },
  { name: 'PKCS#1 in DER', bytes: rsaKey.export({ type: 'pkcs1', format: 'der' }) },
  {
    name: 'encrypted PKCS#8 in DER',
    bytes: key.export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase }),
  },
]

for (const { name, bytes } of keyForms) {
  test(`a private key (${name}) is refused, alone and behind a certificate, and never quoted`, () => {
    const quoted = Buffer.from(bytes).toString('latin1').slice(40, 60)
    const inputs = typeof bytes === 'string' ? [bytes, root.pem + bytes, bytes + root.pem] : [bytes]
    for (const input of inputs) {
      const error = refused(Buffer.from(input))
      assert.equal(error.evidence['fault'], 'private-key')
      assert.ok(!JSON.stringify(error.evidence).includes(quoted) && !error.message.includes(quoted))
    }
  })
}

const pfxHead = tlv(
  0x30,
  tlv(0x02, '\x03'),
  tlv(0x30, tlv(0x06, Buffer.from('2a864886f70d010701', 'hex')), tlv(0xa0, tlv(0x04, 'x'))),
)
const berPfx = Buffer.concat([Buffer.from('3080020103', 'hex'), Buffer.from('308006092a864886f70d010701', 'hex')])
const time = tlv(0x17, '240101000000Z')
const nothing = tlv(0x30)

const refusals: readonly {
  name: string
  bytes: Buffer | string
  fault: BundleFault
  place?: RegExp
  reason?: RegExp
}[] = [
  { name: 'an empty file', bytes: '', fault: 'empty' },
  { name: 'white space', bytes: ' \r\n\t\n', fault: 'no-certificate', reason: /white space/ },
  { name: 'a byte order mark and nothing else', bytes: '\ufeff\n', fault: 'no-certificate' },
  { name: 'garbage', bytes: 'garbage', fault: 'no-certificate', reason: /neither PEM nor DER/ },
  {
    name: 'base64 without boundaries',
    bytes: rootDer.toString('base64'),
    fault: 'no-certificate',
    reason: /without its BEGIN/,
  },
  { name: 'UTF-16 text', bytes: Buffer.from(`\ufeff${root.pem}`, 'utf16le'), fault: 'utf-16' },
  { name: 'UTF-16 text without a mark', bytes: Buffer.from(root.pem, 'utf16le'), fault: 'utf-16' },
  { name: 'UTF-16 text of the other endianness', bytes: Buffer.from(root.pem, 'utf16le').swap16(), fault: 'utf-16' },
  {
    name: 'one line',
    bytes: oneLine,
    fault: 'one-line',
    place: /certificate 1 \(line 1\)/,
    reason: /line breaks are lost/,
  },
  {
    name: 'line breaks written as \\n',
    bytes: root.pem.replaceAll('\n', '\\n'),
    fault: 'one-line',
    reason: /two characters \\n/,
  },
  { name: 'indented blocks', bytes: root.pem.replaceAll(/^/gm, '  '), fault: 'one-line', reason: /indented/ },
  { name: 'a block that is commented out', bytes: root.pem.replaceAll(/^/gm, '# '), fault: 'one-line' },
  {
    name: 'a block cut short',
    bytes: cut,
    fault: 'truncated',
    place: /certificate 1 \(line 1\)/,
    reason: /the end of the text/,
  },
  {
    name: 'a broken block, then a good one',
    bytes: `${cut}\n${other.pem}`,
    fault: 'truncated',
    reason: /BEGIN CERTIFICATE \(line 6\)/,
  },
  {
    name: 'a good block, then a broken one',
    bytes: `${other.pem}${cut}`,
    fault: 'truncated',
    place: /certificate 2 \(line \d+\)/,
  },
  {
    name: 'an END line without a BEGIN line',
    bytes: `${root.pem}-----END CERTIFICATE-----\n`,
    fault: 'truncated',
    place: /certificate 2/,
  },
  { name: 'another END line', bytes: root.pem.replace('END CERT', 'END X509 CERT'), fault: 'truncated' },
  { name: 'wrong base64 characters', bytes: other.pem + damaged, fault: 'bad-base64', place: /certificate 2/ },
  { name: 'a lost base64 character', bytes: root.pem.replace(/^M/m, ''), fault: 'bad-base64' },
  { name: 'padding in the middle', bytes: root.pem.replace(/^M/m, 'M=='), fault: 'bad-base64' },
  {
    name: 'an empty block',
    bytes: '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n',
    fault: 'bad-base64',
    reason: /empty/,
  },
  { name: 'header lines', bytes: root.pem.replace(/-\nM/, '-\nX: y\n\nM'), fault: 'bad-base64', reason: /header/ },
  { name: 'a flipped byte in the structure', bytes: pem('CERTIFICATE', flipped(rootDer, 1)), fault: 'malformed' },
  {
    name: 'bytes behind a DER certificate',
    bytes: Buffer.concat([rootDer, Buffer.alloc(3)]),
    fault: 'trailing-bytes',
    reason: /3 bytes follow/,
  },
  { name: 'two DER certificates', bytes: Buffer.concat([rootDer, rootDer]), fault: 'trailing-bytes' },
  {
    name: 'bytes behind the certificate of a PEM block',
    bytes: pem('CERTIFICATE', Buffer.concat([rootDer, Buffer.alloc(1)])),
    fault: 'trailing-bytes',
  },
  { name: 'a DER certificate cut short', bytes: rootDer.subarray(0, 100), fault: 'malformed' },
  { name: 'PKCS#12', bytes: pfxHead, fault: 'pkcs12', reason: /openssl pkcs12/ },
  { name: 'PKCS#12 with indefinite lengths', bytes: berPfx, fault: 'pkcs12' },
  {
    name: 'a Java key store',
    bytes: Buffer.from('feedfeed00000002', 'hex'),
    fault: 'java-key-store',
    reason: /keytool/,
  },
  { name: 'a revocation list', bytes: pem('X509 CRL', nothing), fault: 'not-a-certificate', reason: /X509 CRL/ },
  { name: 'a certificate request', bytes: root.pem + pem('CERTIFICATE REQUEST', nothing), fault: 'not-a-certificate' },
  {
    name: 'a revocation list in DER',
    bytes: tlv(0x30, tlv(0x30, nothing, nothing, time), nothing, tlv(0x03, '\0')),
    fault: 'not-a-certificate',
    reason: /revocation list/,
  },
  {
    name: 'a public key in DER',
    bytes: tlv(0x30, nothing, tlv(0x03, '\0')),
    fault: 'not-a-certificate',
    reason: /public key/,
  },
  { name: 'key parameters', bytes: pem('EC PARAMETERS', nothing) + root.pem, fault: 'key-parameters' },
  {
    name: 'TRUSTED blocks only',
    bytes: pem('TRUSTED CERTIFICATE', rootDer),
    fault: 'no-certificate',
    reason: /openssl x509/,
  },
  { name: 'a PKCS#7 bag without certificates', bytes: pkcs7([]), fault: 'no-certificate' },
  { name: 'a PKCS#7 bag with something else inside', bytes: pkcs7([tlv(0x31)]), fault: 'malformed' },
  {
    name: 'a PKCS#7 bag under the label of a certificate',
    bytes: pem('CERTIFICATE', pkcs7([rootDer])),
    fault: 'malformed',
    reason: /holds something else/,
  },
  { name: 'more than 16 MiB', bytes: Buffer.alloc(16 * 1024 * 1024 + 1, 'x'), fault: 'too-large' },
]

for (const { name, bytes, fault, place = /./, reason = /./ } of refusals) {
  test(`a bundle is refused whole for ${name}`, () => {
    const error = refused(Buffer.from(bytes))
    assert.equal(error.evidence['fault'], fault, error.message)
    assert.match(error.message, /^corp-ca\.pem/)
    assert.match(error.message, place)
    assert.match(error.message, reason)
  })
}

test('a key whose line breaks are lost is refused and not quoted', () => {
  for (const text of [
    root.key.replaceAll('\n', ' '),
    root.key.replaceAll('\n', ''),
    root.key.replaceAll('\n', '\\n'),
  ]) {
    const error = refused(Buffer.from(root.pem + text))
    assert.equal(error.evidence['fault'], 'one-line')
    assert.ok(!error.message.includes(root.key.slice(40, 60)))
  }
})

test('more than 20000 certificates are refused', () => {
  const error = refused(Buffer.from(root.pem.repeat(20_001)))
  assert.equal(error.evidence['fault'], 'too-many')
})

test('positions count every block, from 1', () => {
  const bytes =
    pem('TRUSTED CERTIFICATE', rootDer) + pem('PKCS7', pkcs7([intermediate.certificate.der, rootDer])) + other.pem
  assert.deepEqual(
    readBundle(Buffer.from(bytes), 'x').entries.map(({ index }) => index),
    [2, 3, 4],
  )
})

test('a hostile file is read in linear time', () => {
  for (const unit of ['-----BEGIN ', '-----', '-----BEGIN A-----\n', '- ', ' -----END']) {
    refused(Buffer.from(unit.repeat(Math.floor((4 * 1024 * 1024) / unit.length))))
  }
})

test('the lenient reader keeps what it can read and counts the rest', () => {
  const bytes = Buffer.from(`${root.pem}${cut}\n${root.key}${damaged}${other.pem}`)
  const bundle = readBundleLeniently(bytes)
  assert.deepEqual(
    bundle.certificates.map(({ sha256 }) => ids[sha256]),
    ['root', 'other'],
  )
  assert.deepEqual(
    bundle.unreadable.map(({ what }) => what),
    ['truncated', 'private-key', 'bad-base64'],
  )
  assert.deepEqual(
    readBundleLeniently(Buffer.alloc(0)).unreadable.map(({ what }) => what),
    ['empty'],
  )
})

function refused(bytes: Uint8Array): PosternError {
  try {
    readBundle(bytes, 'corp-ca.pem')
  } catch (error) {
    assert.ok(error instanceof PosternError, String(error))
    assert.equal(error.code, 'bundle-refused')
    return error
  }
  return assert.fail('the bundle was accepted')
}

function flipped(der: Buffer, at: number): Buffer {
  const bytes = Buffer.from(der)
  bytes[at] = (bytes[at] as number) ^ 1
  return bytes
}
