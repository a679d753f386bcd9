import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'
import * as fc from 'fast-check'
import { readWhole } from '../../src/x509/der.ts'
import { readSubjectAltNames } from '../../src/x509/extensions.ts'
import { covers } from '../../src/x509/host-names.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { tlv } from '../x509/der-make.ts'
import { checker, Disagreement, type Input, type Target } from './target.ts'

const [dnsTag, ipTag] = [0x82, 0x87]

/** Host, then names as one byte of tag and the content. Hosts come from few letters, so that names are often nearly theirs. */
export const x509Names: Target = {
  name: 'x509-names',
  inputs: fc.nat().map((seed) => inputOf(seededRandom(seed))),
  start: () =>
    checker(({ parts: [hostBytes = Buffer.alloc(0), ...entries] }) => {
      const host = hostBytes.toString('utf8')
      const names = entries.filter(({ length }) => length > 0)
      const list = names.map((name) => tlv(name[0] === ipTag ? ipTag : dnsTag, name.subarray(1)))
      const subjectAltNames = readSubjectAltNames(readWhole(tlv(0x30, ...list)), () => {})
      const covered = covers({ subjectAltNames }, host)
      const right = names.some((name) =>
        name[0] === ipTag ? addressIs(name.subarray(1), host) : nameIs(name.subarray(1), host),
      )
      if (covered && !right)
        throw new Disagreement('covers a name that it must not', { host, names: names.map(String) })
      if (covered && control.test(host)) throw new Disagreement('covers a name with control characters')
      if (!covered && right && plain.test(host))
        throw new Disagreement('does not cover a name that it should', { host })
      return covered ? 'covered' : 'not covered'
    }),
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
  if (mine.length !== theirs.length || mine.some((label) => label === '')) return false
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

function inputOf(random: Random): Input {
  const host = hostOf(random)
  const entries = Array.from({ length: 1 + random.below(3) }, () => {
    if (random.chance(0.2)) return Buffer.concat([Buffer.from([ipTag]), addressBytes(random)])
    const near = random.chance(0.6) ? random.pick(shapes)(host) : hostOf(random)
    const text = random.chance(0.2) ? `${near}${random.pick(odd)}` : random.chance(0.1) ? near.toUpperCase() : near
    return Buffer.concat([Buffer.from([dnsTag]), Buffer.from(text, random.chance(0.5) ? 'utf8' : 'latin1')])
  })
  return { parts: [Buffer.from(host, 'utf8'), ...entries], knob: 0 }
}

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
