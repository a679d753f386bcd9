import type { Random } from '../support/random.ts'
import type { Field } from './blocks.ts'

const common = ['accept', 'user-agent', 'cache-control', 'x-request-id', 'content-type', 'etag', 'grpc-timeout', 'link']
const nameBytes = "abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~"
const valueBytes = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('')

/** Fields that any HTTP/2 implementation takes, each name once; some repeat what earlier ones said, some are large. */
export function randomFields(random: Random): readonly Field[] {
  const fields = new Map<string, string>()
  for (let count = random.below(10); count > 0; count--) {
    const name = random.chance(0.6)
      ? random.pick(common)
      : `x-${random.text(nameBytes, 1, random.chance(0.1) ? 150 : 12)}`
    const most = random.chance(0.05) ? 6000 : random.chance(0.2) ? 200 : 12
    const value = random.chance(0.3)
      ? random.pick(['a', 'b', 'longer value', '1'])
      : random.text(valueBytes, 0, most).trim()
    fields.set(name, value)
  }
  return [...fields]
}

export function pairs(flat: readonly string[]): readonly Field[] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [
    flat[2 * index] as string,
    flat[2 * index + 1] as string,
  ])
}

/** In an order of their own: node:http2 puts some fields first. */
export function sorted(fields: readonly Field[]): readonly string[] {
  return fields.map(([name, value]) => `${name}: ${value}`).sort()
}

/** As header lines of HTTP/1.1, names in any case. */
export function asLines(random: Random, fields: readonly Field[]): string {
  return fields
    .map(
      ([name, value]) =>
        `${random.chance(0.5) ? name.toUpperCase() : name}:${random.pick(['', ' ', '\t '])}${value}\r\n`,
    )
    .join('')
}
