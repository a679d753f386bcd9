import { z } from 'zod'
import type { Path } from './document.ts'
import { asList, asRecord } from './raw.ts'

/** What a schema says about itself, gathered from the outside in: a field's own words win over those of its type. */
export interface SchemaNotes {
  readonly schema: z.ZodType | null
  readonly title: string | null
  readonly examples: readonly string[]
}

/** The schema that judges the value at a path, with its notes; unions of mappings are resolved by the value's own key. */
export function notesAt(root: z.ZodType, raw: unknown, path: Path): SchemaNotes {
  let at = unwrap(root)
  let value = raw
  for (const step of path) {
    const inner = at.schema === null ? null : child(at.schema, step, value)
    if (inner === null) return { schema: null, title: null, examples: [] }
    at = unwrap(inner)
    value = asRecord(value)[String(step)] ?? asList(value)[Number(step)]
  }
  return at
}

/** For a union of mappings told apart by one key each: the key of every branch. */
export function branchKeys(union: z.ZodUnion): string[] {
  return union.options.map((option) => (option instanceof z.ZodObject ? (Object.keys(option.shape)[0] ?? '') : ''))
}

export function branchOf(union: z.ZodUnion, value: unknown): z.ZodObject | null {
  const keys = branchKeys(union)
  const index = keys.findIndex((key) => key !== '' && Object.hasOwn(asRecord(value), key))
  const option = union.options[index]
  return option instanceof z.ZodObject ? option : null
}

function child(schema: z.ZodType, step: string | number, value: unknown): z.ZodType | null {
  if (schema instanceof z.ZodObject) return Object.hasOwn(schema.shape, step) ? (schema.shape[step] as z.ZodType) : null
  if (schema instanceof z.ZodRecord) return schema.valueType as z.ZodType
  if (schema instanceof z.ZodArray) return schema.element as z.ZodType
  if (schema instanceof z.ZodUnion) {
    const branch = branchOf(schema, value)
    return branch === null ? null : child(branch, step, value)
  }
  return null
}

function unwrap(schema: z.ZodType): SchemaNotes {
  let inner = schema
  let title: string | null = null
  let examples: readonly string[] = []
  for (;;) {
    const meta = inner.meta()
    title ??= meta?.title ?? null
    if (examples.length === 0 && Array.isArray(meta?.['examples'])) examples = meta['examples'].map(String)
    if (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
      inner = inner.unwrap() as z.ZodType
    } else if (inner instanceof z.ZodPipe) inner = inner.in as z.ZodType
    else return { schema: inner, title, examples }
  }
}
