import type { JudgeInput, Presented } from '../../src/judge/types.ts'
import { type Certificate, parseCertificate } from '../../src/x509/certificate.ts'
import { type Crl, parseCrl } from '../../src/x509/crl.ts'
import { DerError } from '../../src/x509/der.ts'
import { dns, extension, ip, name, oid, purposeOids, revocation, utc } from '../judge/signed-pki.ts'
import type { Random } from '../support/random.ts'
import { tlv } from '../x509/der-make.ts'
import { type Signer, signed } from '../x509/signed-make.ts'
import { mutant, type Seed, seedOf } from './der-mutations.ts'
import { elementsIn, extensionsOf, partsOf } from './plain-der.ts'

/** A question under way: what it is now, and all that was done to it. */
export interface Asked {
  readonly input: JudgeInput
  readonly done: readonly Done[]
  /** Signed parts that somebody with a key has signed since. */
  readonly signed: readonly Buffer[]
}

/**
 * What a change can do to the answer. `forged`: certificates are no longer what was signed, or bytes that nobody signed were
 * added. `removed`, `added`: certificates that were there, and readable ones that have nothing to do with the rest. `lists`:
 * revocation lists that were cut or are no longer what was signed. `signed`: by the real issuer, so that the answer may be
 * any that fits. `asked`: another name, time or anchor. `poisoned`: signed by the real issuer, and to be refused.
 */
export type Kind = 'forged' | 'removed' | 'added' | 'lists' | 'signed' | 'asked' | 'poisoned'

export interface Done {
  readonly kind: Kind
  readonly what: string
}

/** What a change may take from: certificates of elsewhere, and the keys that are at hand. */
export interface Stock {
  readonly others: readonly Presented[]
  readonly signers: ReadonlyMap<string, Signer>
}

/** null: cannot be done to this question. */
export type Change = (asked: Asked, stock: Stock, random: Random) => Asked | null

export function presented(der: Buffer): Presented {
  try {
    return { der, certificate: parseCertificate(der), malformed: null }
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    return { der, certificate: null, malformed: { offset: error.offset, reason: error.reason } }
  }
}

const seeds = new WeakMap<Buffer, Seed>()
function seedFor(der: Buffer): Seed {
  let seed = seeds.get(der)
  if (seed === undefined) {
    seed = seedOf(der)
    seeds.set(der, seed)
  }
  return seed
}

const and = (asked: Asked, input: Partial<JudgeInput>, kind: Kind, what: string, signedPart?: Buffer): Asked => ({
  input: { ...asked.input, ...input },
  done: [...asked.done, { kind, what }],
  signed: signedPart === undefined ? asked.signed : [...asked.signed, signedPart],
})

/** Bytes near those of one certificate, with parts of its neighbours. */
function mutantOf({ input }: Asked, index: number, random: Random): Buffer {
  const corpus = [...input.served.map(({ der }) => der), ...input.anchors.map(({ der }) => der)].map(seedFor)
  return mutant(corpus, index, random)
}

const forge: Change = (asked, _stock, random) => {
  const { served } = asked.input
  if (served.length === 0) return null
  const index = random.below(served.length)
  const forgery = presented(mutantOf(asked, index, random))
  const all = served.with(index, forgery)
  return and(asked, { served: all }, 'forged', index === 0 ? 'leaf' : 'issuer')
}

/** The forgery beside the genuine one, in front of it or behind. */
const forgeBeside: Change = (asked, _stock, random) => {
  const { served } = asked.input
  if (served.length === 0) return null
  const forgery = presented(mutantOf(asked, random.below(served.length), random))
  // Broken bytes that are served end a handshake; such a question is another one.
  if (asked.input.mode === 'runtime' && forgery.certificate === null) return null
  return and(asked, { served: served.toSpliced(1 + random.below(served.length), 0, forgery) }, 'forged', 'beside')
}

