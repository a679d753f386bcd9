import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tlv } from '../x509/der-make.ts'
import { caExtensions, chainOf, leafExtensions } from './chains.ts'
import { expectParity, type ParityCase, ParityRig } from './expect-parity.ts'
import { type KeyName, keyOf, makeCertificate, nameOf, timeOf } from './make-certificate.ts'

/** Length octets of a SEQUENCE whose length takes two, written in three. */
const padded = (der: Buffer): Buffer => Buffer.concat([Buffer.from([0x30, 0x83, 0]), der.subarray(2)])

/** The outer SEQUENCE with an indefinite length. */
const indefinite = (der: Buffer): Buffer => Buffer.concat([Buffer.from([0x30, 0x80]), der.subarray(4), Buffer.alloc(2)])

const changed = (der: Buffer, at: number, byte: number): Buffer => {
  const copy = Buffer.from(der)
  copy[at] = byte
  return copy
}

function frames(): ParityCase[] {
  const { root, ca, leaf, leafKey } = chainOf()
  const plain = { leafKey, anchors: [root] }
  const made: [string, readonly Buffer[]][] = [
    ['nothing served', []],
    ['an empty certificate', [Buffer.alloc(0)]],
    ['an empty certificate behind', [leaf, ca, Buffer.alloc(0)]],
    ['rubbish as leaf', [Buffer.from('rubbish')]],
    ['rubbish behind', [leaf, ca, Buffer.from('rubbish')]],
    ['an empty SEQUENCE behind', [leaf, ca, tlv(0x30)]],
    ['a byte after the leaf', [Buffer.concat([leaf, Buffer.alloc(1)]), ca]],
    ['a byte after the intermediate', [leaf, Buffer.concat([ca, Buffer.alloc(1)])]],
    ['a byte after one that nobody needs', [leaf, ca, Buffer.concat([root, Buffer.alloc(1)])]],
    ['a leaf that ends early', [leaf.subarray(0, -1), ca]],
    ['an intermediate that ends early', [leaf, ca.subarray(0, -1)]],
    ['a leaf of BER', [padded(leaf), ca]],
    ['a leaf of indefinite length', [indefinite(leaf), ca]],
    ['an intermediate of BER', [leaf, padded(ca)]],
    ['an intermediate of indefinite length', [leaf, indefinite(ca)]],
    ['one of BER that nobody needs', [leaf, ca, padded(root)]],
    ['leaf twice', [leaf, leaf, ca]],
    ['everything twice', [leaf, ca, leaf, ca]],
    ['intermediate first', [ca, leaf]],
    ['a signature of no bits', [changed(leaf, leaf.length - 1, 0), ca]],
    ['more than the runtime takes', [leaf, ca, ...Array.from({ length: 300 }, () => root)]],
  ]
  const cases = made.flatMap(([what, served]): ParityCase[] => [
    { ...plain, what, served },
    { ...plain, what: `${what}, chain skipped`, served, skipChain: true },
    { ...plain, what: `${what}, name skipped`, served, skipName: true },
    { ...plain, what: `${what}, everything skipped`, served, skipChain: true, skipName: true },
    { ...plain, what: `${what}, intermediate stored`, served, intermediates: [ca] },
    { ...plain, what: `${what}, partial chain`, served, anchors: [ca], partialChain: true },
    { ...plain, what: `${what}, partial chain to the leaf`, served, anchors: [leaf], partialChain: true },
  ])
  return [...cases, ...brokenParts(plain, root, ca)]
}

