import { isIPv4, isIPv6 } from 'node:net'

/** The 4 or 16 bytes of an IP literal in any spelling, or null where the text is none. A zone is not part of an identity. */
export function ipBytes(text: string): Buffer | null {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (isIPv4(bare)) return Buffer.from(bare.split('.').map(Number))
  if (!isIPv6(bare) || bare.includes('%')) return null
  const [head = '', tail] = bare.split('::')
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => 0)
  const bytes = Buffer.alloc(16)
  for (const [index, group] of [...left, ...zeros, ...right].entries()) bytes.writeUInt16BE(group, index * 2)
  return bytes
}

/** Text of 4 or 16 bytes, IPv6 in the form of RFC 5952; null for any other length. */
export function ipText(bytes: Uint8Array): string | null {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) return null
  const words = Array.from(
    { length: 8 },
    (_, index) => ((bytes[index * 2] as number) << 8) | (bytes[index * 2 + 1] as number),
  )
  const [at, length] = longestZeros(words)
  const hex = words.map((word) => word.toString(16))
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, at).join(':')}::${hex.slice(at + length).join(':')}`
}

function groups(part: string): number[] {
  if (part === '') return []
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a, b, c, d] = group.split('.').map(Number) as [number, number, number, number]
    return [(a << 8) | b, (c << 8) | d]
  })
}

function longestZeros(words: readonly number[]): [at: number, length: number] {
  let best: [number, number] = [0, 0]
  for (let at = 0; at < words.length; at += 1) {
    let end = at
    while (words[end] === 0) end += 1
    if (end - at > best[1]) best = [at, end - at]
  }
  return best
}
