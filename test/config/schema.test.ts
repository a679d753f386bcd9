import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { configSchemaJson, type JsonSchema } from '../../src/config/json-schema.ts'
import { parseConfig } from '../../src/config/load.ts'
import { ConfigSchema } from '../../src/config/schema.ts'
import { schemaFaults } from './json-schema-check.ts'

const root = join(import.meta.dirname, '..', '..')
const goldens = join(root, 'test', 'goldens', 'config')
const schema = configSchemaJson()

const inputs = [
  join(root, 'examples', 'postern.yaml'),
  ...readdirSync(goldens)
    .filter((name) => name.endsWith('.in.yaml'))
    .map((name) => join(goldens, name)),
]

test('what the loader accepts, the published JSON Schema accepts', () => {
  const accepted = inputs.map((file) => readFileSync(file, 'utf8')).filter((text) => parseConfig(text, 'x').ok)
  assert.ok(accepted.length >= 4)
  for (const text of accepted) assert.deepEqual(schemaFaults(parse(text), schema), [])
})

test('what the published JSON Schema refuses, the loader refuses too', () => {
  const wrong = [
    'listeners: []',
    'listeners: [ { name: http } ]',
    'listeners: [ { name: http, port: 8080, adress: x } ]',
    'listeners: [ { name: "a b", port: 8080 } ]',
    'listeners: [ { name: http, port: 65536 } ]',
    'listeners: [ { name: http, port: 8080, timeouts: { head: soon } } ]',
    'listeners: [ { name: http, port: 8080 } ]\ntargets: { "a b": { url: "http://x" } }',
    'listeners: [ { name: http, port: 8080 } ]\ntrustStores: { a: { sources: [ { system: false } ] } }',
    'listeners: [ { name: http, port: 8080 } ]\nfaults: edge',
    ...[
      'servers: []',
      'servers: [ { name: a } ]',
      'servers: [ { address: a, weight: 0 } ]',
      'balance: random',
      'health: { tcp: false }',
      'health: { http: { method: GET } }',
      'ejection: { maxPercent: 101 }',
      'retries: { on: [status] }',
      'breaker: { failurePercent: 0 }',
      'dns: { server: [10.0.0.53] }',
      'egress: { url: "http://p:3128", password: hunter2 }',
      'egress: { url: "http://p:3128", password: { env: "a b" } }',
    ].map((field) => `listeners: [ { name: http, port: 8080 } ]\ntargets: { a: { url: "http://a", ${field} } }`),
  ]
  for (const text of wrong) {
    assert.notDeepEqual(schemaFaults(parse(text), schema), [], text)
    assert.equal(parseConfig(text, 'x').ok, false, text)
  }
})

test('every field is described, and is required, or shows its default, or says what holds without it', () => {
  const silent: string[] = []
  const visit = (at: JsonSchema, path: string): void => {
    for (const [key, field] of Object.entries(at.properties ?? {})) {
      const place = `${path}.${key}`
      const described = (field.description ?? '').length > 0
      const settled =
        at.required?.includes(key) === true ||
        field.default !== undefined ||
        /without it|required for/i.test(field.description ?? '') ||
        place === '.tls' // a listener without it is plain HTTP
      if (!described || !(settled || optionalByNature.has(place))) silent.push(place)
      visit(field, place)
    }
  }
  const optionalByNature = new Set([
    'Listener.tls',
    'Identity.passphraseFile',
    'TargetTls.clientCertificate',
    'TargetTls.subjectAltNames',
  ])
  visit(schema, '')
  for (const [name, definition] of Object.entries(schema.$defs ?? {})) visit(definition, name)
  assert.deepEqual(silent, [])
})

test('the defaults that the JSON Schema shows are the ones in force', () => {
  const file = { listeners: [{ name: 'http', port: 8080 }], targets: { a: { url: 'http://a' } } }
  const config = ConfigSchema.parse(file)
  const spelled = ConfigSchema.parse({
    ...file,
    targets: {
      a: { url: 'http://a', timeouts: defaultsOf('Target', 'timeouts'), limits: defaultsOf('Target', 'limits') },
    },
    listeners: [
      {
        name: 'http',
        port: 8080,
        limits: defaultsOf('Listener', 'limits'),
        timeouts: defaultsOf('Listener', 'timeouts'),
        forwarded: defaultsOf('Listener', 'forwarded'),
      },
    ],
  })
  assert.deepEqual(config, spelled)
})

test('the defaults that the JSON Schema shows of what is off are the ones in force when it is switched on', () => {
  const parse = (target: object) =>
    ConfigSchema.parse({ listeners: [{ name: 'http', port: 8080 }], targets: { a: { url: 'http://a', ...target } } })
  const bare = { health: { tcp: true }, ejection: {}, retries: {}, breaker: {}, dns: {} }
  const { tcp: _tcp, http: _http, ...health } = defaultsIn(schema.$defs?.['Health'])
  const spelled = {
    health: { tcp: true, ...health },
    ejection: defaultsIn(schema.$defs?.['Ejection']),
    retries: { ...defaultsIn(schema.$defs?.['Retries']), budget: defaultsOf('Retries', 'budget') },
    breaker: defaultsIn(schema.$defs?.['Breaker']),
    dns: defaultsOf('Target', 'dns'),
  }
  assert.deepEqual(parse(bare), parse(spelled))
})

function defaultsOf(definition: string, field: string): Record<string, unknown> {
  return defaultsIn(schema.$defs?.[definition]?.properties?.[field])
}

function defaultsIn(mapping: JsonSchema | undefined): Record<string, unknown> {
  const properties = Object.entries(mapping?.properties ?? {})
  assert.ok(properties.length > 0)
  return Object.fromEntries(properties.map(([key, each]) => [key, each.default]))
}
