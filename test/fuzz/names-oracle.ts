import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'
import { type PlainElement, partsOf } from './plain-der.ts'

export const [dnsTag, ipTag] = [0x82, 0x87]

/** The entries of subject alternative names, null where the value is not DER to the last byte. */
export function claimsOf(value: Buffer): PlainElement[] | null {
  return value[0] === 0x30 ? partsOf(value) : null
}

/** Whether one of the entries is for this host or address; stands on nothing of what is tested. */
export const claimsHost = (entries: readonly PlainElement[], host: string): boolean =>
  entries.some(({ tag, content }) =>
    tag === ipTag ? addressIs(content, host) : tag === dnsTag && nameIs(content, host),
  )

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