/** The signed part of one certificate under the signature of another, and the like. */
const transplant: Change = (asked, _stock, random) => {
  const { served } = asked.input
  if (served.length < 2) return null
  const index = random.below(served.length)
  const other = random.below(served.length)
  const [mine, theirs] = [partsOf((served[index] as Presented).der), partsOf((served[other] as Presented).der)]
  if (mine?.length !== 3 || theirs?.length !== 3 || index === other) return null
  const at = random.below(3)
  const parts = mine.map(({ whole }, place) => (place === at ? (theirs[place]?.whole ?? whole) : whole))
  return and(
    asked,
    { served: served.with(index, presented(tlv(0x30, ...parts))) },
    'forged',
    index === 0 ? 'leaf' : 'issuer',
  )
}

const removeServed: Change = (asked, _stock, random) => {
  const { served } = asked.input
  if (served.length < 2) return null
  return and(asked, { served: served.toSpliced(1 + random.below(served.length - 1), 1) }, 'removed', 'served')
}

const removeAnchor: Change = (asked, _stock, random) => {
  const { anchors } = asked.input
  if (anchors.length === 0) return null
  return and(asked, { anchors: anchors.toSpliced(random.below(anchors.length), 1) }, 'removed', 'anchor')
}

const shuffle: Change = (asked, _stock, random) => {
  const [leaf, ...others] = asked.input.served
  if (leaf === undefined || others.length < 2) return null
  const at = random.below(others.length)
  const [moved] = others.splice(at, 1) as [Presented]
  others.splice(random.below(others.length + 1), 0, moved)
  return and(asked, { served: [leaf, ...others] }, 'forged', 'order')
}

const addOther: Change = (asked, stock, random) => {
  const other = random.pick(stock.others)
  if (other.certificate === null || asked.input.served.length === 0) return null
  const { certificate } = other
  const { input } = asked
  switch (random.below(5)) {
    case 0:
      return and(asked, { intermediates: [...input.intermediates, certificate] }, 'added', 'stored')
    case 1:
      return and(asked, { fetched: [...input.fetched, certificate] }, 'added', 'fetched')
    case 2:
      return and(
        asked,
        { known: [...input.known, { certificate, where: 'elsewhere', anchor: true }] },
        'added',
        'known',
      )
    case 3:
      return and(asked, { anchors: [...input.anchors, certificate] }, 'added', 'anchor')
    default:
      return and(
        asked,
        { served: input.served.toSpliced(1 + random.below(input.served.length), 0, other) },
        'added',
        'served',
      )
  }
}

/** What the backend does not serve any more is fetched or known elsewhere, which is no help to it. */
const withhold: Change = (asked, _stock, random) => {
  const { served, known, fetched } = asked.input
  if (served.length < 2) return null
  const index = 1 + random.below(served.length - 1)
  const certificate = served[index]?.certificate
  if (certificate == null) return null
  const rest = served.toSpliced(index, 1)
  return random.chance(0.7)
    ? and(asked, { served: rest, fetched: [...fetched, certificate] }, 'removed', 'served, and fetched')
    : and(
        asked,
        { served: rest, known: [...known, { certificate, where: 'elsewhere', anchor: false }] },
        'removed',
        'served, and known',
      )
}

/** What was fetched or is known may be the very thing that is missing, and yet is not to be believed. */
const showAnchors: Change = (asked, _stock, random) => {
  const { served, anchors, known, fetched } = asked.input
  const all = [...anchors, ...served.flatMap(({ certificate }) => certificate ?? [])]
  if (all.length === 0) return null
  const certificate = random.pick(all)
  return random.chance(0.5)
    ? and(asked, { fetched: [...fetched, certificate] }, 'forged', 'fetched')
    : and(asked, { known: [...known, { certificate, where: 'elsewhere', anchor: true }] }, 'forged', 'known')
}

const names = ['else.test', 'a.wild.test', '*.wild.test', 'test', '192.0.2.1', '192.0.2.9', '::1', 'backend.test.', '']

const askName: Change = (asked, _stock, random) =>
  and(asked, { names: random.chance(0.1) ? [] : [random.pick(names)] }, 'asked', 'name')

