import type { JsonSchema } from '../../src/config/json-schema.ts'

/** The keywords that the published schema uses, and no others: an unknown one fails the test that asks. */
const known = new Set(
  (
    '$ref $defs $schema type title description default examples enum const pattern anyOf items properties propertyNames ' +
    'required additionalProperties minItems maxItems minimum maximum minLength'
  ).split(' '),
)

/** Judges a value by a JSON Schema as an editor would. @returns the paths at fault */
export function schemaFaults(value: unknown, schema: JsonSchema, defs = schema.$defs ?? {}, path = '$'): string[] {
  const unknownKeyword = Object.keys(schema).find((keyword) => !known.has(keyword))
  if (unknownKeyword !== undefined) throw new TypeError(`keyword ${unknownKeyword} at ${path} is not checked here`)
  if (schema.$ref !== undefined) {
    const target = defs[schema.$ref.replace('#/$defs/', '')]
    if (!target) throw new TypeError(`${schema.$ref} leads nowhere`)
    return schemaFaults(value, target, defs, path)
  }
  if (schema.anyOf) {
    const fits = schema.anyOf.some((each) => schemaFaults(value, each, defs, path).length === 0)
    return fits ? [] : [path]
  }
  if (schema.const !== undefined && value !== schema.const) return [path]
  if (schema.enum && !schema.enum.includes(value)) return [path]
  const types = schema.type === undefined ? [] : [schema.type].flat()
  if (types.length > 0 && !types.some((type) => hasType(value, type))) return [path]
  const { minimum, maximum, minItems, maxItems, minLength } = schema as Record<string, unknown>
  if (typeof value === 'number' && (value < Number(minimum ?? value) || value > Number(maximum ?? value))) return [path]
  if (typeof value === 'string') {
    const short = value.length < Number(minLength ?? 0)
    return short || (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value)) ? [path] : []
  }
  if (Array.isArray(value)) {
    if (value.length < Number(minItems ?? 0) || value.length > Number(maxItems ?? value.length)) return [path]
    return value.flatMap((item, index) =>
      schema.items ? schemaFaults(item, schema.items, defs, `${path}[${index}]`) : [],
    )
  }
  if (typeof value !== 'object' || value === null) return []
  const { properties = {}, required = [], additionalProperties, propertyNames } = schema
  const missing = required.filter((key) => !Object.hasOwn(value, key)).map((key) => `${path}.${key}`)
  const inner = Object.entries(value).flatMap(([key, item]) => {
    const place = `${path}.${key}`
    if (propertyNames && schemaFaults(key, propertyNames, defs, place).length > 0) return [place]
    const property = properties[key]
    if (property) return schemaFaults(item, property, defs, place)
    if (additionalProperties === false) return [place]
    return typeof additionalProperties === 'object' ? schemaFaults(item, additionalProperties, defs, place) : []
  })
  return [...missing, ...inner]
}

function hasType(value: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  return typeof value === type
}
