import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { judgeRuntime } from '../../src/judge/runtime/judge-runtime.ts'
import { unusedBecause } from '../../src/x509/crl-check.ts'
import { parseCrl } from '../../src/x509/crl.ts'
import { tlv } from '../x509/der-make.ts'
import { arrangements, caExtensions, chainOf, leafExtensions } from './chains.ts'
import { compare, judgeInput, type ParityCase, ParityRig } from './expect-parity.ts'
import { authorityKeyId, basicConstraints, extension, keyId, keyUsage } from './make-certificate.ts'
import { type ListSpec, makeList } from './make-list.ts'

const ids = { root: [...caExtensions, keyId('root')], ca: [...caExtensions, keyId('ca'), authorityKeyId('root')] }
const good = chainOf()
const chains = {
  good,
  'key ids': chainOf({
    root: { extensions: ids.root },
    ca: { extensions: ids.ca },
    leaf: { extensions: [...leafExtensions, authorityKeyId('ca')] },
  }),
  'leaf expired': chainOf({ leaf: { until: -0.5 } }),
  'intermediate expired': chainOf({ ca: { until: -0.5 } }),
  'root expired': chainOf({ root: { until: -0.5 } }),
  'intermediate that may not sign lists': chainOf({ ca: { extensions: [basicConstraints(true), keyUsage(5)] } }),
  'intermediate that may not sign certificates': chainOf({ ca: { extensions: [basicConstraints(true), keyUsage(6)] } }),
  'self-issued intermediate': chainOf({ ca: { subject: 'Root', extensions: [...caExtensions, keyId('two')] } }),
  'leaf under another name': chainOf({ leaf: { extensions: leafExtensions.slice(0, 3) } }),
  'leaf with a distribution point': chainOf({
    leaf: { extensions: [...leafExtensions, extension('551d1f', points(point('http://a.test/1.crl')))] },
  }),
  'leaf with a point for some reasons': chainOf({
    leaf: { extensions: [...leafExtensions, extension('551d1f', points(point('http://a.test/1.crl', '81020560')))] },
  }),
} as const

function point(uri: string, more = ''): Buffer {
  return tlv(0x30, tlv(0xa0, tlv(0xa0, tlv(0x86, uri))), Buffer.from(more, 'hex'))
}
function points(...all: readonly Buffer[]): Buffer {
  return tlv(0x30, ...all)
}
const idp = (...fields: readonly Buffer[]): Buffer => extension('551d1c', tlv(0x30, ...fields), true)
const uriPoint = (uri: string): Buffer => tlv(0xa0, tlv(0xa0, tlv(0x86, uri)))

type Chain = ReturnType<typeof chainOf>
const rootList = (change: Partial<ListSpec> = {}): Buffer =>
  makeList({ issuer: 'Root', signer: 'p256:root', ...change })
const caList = (change: Partial<ListSpec> = {}): Buffer =>
  makeList({ issuer: 'Issuing CA', signer: 'p256:ca', ...change })

/** What the gateway holds. */
const holdings: Readonly<Record<string, (chain: Chain) => readonly Buffer[]>> = {
  'both lists': () => [rootList(), caList()],
  'no list of the intermediate': () => [rootList()],
  'no list of the root': () => [caList()],
  'a list of nobody': () => [makeList({ issuer: 'Nobody', signer: 'p256:nobody' })],
  'a list that has ended': () => [rootList(), caList({ from: -90, until: -60 })],
  'a list of the root that has ended': () => [rootList({ from: -90, until: -60 }), caList()],
  'a list that is not valid yet': () => [rootList(), caList({ from: 30 })],
  'a list without an end': () => [rootList({ until: null }), caList({ until: null })],
  'a list signed by somebody else': () => [rootList(), caList({ signer: 'p256:other' })],
  'a list by somebody else that revokes': ({ leaf }) => [rootList(), caList({ signer: 'p256:other', revoked: [leaf] })],
  'a revoked leaf': ({ leaf }) => [rootList(), caList({ revoked: [leaf] })],
  'a revoked leaf, and no list of the root': ({ leaf }) => [caList({ revoked: [leaf] })],
  'a revoked intermediate': ({ ca }) => [rootList({ revoked: [ca] }), caList()],
  'a revoked root': ({ root }) => [rootList({ revoked: [root] }), caList()],
  'a leaf that is on hold no longer': ({ leaf }) => [
    rootList(),
    caList({ revoked: [{ certificate: leaf, extensions: [extension('551d15', tlv(0x0a, '\x08'))] }] }),
  ],
  'a leaf whose key was stolen': ({ leaf }) => [
    rootList(),
    caList({ revoked: [{ certificate: leaf, extensions: [extension('551d15', tlv(0x0a, '\x01'))] }] }),
  ],
  'a list that has ended and revokes': ({ leaf }) => [rootList(), caList({ revoked: [leaf], from: -90, until: -60 })],
  'an older list that revokes no more': ({ leaf }) => [rootList(), caList({ revoked: [leaf] }), caList({ from: -50 })],
  'a newer list that revokes': ({ leaf }) => [rootList(), caList(), caList({ revoked: [leaf], from: -30 })],
  'a newer list that has ended and revokes': ({ leaf }) => [
    rootList(),
    caList({ from: -90 }),
    caList({ revoked: [leaf], from: -40, until: -10 }),
  ],
  'a list with the key id of its CA': () => [
    rootList({ extensions: [authorityKeyId('root')] }),
    caList({ extensions: [authorityKeyId('ca')] }),
  ],
  'a list with another key id': () => [rootList(), caList({ extensions: [authorityKeyId('old')] })],
  'a list for end entities': () => [rootList(), caList({ extensions: [idp(tlv(0x81, '\xff'))] })],
  'a list of the root for end entities': () => [rootList({ extensions: [idp(tlv(0x81, '\xff'))] }), caList()],
  'a list for CAs': () => [rootList(), caList({ extensions: [idp(tlv(0x82, '\xff'))] })],
  'a list for one distribution point': () => [
    rootList(),
    caList({ extensions: [idp(uriPoint('http://a.test/1.crl'))] }),
  ],
  'a list for another distribution point': () => [
    rootList(),
    caList({ extensions: [idp(uriPoint('http://a.test/2.crl'))] }),
  ],
  'a whole list, and a newer one for another point': ({ leaf }) => [
    rootList(),
    caList(),
    caList({ from: -5, revoked: [leaf], extensions: [idp(uriPoint('http://a.test/2.crl'))] }),
  ],
}

