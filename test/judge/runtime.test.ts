import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resourceErrors } from '../../src/judge/runtime/runtime-resources.ts'
import { judgeRuntime } from '../../src/judge/runtime/judge-runtime.ts'
import type { JudgeInput, Judgement } from '../../src/judge/types.ts'
import { caExtensions, chainOf, leafExtensions } from '../parity/chains.ts'
import { judgeInput, presented, usualName } from '../parity/expect-parity.ts'
import {
  altNames,
  authorityKeyId,
  clientAuth,
  dns,
  extension,
  type KeyName,
  keyId,
  keyOf,
  keyUsage,
  makeCertificate,
  nameConstraints,
  oid,
  purposes,
} from '../parity/make-certificate.ts'
import { tlv } from '../x509/der-make.ts'

type Changes = Parameters<typeof chainOf>[0]

function inputOf(changes: Changes, change: Partial<JudgeInput> = {}, served: 'all' | 'leaf' = 'all'): JudgeInput {
  const { root, ca, leaf, leafKey } = chainOf(changes)
  const input = judgeInput({ what: '', served: served === 'all' ? [leaf, ca] : [leaf], leafKey, anchors: [root] })
  return { ...input, ...change }
}

const faultsOf = ({ findings }: Judgement): string[] =>
  findings.filter(({ severity }) => severity === 'fault').map(({ code, at }) => `${code} ${at}`)

const warningsOf = ({ findings }: Judgement): string[] =>
  findings.filter(({ severity }) => severity === 'warning').map(({ code }) => code)

test('a chain without fault is trusted, and its path ends in the anchor', () => {
  const judgement = judgeRuntime(inputOf({}))
  assert.deepEqual(faultsOf(judgement), [])
  assert.equal(judgement.code, 'trusted')
  assert.equal(judgement.complete, true)
  assert.deepEqual(
    judgement.path.map(({ origin }) => origin),
    ['served', 'served', 'anchor'],
  )
})

test('a stored intermediate is said to be stored', () => {
  const { root, ca, leaf, leafKey } = chainOf()
  const judgement = judgeRuntime(
    judgeInput({ what: '', served: [leaf], leafKey, anchors: [root], intermediates: [ca] }),
  )
  assert.deepEqual(
    judgement.path.map(({ origin }) => origin),
    ['served', 'stored', 'anchor'],
  )
  assert.ok(judgement.findings.some(({ code }) => code === 'relies-on-stored-intermediate'))
})

const several: readonly [string, JudgeInput, readonly string[]][] = [
  [
    'an expired leaf whose issuer is missing and that is for another name',
    inputOf({ leaf: { until: -1, extensions: [altNames(dns('other.test'))] } }, {}, 'leaf'),
    ['missing-intermediate 0', 'expired 0', 'name-mismatch 0'],
  ],
  [
    'every certificate expired',
    inputOf({ leaf: { until: -0.5 }, ca: { until: -0.5 }, root: { until: -0.5 } }),
    ['expired 2', 'expired 1', 'expired 0'],
  ],
  [
    'an issuer that is no CA, and a leaf for clients',
    inputOf({
      ca: { extensions: [keyUsage(0)] },
      leaf: { extensions: [purposes(clientAuth), altNames(dns(usualName))] },
    }),
    ['issuer-not-ca 1', 'issuer-key-usage 1', 'wrong-purpose 0'],
  ],
  [
    'weak keys and hashes',
    inputOf({ leaf: { key: 'rsa1024:leaf', hash: 'sha1' }, ca: { key: 'rsa1024:ca' } }),
    ['weak-key 0', 'weak-key 1', 'weak-signature 0'],
  ],
  [
    'a forged signature under a name constraint',
    inputOf({
      leaf: { forged: true },
      ca: { extensions: [...caExtensions, nameConstraints({ excluded: [dns('test')] })] },
    }),
    ['bad-signature 0', 'name-constraint-violation 0'],
  ],
]

