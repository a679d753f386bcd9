import type { JsonSchema } from '../../src/config/json-schema.ts'

/** The reference page of the configuration: one table per mapping, in the order of the schema. */
export function configReference(root: JsonSchema): string {
  const defs = root.$defs ?? {}
  const sections: Section[] = []
  collect({ heading: 'The file', path: '', schema: root }, defs, sections)
  const parts = [
    '# Configuration',
    '',
    '<!-- Generated from src/config/schema.ts by tools/generate-docs.ts. Do not edit. -->',
    '',
    'One file, YAML 1.2 or JSON. Unknown keys are faults; `postern validate FILE` lists every fault with its line and what to',
    'write instead. The same rules as JSON Schema: [postern.schema.json](postern.schema.json); for editors, put this on the',
    'first line of the file: `# yaml-language-server: $schema=./postern.schema.json`. Why each default is what it is:',
    '[defaults](../defaults.md).',
    '',
    ...sections.flatMap((section) => [...renderSection(section, defs), '']),
    '## Values',
    '',
    '| value | form | examples |',
    '|---|---|---|',
    ...Object.entries(defs)
      .filter(([, schema]) => !isMapping(schema) && branches(schema, defs).length === 0)
      .map(([name, schema]) => `| ${name} | ${cell(formOf(schema))} | ${examples(schema)} |`),
  ]
  return `${parts.join('\n')}\n`
}

interface Section {
  readonly heading: string
  readonly path: string
  readonly schema: JsonSchema
}

type Defs = Readonly<Record<string, JsonSchema>>

/** Depth first, so that a mapping follows the field that holds it; a shared mapping has one section. */
function collect(section: Section, defs: Defs, into: Section[]): void {
  if (into.some(({ schema }) => schema === section.schema)) return
  into.push(section)
  const variants = branches(section.schema, defs)
  const shapes = variants.length > 0 ? variants : [section.schema]
  for (const [key, field] of shapes.flatMap((shape) => Object.entries(shape.properties ?? {}))) {
    const path = section.path === '' ? key : `${section.path}.${key}`
    const inner = resolve(field, defs)
    if (inner.properties || branches(inner, defs).length > 0)
      collect({ heading: `\`${path}\``, path, schema: inner }, defs, into)
    const item = inner.items ? resolve(inner.items, defs) : null
    if (item && (isMapping(item) || branches(item, defs).length > 0)) {
      collect({ heading: `\`${path}[]\``, path: `${path}[]`, schema: item }, defs, into)
    }
    if (typeof inner.additionalProperties === 'object') {
      const value = resolve(inner.additionalProperties, defs)
      collect({ heading: `\`${path}.<name>\``, path: `${path}.<name>`, schema: value }, defs, into)
    }
  }
}

function renderSection({ heading, schema }: Section, defs: Defs): string[] {
  const variants = branches(schema, defs)
  const shapes = variants.length > 0 ? variants : [schema]
  const rows = shapes.flatMap((shape) =>
    Object.entries(shape.properties ?? {}).map(([key, field]) => {
      const required = variants.length === 0 && shape.required?.includes(key) === true
      return `| \`${key}\` | ${typeOf(field, defs)} | ${required ? '**required**' : defaultOf(field)} | ${cell(field.description ?? '')} |`
    }),
  )
  const intro = schema.description === undefined ? [] : [schema.description, '']
  return [`## ${heading}`, '', ...intro, '| field | type | default | meaning |', '|---|---|---|---|', ...rows]
}

function typeOf(field: JsonSchema, defs: Defs): string {
  const name = field.$ref?.split('/').at(-1)
  const inner = resolve(field, defs)
  if (inner.items) {
    return `list of ${typeOf(inner.items, defs)}`
  }
  if (typeof inner.additionalProperties === 'object') {
    return `mapping of names to ${typeOf(inner.additionalProperties, defs)}`
  }
  if (inner.enum && name !== 'TlsVersion') return inner.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (name !== undefined) return name
  if (inner.const !== undefined) return `\`${JSON.stringify(inner.const).replaceAll('"', '')}\``
  if (inner.anyOf) return inner.anyOf.map((each) => (each.const === '' ? 'empty' : typeOf(each, defs))).join(' or ')
  if (inner.properties) return 'mapping'
  if (inner.type === 'integer') return 'whole number'
  return String(inner.type)
}

function defaultOf(field: JsonSchema): string {
  if (field.default === undefined) return ''
  const text = JSON.stringify(field.default)
  if (text === '{}') return ''
  return typeof field.default === 'string' && field.default !== '' ? `\`${field.default}\`` : `\`${text}\``
}

function formOf(schema: JsonSchema): string {
  if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(', ')
  return schema.description ?? sentence(schema.title ?? String(schema.type))
}

function sentence(title: string): string {
  return `${title.charAt(0).toUpperCase()}${title.slice(1)}.`
}

function examples(schema: JsonSchema): string {
  return (schema.examples ?? [])
    .map((each) => `\`${typeof each === 'string' ? each : JSON.stringify(each)}\``)
    .join(', ')
}

function branches(schema: JsonSchema, defs: Defs): JsonSchema[] {
  const options = (schema.anyOf ?? []).map((option) => resolve(option, defs))
  return options.every(isMapping) ? options : []
}

function isMapping(schema: JsonSchema): boolean {
  return schema.properties !== undefined
}

function resolve(schema: JsonSchema, defs: Defs): JsonSchema {
  return schema.$ref === undefined ? schema : (defs[schema.$ref.split('/').at(-1) ?? ''] ?? schema)
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