const askTime: Change = (asked, _stock, random) => {
  const { input } = asked
  const certificate = random.pick(input.served)?.certificate
  const times = [
    Date.UTC(1990, 0, 1),
    Date.UTC(2060, 0, 1),
    ...(certificate == null
      ? []
      : [certificate.notBefore - 1000, certificate.notBefore, certificate.notAfter, certificate.notAfter + 1000]),
  ]
  return and(asked, { time: random.pick(times) }, 'asked', 'time')
}

const forgeAnchor: Change = (asked, _stock, random) => {
  const { anchors, served } = asked.input
  if (anchors.length === 0) return null
  const index = random.below(anchors.length)
  const { certificate } = presented(mutantOf(asked, served.length + index, random))
  return certificate === null ? null : and(asked, { anchors: anchors.with(index, certificate) }, 'asked', 'anchor')
}

function readList(der: Buffer): Crl | null {
  try {
    return parseCrl(der)
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    return null
  }
}

const forgeList: Change = (asked, _stock, random) => {
  const { crls } = asked.input
  if (crls === null || crls.length === 0) return null
  const index = random.below(crls.length)
  const changed = readList(
    mutant(
      crls.map(({ der }) => seedFor(der)),
      index,
      random,
    ),
  )
  return and(
    asked,
    { crls: changed === null ? crls.toSpliced(index, 1) : crls.with(index, changed) },
    'lists',
    changed === null ? 'cut' : 'forged',
  )
}

const removeList: Change = (asked, _stock, random) => {
  const { crls } = asked.input
  if (crls === null || crls.length === 0) return null
  return and(asked, { crls: crls.toSpliced(random.below(crls.length), 1) }, 'lists', 'cut')
}

/** An entry of a list that is not about anybody here is changed, and the list signed again: who was revoked still is. */
const reviseList: Change = (asked, { signers }, random) => {
  const { crls, served, anchors } = asked.input
  if (crls === null || crls.length === 0) return null
  const index = random.below(crls.length)
  const list = crls[index] as Crl
  const signer = signerOf(list.issuer.canonical, [...served.flatMap((it) => it.certificate ?? []), ...anchors], signers)
  const parts = partsOf(list.tbs)
  const at = parts?.findIndex(({ tag }, place) => tag === 0x30 && place > 3) ?? -1
  const entries = parts?.[at] === undefined ? null : elementsIn(parts[at].content)
  if (signer === null || parts === null || entries === null) return null
  const mine = served.flatMap(({ certificate }) => certificate?.serialBytes ?? [])
  const spare = entries.filter(({ whole }) => !mine.some((serial) => whole.includes(serial)))
  if (spare.length === 0) return null
  const victim = random.pick(spare)
  const changed = entries.map((entry) => (entry === victim ? mutant([seedFor(entry.whole)], 0, random) : entry.whole))
  const tbs = tlv(0x30, ...parts.map(({ whole }, place) => (place === at ? tlv(0x30, ...changed) : whole)))
  const revised = readList(signed(tbs, signer))
  return and(
    asked,
    { crls: revised === null ? crls.toSpliced(index, 1) : crls.with(index, revised) },
    'lists',
    revised === null ? 'cut' : 'revised',
  )
}

/** The key of that name, where it is at hand. */
function signerOf(
  canonical: string,
  certificates: readonly Certificate[],
  signers: ReadonlyMap<string, Signer>,
): Signer | null {
  for (const { subject, publicKey } of certificates) {
    const signer = subject.canonical === canonical ? signers.get(publicKey.spki.toString('base64')) : undefined
    if (signer !== undefined) return signer
  }
  return null
}