for (const [what, input, expected] of several) {
  test(`all faults are told, each with its place: ${what}`, () => {
    assert.deepEqual(faultsOf(judgeRuntime(input)), expected)
  })
}

test('any moment can be judged: the first second counts, the last one does not', () => {
  const input = inputOf({ leaf: { from: -10, until: -5 } })
  const leaf = input.served[0]?.certificate
  assert.ok(leaf)
  const at = (time: number): string[] => faultsOf(judgeRuntime({ ...input, time }))
  // The CAs of these chains begin a day ago.
  const ofLeaf = (faults: string[]): string[] => faults.filter((it) => it.endsWith(' 0'))
  assert.deepEqual(ofLeaf(at(leaf.notBefore - 1)), ['not-yet-valid 0'])
  assert.deepEqual(ofLeaf(at(leaf.notBefore)), [])
  assert.deepEqual(ofLeaf(at(leaf.notAfter - 1)), [])
  assert.deepEqual(ofLeaf(at(leaf.notAfter)), ['expired 0'])
})

test('a leaf with an elliptic key that may not sign is refused up to TLS 1.2 only', () => {
  const input = inputOf({ leaf: { extensions: [keyUsage(4), altNames(dns(usualName))] } })
  assert.deepEqual(faultsOf(judgeRuntime({ ...input, protocol: 'TLSv1.2' })), ['wrong-purpose 0'])
  assert.deepEqual(faultsOf(judgeRuntime({ ...input, protocol: 'TLSv1.3' })), [])
  assert.deepEqual(faultsOf(judgeRuntime({ ...input, protocol: '' })), [])
})

test('what an exception skips is a warning, and what it does not skip is a fault', () => {
  const input = inputOf({ leaf: { until: -1, extensions: [altNames(dns('other.test'))] } })
  const skipping = (chain: boolean, name: boolean): Judgement => judgeRuntime({ ...input, skip: { chain, name } })
  assert.deepEqual(faultsOf(skipping(true, false)), ['name-mismatch 0'])
  assert.deepEqual(faultsOf(skipping(false, true)), ['expired 0'])
  assert.equal(skipping(true, true).code, 'trusted')
  assert.deepEqual(warningsOf(skipping(true, true)).slice(0, 3), ['expired', 'name-mismatch', 'verification-skipped'])
})

test('a leaf that cannot be read has no path, and bytes that cannot be read end the handshake whatever is excepted', () => {
  const { root, ca, leaf } = chainOf()
  const rubbish = presented(Buffer.from('rubbish'))
  const input = inputOf({})
  const asLeaf = judgeRuntime({ ...input, served: [rubbish, presented(ca)] })
  assert.deepEqual(faultsOf(asLeaf), ['malformed-certificate 0'])
  assert.deepEqual(asLeaf.path, [])
  const beside = { ...inputOf({}), anchors: [presented(root).certificate ?? assert.fail()] }
  const excepted = { chain: true, name: true }
  const judgement = judgeRuntime({ ...beside, served: [presented(leaf), presented(ca), rubbish], skip: excepted })
  assert.deepEqual(faultsOf(judgement), ['malformed-certificate null'])
})

test('revocation lists, policies and fetched certificates change nothing, for the context has none of them', () => {
  const { root, ca, leaf, leafKey } = chainOf()
  const input = judgeInput({ what: '', served: [leaf], leafKey, anchors: [root] })
  const fetched = presented(ca).certificate ?? assert.fail()
  const policies = { initial: ['1.2.3'], requireExplicit: true, inhibitMapping: true, inhibitAny: true }
  assert.equal(judgeRuntime({ ...input, fetched: [fetched] }).code, 'missing-intermediate')
  assert.equal(judgeRuntime({ ...inputOf({}), crls: [], policies }).code, 'trusted')
})