/** A leaf and an intermediate whose parts are put together by hand. */
function brokenParts(plain: Pick<ParityCase, 'leafKey' | 'anchors'>, root: Buffer, ca: Buffer): ParityCase[] {
  const version = tlv(0xa0, tlv(0x02, '\x02'))
  const algorithm = tlv(0x30, tlv(0x06, Buffer.from('2a8648ce3d040302', 'hex')))
  const key = (name: KeyName): Buffer => keyOf(name).publicKey.export({ format: 'der', type: 'spki' })
  const body = (change: { readonly [field: number]: Buffer }): Buffer => {
    const fields = [
      version,
      tlv(0x02, '\x05'),
      algorithm,
      nameOf('Issuing CA'),
      tlv(0x30, timeOf(-1), timeOf(1)),
      nameOf('x'),
      key('p256:leaf'),
      tlv(0xa3, tlv(0x30, ...leafExtensions)),
    ]
    return tlv(0x30, tlv(0x30, ...fields.map((field, at) => change[at] ?? field)), algorithm, tlv(0x03, '\0\x30\x00'))
  }
  const none = Buffer.alloc(0)
  const made: [string, Buffer][] = [
    ['not signed', body({})],
    ['without version', body({ 0: none })],
    ['version 7', body({ 0: tlv(0xa0, tlv(0x02, '\x06')) })],
    ['version of two octets', body({ 0: tlv(0xa0, tlv(0x02, '\x01\x06')) })],
    ['negative version', body({ 0: tlv(0xa0, tlv(0x02, '\xff')) })],
    ['empty version', body({ 0: tlv(0xa0) })],
    ['two versions', body({ 0: tlv(0xa0, tlv(0x02, '\x02'), tlv(0x02, '\x02')) })],
    ['serial number is no INTEGER', body({ 1: tlv(0x04, '\x05') })],
    ['negative padded serial number', body({ 1: tlv(0x02, '\xff\xff') })],
    ['algorithm without OID', body({ 2: tlv(0x30) })],
    ['algorithm with more', body({ 2: tlv(0x30, tlv(0x06, '\x2a'), tlv(0x05), tlv(0x05)) })],
    ['issuer is no SEQUENCE', body({ 3: tlv(0x31) })],
    ['validity of one time', body({ 4: tlv(0x30, timeOf(-1)) })],
    ['validity of three times', body({ 4: tlv(0x30, timeOf(-1), timeOf(1), timeOf(1)) })],
    ['validity of strings', body({ 4: tlv(0x30, tlv(0x0c, 'now'), timeOf(1)) })],
    ['key without bits', body({ 6: tlv(0x30, tlv(0x30, tlv(0x06, '\x2a'))) })],
    ['key with 8 unused bits', body({ 6: tlv(0x30, tlv(0x30, tlv(0x06, '\x2a')), tlv(0x03, '\x08x')) })],
    ['unique identifiers', body({ 7: Buffer.concat([tlv(0x81, '\0x'), tlv(0x82, '\0x')]) })],
    ['a unique identifier with 9 unused bits', body({ 7: tlv(0x81, '\x09x') })],
    ['something else behind', body({ 7: tlv(0xa4, tlv(0x05)) })],
    ['empty extensions', body({ 7: tlv(0xa3, tlv(0x30)) })],
    ['extensions without a list', body({ 7: tlv(0xa3) })],
    ['an extension without value', body({ 7: tlv(0xa3, tlv(0x30, tlv(0x30, tlv(0x06, '\x2a')))) })],
    ['an extension with more', body({ 7: tlv(0xa3, tlv(0x30, tlv(0x30, tlv(0x06, '\x2a'), tlv(0x04), tlv(0x05)))) })],
    [
      'an extension with an odd boolean',
      body({ 7: tlv(0xa3, tlv(0x30, tlv(0x30, tlv(0x06, '\x2a'), tlv(0x01, '\x05'), tlv(0x04)))) }),
    ],
    [
      'an extension with a long boolean',
      body({ 7: tlv(0xa3, tlv(0x30, tlv(0x30, tlv(0x06, '\x2a'), tlv(0x01, '\0\0'), tlv(0x04)))) }),
    ],
    [
      'an extension with a padded OID',
      body({ 7: tlv(0xa3, tlv(0x30, tlv(0x30, tlv(0x06, '\x2a\x80\x01'), tlv(0x04)))) }),
    ],
    [
      'an extension with an OID of 100 bytes',
      body({ 7: tlv(0xa3, tlv(0x30, tlv(0x30, tlv(0x06, '\x2a'.repeat(100)), tlv(0x04)))) }),
    ],
    [
      'a value in pieces',
      body({ 7: tlv(0xa3, tlv(0x30, tlv(0x30, tlv(0x06, '\x2a'), tlv(0x24, tlv(0x04, 'a'), tlv(0x04, 'b'))))) }),
    ],
  ]
  return made.flatMap(([what, certificate]): ParityCase[] => [
    { ...plain, what: `leaf: ${what}`, served: [certificate, ca] },
    { ...plain, what: `leaf, chain skipped: ${what}`, served: [certificate, ca], skipChain: true },
    { ...plain, what: `leaf, everything skipped: ${what}`, served: [certificate, ca], skipChain: true, skipName: true },
    { ...plain, what: `beside: ${what}`, served: [chainOf().leaf, ca, certificate], anchors: [root] },
  ])
}

