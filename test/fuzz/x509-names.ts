import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'
import * as fc from 'fast-check'
import { DerError, readWhole } from '../../src/x509/der.ts'
import { readSubjectAltNames } from '../../src/x509/extensions.ts'
import { covers } from '../../src/x509/host-names.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { tlv } from '../x509/der-make.ts'
import { name, oid } from '../x509/signed-make.ts'
import { mutant, type Seed, seedOf } from './der-mutations.ts'
import { checker, Disagreement, type Input, type Target } from './target.ts'

const [mailTag, dnsTag, uriTag, ipTag, directoryTag, ridTag] = [0x81, 0x82, 0x86, 0x87, 0xa4, 0x88]

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
      const right = names.some(({ tag, content }) =>
        tag === ipTag ? addressIs(content, host) : tag === dnsTag && nameIs(content, host),
      )
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

interface Claim {
  readonly tag: number
  readonly content: Buffer
}

/** The entries of a SEQUENCE, null where it is not DER to the last byte. Stands on nothing of what is tested. */
function claimsOf(value: Buffer): Claim[] | null {
  const whole = elementsIn(value)
  return whole?.length === 1 && whole[0]?.tag === 0x30 ? elementsIn(whole[0].content) : null
}

function elementsIn(bytes: Buffer): Claim[] | null {
  const found: Claim[] = []
  for (let at = 0; at < bytes.length; ) {
    const [tag, first] = [bytes[at] as number, bytes[at + 1]]
    if (first === undefined || (tag & 0x1f) === 0x1f || first === 0x80 || first > 0x84) return null
    const size = first < 0x80 ? 0 : first & 0x7f
    const body = at + 2 + size
    if (body > bytes.length) return null
    const length = size === 0 ? first : bytes.readUIntBE(at + 2, size)
    // The shortest form only.
    if (size > 0 && (length < 0x80 || length < 256 ** (size - 1))) return null
    if (body + length > bytes.length) return null
    found.push({ tag, content: bytes.subarray(body, body + length) })
    at = body + length
  }
  return found
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must never match
const control = /[\0-\x20\x7f]/
/** Hosts on which nothing but the rule itself decides. */
const plain = /^[a-z]+(?:\.[a-z]+)*$|^\d{1,3}(?:\.\d{1,3}){3}$/

const nonAscii = /[^\0-\x7f]/

/** RFC 9525 section 6.3, on labels; stands on nothing of what is tested. */
function nameIs(presented: Buffer, host: string): boolean {
  const bare = host.replace(/\.$/, '')
  // The function reads `1` as an address, so that only what needs it goes through it.
  const ascii = nonAscii.test(bare) ? domainToASCII(bare) : bare
  const [mine, theirs] = [ascii.toLowerCase().split('.'), presented.toString('latin1').toLowerCase().split('.')]
  if (isIPv4(host) || isIPv6(host.replace(/^\[(.*)\]$/, '$1'))) return false
  if (presented.some((byte) => byte <= 0x20 || byte >= 0x7f)) return false
  if (mine.length !== theirs.length || !mine.every((label) => /^[a-z0-9_-]+$/.test(label))) return false
  const wildcard = theirs[0] === '*' && theirs.length > 2
  return mine.every((label, index) => (index === 0 && wildcard) || label === theirs[index])
}

function addressIs(presented: Buffer, host: string): boolean {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  const family = isIPv4(bare) ? 'ipv4' : isIPv6(bare) && !bare.includes('%') ? 'ipv6' : null
  if (family === null || presented.length !== (family === 'ipv4' ? 4 : 16)) return false
  const list = new BlockList()
  const text =
    family === 'ipv4' ? presented.join('.') : (presented.toString('hex').match(/.{4}/g) as string[]).join(':')
  list.addAddress(text, family)
  return list.check(bare, family)
}

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