test('a renewed CA of the same name is told from the old one by its key', () => {
  const old = makeCertificate({
    subject: 'CA',
    issuer: 'CA',
    key: 'p256:old',
    signer: 'p256:old',
    extensions: caExtensions,
  })
  const renewed = makeCertificate({
    subject: 'CA',
    issuer: 'CA',
    key: 'p256:new',
    signer: 'p256:new',
    extensions: caExtensions,
  })
  const leaf = makeCertificate({
    subject: 'leaf',
    issuer: 'CA',
    key: 'p256:leaf',
    signer: 'p256:new',
    extensions: leafExtensions,
  })
  const leafKey = keyOf('p256:leaf').privateKey
  // Without key identifiers OpenSSL takes the first of the name and never goes back.
  const codes = [[old, renewed], [renewed, old], [old]].map(
    (anchors) => judgeRuntime(judgeInput({ what: '', served: [leaf], leafKey, anchors })).code,
  )
  assert.deepEqual(codes, ['bad-signature', 'trusted', 'missing-root'])
})

test('a crowd of namesakes costs no more signatures than the path has', () => {
  const leafKey = keyOf('p256:leaf').privateKey
  const namesakes = Array.from({ length: 250 }, (_, index) => {
    const key: KeyName = `p256:${index % 4}`
    return makeCertificate({
      subject: 'CA',
      issuer: 'CA',
      key,
      signer: key,
      extensions: [...caExtensions, keyId(`${index}`), authorityKeyId('x')],
    })
  })
  const leaf = makeCertificate({
    subject: 'CA',
    issuer: 'CA',
    key: 'p256:leaf',
    signer: 'p256:0',
    extensions: leafExtensions,
  })
  const { root } = chainOf()
  const judgement = judgeRuntime(judgeInput({ what: '', served: [leaf, ...namesakes], leafKey, anchors: [root] }))
  assert.notEqual(judgement.code, 'trusted')
  assert.ok(judgement.work.signatures <= 512, `${judgement.work.signatures} signatures`)
  assert.ok(judgement.work.candidates <= 100_000, `${judgement.work.candidates} candidates`)
})

test('more names and constraints than can be compared end as too complex', () => {
  const names = Array.from({ length: 1000 }, (_, index) => dns(`${index}.test`))
  const limits = nameConstraints({ permitted: Array.from({ length: 1000 }, () => dns('test')) })
  const chain: Buffer[] = []
  const name = (index: number): string => `CA ${index}`
  for (let index = 0; index < 8; index++) {
    const key: KeyName = `p256:${index}`
    const signer: KeyName = `p256:${Math.max(index - 1, 0)}`
    chain.unshift(
      makeCertificate({
        subject: name(index),
        issuer: name(Math.max(index - 1, 0)),
        key,
        signer,
        extensions: [...caExtensions, limits, altNames(...names)],
      }),
    )
  }
  const leaf = makeCertificate({
    subject: 'leaf',
    issuer: name(7),
    key: 'p256:leaf',
    signer: 'p256:7',
    extensions: [altNames(dns(usualName), ...names)],
  })
  const leafKey = keyOf('p256:leaf').privateKey
  const input = judgeInput({
    what: '',
    served: [leaf],
    leafKey,
    anchors: chain.slice(-1),
    intermediates: chain.slice(0, -1),
  })
  assert.equal(judgeRuntime(input).code, 'too-complex')
})

/** An exponent as long as the modulus makes verifying as slow as signing. */
function slowRsa(index: number): Buffer {
  const modulus = Buffer.from(keyOf('rsa3072:slow').publicKey.export({ format: 'jwk' }).n as string, 'base64url')
  const exponent = Buffer.alloc(modulus.length, 0x55)
  exponent.writeUInt16BE(index + 1, 2)
  const key = tlv(0x30, tlv(0x02, '\0', modulus), tlv(0x02, exponent))
  return tlv(0x30, tlv(0x30, oid('2a864886f70d010101'), tlv(0x05)), tlv(0x03, '\0', key))
}

