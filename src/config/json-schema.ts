import { parse } from 'yaml'
import { z } from 'zod'
import { ConfigSchema } from './schema.ts'

/** The published JSON Schema: what a person may write (`io: input`), with defaults as a person would write them. */
export function configSchemaJson(): JsonSchema {
  return z.toJSONSchema(ConfigSchema, {
    io: 'input',
    // zod leaves out the examples of what is transformed, taking them for examples of the outcome
    override: ({ zodSchema, jsonSchema }) => {
      const examples = z.globalRegistry.get(zodSchema)?.['examples']
      if (Array.isArray(examples)) jsonSchema.examples = examples.map((each) => written(String(each), jsonSchema.type))
    },
  }) as JsonSchema
}

/** The parts of JSON Schema that the configuration uses. */
export interface JsonSchema {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, JsonSchema>>
  readonly type?: string | readonly string[]
  readonly title?: string
  readonly description?: string
  readonly default?: unknown
  readonly examples?: readonly unknown[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly pattern?: string
  readonly anyOf?: readonly JsonSchema[]
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly propertyNames?: JsonSchema
  readonly required?: readonly string[]
  readonly additionalProperties?: JsonSchema | boolean
}

/** Examples are texts of the file; in the schema they are the values that such a text stands for. */
function written(text: string, type: unknown): unknown {
  return type === 'string' ? text : parse(text)
}
