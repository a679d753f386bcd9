import { z } from 'zod'
import type { ApiDoc, ApiRoute } from '../api.ts'

type Json = Readonly<Record<string, unknown>>

/** The routes, and one that describes those of the native API (OpenAPI 3.1). */
export function withDocument(routes: readonly ApiRoute[]): readonly ApiRoute[] {
  let made: Json | null = null
  const document: ApiRoute = {
    method: 'GET',
    path: '/api/openapi.json',
    role: 'user',
    doc: { summary: 'This document (OpenAPI 3.1)', answer: z.looseObject({ openapi: z.string() }) },
    handle: async () => ({ status: 200, json: (made ??= openApi(all)) }),
  }
  const all = [...routes, document]
  return all
}

/** From the same table that is routed. Operations of the Edge-compatible API are described by Edge's own reference. */
export function openApi(routes: readonly ApiRoute[]): Json {
  const components = new Map<string, Json>([['Error', errorSchema]])
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of documented(routes)) {
    const path = route.path.replaceAll(/:([A-Za-z]+)/g, '{$1}')
    const operations = (paths[path] ??= {})
    operations[route.method.toLowerCase()] = operation(route, route.doc, components)
  }
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'Postern management API',
      version: '1',
      description: 'Native operations. Scripts for Edge find the operations they know under /v1.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(documented(routes).map(tagOf))].sort().map((name) => ({ name })),
    security: [{ basic: [] }, { bearer: [] }],
    paths,
    components: {
      schemas: Object.fromEntries([...components].sort(([one], [other]) => (one < other ? -1 : 1))),
      securitySchemes: {
        basic: { type: 'http', scheme: 'basic' },
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API token, or an access token of POST /oauth/token.',
        },
      },
    },
  }
}

export type DocumentedRoute = ApiRoute & { readonly doc: ApiDoc }

/** Those of the native API, in order of path and method. */
export function documented(routes: readonly ApiRoute[]): readonly DocumentedRoute[] {
  return routes
    .filter((route): route is DocumentedRoute => route.doc !== undefined)
    .sort((one, other) => (`${one.path} ${one.method}` < `${other.path} ${other.method}` ? -1 : 1))
}

/** Status of the answer of an operation that did what it was asked for. */
export function successStatus({ method, operation: entry, doc }: DocumentedRoute): number {
  if (doc.status !== undefined) return doc.status
  if (doc.answer === undefined && doc.answerTypes === undefined) return 204
  return method === 'POST' && entry === undefined ? 201 : 200
}

export function tagOf({ path }: Pick<ApiRoute, 'path'>): string {
  const segments = path.split('/').slice(2)
  const inPlace = segments[2] === 'environments' ? segments[4] : segments[2]
  const own = segments[0] === 'organizations' ? inPlace : segments[0]
  return own === 'target' ? 'targets' : (own ?? '')
}

const errorSchema: Json = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string', description: 'Stable.' },
        message: { type: 'string', description: 'For people; may change.' },
      },
      additionalProperties: true,
      description: 'Beside code and message the evidence, by code.',
    },
  },
}

/** What any operation may answer, and what it means. */
const commonErrors: Readonly<Record<number, string>> = {
  400: 'The request is not as it must be; `problems` names each place.',
  401: 'It is not known who asks.',
  403: 'Who asks may not do this.',
  404: 'Something that the path names is not there.',
  413: 'The body is too large.',
  429: 'Too many failed logins.',
}

function operation(route: DocumentedRoute, doc: ApiDoc, components: Map<string, Json>): Json {
  const { summary, body, query, headers = {} } = doc
  const success = String(successStatus(route))
  const errors = Object.entries({ ...errorsOf(route), ...doc.errors })
  const content = contentOf(doc, components)
  return {
    operationId: doc.operationId ?? operationId(route),
    summary,
    tags: [tagOf(route)],
    description: `Role: ${route.role}.`,
    parameters: [...pathParameters(route.path), ...queryParameters(query, components), ...headerParameters(headers)],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !accepts(body, {}),
            content: Object.fromEntries(
              (doc.bodyTypes ?? ['application/json']).map((type) => [
                type,
                { schema: schemaOf(body, 'input', components) },
              ]),
            ),
          },
        }),
    responses: {
      [success]: { description: 'Done.', ...(Object.keys(content).length === 0 ? {} : { content }) },
      ...Object.fromEntries(
        errors.map(([status, description]) => [
          status,
          { description, content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } },
        ]),
      ),
    },
    ...(route.role === 'anyone' ? { security: [] } : {}),
  }
}

