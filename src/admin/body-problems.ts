import type { z } from 'zod'

const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
}

/** What a schema says of a body, in words that name the field and not the validator. */
export function problemText({ path, message, ...issue }: z.core.$ZodIssue): string {
  const name = path.join('.') || 'body'
  if (issue.code === 'invalid_type') {
    const expected = kinds[issue.expected] ?? issue.expected
    return message.endsWith('received undefined') ? `${name} is missing: ${expected}` : `${name}: is not ${expected}`
  }
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => (path.length === 0 ? key : `${name}.${key}`))
    return `there is no ${keys.join(', ')}`
  }
  if (issue.code === 'too_small' && issue.origin === 'string' && issue.minimum === 1) return `${name}: is empty`
  if (issue.code === 'too_small' && issue.origin !== 'string') return `${name}: is less than ${issue.minimum}`
  if (issue.code === 'too_big' && issue.origin !== 'string') return `${name}: is more than ${issue.maximum}`
  return `${name}: ${message}`
}