async function expectAll(cases: readonly ParityCase[]): Promise<void> {
  await using rig = await ParityRig.start()
  const wrong: string[] = []
  for (const it of cases) await expectParity(it, rig).catch((error: unknown) => wrong.push(String(error).slice(0, 400)))
  assert.deepEqual(wrong, [])
}

test('judge and handshake agree about frames that are not as they should be', async (t) => {
  const cases = frames()
  t.diagnostic(`${cases.length} cases`)
  await expectAll(cases)
})

test('judge and handshake agree about what is strong enough at each security level', async (t) => {
  const changes: Parameters<typeof chainOf>[0][] = [
    {},
    ...(['rsa1024', 'rsa1536', 'rsa2048', 'rsa3072', 'pss2048', 'ed25519'] as const).flatMap((kind) => [
      { leaf: { key: `${kind}:leaf` as const } },
      { ca: { key: `${kind}:ca` as const } },
      { root: { key: `${kind}:root` as const } },
    ]),
    { ca: { key: 'p192:ca' } },
    { ca: { key: 'p224:ca' } },
    { ca: { key: 'p384:ca' } },
    { leaf: { hash: 'sha1' } },
    { ca: { hash: 'sha1' } },
    { root: { hash: 'sha1' } },
    { ca: { key: 'rsa2048:ca' }, leaf: { hash: 'md5' } },
    { ca: { key: 'rsa2048:ca' }, leaf: { hash: 'pss-sha1' } },
    { ca: { key: 'rsa2048:ca' }, leaf: { hash: 'pss-sha256' } },
    { leaf: { hash: 'sha384' } },
  ]
  const cases = [0, 1, 2, 3].flatMap((securityLevel) =>
    changes.map((change): ParityCase => {
      const { root, ca, leaf, leafKey } = chainOf(change)
      const what = `level ${securityLevel}: ${JSON.stringify(change)}`
      return {
        what,
        served: [leaf, ca],
        anchors: [root],
        leafKey,
        securityLevel,
        ciphers: `DEFAULT:@SECLEVEL=${securityLevel}`,
      }
    }),
  )
  t.diagnostic(`${cases.length} cases`)
  await expectAll(cases)
})

test('judge and handshake agree about long paths', async () => {
  const cases: ParityCase[] = []
  const chain: Buffer[] = []
  for (let depth = 0; depth <= 103; depth++) {
    const above = depth === 0 ? 0 : depth - 1
    chain.unshift(
      makeCertificate({
        subject: `CA ${depth}`,
        issuer: `CA ${above}`,
        key: `p256:${depth}`,
        signer: `p256:${above}`,
        extensions: caExtensions,
      }),
    )
    if (depth < 98 && depth % 30 !== 5) continue
    const leaf = makeCertificate({
      subject: 'leaf',
      issuer: `CA ${depth}`,
      key: 'p256:leaf',
      signer: `p256:${depth}`,
      extensions: leafExtensions,
    })
    const what = `${depth} intermediates`
    const leafKey = keyOf('p256:leaf').privateKey
    const root = chain.at(-1) as Buffer
    cases.push(
      { what, served: [leaf, ...chain.slice(0, -1)], leafKey, anchors: [root] },
      { what: `${what}, root missing`, served: [leaf, ...chain.slice(0, -1)], leafKey, anchors: [leaf] },
      { what: `${what}, all stored`, served: [leaf], leafKey, anchors: [root], intermediates: chain.slice(0, -1) },
      { what: `${what}, backwards`, served: [leaf, ...chain.toReversed()], leafKey, anchors: [root] },
      {
        what: `${what}, partial chain`,
        served: [leaf, ...chain.slice(0, -1)],
        leafKey,
        anchors: [root],
        partialChain: true,
      },
    )
  }
  await expectAll(cases)
})
