import type { Fault } from '../faults/fault.ts'
import type { RecordedFault } from '../observe/recording.ts'

/** A fault that can be posted: its evidence as plain data, bounded in depth, width and length. (I10) */
export function recordedFault({ kind, verdict, party, summary, evidence }: Fault): RecordedFault {
  const plain = plainValue(evidence, 0)
  return {
    kind,
    verdict,
    party,
    summary: cut(summary),
    evidence: typeof plain === 'object' && plain !== null ? (plain as Record<string, unknown>) : {},
  }
}

const maxDepth = 8
const maxEntries = 64
const maxCharacters = 16_384

function plainValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return cut(value)
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'boolean':
      return value
    case 'bigint':
      return String(value)
    case 'object':
      return value === null ? null : plainObject(value, depth)
    default:
      return undefined
  }
}

function plainObject(value: object, depth: number): unknown {
  if (value instanceof Error) return cut(value.message)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '' : value.toISOString()
  if (value instanceof Uint8Array) return cut(Buffer.from(value.buffer, value.byteOffset, value.length).toString('hex'))
  if (depth >= maxDepth) return undefined
  if (Array.isArray(value)) return value.slice(0, maxEntries).map((each) => plainValue(each, depth + 1) ?? null)
  const plain: Record<string, unknown> = {}
  for (const [name, each] of Object.entries(value).slice(0, maxEntries)) {
    const one = plainValue(each, depth + 1)
    if (one !== undefined) plain[name] = one
  }
  return plain
}

function cut(text: string): string {
  return text.length <= maxCharacters ? text : text.slice(0, maxCharacters)
}
