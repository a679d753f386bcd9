import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { VariableValue } from '../../src/flow/condition-types.ts'
import type { AccessRecord } from '../../src/observe/events.ts'
import type { Downstream } from '../../src/proxy/downstream.ts'
import { RequestVariables } from '../../src/proxy/flow-variables.ts'
import { headerValues, listElements } from '../../src/proxy/header-values.ts'
import { queryParameters } from '../../src/proxy/query-parameters.ts'
import { RequestHead } from '../../src/wire/h1/request-head.ts'
import { proxyPlan } from './planned-gateway.ts'

const limits = { requestLineBytes: 16_384, headerBytes: 16_384, headerCount: 100 }

/** Variables of a request as it would come to a proxy at /orders. */
function variablesOf(text: string, tlsVersion = ''): RequestVariables {
  const head = new RequestHead()
  const bytes = Buffer.from(text, 'latin1')
  assert.equal(head.read(bytes, 0, bytes.length, limits), bytes.length, text)
  const protocol = `HTTP/1.${head.minor}`
  const client = { head, tlsVersion, protocol, via: `1.${head.minor}` } as unknown as Downstream
  const request = { id: 'acme-1-2-3', clientAddress: '192.0.2.7', clientPort: 4711, listener: 'secure' }
  const proxy = proxyPlan({ kind: 'none' }, { name: 'orders', basePath: '/orders' })
  return new RequestVariables(request as unknown as AccessRecord, client).begin(proxy, '/orders'.length)
}

function request(target: string, ...lines: readonly string[]): string {
  return `GET ${target} HTTP/1.1\r\nHost: api.test:8443\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`
}

describe('variables of the request line', () => {
  const rows: readonly (readonly [name: string, value: VariableValue])[] = [
    ['request.verb', 'GET'],
    ['request.method', 'GET'],
    ['message.verb', 'GET'],
    ['request.path', '/orders/7'],
    ['request.uri', '/orders/7?a=1&b=%20x&a=2'],
    ['request.querystring', 'a=1&b=%20x&a=2'],
    ['request.url', 'https://api.test:8443/orders/7?a=1&b=%20x&a=2'],
    ['request.version', '1.1'],
    ['request.queryparam.a', '1'],
    ['request.queryparam.a.2', '2'],
    ['request.queryparam.a.3', null],
    ['request.queryparam.a.0', null],
    ['request.queryparam.a.values.count', 2],
    ['request.queryparam.b', ' x'],
    ['request.queryparam.c', null],
    ['request.queryparam.c.values.count', 0],
    ['request.queryparam.A', null],
    ['request.queryparams.count', 2],
    ['message.queryparam.b', ' x'],
    ['proxy.pathsuffix', '/7'],
    ['proxy.basepath', '/orders'],
    ['proxy.url', 'https://api.test:8443/orders/7?a=1&b=%20x&a=2'],
    ['proxy.client.ip', '192.0.2.7'],
    ['client.ip', '192.0.2.7'],
    ['client.port', 4711],
    ['client.scheme', 'https'],
    ['virtualhost.name', 'secure'],
    ['organization.name', 'acme'],
    ['environment.name', 'test'],
    ['apiproxy.name', 'orders'],
    ['apiproxy.revision', '3'],
    ['apiproxy.basepath', '/orders'],
    ['messageid', 'acme-1-2-3'],
    ['route.name', null],
    ['system.time.zone', 'UTC'],
    ['request', null],
    ['request.', null],
    ['request.header.', null],
    ['request.content', null],
    ['flow.mine', null],
    ['toString', null],
    ['request.queryparam.__proto__', null],
    ['request.queryparam.constructor', null],
  ]
  it('are what the client asked for', () => {
    const variables = variablesOf(request('/orders/7?a=1&b=%20x&a=2'), 'TLSv1.3')
    for (const [name, value] of rows) assert.equal(variables.get(name), value, name)
  })

  it('say so where there is nothing', () => {
    const variables = variablesOf(request('/orders'))
    assert.equal(variables.get('proxy.pathsuffix'), '')
    assert.equal(variables.get('request.querystring'), '')
    assert.equal(variables.get('request.queryparams.count'), 0)
    assert.equal(variables.get('client.scheme'), 'http')
  })

  it('tell the time of day as numbers, in UTC', () => {
    const variables = variablesOf(request('/orders'))
    const before = Date.now()
    const timestamp = variables.get('system.timestamp')
    assert.ok(typeof timestamp === 'number' && timestamp >= before && timestamp <= Date.now())
    assert.equal(variables.get('system.time.year'), new Date(before).getUTCFullYear())
    for (const [part, most] of [
      ['month', 12],
      ['day', 31],
      ['dayofweek', 7],
      ['hour', 23],
      ['minute', 59],
      ['second', 59],
      ['millisecond', 999],
    ] as const) {
      const value = variables.get(`system.time.${part}`)
      assert.ok(typeof value === 'number' && value >= 0 && value <= most, part)
    }
  })
})

