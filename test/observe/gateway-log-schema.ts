import assert from 'node:assert/strict'

/** JSON Schema of a GatewayLogs line, as published for readers of the self-hosted gateway's logs. */
const gatewayLogSchema: Schema = {
  type: 'object',
  required: [
    'isRequestSuccess',
    'totalTime',
    'category',
    'callerIpAddress',
    'timeGenerated',
    'region',
    'correlationId',
    'method',
    'url',
    'responseCode',
    'responseSize',
    'cache',
  ],
  properties: {
    isRequestSuccess: { type: 'boolean' },
    totalTime: { type: 'integer', minimum: 0 },
    category: { const: 'GatewayLogs' },
    callerIpAddress: { type: 'string' },
    timeGenerated: { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{7}Z$' },
    region: { type: 'string' },
    correlationId: { type: 'string', format: 'uuid' },
    method: { type: 'string' },
    url: { type: 'string' },
    responseCode: { type: 'integer' },
    responseSize: { type: 'integer' },
    requestSize: { type: 'integer' },
    backendResponseCode: { type: 'integer' },
    cache: { enum: ['hit', 'miss', 'none'] },
    cacheTime: { type: 'integer' },
    backendTime: { type: 'integer' },
    clientTime: { type: 'integer' },
    apiId: { type: 'string' },
    operationId: { type: 'string' },
    productId: { type: 'string' },
    userId: { type: 'string' },
    apimSubscriptionId: { type: 'string' },
    clientProtocol: { type: 'string' },
    backendProtocol: { type: 'string' },
    clientTlsVersion: { type: 'string' },
    apiRevision: { type: 'string' },
    backendMethod: { type: 'string' },
    backendUrl: { type: 'string' },
    backendId: { type: 'string' },
    isTraceRequested: { type: 'boolean' },
    isTraceAllowed: { type: 'boolean' },
    lastError: { $ref: '#/$defs/error' },
    errors: { type: 'array', items: { $ref: '#/$defs/error' } },
  },
  $defs: {
    error: {
      type: 'object',
      required: ['source', 'message'],
      properties: {
        elapsed: { type: 'integer' },
        source: { type: 'string' },
        path: { type: 'string' },
        scope: { enum: ['global', 'product', 'api', 'operation'] },
        section: { enum: ['inbound', 'backend', 'outbound', 'on-error'] },
        reason: { type: 'string' },
        message: { type: 'string' },
        policyId: { type: 'string' },
        transportErrorCode: { type: 'integer' },
      },
    },
  },
}

interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean'
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly $defs?: Readonly<Record<string, Schema>>
  readonly $ref?: string
  readonly items?: Schema
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly format?: 'uuid'
  readonly minimum?: number
}

export function gatewayLogProblems(line: unknown): readonly string[] {
  return problems(line, gatewayLogSchema, '')
}

/** The part of JSON Schema that the schema above uses; an unknown keyword would not compile. */
function problems(value: unknown, schema: Schema, at: string): readonly string[] {
  if (schema.$ref !== undefined) {
    const named = gatewayLogSchema.$defs?.[schema.$ref.replace('#/$defs/', '')]
    assert.ok(named, schema.$ref)
    return problems(value, named, at)
  }
  const found: string[] = []
  const must = (good: boolean, what: string) => good || found.push(`${at}: ${what}, is ${JSON.stringify(value)}`)
  if (schema.type !== undefined) must(hasType(value, schema.type), `must be ${schema.type}`)
  if (schema.const !== undefined) must(value === schema.const, `must be ${JSON.stringify(schema.const)}`)
  if (schema.enum !== undefined) must(schema.enum.includes(value), `must be one of ${schema.enum.join(', ')}`)
  if (schema.pattern !== undefined) must(new RegExp(schema.pattern).test(String(value)), `must match ${schema.pattern}`)
  if (schema.format === 'uuid') must(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(String(value)), 'must be a UUID')
  if (schema.minimum !== undefined) must(Number(value) >= schema.minimum, `must be at least ${schema.minimum}`)
  if (Array.isArray(value) && schema.items !== undefined) {
    for (const [i, item] of value.entries()) found.push(...problems(item, schema.items, `${at}[${i}]`))
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const members = value as Readonly<Record<string, unknown>>
    for (const name of schema.required ?? []) must(name in members, `must have ${name}`)
    for (const [name, inner] of Object.entries(schema.properties ?? {})) {
      if (name in members) found.push(...problems(members[name], inner, `${at}.${name}`))
    }
  }
  return found
}

function hasType(value: unknown, type: NonNullable<Schema['type']>): boolean {
  switch (type) {
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    case 'array':
      return Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    case 'string':
    case 'boolean':
      return typeof value === type
    default:
      return type satisfies never
  }
}
