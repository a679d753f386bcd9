import type { NativeGateway } from '../../src/admin/gateway-view.ts'
import type { Access } from '../../src/admin/access/access.ts'
import { documented, openApi, successStatus, tagOf } from '../../src/admin/native/openapi.ts'
import type { Alerts } from '../../src/monitor/alerts/engine.ts'
import { allRoutes } from '../../src/admin/routes.ts'
import { generated } from './tables.ts'

/* docs/reference/api.md, from the table that is routed and the document that it serves. */

type Json = Readonly<Record<string, unknown>>

/** The native API: each operation with its role, parameters, body and answer, and the schemas they share. */
export function apiPage(): string {
  const routes = allRoutes({
    // Nothing is called here.
    access: {} as Access,
    gateway: { ready: true, metricsText: () => '', status: () => ({}), inventory: () => ({}) },
    native: { subscribe: () => () => {} } as unknown as NativeGateway,
    alerts: {} as Alerts,
    monitoringPrefix: '/monitoring',
  })
  const document = openApi(routes)
  const paths = document['paths'] as Record<string, Record<string, Json>>
  const schemas = (document['components'] as { readonly schemas: Record<string, Json> }).schemas
  const operations = documented(routes)
  const tags = [...new Set(operations.map(tagOf))].sort()
  const lines = [
    '# The native management API',
    '',
    generated('the routes of src/admin'),
    '',
    'Served under `/api` by the management listener of `postern serve --state DIR`; `GET /api/openapi.json` has the same as OpenAPI 3.1.',
    'Who asks sends `Authorization: Basic` or `Bearer` (an API token, or an access token of `POST /oauth/token`). A role is that in the',
    'organization of the path, and in all of them (`*`) where the path has none. An error is `{"error": {"code", "message", ...}}`; codes are stable.',
    'The Edge-compatible API under `/v1` is what Edge documents.',
  ]
  for (const tag of tags) {
    lines.push('', `## ${tag}`)
    for (const route of operations.filter((each) => tagOf(each) === tag)) {
      const path = route.path.replaceAll(/:([A-Za-z]+)/g, '{$1}')
      const operation = paths[path]?.[route.method.toLowerCase()] ?? {}
      lines.push('', `### ${route.method} ${path}`, '', `${route.doc.summary}. Role: ${route.role}.`)
      lines.push(...parameterLines(operation['parameters']), ...bodyLines(operation['requestBody']))
      lines.push('', answerLine(operation['responses'], successStatus(route)))
      const own = Object.entries(route.doc.errors ?? {})
      if (own.length > 0) lines.push('', ...own.map(([status, text]) => `- ${status}: ${text}`))
    }
  }
  lines.push('', '## Schemas')
  for (const [name, schema] of Object.entries(schemas)) lines.push('', `### ${name}`, '', ...fieldLines(schema))
  return `${lines.join('\n')}\n`
}

function parameterLines(parameters: unknown): readonly string[] {
  const shown = (parameters as Json[]).filter((each) => each['in'] !== 'path')
  if (shown.length === 0) return []
  return [
    '',
    '| parameter | in | needed | meaning |',
    '| --- | --- | --- | --- |',
    ...shown.map(
      (each) =>
        `| \`${String(each['name'])}\` | ${String(each['in'])} | ${each['required'] === true ? 'yes' : 'no'} | ${cell(each['description'], each['schema'] as Json)} |`,
    ),
  ]
}

function bodyLines(body: unknown): readonly string[] {
  if (body === undefined) return []
  const content = (body as { readonly content: Record<string, { readonly schema: Json }> }).content
  const [first] = Object.values(content)
  if (first === undefined) return []
  const head = `Body (${Object.keys(content)
    .map((type) => `\`${type}\``)
    .join(' or ')}): ${typeOf(first.schema)}`
  return ['', head, ...(first.schema['properties'] === undefined ? [] : ['', ...fieldLines(first.schema)])]
}

function answerLine(responses: unknown, status: number): string {
  const answer = (responses as Record<string, { readonly content?: Record<string, { readonly schema: Json }> }>)[status]
  const forms = Object.entries(answer?.content ?? {}).map(([type, { schema }]) => `\`${type}\`: ${typeOf(schema)}`)
  return `Answer ${status}${forms.length === 0 ? ', without content.' : `: ${forms.join('; or ')}.`}`
}

function fieldLines(schema: Json): readonly string[] {
  const properties = (schema['properties'] ?? {}) as Record<string, Json>
  const needed = new Set((schema['required'] ?? []) as string[])
  const description = typeof schema['description'] === 'string' ? [schema['description'], ''] : []
  return [
    ...description,
    '| field | type | meaning |',
    '| --- | --- | --- |',
    ...Object.entries(properties).map(
      ([name, property]) =>
        `| \`${name}\`${needed.has(name) ? '' : ' (optional)'} | ${typeOf(property)} | ${cell(property['description'], {})} |`,
    ),
  ]
}

function cell(description: unknown, schema: Json): string {
  const text = typeof description === 'string' ? description : ''
  const values = schema['enum'] === undefined ? '' : typeOf(schema)
  return [text, values]
    .filter((each) => each !== '')
    .join(' ')
    .replaceAll('|', '\\|')
}

/** `list of [Store](#store)`, `text or null`. */
function typeOf(schema: Json): string {
  const { $ref: ref, anyOf, type, items, enum: values, properties, additionalProperties, format } = schema
  if (typeof ref === 'string') {
    const name = ref.split('/').at(-1) ?? ''
    return `[${name}](#${name.toLowerCase()})`
  }
  if (Array.isArray(anyOf)) return anyOf.map((each) => typeOf(each as Json)).join(' or ')
  if (Array.isArray(values)) return values.map((each) => `\`${String(each)}\``).join(', ')
  if (type === 'array') return `list of ${typeOf((items ?? {}) as Json)}`
  if (type === 'object') {
    if (typeof properties === 'object' && properties !== null) {
      return `\`{ ${Object.keys(properties).join(', ')} }\``
    }
    return typeof additionalProperties === 'object' && additionalProperties !== null
      ? `object of ${typeOf(additionalProperties as Json)}`
      : 'object'
  }
  if (type === 'string') return format === 'date-time' ? 'time' : 'text'
  return typeof type === 'string' ? type : 'anything'
}
