import assert from 'node:assert/strict'
import { test } from 'node:test'

import { PosternError } from '../../src/core/errors.ts'
import type { TargetTlsPlan } from '../../src/proxy/plan.ts'
import { type ComposedTrust, composeTrust, snapshotId } from '../../src/trust/snapshot.ts'
import { loadTrustStore, type TrustStore } from '../../src/trust/store.ts'
import { dial, openBackend } from './backend.ts'
import { daysFromNow, type Made, make, makeChain } from './pki.ts'

const { root, intermediate, leaf } = await makeChain()
const other = await make('CN=Other Root', { ca: true })

interface Wanted {
  readonly sources: readonly Made[]
  readonly helpers?: readonly Made[]
  readonly partialChain?: boolean
  readonly name?: string
}
const store = ({ sources, helpers = [], partialChain = false, name = 'corp' }: Wanted): TrustStore => {
  const inline = (list: readonly Made[]): { kind: 'inline'; pem: string }[] =>
    list.map(({ pem }) => ({ kind: 'inline', pem }))
  return loadTrustStore({ name, sources: inline(sources), intermediates: inline(helpers), partialChain }, {})
}
const outcome = async (served: readonly Made[], ...stores: readonly TrustStore[]): Promise<string> => {
  await using backend = await openBackend(served)
  return await dial(composeTrust(stores), backend.port)
}

const expiredIssuer = await make(intermediate.name, {
  ca: true,
  issuer: root,
  keys: intermediate.keys,
  notBefore: daysFromNow(-9),
  notAfter: daysFromNow(-1),
})

const rows: readonly { title: string; trust: Wanted; served: readonly Made[]; result: string }[] = [
  { title: 'the root, the whole chain served', trust: { sources: [root] }, served: [leaf, intermediate], result: 'ok' },
  {
    title: 'the root, the leaf alone served',
    trust: { sources: [root] },
    served: [leaf],
    result: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  },
  {
    title: 'root and intermediate, the leaf alone served',
    trust: { sources: [root, intermediate] },
    served: [leaf],
    result: 'ok',
  },
  {
    title: 'the root with a helper, the leaf alone served',
    trust: { sources: [root], helpers: [intermediate] },
    served: [leaf],
    result: 'ok',
  },
  {
    title: 'another root',
    trust: { sources: [other] },
    served: [leaf, intermediate],
    result: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  },
  {
    title: 'another root, the right one among the helpers',
    trust: { sources: [other], helpers: [root] },
    served: [leaf, intermediate],
    result: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  },
  {
    title: 'another root and the intermediate as helper',
    trust: { sources: [other], helpers: [intermediate] },
    served: [leaf, intermediate],
    result: 'UNABLE_TO_GET_ISSUER_CERT',
  },
  {
    title: 'the intermediate under partialChain, both served',
    trust: { sources: [intermediate], partialChain: true },
    served: [leaf, intermediate],
    result: 'ok',
  },
  {
    title: 'the intermediate under partialChain, the leaf alone served',
    trust: { sources: [intermediate], partialChain: true },
    served: [leaf],
    result: 'ok',
  },
  {
    title: 'the leaf pinned under partialChain',
    trust: { sources: [leaf], partialChain: true },
    served: [leaf, intermediate],
    result: 'ok',
  },
  {
    title: 'an expired intermediate under partialChain',
    trust: { sources: [expiredIssuer], partialChain: true },
    served: [leaf],
    result: 'CERT_HAS_EXPIRED',
  },
  {
    title: 'an unrelated root under partialChain',
    trust: { sources: [other], partialChain: true },
    served: [leaf, intermediate],
    result: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  },
]
for (const { title, trust, served, result } of rows) {
  test(`live, a store of ${title}: ${result}`, async () => {
    assert.equal(await outcome(served, store(trust)), result)
  })
}

for (const [title, sources] of Object.entries({ 'the intermediate alone': [intermediate], 'the leaf alone': [leaf] })) {
  test(`a store of ${title} without partialChain does not load, so it cannot fail later`, () => {
    assert.throws(() => store({ sources }), /has no anchor/)
  })
}

test('live, two roots of one name and a child without key identifiers: the newer one is tried, in either order', async () => {
  const oldRoot = await make('CN=Rolled', { ca: true, keyIds: false, notBefore: daysFromNow(-300) })
  const newRoot = await make('CN=Rolled', { ca: true, keyIds: false, notBefore: daysFromNow(-3) })
  const served = await make('CN=rolled leaf', { issuer: newRoot, dns: ['backend.test'], keyIds: false })
  assert.equal(await outcome([served], store({ sources: [oldRoot, newRoot] })), 'ok')
  assert.equal(await outcome([served], store({ sources: [newRoot, oldRoot] })), 'ok')
})

test('live, a forgery of a root by name does not anchor, wherever it is put', async () => {
  const forger = await make(root.name, { ca: true, keyIds: false })
  const bad = await make('CN=bad', { issuer: forger, dns: ['backend.test'], keyIds: false })
  assert.equal(await outcome([bad, forger], store({ sources: [root] })), 'CERT_SIGNATURE_FAILURE')
  assert.equal(await outcome([bad], store({ sources: [root], helpers: [forger] })), 'CERT_SIGNATURE_FAILURE')
})