/** Changes the signed part of a served certificate and has it signed again. */
function resigned(
  asked: Asked,
  { signers }: Stock,
  index: number,
  kind: Kind,
  what: string,
  change: (tbs: Buffer) => Buffer | null,
): Asked | null {
  const { served, anchors } = asked.input
  const certificate = served[index]?.certificate
  if (certificate == null) return null
  const all = [...served.flatMap((it) => it.certificate ?? []), ...anchors]
  const signer = signerOf(certificate.issuer.canonical, all, signers)
  const tbs = signer === null ? null : change(certificate.tbs)
  if (signer === null || tbs === null) return null
  return and(asked, { served: served.with(index, presented(signed(tbs, signer))) }, kind, what, tbs)
}

const signMutant: Change = (asked, stock, random) => {
  const { served } = asked.input
  if (served.length === 0) return null
  const index = random.below(served.length)
  const neighbours = served.flatMap(({ certificate }) => (certificate === null ? [] : [seedFor(certificate.tbs)]))
  return resigned(asked, stock, index, 'signed', index === 0 ? 'leaf' : 'issuer', (tbs) =>
    mutant([seedFor(tbs), ...neighbours], 0, random),
  )
}

/** Extensions dropped, doubled, swapped with each other's values, or taken from a neighbour. */
const signExtensions: Change = (asked, stock, random) => {
  const { served } = asked.input
  if (served.length === 0) return null
  const index = random.below(served.length)
  const donor = random.pick(served).certificate
  return resigned(asked, stock, index, 'signed', 'extensions', (tbs) => {
    const list = extensionsOf(tbs)
    if (list === null || list.length === 0) return null
    const [one, other] = [random.pick(list), random.pick(list)]
    switch (random.below(4)) {
      case 0:
        return withExtensions(tbs, (all) => all.filter((it) => it !== one.whole))
      case 1:
        return withExtensions(tbs, (all) => [...all, one.whole])
      case 2:
        return withExtensions(tbs, (all) =>
          all.map((it) => (it === one.whole ? tlv(0x30, one.id, tlv(0x01, '\xff'), tlv(0x04, other.value)) : it)),
        )
      default: {
        const foreign = donor === null ? null : extensionsOf(donor.tbs)
        if (foreign === null || foreign.length === 0) return null
        const taken = random.pick(foreign)
        return withExtensions(tbs, () => [
          ...list.filter(({ id }) => !id.equals(taken.id)).map(({ whole }) => whole),
          taken.whole,
        ])
      }
    }
  })
}

function withExtensions(tbs: Buffer, change: (all: readonly Buffer[]) => readonly Buffer[]): Buffer | null {
  const parts = partsOf(tbs)
  const list = extensionsOf(tbs)
  if (parts === null || list === null) return null
  const next = change(list.map(({ whole }) => whole))
  const rest = parts.filter(({ tag }) => tag !== 0xa3).map(({ whole }) => whole)
  return tlv(0x30, ...rest, ...(next.length === 0 ? [] : [tlv(0xa3, tlv(0x30, ...next))]))
}

/** Replaces an extension, or takes it away. */
const withExtension = (tbs: Buffer, id: string, next: Buffer | null): Buffer | null => {
  const list = extensionsOf(tbs)
  const wanted = oid(id)
  if (list === null) return null
  const rest = list.filter((it) => !it.id.equals(wanted)).map(({ whole }) => whole)
  return withExtensions(tbs, () => (next === null ? rest : [...rest, next]))
}

/** Replaces one of the fields in front: 4 dates, 5 subject. */
function withField(tbs: Buffer, index: number, next: Buffer): Buffer | null {
  const parts = partsOf(tbs)
  if (parts?.[0]?.tag !== 0xa0 || parts.length < 7) return null
  return tlv(0x30, ...parts.map(({ whole }, at) => (at === index ? next : whole)))
}

type Poison = (tbs: Buffer, random: Random) => Buffer | null