function contentOf(doc: ApiDoc, components: Map<string, Json>): Record<string, Json> {
  const content: Record<string, Json> = {}
  for (const [type, schema] of Object.entries(doc.answerTypes ?? {})) {
    content[type] = { schema: schemaOf(schema, 'output', components) }
  }
  if (doc.answer !== undefined) content['application/json'] = { schema: schemaOf(doc.answer, 'output', components) }
  return content
}

function errorsOf({ path, method, doc }: DocumentedRoute): Readonly<Record<number, string>> {
  const left = new Set<number>()
  if (!path.includes(':')) left.add(404)
  if (method === 'GET') left.add(413)
  if (doc.body === undefined && doc.query === undefined) left.add(400)
  return Object.fromEntries(Object.entries(commonErrors).filter(([status]) => !left.has(Number(status))))
}

/** `GET /api/organizations/:org/environments/:env/stores/:store`: `getStoresByStore`. */
function operationId({ method, path }: ApiRoute): string {
  const segments = path.replace(/^\/api\/(?:organizations\/:org\/environments\/:env\/)?/, '').split('/')
  const words = segments.flatMap((segment) => {
    return segment.startsWith(':') ? ['by', segment.slice(1)] : segment.split(/[^A-Za-z0-9]+/)
  })
  return [method.toLowerCase(), ...words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`)].join('')
}

function pathParameters(path: string): readonly Json[] {
  return [...path.matchAll(/:([A-Za-z]+)/g)].map(([, name]) => {
    return { name, in: 'path', required: true, schema: { type: 'string' } }
  })
}

function queryParameters(query: unknown, components: Map<string, Json>): readonly Json[] {
  if (!(query instanceof z.ZodObject)) return []
  const schema = schemaOf(query, 'input', components)
  const required = new Set(Array.isArray(schema['required']) ? (schema['required'] as unknown[]) : [])
  return Object.entries((schema['properties'] ?? {}) as Record<string, Json>).map(([name, property]) => {
    const { description, ...rest } = property
    return {
      name,
      in: 'query',
      required: required.has(name),
      ...(description === undefined ? {} : { description }),
      schema: rest,
    }
  })
}

function headerParameters(headers: Readonly<Record<string, string>>): readonly Json[] {
  return Object.entries(headers).map(([name, description]) => {
    return { name, in: 'header', required: name === 'If-Match', description, schema: { type: 'string' } }
  })
}

function accepts(schema: unknown, value: unknown): boolean {
  return schema instanceof z.ZodType && schema.safeParse(value).success
}

/** What has an id becomes a component, wherever it stands. */
function schemaOf(schema: unknown, io: 'input' | 'output', components: Map<string, Json>): Json {
  if (!(schema instanceof z.ZodType)) throw new TypeError('a schema of the documentation is no zod schema')
  const made = z.toJSONSchema(schema, { target: 'draft-2020-12', io, override: tidied(io) }) as Record<string, unknown>
  const { $schema: _, $defs = {}, ...rest } = made
  for (const [name, definition] of Object.entries($defs as Record<string, Json>)) {
    components.set(name, pointed(definition, true))
  }
  const id = z.globalRegistry.get(schema)?.id
  if (id === undefined) return pointed(rest)
  // A schema with an id that has others in it comes as a reference to itself.
  if (!('$ref' in rest)) components.set(id, pointed(rest, true))
  return { $ref: `#/components/schemas/${id}` }
}

/**
 * The pattern of a date and time says no more than its format, on ten lines. Answers may get further fields without being
 * another API; what a request has too much is refused.
 */
function tidied(io: 'input' | 'output') {
  return ({ jsonSchema }: { readonly jsonSchema: z.core.JSONSchema.BaseSchema }): void => {
    if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
    if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
  }
}

/** References to `$defs` lead to the components. `id` is the component's name, and no keyword of the dialect. */
function pointed(schema: Json, top = false): Json {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => {
        if (key === '$ref' && typeof inner === 'string')
          return [key, inner.replace('#/$defs/', '#/components/schemas/')]
        return [key, walk(inner)]
      }),
    )
  }
  const { id: _, ...rest } = schema
  return walk(top ? rest : schema) as Json
}
