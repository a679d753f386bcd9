import * as fc from 'fast-check'
import { DerError, readWhole } from '../../src/x509/der.ts'
import { readSubjectAltNames } from '../../src/x509/extensions.ts'
import { covers } from '../../src/x509/host-names.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { tlv } from '../x509/der-make.ts'
import { name, oid } from '../x509/signed-make.ts'
import { mutant, type Seed, seedOf } from './der-mutations.ts'
import { claimsHost, claimsOf, dnsTag, ipTag } from './names-oracle.ts'
import { checker, Disagreement, type Input, type Target } from './target.ts'

const [mailTag, uriTag, directoryTag, ridTag] = [0x81, 0x86, 0xa4, 0x88]

/** Host, then the value of the extension. Hosts come from few letters, so that names are often nearly theirs. */
export const x509Names: Target = {
  name: 'x509-names',
  inputs: fc.noBias(fc.nat()).map((seed) => inputOf(seededRandom(seed))),
  start: () =>
    checker(({ parts: [hostBytes = Buffer.alloc(0), value = Buffer.alloc(0)] }) => {
      const host = hostBytes.toString('utf8')
      const read = namesOf(value)
      const covered = read !== null && covers({ subjectAltNames: read }, host)
      const claims = claimsOf(value)
      const names = claims ?? []
      const right = claimsHost(names, host)
      if (covered && !right)
        throw new Disagreement('covers a name that it must not', { host, value: value.toString('hex') })
      if (covered && control.test(host)) throw new Disagreement('covers a name with control characters')
      if (!covered && right && plain.test(host) && names.every(({ tag }) => simpleTags.has(tag)))
        throw new Disagreement('does not cover a name that it should', { host, value: value.toString('hex') })
      if (covered) return 'covered'
      return claims === null ? 'not covered, no DER' : read === null ? 'not covered, refused' : 'not covered'
    }),
}

/** What has no structure of its own that could be wrong. */
const simpleTags: ReadonlySet<number> = new Set([mailTag, dnsTag, uriTag, ipTag])

function namesOf(value: Buffer): ReturnType<typeof readSubjectAltNames> | null {
  try {
    return readSubjectAltNames(readWhole(value), () => {})
  } catch (error) {
    if (error instanceof DerError && error.offset >= 0 && error.offset <= value.length) return null
    throw error
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must never match
const control = /[\0-\x20\x7f]/
/** Hosts on which nothing but the rule itself decides. */
const plain = /^[a-z]+(?:\.[a-z]+)*$|^\d{1,3}(?:\.\d{1,3}){3}$/

const labels = ['a', 'b', 'test', 'co', '*', 'a*', '*a', 'x-y', '_s', 'xn--4ca', 'A', '', '-', '1', '10', '255']
const odd = ['\0', '\n', ' ', '\x7f', '.', '..', '\\00', '%', ':', '\xe4', '\u212a', '\u3002', '\uff0e', '\u2024', ']']
const addresses = [
  '10.0.0.1',
  '::1',
  '[::1]',
  '2001:db8::1',
  '::ffff:10.0.0.1',
  '10.1',
  '0x7f.1',
  'fe80::1%1',
  '010.0.0.1',
]

function hostOf(random: Random): string {
  if (random.chance(0.15)) return random.pick(addresses)
  let host = Array.from({ length: 1 + random.below(4) }, () => random.pick(labels)).join('.')
  if (random.chance(0.2)) host += '.'
  if (random.chance(0.15)) {
    const at = random.below(host.length + 1)
    host = host.slice(0, at) + random.pick(odd) + host.slice(at)
  }
  return host
}

/** Names that are the host's, or nearly. */
const shapes: readonly ((host: string) => string)[] = [
  (host) => host,
  (host) => host.replace(/^[^.]*/, '*'),
  (host) => host.replace(/^[^.]*\.[^.]*/, '*'),
  (host) => `*.${host}`,
  (host) => host.replace(/^[^.]*/, '*$&'),
  (host) => host.replace(/^([^.]*)\.[^.]*/, '$1.*'),
]

const corpus: readonly Seed[] = [
  seedOf(tlv(0x30, tlv(dnsTag, 'a.b.test'), tlv(ipTag, Buffer.from([10, 0, 0, 1])))),
  seedOf(tlv(0x30, tlv(directoryTag, name('a.b.test')), tlv(uriTag, 'https://a.b.test/'))),
]

function inputOf(random: Random): Input {
  const host = hostOf(random)
  const entries = Array.from({ length: 1 + random.below(3) }, () => entryFor(host, random))
  const value = tlv(0x30, ...entries)
  const changed = random.chance(0.3) ? mutant([seedOf(value), ...corpus], 0, random) : value
  return { parts: [Buffer.from(host, 'utf8'), changed], knob: 0 }
}

function entryFor(host: string, random: Random): Buffer {
  if (random.chance(0.2)) return tlv(ipTag, addressBytes(random))
  const near = random.chance(0.6) ? random.pick(shapes)(host) : hostOf(random)
  const text = random.chance(0.2) ? `${near}${random.pick(odd)}` : random.chance(0.1) ? near.toUpperCase() : near
  const bytes = Buffer.from(text, random.chance(0.5) ? 'utf8' : 'latin1')
  // The host where it counts for nothing.
  if (random.chance(0.15)) return random.pick(elsewhere)(bytes)
  return tlv(dnsTag, bytes)
}

const elsewhere: readonly ((text: Buffer) => Buffer)[] = [
  (text) => tlv(mailTag, text),
  (text) => tlv(uriTag, text),
  (text) => tlv(ridTag, text),
  (text) => tlv(directoryTag, name(text.toString('latin1'))),
  (text) => tlv(0xa0, oid('1.2.3'), tlv(0xa0, tlv(0x0c, text))),
  // As IA5String, and constructed.
  (text) => tlv(0x16, text),
  (text) => tlv(0xa2, tlv(0x16, text)),
]

function addressBytes(random: Random): Buffer {
  const bytes = [
    [10, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1],
    [10, 0, 0],
    [],
  ]
  return Buffer.from(random.pick(bytes))
}