const crowds: readonly [string, (index: number) => { key: KeyName; spki?: Buffer }, KeyName, number][] = [
  ['RSA with a long exponent', (index) => ({ key: 'rsa3072:slow', spki: slowRsa(index) }), 'rsa3072:slow', 1],
  ['sect571r1', (index) => ({ key: `sect571:${index}` }), 'sect571:signer', 2],
  ['P-521', (index) => ({ key: `p521:${index}` }), 'p521:signer', 6],
  ['P-256', (index) => ({ key: `p256:${index}` }), 'p256:signer', 64],
]

for (const [what, keyAt, signer, most] of crowds) {
  test(`the dearer the keys of those that have the name of the missing issuer, the fewer are tried: ${what}`, () => {
    const namesakes = Array.from({ length: 80 }, (_, index) =>
      makeCertificate({
        subject: 'Missing',
        issuer: 'Missing',
        signer: 'p256:any',
        extensions: [...caExtensions, keyId(`${index}`)],
        ...keyAt(index),
      }),
    )
    const leaf = makeCertificate({
      subject: 'leaf',
      issuer: 'Missing',
      key: 'p256:leaf',
      signer,
      extensions: [...leafExtensions, authorityKeyId('another')],
    })
    const { root } = chainOf()
    const leafKey = keyOf('p256:leaf').privateKey
    const judge = (served: readonly Buffer[]): Judgement =>
      judgeRuntime(judgeInput({ what: '', served: [leaf, ...served], leafKey, anchors: [root] }))
    const { code, findings, work } = judge(namesakes)
    assert.equal(code, 'unknown-issuer')
    assert.ok(work.signatures >= 1 && work.signatures <= most, `${work.signatures} signatures`)
    assert.ok(Number(findings[0]?.evidence['signaturesNotTried']) > 0)
    // One that is served again and again is one, and is said to be tried.
    const alike = judge(Array.from({ length: 80 }, () => namesakes[0] as Buffer))
    assert.equal(alike.work.signatures, 1)
    assert.equal(alike.findings[0]?.evidence['signaturesNotTried'], undefined)
  })
}

/** A served path of so many CAs. */
function pathOf(length: number, keyAt: (index: number) => { key: KeyName; spki?: Buffer }): Judgement {
  const name = (index: number): string => `CA ${index}`
  const cas = Array.from({ length }, (_, index) =>
    makeCertificate({
      subject: name(index),
      issuer: name(Math.max(index - 1, 0)),
      signer: keyAt(Math.max(index - 1, 0)).key,
      extensions: caExtensions,
      ...keyAt(index),
    }),
  ).toReversed()
  const leaf = makeCertificate({
    subject: 'leaf',
    issuer: name(length - 1),
    key: 'p256:leaf',
    signer: keyAt(length - 1).key,
    extensions: leafExtensions,
  })
  const leafKey = keyOf('p256:leaf').privateKey
  return judgeRuntime(judgeInput({ what: '', served: [leaf, ...cas.slice(0, -1)], leafKey, anchors: cas.slice(-1) }))
}

test('a path is verified in full, long or with dear keys, and ends as too complex where it is both', () => {
  const codesOf = (length: number, keyAt: Parameters<typeof pathOf>[1]): [string[], number] => {
    const judgement = pathOf(length, keyAt)
    return [
      [...new Set(judgement.findings.flatMap(({ severity, code }) => (severity === 'fault' ? code : [])))],
      judgement.work.signatures,
    ]
  }
  assert.deepEqual(
    codesOf(90, (index) => ({ key: `p256:${index}` })),
    [[], 90],
  )
  assert.deepEqual(
    codesOf(5, (index) => ({ key: `sect571:${index}` })),
    [[], 5],
  )
  assert.deepEqual(
    codesOf(5, (index) => ({ key: `p521:${index}` })),
    [[], 5],
  )
  const [codes, signatures] = codesOf(40, (index) => ({ key: 'rsa3072:slow', spki: slowRsa(index) }))
  assert.ok(codes.includes('too-complex'), codes.join(' '))
  // Eight of the path, and one more for whether the anchor is only a namesake.
  assert.ok(signatures <= 9, `${signatures} signatures`)
})