test('live, the runtime itself would anchor what is left out, even with a signature that is not its own', async () => {
  const bad = await make('CN=bad', { issuer: other, dns: ['backend.test'] })
  const lookalike = await make('CN=Lookalike', { ca: true, issuer: { ...root, name: 'CN=Lookalike' }, keyIds: false })
  const worse = await make('CN=worse', { issuer: lookalike, dns: ['backend.test'], keyIds: false })
  for (const [helper, served] of [
    [other, bad],
    [lookalike, worse],
  ] as const) {
    await using backend = await openBackend([served])
    const raw = { anchors: [root.certificate], intermediates: [helper.certificate], partialChain: false }
    assert.equal(await dial(raw, backend.port), 'ok')
    assert.equal(
      await dial(composeTrust([store({ sources: [root], helpers: [helper] })]), backend.port),
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    )
  }
})

const ids = (list: ComposedTrust['anchors']): string[] => list.map(({ sha256 }) => sha256)

test('the union of stores has no duplicates and does not depend on their order', () => {
  const one = store({ name: 'one', sources: [root, intermediate] })
  const two = store({ name: 'two', sources: [other, root] })
  const forth = composeTrust([one, two])
  const back = composeTrust([two, one])
  assert.deepEqual([ids(forth.anchors), ids(forth.intermediates)], [ids(back.anchors), ids(back.intermediates)])
  assert.deepEqual([forth.anchors.length, forth.intermediates.length, forth.partialChain], [2, 1, false])
})

test('partialChain is set only where an anchor needs it', () => {
  const flag = (wanted: Wanted): boolean => composeTrust([store(wanted)]).partialChain
  assert.equal(flag({ sources: [root], partialChain: true }), false)
  assert.equal(flag({ sources: [root, intermediate], partialChain: true }), true)
  assert.deepEqual(composeTrust([]), { anchors: [], intermediates: [], partialChain: false })
})

test('a helper beside a partial chain is refused, naming both stores and the certificate', async () => {
  const partial = store({ name: 'pins', sources: [leaf], partialChain: true })
  const helping = store({ name: 'corp', sources: [root, intermediate] })
  assert.throws(
    () => composeTrust([helping, partial]),
    (error) =>
      error instanceof PosternError &&
      error.code === 'trust-stores-conflict' &&
      /"pins".*"CN=Test Issuing, O=Postern, C=DE" of store "corp"/.test(error.message),
  )
  assert.throws(
    () => composeTrust([store({ sources: [leaf], helpers: [intermediate], partialChain: true })]),
    /would take the intermediate/,
  )
  // What an anchor of another store is anyway may be a helper of this one.
  const composed = composeTrust([helping, store({ name: 'pins', sources: [intermediate], partialChain: true })])
  assert.deepEqual([composed.anchors.length, composed.intermediates.length, composed.partialChain], [2, 0, true])
})

const client = await make('CN=client', { issuer: intermediate })
const plan: Omit<TargetTlsPlan, 'snapshotId'> = {
  anchors: [root.pem],
  intermediates: [intermediate.pem],
  partialChain: false,
  serverName: 'backend.test',
  verifyNames: ['backend.test'],
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: null,
  alpn: ['http/1.1'],
  clientCertificate: { chain: client.pem + intermediate.pem, key: client.key },
  skipChain: false,
  skipName: false,
  exceptions: [],
  resumption: false,
  revocation: { mode: 'off' },
  onTrustChange: 'drain',
}

test('the snapshot id depends on content and not on layout', () => {
  const id = snapshotId(plan)
  assert.match(id, /^[0-9a-f]{16}$/)
  assert.equal(snapshotId({ ...plan, anchors: [root.pem.replaceAll('\n', '\r\n')] }), id)
  assert.equal(snapshotId(Object.fromEntries(Object.entries(plan).reverse()) as unknown as typeof plan), id)
  const withId: TargetTlsPlan = { ...plan, snapshotId: id }
  assert.equal(snapshotId(withId), id)
})

const changes: { readonly [Field in keyof typeof plan]: (typeof plan)[Field] } = {
  anchors: [other.pem],
  intermediates: [],
  partialChain: true,
  serverName: null,
  verifyNames: ['other.test'],
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.2',
  ciphers: 'HIGH',
  alpn: ['h2', 'http/1.1'],
  clientCertificate: null,
  skipChain: true,
  skipName: true,
  exceptions: [{ skip: 'name', owner: 'team', reason: 'because', until: null }],
  resumption: true,
  revocation: { mode: 'staple-required' },
  onTrustChange: 'cut',
}
test('every field of the plan is part of the snapshot id', async () => {
  const seen = new Set([snapshotId(plan)])
  for (const [field, value] of Object.entries(changes)) seen.add(snapshotId({ ...plan, [field]: value }))
  assert.equal(seen.size, Object.keys(changes).length + 1)
  const otherKey = await make('CN=client', { issuer: intermediate })
  seen.add(snapshotId({ ...plan, clientCertificate: { chain: client.pem, key: otherKey.key } }))
  seen.add(snapshotId({ ...plan, clientCertificate: { chain: client.pem, key: client.key } }))
  assert.equal(seen.size, Object.keys(changes).length + 3)
})