const san = '2.5.29.17'
/** No host that is asked for below is covered by any of these; the oracle of the audit says so again. */
const wrongNames: readonly Buffer[] = [
  dns('else.test'),
  dns('xbackend.test'),
  dns('backend.test.evil.test'),
  dns('backend.test\0.evil.test'),
  dns('backend.test\0'),
  dns('backend.test '),
  dns(' backend.test'),
  dns('backend.test.'),
  dns('.backend.test'),
  dns('*.test'),
  dns('*'),
  dns('*.*'),
  dns('*.backend.test'),
  dns('*backend.test'),
  dns('b*.test'),
  dns('back*.test'),
  dns('backend.*'),
  dns('backend.test:443'),
  dns('https://backend.test'),
  dns(''),
  ip([192, 0, 2, 77]),
  ip([]),
  tlv(0x81, 'backend.test'),
  tlv(0x86, 'backend.test'),
  tlv(0x86, 'https://backend.test/'),
  tlv(0xa4, name('backend.test')),
  tlv(0xa0, oid('1.2.3'), tlv(0xa0, tlv(0x0c, 'backend.test'))),
  tlv(0xa2, tlv(0x16, 'backend.test')),
  tlv(0x87, 'backend.test'),
]

const common: Readonly<Record<string, Poison>> = {
  ended: (tbs) => withField(tbs, 4, tlv(0x30, utc('240101000000Z'), utc('291231235959Z'))),
  'to come': (tbs) => withField(tbs, 4, tlv(0x30, utc('300101000001Z'), utc('440101000000Z'))),
  'ended before it began': (tbs) => withField(tbs, 4, tlv(0x30, utc('440101000000Z'), utc('240101000000Z'))),
  'unknown critical': (tbs) => withExtension(tbs, '1.2.3.4.5', extension('1.2.3.4.5', tlv(0x05), true)),
  'for clients': (tbs) => withExtension(tbs, '2.5.29.37', extension('2.5.29.37', tlv(0x30, oid(purposeOids.client)))),
}

const ofLeaf: Readonly<Record<string, Poison>> = {
  ...common,
  'no names': (tbs) => withExtension(tbs, san, null),
  'wrong names': (tbs, random) => {
    const count = 1 + random.below(3)
    const list = Array.from({ length: count }, () => random.pick(wrongNames))
    return withExtension(tbs, san, extension(san, tlv(0x30, ...list), random.chance(0.3)))
  },
  'a name behind broken ones': (tbs) =>
    withExtension(tbs, san, extension(san, tlv(0x30, tlv(0xa4, '\x30\x05'), dns('backend.test')))),
}

const bounds = (permitted: Buffer[], excluded: Buffer[]): Buffer =>
  extension(
    '2.5.29.30',
    tlv(
      0x30,
      ...(permitted.length === 0 ? [] : [tlv(0xa0, ...permitted.map((it) => tlv(0x30, it)))]),
      ...(excluded.length === 0 ? [] : [tlv(0xa1, ...excluded.map((it) => tlv(0x30, it)))]),
    ),
    true,
  )

const ofIssuer: Readonly<Record<string, Poison>> = {
  ...common,
  'no basic constraints': (tbs) => withExtension(tbs, '2.5.29.19', null),
  'no CA': (tbs) => withExtension(tbs, '2.5.29.19', extension('2.5.29.19', tlv(0x30), true)),
  'may not sign': (tbs) =>
    withExtension(tbs, '2.5.29.15', extension('2.5.29.15', tlv(0x03, Buffer.from('0102', 'hex')), true)),
  'other names permitted': (tbs) => withExtension(tbs, '2.5.29.30', bounds([dns('else.test')], [])),
  'its name excluded': (tbs, random) =>
    withExtension(tbs, '2.5.29.30', bounds([], [dns(random.pick(['backend.test', 'test', 'BACKEND.test']))])),
  renamed: (tbs) => withField(tbs, 5, name('Somebody else')),
}

