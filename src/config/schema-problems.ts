import { z } from 'zod'
import type { Draft, Path } from './document.ts'
import { foreignWord, valueAdvice } from './foreign-words.ts'
import { nearest } from './nearest.ts'
import { asRecord, asText, valueAt } from './raw.ts'
import { ConfigSchema } from './schema.ts'
import { branchKeys, branchOf, notesAt, type SchemaNotes } from './schema-walk.ts'
import { secretTitles } from './secrets.ts'
import { maskCredentials } from './userinfo.ts'

/** A schema fault; `of` says which place in the file to point at. */
export interface PlacedDraft extends Draft {
  readonly of: 'key' | 'value'
}

/** Says every issue of the schema in the words of the file: what was found, and what to write instead. */
export function schemaProblems(raw: unknown, issues: readonly z.core.$ZodIssue[]): PlacedDraft[] {
  return issues.flatMap((issue) => translate(raw, issue, issue.path as Path))
}

function translate(raw: unknown, issue: z.core.$ZodIssue, path: Path): PlacedDraft[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(raw, path, key))
  if (issue.code === 'invalid_key') return [invalidKey(path)]
  if (issue.code === 'custom') {
    const instead = asText(asRecord(issue.params)['instead'])
    if (instead !== null) return [{ path, message: issue.message, instead, of: 'value' }]
  }
  if (issue.code === 'invalid_union') {
    // a value that passed the form and failed its own rule has said so better than any summary of the union could
    const custom = issue.errors.flat().find((inner) => inner.code === 'custom' && inner.path.length === 0)
    if (custom) return translate(raw, custom, path)
    const branch = branchProblems(raw, issue, path)
    if (branch) return branch
  }
  return [wrongValue(raw, issue, path)]
}

function unknownKey(raw: unknown, path: Path, key: string): PlacedDraft {
  const { schema } = notesAt(ConfigSchema, raw, path)
  const object = schema instanceof z.ZodUnion ? branchOf(schema, valueAt(raw, path)) : schema
  const keys = object instanceof z.ZodObject ? Object.keys(object.shape) : []
  const place = [...path, key]
  if (key === '<<') {
    const message = 'merge keys are not part of YAML 1.2'
    return { path: place, message, instead: 'the fields themselves, or an alias for a whole value', of: 'key' }
  }
  const meant = foreignWord(key, keys) ?? nearest(key, keys)
  return { path: place, message: `unknown key "${key}"`, instead: meant ?? oneOf(keys), of: 'key' }
}

function invalidKey(path: Path): PlacedDraft {
  const key = String(path.at(-1))
  const message = `${JSON.stringify(key)} is not a name: letters, digits, ".", "_", "-", a letter or digit first, at most 128`
  return { path, message, instead: asName(key), of: 'key' }
}

/** A union of mappings told apart by their key, such as the sources of a trust store. */
function branchProblems(raw: unknown, issue: z.core.$ZodIssueInvalidUnion, path: Path): PlacedDraft[] | null {
  const { schema, title } = notesAt(ConfigSchema, raw, path)
  const value = asRecord(valueAt(raw, path))
  if (!(schema instanceof z.ZodUnion) || Object.keys(value).length === 0) return null
  const kinds = branchKeys(schema)
  const present = kinds.filter((kind) => kind !== '' && Object.hasOwn(value, kind))
  if (kinds.includes('')) return null
  if (present.length > 1) {
    if (secretTitles.has(title ?? ''))
      return [{ path, message: `has both ${present.join(' and ')}`, instead: oneOf(present), of: 'value' }]
    const instead = present.map((kind) => `- { ${kind}: ${String(value[kind])} }`).join(' and ')
    return [{ path, message: `has both ${present.join(' and ')}; each is an entry of its own`, instead, of: 'value' }]
  }
  const index = kinds.indexOf(present[0] ?? '')
  const inner = issue.errors[index]
  if (inner) return inner.flatMap((each) => translate(raw, each, [...path, ...(each.path as Path)]))
  const key = Object.keys(value)[0] ?? ''
  const instead = foreignWord(key, kinds) ?? nearest(key, kinds) ?? oneOf(kinds)
  return [{ path: [...path, key], message: `unknown key "${key}"`, instead, of: 'key' }]
}