/** `sbgp-autonomousSysNum` with these numbers. */
const numbers = (...all: readonly number[]): Buffer =>
  extension(
    '2b06010505070108',
    tlv(0x30, tlv(0xa0, tlv(0x30, ...all.map((it) => tlv(0x02, Buffer.from([0, it >> 16, it >> 8, it])))))),
    true,
  )

test('a leaf with thousands of numbers of autonomous systems costs what it has, and not its square', () => {
  const many = Array.from({ length: 6000 }, (_, index) => 0x80_0000 + 2 * index)
  const resources = {
    canonical: true,
    families: new Map([['as', many.map((it) => [BigInt(it), BigInt(it)] as const)]]),
  }
  let comparisons = 0
  const errors = resourceErrors([resources, resources, resources], (count) => {
    comparisons += count
    return true
  })
  assert.deepEqual(errors, [])
  assert.equal(comparisons, 4 * many.length)
  const input = inputOf({
    leaf: { extensions: [...leafExtensions, numbers(...many)] },
    ca: { extensions: [...caExtensions, numbers(...many)] },
    root: { extensions: [...caExtensions, numbers(...many.slice(1))] },
  })
  const codes = faultsOf(judgeRuntime(input))
  assert.ok(codes.length === 1 && codes[0]?.endsWith(' 2'), codes.join())
})

test('numbers that a long path of CAs lacks end as too complex', () => {
  const many = Array.from({ length: 8000 }, (_, index) => 0x80_0000 + 2 * index)
  const cas = Array.from({ length: 60 }, (_, index) =>
    makeCertificate({
      subject: `CA ${index}`,
      issuer: `CA ${Math.max(index - 1, 0)}`,
      key: 'p256:ca',
      signer: 'p256:ca',
      extensions: [...caExtensions, numbers(0x80_0000)],
    }),
  ).toReversed()
  const leaf = makeCertificate({
    subject: 'leaf',
    issuer: 'CA 59',
    key: 'p256:leaf',
    signer: 'p256:ca',
    extensions: [...leafExtensions, numbers(...many)],
  })
  const leafKey = keyOf('p256:leaf').privateKey
  const input = judgeInput({ what: '', served: [leaf, ...cas.slice(0, -1)], leafKey, anchors: cas.slice(-1) })
  assert.ok(faultsOf(judgeRuntime(input)).includes('too-complex 0'))
})

test('a range is within one of the others whatever their order, and not within two that together hold it', () => {
  const asked = (
    inner: readonly (readonly [bigint, bigint])[],
    outer: readonly (readonly [bigint, bigint])[],
  ): boolean => {
    const of = (ranges: typeof inner) => ({ canonical: true, families: new Map([['as', ranges]]) })
    return resourceErrors([of(inner), of(outer)], () => true).length === 0
  }
  const ranges = Array.from({ length: 5 }, (_, from) =>
    Array.from({ length: 4 }, (__, more) => [BigInt(from), BigInt(from + more - 1)] as const),
  ).flat()
  for (let round = 0; round < 2000; round++) {
    const pick = (salt: number): typeof ranges =>
      Array.from(
        { length: 1 + ((round + salt) % 4) },
        (_, index) => ranges[(round * 7 + salt * 11 + index * (round % 13)) % ranges.length] ?? assert.fail(),
      )
    const [inner, outer] = [pick(1), pick(2)]
    const expected = inner.every(([from, to]) => outer.some((range) => range[0] <= from && to <= range[1]))
    assert.equal(asked(inner, outer), expected, `${inner.join(' ')} in ${outer.join(' ')}`)
  }
})
