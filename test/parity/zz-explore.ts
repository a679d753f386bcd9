import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom } from '../support/random.ts'
import { tlv } from '../x509/der-make.ts'
import { chainOf, leafExtensions } from './chains.ts'
import { expectParity, type ParityCase, ParityRig, presented } from './expect-parity.ts'
import { authorityKeyId, extension, keyId, nameConstraints, dns } from './make-certificate.ts'

/** Seeds that once showed a disagreement go here. */
const seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
const casesOfSeed = 3000

for (const seed of seeds) {
  test(`judge and handshake agree about certificates with bytes changed, seed ${seed}`, async (t) => {
    await using rig = await ParityRig.start()
    const random = seededRandom(seed)
    const chain = chainOf({
      leaf: {
        extensions: [
          ...leafExtensions,
          keyId('leaf'),
          authorityKeyId('ca'),
          extension('551d1f', tlv(0x30, tlv(0x30, tlv(0xa0, tlv(0xa0, tlv(0x86, 'http://x.test/')))))),
        ],
      },
      ca: { extensions: caParts() },
    })
    const wrong: string[] = []
    let accepted = 0
    for (let index = 0; index < casesOfSeed; index++) {
      const it = changedCase(random, chain, `seed ${seed}, case ${index}`)
      if (it === null) continue
      try {
        if ((await expectParity(it, rig)).code === 'trusted') accepted += 1
      } catch (error) {
        wrong.push(`${String(error).slice(0, 300)} ${it.served.map((der) => der.toString('base64')).join(' ')}`)
      }
    }
    t.diagnostic(`${accepted} accepted`)
    assert.deepEqual(wrong, [])
    assert.ok(accepted > casesOfSeed / 20, 'changes that do not matter')
  })
}

function caParts(): Buffer[] {
  return [
    extension('551d13', tlv(0x30, tlv(0x01, '\xff'), tlv(0x02, '\x03')), true),
    extension('551d0f', tlv(0x03, '\x01\x06'), true),
    nameConstraints({ permitted: [dns('test')] }),
    keyId('ca'),
  ]
}

/** A byte or some changed in the leaf or the intermediate; where signatures would hide it, what checks them is out of the way. */
function changedCase(
  random: Random,
  { root, ca, leaf, leafKey }: ReturnType<typeof chainOf>,
  what: string,
): ParityCase | null {
  const changedLeaf = random.chance(0.6) ? mutated(random, leaf) : leaf
  const changedCa = changedLeaf === leaf || random.chance(0.3) ? mutated(random, ca) : ca
  const plain = { what, served: [changedLeaf, changedCa], leafKey, anchors: [root] }
  const kind = random.below(5)
  if (kind === 0) return plain
  if (kind === 1) return { ...plain, skipChain: true }
  if (kind === 2) return { ...plain, skipChain: true, skipName: true }
  // What anchors is not verified; but only what the strict reader takes can be stored.
  const anchor = kind === 3 ? changedLeaf : changedCa
  return presented(anchor).certificate === null ? null : { ...plain, anchors: [anchor], partialChain: true }
}

function mutated(random: Random, der: Buffer): Buffer {
  const copy = Buffer.from(der)
  for (let count = 1 + random.below(2); count > 0; count--) {
    const at = random.below(copy.length)
    const kind = random.below(3)
    if (kind === 0) copy[at] = random.below(256)
    else if (kind === 1) copy[at] = (copy[at] as number) ^ (1 << random.below(8))
    else copy[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, 0x30, 0x31, 0x02, 0x03, 0x04, 0x05, 0x06, 0xa0, 0x24])
  }
  return copy
}
