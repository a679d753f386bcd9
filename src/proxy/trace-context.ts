/*
 * W3C Trace Context: the header fields traceparent and tracestate, as Level 1 (Recommendation) and Level 2 have them.
 */

export interface TraceParent {
  /** 32 hex digits, lower case; not all zero. */
  readonly traceId: string
  /** 16 of them. */
  readonly parentId: string
  /** As far as version 00 knows them: bit 0 `sampled`, bit 1 `random` (Level 2). */
  readonly flags: number
}

export const sampledFlag = 1
const knownFlags = 3

/** traceparent as it came, without white space around it; null when it is not valid. */
export function parseTraceParent(value: string): TraceParent | null {
  const match = form.exec(value)
  if (match === null) return null
  const [, version, traceId, parentId, flags, rest] = match as unknown as readonly string[]
  // Of a version that is not known the first 55 characters say what those of 00 do, and more may follow a dash.
  if (version === 'ff' || (version === '00' && rest !== '')) return null
  if (traceId === noTrace || parentId === noSpan) return null
  return {
    traceId: traceId as string,
    parentId: parentId as string,
    flags: Number.parseInt(flags as string, 16) & knownFlags,
  }
}

/** In version 00, which is the one that is spoken here. */
export function traceParentText({ traceId, parentId, flags }: TraceParent): string {
  return `00-${traceId}-${parentId}-0${flags & knownFlags}`
}

/**
 * tracestate of its lines, in their order: members that are not valid, or come a second time, are left out; of more than
 * there is room for, long ones go first and then the last (section 3.3.1.5 of Level 2). '' where nothing is left.
 */
export function parseTraceState(lines: readonly string[]): string {
  const members: string[] = []
  const keys = new Set<string>()
  for (const line of lines) {
    for (const part of line.split(',')) {
      const match = member.exec(withoutOuterSpace(part))
      if (match === null) continue
      const [text, key] = match as unknown as readonly [string, string]
      if (keys.has(key)) continue
      keys.add(key)
      members.push(text)
    }
  }
  return fitting(members.slice(0, maxMembers))
}

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(|-.*)$/s
const noTrace = '0'.repeat(32)
const noSpan = '0'.repeat(16)

const maxMembers = 32
const maxCharacters = 512
const longMember = 128

/** Key and value of Level 2, which takes what Level 1 does. */
const member = /^([a-z0-9][a-z0-9_\-*/@]{0,255})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

/** Without OWS (RFC 9110 section 5.6.3). No pattern: one for both ends takes time by the square of white space in between. */
function withoutOuterSpace(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text.charCodeAt(start))) start++
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

const isSpace = (code: number): boolean => code === 0x20 || code === 0x09

function fitting(members: readonly string[]): string {
  let over = members.join(',').length - maxCharacters
  const kept = [...members]
  const without = (at: number): void => {
    const [gone = ''] = kept.splice(at, 1)
    over -= gone.length + 1
  }
  for (let at = members.length - 1; at >= 0; at--) {
    if (over > 0 && (members[at] as string).length > longMember) without(at)
  }
  for (let at = kept.length - 1; at >= 0; at--) {
    if (over > 0) without(at)
  }
  return kept.join(',')
}