/** One change by the real issuer that has to be refused, whatever else was done to the rest. */
const poison: Change = (asked, stock, random) => {
  if (asked.done.some(({ kind }) => kind === 'asked')) return null
  const { served, names: expected, purpose } = asked.input
  if (served.length < 2 || expected?.[0] !== 'backend.test' || purpose !== 'server') return null
  const index = random.below(served.length)
  if (index > 0 && !standsAlone(asked, index)) return null
  const list = Object.entries(index === 0 ? ofLeaf : ofIssuer)
  const [what, apply] = random.pick(list)
  return resigned(asked, stock, index, 'poisoned', what, (tbs) => apply(tbs, random))
}

/** No path goes round this certificate: it is as it was made, nobody else has its name, and no copy of it is about. */
function standsAlone({ input, done }: Asked, index: number): boolean {
  const subject = input.served[index]?.certificate?.subject.canonical
  const all = [...input.served.map(({ certificate }) => certificate), ...input.anchors, ...input.intermediates]
  const namesakes = all.filter((certificate) => certificate?.subject.canonical === subject)
  return namesakes.length === 1 && done.every(({ kind }) => kind !== 'forged' && kind !== 'signed')
}

/** The leaf's own number is put on the list of its issuer. */
const revoke: Change = (asked, { signers }, _random) => {
  const { crls, served, anchors, mode } = asked.input
  const leaf = served[0]?.certificate
  if (crls === null || leaf == null || mode === 'runtime') return null
  const index = crls.findIndex(({ issuer }) => issuer.canonical === leaf.issuer.canonical)
  const list = crls[index]
  const signer = signerOf(leaf.issuer.canonical, [...served.flatMap((it) => it.certificate ?? []), ...anchors], signers)
  const parts = list === undefined ? null : partsOf(list.tbs)
  const at = parts?.findIndex(({ tag }, place) => tag === 0x30 && place > 3) ?? -1
  if (signer === null || parts?.[at] === undefined) return null
  const entries = Buffer.concat([parts[at].content, revocation(leaf.serialBytes)])
  const tbs = tlv(0x30, ...parts.map(({ whole }, place) => (place === at ? tlv(0x30, entries) : whole)))
  const revised = readList(signed(tbs, signer))
  return revised === null ? null : and(asked, { crls: crls.with(index, revised) }, 'poisoned', 'revoked')
}

/** The list of the leaf's issuer is signed again, with dates that are not today's. */
const outdate: Change = (asked, { signers }, random) => {
  const { crls, served, anchors, mode } = asked.input
  const leaf = served[0]?.certificate
  if (crls === null || leaf == null || mode === 'runtime' || asked.done.some(({ kind }) => kind === 'asked'))
    return null
  const index = crls.findIndex(({ issuer }) => issuer.canonical === leaf.issuer.canonical)
  const list = crls[index]
  const parts = list === undefined ? null : partsOf(list.tbs)
  const all = [...served.flatMap((it) => it.certificate ?? []), ...anchors]
  const signer = signerOf(leaf.issuer.canonical, all, signers)
  if (signer === null || parts?.[3]?.tag !== 0x17 || parts[4]?.tag !== 0x17) return null
  const [from, to] = random.pick([
    ['240101000000Z', '291231235959Z'],
    ['300101000001Z', '440101000000Z'],
  ] as const)
  const next = parts.map(({ whole }, at) => (at === 3 ? utc(from) : at === 4 ? utc(to) : whole))
  const revised = readList(signed(tlv(0x30, ...next), signer))
  return revised === null ? null : and(asked, { crls: crls.with(index, revised) }, 'poisoned', 'a list not of today')
}

/** How often each is picked. */
export const changes: readonly (readonly [weight: number, change: Change])[] = [
  [6, forge],
  [2, forgeBeside],
  [1, transplant],
  [2, removeServed],
  [2, removeAnchor],
  [1, shuffle],
  [3, addOther],
  [1, showAnchors],
  [2, withhold],
  [1, askName],
  [1, askTime],
  [1, forgeAnchor],
  [3, forgeList],
  [1, removeList],
  [3, reviseList],
  [4, signMutant],
  [3, signExtensions],
]

/** To be done last, so that nothing takes it back. */
export const poisons: readonly Change[] = [poison, poison, poison, revoke, outdate]