/** Lists are refused beside anchors that are not roots: see config/revocation.ts. */
const notConfigured = /partial|intermediate as anchor/

describe('the judge and the handshake agree about revocation lists', () => {
  for (const [what, chain] of Object.entries(chains)) {
    it(`${what}, whatever is held and however it is served`, async () => {
      await using rig = await ParityRig.start()
      let told = 0
      for (const [held, crlsOf] of Object.entries(holdings)) {
        const all = arrangements(`${what}; ${held}`, chain)
        for (const one of chain === good ? all : all.slice(0, 2)) {
          const question: ParityCase = { ...one, crls: crlsOf(chain) }
          assert.ok(question.crls?.every((der) => unusedBecause(parseCrl(der)) === ''))
          const handshake = await rig.handshake(question)
          const judgement = compare(question, handshake)
          const [first] = judgement.findings
          if (handshake === null || handshake.evidence['source'] !== 'crl' || notConfigured.test(one.what)) continue
          // What the data plane says of lists, the diagnosis says too, word for word where nothing comes before it.
          assert.ok(
            judgement.findings.some(({ code }) => code === handshake.verdict),
            `${question.what}: ${handshake.summary}`,
          )
          if (first?.code !== handshake.verdict) continue
          told += 1
          assert.ok(handshake.summary.endsWith(first.summary), `${handshake.summary}\n${first.summary}`)
        }
      }
      // OpenSSL tells of dates, signatures and key usage after the lists.
      assert.equal(told > 20, !/expired|may not sign certificates|self-issued/.test(what), String(told))
    })
  }
})

it('holds what a partial chain would need: an anchor with an issuer has no list that could be verified', async () => {
  await using rig = await ParityRig.start()
  const question = { what: 'partial', served: [good.leaf, good.ca], leafKey: good.leafKey, anchors: [good.ca] }
  const held = { ...question, partialChain: true, crls: [rootList({ extensions: [authorityKeyId('root')] }), caList()] }
  assert.equal((await rig.handshake(held))?.verdict, 'revocation-unknown')
  assert.equal(await rig.handshake({ ...question, partialChain: true }), null)
})

it('knows lists that no handshake uses', () => {
  const cases: readonly (readonly [string, readonly Buffer[]])[] = [
    ['delta', [extension('551d1b', tlv(0x02, '\x01'), true)]],
    ['indirect', [idp(tlv(0x84, '\xff'))]],
    ['attribute', [idp(tlv(0x85, '\xff'))]],
    ['some reasons', [idp(tlv(0x83, '\x05\x60'))]],
    ['neither', [idp(tlv(0x81, '\xff'), tlv(0x82, '\xff'))]],
    ['critical', [extension('2a0304', tlv(0x05), true)]],
  ]
  for (const [word, extensions] of cases)
    assert.match(unusedBecause(parseCrl(caList({ extensions }))), new RegExp(word))
  assert.equal(unusedBecause(parseCrl(caList())), '')
})

it('asks for no list where there is none', () => {
  const question = { what: '', served: [good.leaf, good.ca], leafKey: good.leafKey, anchors: [good.root] }
  assert.equal(judgeRuntime(judgeInput({ ...question, crls: [] })).code, 'trusted')
  assert.equal(judgeRuntime(judgeInput({ ...question, crls: [caList()] })).code, 'revocation-unknown')
})