describe('headers', () => {
  const variables = variablesOf(
    request(
      '/orders',
      'Accept: text/html, application/json',
      'ACCEPT: text/plain',
      'X-Quoted: "a, b", c',
      'User-Agent: Mozilla/5.0 (KHTML, like Gecko)',
      'X-Forwarded-For: 198.51.100.1, 10.0.0.1',
      'X-Empty:',
      'X.Dotted.1: whole',
      'X.Dotted: part',
      'TE: trailers',
    ),
  )
  const rows: readonly (readonly [name: string, value: VariableValue])[] = [
    ['request.header.accept', 'text/html, application/json, text/plain'],
    ['request.header.Accept.values.count', 3],
    ['request.header.Accept.values.string', 'text/html, application/json, text/plain'],
    ['request.header.accept.1', 'text/html'],
    ['request.header.accept.3', 'text/plain'],
    ['request.header.accept.4', null],
    ['request.header.x-quoted.1', '"a, b"'],
    ['request.header.x-quoted.values.count', 2],
    ['request.header.user-agent', 'Mozilla/5.0 (KHTML, like Gecko)'],
    ['request.header.user-agent.values.count', 1],
    ['request.header.host', 'api.test:8443'],
    ['request.header.x-forwarded-for', '198.51.100.1, 10.0.0.1'],
    ['request.header.x-forwarded-for.2', '10.0.0.1'],
    ['request.header.x-empty', ''],
    ['request.header.x.dotted.1', 'whole'],
    ['request.header.x.dotted', 'part'],
    ['request.header.te', 'trailers'],
    ['request.header.accep', null],
    ['request.header.x-missing', null],
    ['request.header.x-missing.values.count', 0],
    ['message.header.accept.2', 'application/json'],
    ['request.headers.count', 10],
  ]
  it('are found in any case, whole or one by one', () => {
    for (const [name, value] of rows) assert.equal(variables.get(name), value, name)
  })

  it('are those of the lines, and of nothing within them', () => {
    const lines = 'a: b: c\r\nxa: 2\r\nA:3 \r\n'
    assert.deepEqual(headerValues(lines, 'a'), ['b: c', '3'])
    assert.deepEqual(headerValues(lines, 'b'), [])
    assert.deepEqual(headerValues('', 'a'), [])
    assert.deepEqual(listElements('a,, "b\\",c" ,'), ['a', '"b\\",c"'])
  })
})

describe('query parameters', () => {
  const rows = [
    ['/x', []],
    ['/x?', []],
    ['/x?a', [['a', ['']]]],
    ['/x?a=', [['a', ['']]]],
    ['/x?=a', [['', ['a']]]],
    ['/x?a=b=c', [['a', ['b=c']]]],
    [
      '/x?a=1&&b=2&',
      [
        ['a', ['1']],
        ['b', ['2']],
      ],
    ],
    ['/x?a+b=c+d', [['a b', ['c d']]]],
    ['/x?a%20b=%C3%A4', [['a b', ['ä']]]],
    ['/x?a=%', [['a', ['%']]]],
    ['/x?a=%zz+1', [['a', ['%zz+1']]]],
    ['/x?a=%FF', [['a', ['%FF']]]],
    ['/x?a=1?b=2', [['a', ['1?b=2']]]],
    ['/x?__proto__=1', [['__proto__', ['1']]]],
  ] as const
  it('are decoded where they are properly encoded, and as they came where not', () => {
    for (const [target, expected] of rows) assert.deepEqual([...queryParameters(target)], expected, target)
  })
})
