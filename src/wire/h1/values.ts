import { isIPv6 } from 'node:net'
import { COLON, HT, isHostName, isToken, SP } from '../bytes.ts'

/** End of buf[start, end) without trailing OWS. */
export function trimmedEnd(buf: Uint8Array, start: number, end: number): number {
  let at = end
  while (at > start && (buf[at - 1] === SP || buf[at - 1] === HT)) at--
  return at
}

/** The number in buf[start, end): 1 to 15 ASCII digits and nothing else (no sign, space, list or exponent); -1 otherwise. */
export function decimal(buf: Uint8Array, start: number, end: number): number {
  const digits = end - start
  if (digits < 1 || digits > 15) return -1
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = (buf[at] as number) - 0x30
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

/** Whether buf[start, end) is `word` (lower case), case-insensitively. */
export function isWord(buf: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false
  for (let i = 0; i < word.length; i++) {
    let byte = buf[start + i] as number
    if (byte >= 0x41 && byte <= 0x5a) byte |= 0x20
    if (byte !== word.charCodeAt(i)) return false
  }
  return true
}

/** Whether buf[start, end) is host[:port], the host being a name, an IPv4 address or an IPv6 address in brackets. */
export function isAuthority(buf: Uint8Array, start: number, end: number): boolean {
  let at = start
  if (buf[at] === 0x5b) {
    const close = buf.indexOf(0x5d, at)
    if (close === -1 || close >= end || close - at > 46) return false
    const address = String.fromCharCode(...buf.subarray(at + 1, close))
    // A zone means something on the client's machine only (RFC 6874 section 4).
    if (!isIPv6(address) || address.includes('%')) return false
    at = close + 1
  } else {
    while (at < end && isHostName[buf[at] as number] === 1) at++
    if (at === start) return false
  }
  if (at === end) return true
  if (buf[at] !== COLON || end - at > 6) return false
  for (at++; at < end; at++) {
    const digit = (buf[at] as number) - 0x30
    if (digit < 0 || digit > 9) return false
  }
  return true
}

/**
 * An Upgrade value (RFC 9110 section 7.8) as it may be asked of a backend; '' where the offer is ignored, null when it is
 * no list of protocols. HTTP and TLS are never tunnelled: a client could then speak to the backend past routing,
 * verification of its requests and log (h2c smuggling).
 */
export function upgradeProtocols(value: string): string | null {
  let any = false
  let ignored = false
  for (const part of value.split(',')) {
    const protocol = trimmed(part).toLowerCase()
    if (protocol === '') continue
    const slash = protocol.indexOf('/')
    const name = slash === -1 ? protocol : protocol.slice(0, slash)
    if (!isTokenText(name) || (slash !== -1 && !isTokenText(protocol.slice(slash + 1)))) return null
    any = true
    if (name === 'h2c' || name === 'h2' || name === 'http' || name === 'tls') ignored = true
  }
  return !any ? null : ignored ? '' : value
}

export interface ConnectionOptions {
  readonly close: boolean
  readonly keepAlive: boolean
  readonly upgrade: boolean
  /** Further nominated field names, lower case; null where there are none. */
  readonly others: readonly string[] | null
}

const closeOnly: ConnectionOptions = { close: true, keepAlive: false, upgrade: false, others: null }
const keepAliveOnly: ConnectionOptions = { close: false, keepAlive: true, upgrade: false, others: null }
const upgradeOnly: ConnectionOptions = { close: false, keepAlive: false, upgrade: true, others: null }

/** Reads a Connection value (RFC 9110 section 7.6.1); null when it is not a list of tokens. */
export function connectionOptions(value: string): ConnectionOptions | null {
  switch (value) {
    case 'keep-alive':
    case 'Keep-Alive':
      return keepAliveOnly
    case 'close':
      return closeOnly
    case 'Upgrade':
    case 'upgrade':
      return upgradeOnly
  }
  let close = false
  let keepAlive = false
  let upgrade = false
  let others: string[] | null = null
  for (const part of value.split(',')) {
    const option = trimmed(part).toLowerCase()
    if (option === '') continue
    if (!isTokenText(option)) return null
    if (option === 'close') close = true
    else if (option === 'keep-alive') keepAlive = true
    else if (option === 'upgrade') upgrade = true
    else if (option !== 'te' && option !== 'http2-settings') (others ??= []).push(option)
  }
  return { close, keepAlive, upgrade, others }
}

/**
 * Fields that Connection may not nominate: taking them away would change framing, routing or who the request is from,
 * which is what hop-by-hop abuse does.
 */
const notNominable = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'expect',
  'content-type',
  'content-encoding',
  'content-range',
  'authorization',
  'cookie',
  'set-cookie',
])

/** `lines` without the nominated fields (RFC 9110 section 7.6.1: they are removed); null where one may not be nominated. */
export function nominatedFields(lines: string, names: readonly string[]): string | null {
  for (const name of names) if (notNominable.has(name)) return null
  let kept = ''
  let at = 0
  while (at < lines.length) {
    const end = lines.indexOf('\r\n', at) + 2
    const colon = lines.indexOf(':', at)
    if (!names.includes(lines.slice(at, colon).toLowerCase())) kept += lines.slice(at, end)
    at = end
  }
  return kept
}

function isTokenText(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (isToken[text.charCodeAt(i)] !== 1) return false
  return text !== ''
}

/** Without OWS at both ends. Not a pattern: those that end in `$` are quadratic in white space that a client chooses. */
function trimmed(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isOws(text.charCodeAt(start))) start++
  while (end > start && isOws(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isOws(code: number): boolean {
  return code === SP || code === HT
}
