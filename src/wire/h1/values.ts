import { HT, isToken, SP } from '../bytes.ts'

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
    for (let i = 0; i < option.length; i++) if (isToken[option.charCodeAt(i)] !== 1) return null
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
  'authorization',
  'cookie',
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

function trimmed(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '')
}
