import assert from 'node:assert/strict'
import { it } from 'node:test'
import { documented, openApi, successStatus } from '../../../src/admin/native/openapi.ts'
import { allRoutes } from '../../../src/admin/routes.ts'
import { startManagedGateway } from '../../support/managed-gateway.ts'
import { idleAlerts, idleNative } from '../support.ts'
import { nativeClient } from './native-client.ts'

const operated = { ready: true, metricsText: () => '', status: () => ({}), inventory: () => ({}) }
const routes = allRoutes({
  access: {} as never,
  gateway: operated,
  native: idleNative,
  alerts: idleAlerts,
  monitoringPrefix: '/monitoring',
})

// The document is walked as data of any shape.
// oxlint-disable-next-line typescript/no-explicit-any
type Any = any

it('every native operation is in the document, with its body, its parameters and its errors', () => {
  const document: Any = openApi(routes)
  const native = routes.filter(({ path }) => path.startsWith('/api/'))
  assert.deepEqual(
    native.filter(({ doc }) => doc === undefined).map(({ path }) => path),
    [],
  )
  for (const route of documented(routes)) {
    const operation = document.paths[route.path.replaceAll(/:([A-Za-z]+)/g, '{$1}')]?.[route.method.toLowerCase()]
    assert.ok(operation, `${route.method} ${route.path}`)
    assert.equal(operation.requestBody === undefined, route.doc.body === undefined)
    assert.ok(operation.responses[String(successStatus(route))])
    for (const status of ['401', '403']) assert.ok(operation.responses[status], `${route.path} ${status}`)
  }
  assert.equal(documented(routes).length, native.length)
})

it('the document keeps to the rules of OpenAPI 3.1 that readers trip over', () => {
  const document: Any = openApi(routes)
  assert.deepEqual(problemsOf(document), [])
  // The check itself sees what is wrong.
  const broken = structuredClone(document)
  broken.paths['/api/users/{user}'].get.parameters = []
  broken.paths['/api/users'].get.operationId = broken.paths['/api/users'].post.operationId
  broken.components.schemas.Store.properties.more = { $ref: '#/components/schemas/Nobody' }
  broken.paths['/api/config'].put.responses['422'] = {}
  broken.components.schemas.Report.$defs = {}
  assert.equal(problemsOf(broken).length, 5, problemsOf(broken).join('\n'))
})

it('is served to whoever is logged in', async () => {
  await using running = await startManagedGateway()
  const native = nativeClient(running)
  const { json } = await native.send('GET /api/openapi.json')
  assert.deepEqual(json, JSON.parse(JSON.stringify(openApi(routes))))
  assert.equal((await native.send('GET /api/openapi.json', undefined, { as: 'nobody:x' })).status, 401)
})

const byText = (one: string, other: string): number => (one < other ? -1 : 1)

/** OpenAPI 3.1.1: sections 4.8.8 to 4.8.24, as far as this document uses them. */
function problemsOf(document: Any): readonly string[] {
  const problems: string[] = []
  const say = (text: string): void => void problems.push(text)
  if (!/^3\.1\.\d+$/.test(document.openapi)) say('openapi')
  for (const field of ['title', 'version']) if (typeof document.info?.[field] !== 'string') say(`info.${field}`)
  const ids = new Set<string>()
  for (const [path, item] of Object.entries<Any>(document.paths)) {
    if (!path.startsWith('/')) say(`${path} does not begin with /`)
    const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name = '']) => name).sort(byText)
    for (const [method, operation] of Object.entries<Any>(item)) {
      const at = `${method} ${path}`
      if (!['get', 'put', 'post', 'delete', 'patch'].includes(method)) say(`${at}: no method`)
      if (ids.has(operation.operationId)) say(`${at}: operationId ${operation.operationId} twice`)
      ids.add(operation.operationId)
      const named = operation.parameters.filter((each: Any) => each.in === 'path')
      const names = named.map((each: Any) => String(each.name)).sort(byText)
      if (JSON.stringify(names) !== JSON.stringify(inPath)) say(`${at}: path parameters ${names}`)
      for (const parameter of operation.parameters) {
        if (parameter.schema === undefined) say(`${at}: ${parameter.name} has no schema`)
        if (parameter.in === 'path' && parameter.required !== true) say(`${at}: ${parameter.name} is not required`)
      }
      if (method === 'get' && operation.requestBody !== undefined) say(`${at}: a body of GET`)
      if (Object.keys(operation.responses).length === 0) say(`${at}: no responses`)
      for (const [status, response] of Object.entries<Any>(operation.responses)) {
        if (!/^[1-5]\d\d$/.test(status)) say(`${at}: ${status}`)
        if (typeof response.description !== 'string') say(`${at}: ${status} has no description`)
      }
      for (const tag of operation.tags)
        if (!document.tags.some((each: Any) => each.name === tag)) say(`${at}: tag ${tag}`)
    }
  }
  for (const name of Object.keys(document.components.schemas))
    if (!/^[A-Za-z0-9._-]+$/.test(name)) say(`component ${name}`)
  const walk = (value: Any, at: string): void => {
    if (typeof value !== 'object' || value === null) return
    for (const [key, inner] of Object.entries<Any>(value)) {
      if (key === '$ref') {
        const name = /^#\/components\/schemas\/(.+)$/.exec(inner)?.[1] ?? ''
        const there = document.components.schemas[name]
        if (there === undefined || there.$ref === inner) say(`${at}: ${inner} leads nowhere`)
      }
      if (key === '$defs' || (key === '$schema' && at !== '')) say(`${at}: ${key}`)
      if (key === 'nullable') say(`${at}: nullable is of 3.0`)
      walk(inner, `${at}/${key}`)
    }
  }
  walk(document, '')
  return problems
}