function wrongValue(raw: unknown, issue: z.core.$ZodIssue, path: Path): PlacedDraft {
  const value = valueAt(raw, path)
  const notes = notesAt(ConfigSchema, raw, path)
  const { schema, title, examples } = notes
  const what = title ?? kindOf(schema)
  const key = String(path.at(-1) ?? '')
  const offer = offers(notes, value)
  if (path.length === 0) {
    // Text where settings should be is another file, perhaps a key (I7).
    const holds = value === null ? 'nothing but comments' : typeof value === 'string' ? 'text' : found(value)
    return { path, message: `the file holds ${holds}, not settings`, instead: offer, of: 'value' }
  }
  if (value === undefined) {
    const example = examples[0] ?? (schema instanceof z.ZodEnum ? offer : `<${what}>`)
    return { path, message: `is missing: ${withArticle(what)}`, instead: `${key}: ${example}`, of: 'value' }
  }
  if (value === null) {
    return {
      path,
      message: `has no value; it wants ${withArticle(what)}`,
      instead: `${offer}, or no "${key}" at all`,
      of: 'value',
    }
  }
  if (issue.code === 'too_small' && Array.isArray(value))
    return { path, message: 'is an empty list', instead: `at least one ${itemOf(schema)}`, of: 'value' }
  if (issue.code === 'too_small' && typeof value === 'number' && title === null) {
    return { path, message: `${value} is too small`, instead: `${String(issue.minimum)} or more`, of: 'value' }
  }
  if (issue.code === 'too_big' && title === null) {
    const size = Array.isArray(value) ? `has ${value.length} entries` : `${found(value)} is too large`
    return { path, message: size, instead: `at most ${String(issue.maximum)}`, of: 'value' }
  }
  const choice =
    schema instanceof z.ZodEnum && title === null ? `one of ${schema.options.join(', ')}` : withArticle(what)
  // what stands where a secret, or the way to one, belongs may be the secret itself (I7)
  const shown = secretTitles.has(title ?? '') ? 'what stands here' : found(value)
  return {
    path,
    message: `${shown} is not ${choice}`,
    instead: valueAdvice(path, value) ?? offer,
    of: 'value',
  }
}

function offers({ schema, title, examples }: SchemaNotes, value: unknown): string {
  if (title === 'name' && typeof value === 'string' && value !== '') return asName(value)
  if (schema instanceof z.ZodEnum) {
    const options = schema.options.map(String)
    const close = typeof value === 'string' || typeof value === 'number' ? nearest(String(value), options) : null
    return close ?? oneOf(options)
  }
  if (schema instanceof z.ZodLiteral) return [...schema.values].join(' or ')
  if (examples.length > 0) return examples.length === 1 ? String(examples[0]) : `for example ${examples.join(', ')}`
  if (schema instanceof z.ZodObject) return `a mapping with ${Object.keys(schema.shape).join(', ')}`
  if (schema instanceof z.ZodRecord) return 'a mapping from names to settings, such as "billing: { ... }"'
  if (schema instanceof z.ZodArray) return 'a list: [ ... ], or lines that start with "- "'
  if (schema instanceof z.ZodBoolean) return 'true or false'
  return withArticle(kindOf(schema))
}

function kindOf(schema: z.ZodType | null): string {
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord) return 'mapping'
  if (schema instanceof z.ZodArray) return 'list'
  if (schema instanceof z.ZodBoolean) return 'boolean'
  if (schema instanceof z.ZodNumber) return 'whole number'
  if (schema instanceof z.ZodEnum) return `choice of ${schema.options.join(', ')}`
  if (schema instanceof z.ZodLiteral) return [...schema.values].join(' or ')
  return 'text'
}

function itemOf(schema: z.ZodType | null): string {
  return schema instanceof z.ZodArray ? ((schema.element as z.ZodType).meta()?.title ?? 'entry') : 'entry'
}

function oneOf(choices: readonly string[]): string {
  return choices.length === 1 ? String(choices[0]) : `one of ${choices.join(', ')}`
}

/** The nearest text that is a name. */
function asName(text: string): string {
  const name = maskCredentials(text)
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[._-]+/, '')
  return name === '' ? 'billing' : name.slice(0, 128)
}

/** The value as evidence, short enough for one line. */
function found(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a mapping'
  const text = JSON.stringify(typeof value === 'string' ? maskCredentials(value) : value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 57)}..."` : text
}

function withArticle(title: string): string {
  if (/^(text|true|the|TLS settings|settings)\b/.test(title)) return title
  return `${/^[aeioAEIO]/.test(title) ? 'an' : 'a'} ${title}`
}
