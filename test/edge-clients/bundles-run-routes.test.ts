import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'
import {
  ask,
  type AskOptions,
  bundle,
  freePort,
  plainBackend,
  type PlainBackend,
  proxyEndpoint,
  rule,
  short,
} from './bundles-rig.ts'

/* Deployed bundles send requests where their RouteRules, base paths and virtual hosts say (apigee-edge.md 7.2, 7.4). */

let backend: PlainBackend
let running: ManagedTestGateway

before(async () => {
  backend = await plainBackend('saw')
  // A fixed port: virtual hosts of other names than `default` are matched by it.
  const port = await freePort()
  running = await startManagedGateway(
    { faults: 'apigee', listeners: [{ name: 'http', address: '127.0.0.1', port }] },
    { workers: 2 },
  )
})

after(async () => {
  await running?.[Symbol.asyncDispose]()
  await backend?.[Symbol.asyncDispose]()
})

async function deployed(name: string, files: Readonly<Record<string, string>>): Promise<void> {
  await running.api.importBundle(name, files)
  await running.api.deploy(name, 1)
}

const seen = async (path: string, options?: AskOptions): Promise<string> =>
  short(await ask(running.port, path, options))

const conditions = {
  verb: 'request.verb = "DELETE"',
  header: 'request.header.x-kind := "gold"',
  both: 'request.queryparam.mode == "fast" and request.header.accept-language =| "de"',
  query: 'request.queryparam.mode == "fast"',
  count: 'request.queryparam.n != null and request.queryparam.n > 10',
  exact: '(proxy.pathsuffix = "/exact")',
  path: 'proxy.pathsuffix MatchesPath "/items/*/parts/**"',
  segment: 'proxy.pathsuffix ~/ "/one/*"',
  glob: 'proxy.pathsuffix Matches "/glob/*.json"',
  regex: 'proxy.pathsuffix JavaRegex "/v[0-9]{1,2}(/.*)?"',
  mixed:
    '(request.verb = "POST" or request.verb = "PUT") and not (request.header.x-skip = "1") and proxy.pathsuffix ~/ "/write/**"',
  symbols: 'request.verb=="PATCH"&&!(request.queryparam.dry="yes")||proxy.pathsuffix="/symbols"',
  absent: 'proxy.pathsuffix = "/absent" and request.header.x-none = null',
}

describe('route rules with conditions', () => {
  before(async () => {
    const routes = Object.entries(conditions).map(([name, condition]) =>
      rule(name, `${backend.url}/${name}`, condition),
    )
    const nothing = rule('nothing', '', 'proxy.pathsuffix = "/null"')
    await deployed('routes', bundle({ basePath: '/routes', routes: [...routes, nothing].join('') }))
  })

  const routeFailed = '500 messaging.runtime.RouteFailed'
  const table: readonly (readonly [sentence: string, path: string, options: AskOptions, expected: string])[] = [
    ['a verb', '/a', { method: 'DELETE' }, '200 saw /verb/a'],
    ['a header, whatever its case', '/a', { headers: { 'X-Kind': 'GOLD' } }, '200 saw /header/a'],
    ['another value of the header', '/a', { headers: { 'X-Kind': 'silver' } }, routeFailed],
    ['a query parameter, which is passed on', '/a?mode=fast&x=1', {}, '200 saw /query/a?mode=fast&x=1'],
    ['both of an `and`', '/a?mode=fast', { headers: { 'accept-language': 'de-AT' } }, '200 saw /both/a?mode=fast'],
    ['a number that is greater', '/a?n=11', {}, '200 saw /count/a?n=11'],
    ['a number that is equal', '/a?n=10', {}, routeFailed],
    ['a path suffix', '/exact', {}, '200 saw /exact/exact'],
    ['a longer path suffix', '/exact/more', {}, routeFailed],
    ['MatchesPath', '/items/7/parts/8/9', {}, '200 saw /path/items/7/parts/8/9'],
    ['MatchesPath with a segment too many', '/items/7/8/parts/9', {}, routeFailed],
    ['one segment of a path', '/one/1', {}, '200 saw /segment/one/1'],
    ['two segments where one is said', '/one/1/2', {}, routeFailed],
    ['a glob', '/glob/a/b.json', {}, '200 saw /glob/glob/a/b.json'],
    ['JavaRegex of the whole', '/v12/x', {}, '200 saw /regex/v12/x'],
    ['JavaRegex of a part only', '/v123', {}, routeFailed],
    ['a mixture of and, or and not', '/write/a', { method: 'PUT' }, '200 saw /mixed/write/a'],
    [
      'the mixture, with what its `not` excludes',
      '/write/a',
      { method: 'PUT', headers: { 'x-skip': '1' } },
      routeFailed,
    ],
    ['the mixture, with another verb', '/write/a', {}, routeFailed],
    ['symbols without spaces', '/a', { method: 'PATCH' }, '200 saw /symbols/a'],
    ['symbols, the right of the `or`', '/symbols', {}, '200 saw /symbols/symbols'],
    ['symbols, with what `!` excludes', '/a?dry=yes', { method: 'PATCH' }, routeFailed],
    ['a header that is not there', '/absent', {}, '200 saw /absent/absent'],
    ['a header that is there where none is asked for', '/absent', { headers: { 'x-none': 'a' } }, routeFailed],
    ['two that hold: the first wins', '/exact', { method: 'DELETE' }, '200 saw /verb/exact'],
    ['none that holds', '/elsewhere', {}, routeFailed],
    ['the null route, whose answer is empty', '/null', {}, '200 '],
  ]

  for (const [sentence, path, options, expected] of table) {
    it(`${sentence}: ${options.method ?? 'GET'} ${path}`, async () => {
      assert.equal(await seen(`/routes${path}`, options), expected)
    })
  }

  it("answers what no rule takes with Edge's fault", async () => {
    const { status, headers, body } = await ask(running.port, '/routes/elsewhere')
    assert.equal(status, 500)
    assert.equal(headers['content-type'], 'application/json')
    assert.deepEqual(JSON.parse(body), {
      fault: {
        faultstring: 'Unable to route the message to a Target Endpoint',
        detail: { errorcode: 'messaging.runtime.RouteFailed' },
      },
    })
  })

  it('does not ask a backend for a null route, nor keeps its body', async () => {
    const before = backend.seen.length
    assert.equal(await seen('/routes/null', { method: 'POST', body: 'x'.repeat(100_000) }), '200 ')
    assert.equal(backend.seen.length, before)
  })

  it('takes rules after one without a condition for nothing', async () => {
    const routes = rule('first', `${backend.url}/first`) + rule('second', `${backend.url}/second`, 'true')
    await deployed('order', bundle({ basePath: '/order', routes }))
    assert.equal(await seen('/order/a'), '200 saw /first/a')
  })

  it('goes to a TargetEndpoint or a URL, as the rule says', async () => {
    const named =
      '<RouteRule name="t"><Condition>request.queryparam.to = "target"</Condition><TargetEndpoint>own</TargetEndpoint></RouteRule>'
    const routes = named + rule('url', `${backend.url}/url`)
    await deployed('both', bundle({ basePath: '/both', routes, targets: { own: `<URL>${backend.url}/own</URL>` } }))
    assert.equal(await seen('/both/a?to=target'), '200 saw /own/a?to=target')
    assert.equal(await seen('/both/a'), '200 saw /url/a')
  })
})

describe('base paths and virtual hosts', () => {
  const to = (path: string): string => rule('r', `${backend.url}${path}`)

  it('take the longest base path, over whole segments, of all proxy endpoints', async () => {
    const files = {
      ...proxyEndpoint('short', { basePath: '/bases', routes: to('/short') }),
      ...proxyEndpoint('long', { basePath: '/bases/long', routes: to('/long') }),
      ...proxyEndpoint('any', { basePath: '/bases/*/parts', routes: to('/any') }),
    }
    await deployed('bases', files)
    for (const [path, expected] of [
      ['/bases', '200 saw /short'],
      ['/bases/longer', '200 saw /short/longer'],
      ['/bases/long', '200 saw /long'],
      ['/bases/long/x', '200 saw /long/x'],
      ['/bases/7/parts/x', '200 saw /any/x'],
      ['/base', '404 messaging.adaptors.http.flow.ApplicationNotFound'],
    ] as const) {
      assert.equal(await seen(path), expected, path)
    }
  })

  it('put the base path of a deployment before that of the bundle', async () => {
    await running.api.importBundle('prefixed', bundle({ basePath: '/inner', routes: to('/p') }))
    const path = '/e/test/apis/prefixed/revisions/1/deployments'
    await running.api.send('POST', `${path}?override=true&basepath=/outer`)
    assert.equal(await seen('/outer/inner/a'), '200 saw /p/a')
    assert.equal(await seen('/inner/a'), '404 messaging.adaptors.http.flow.ApplicationNotFound')
    await running.api.send('POST', `${path}?override=true&basepath=/moved`)
    assert.equal(await seen('/moved/inner/a'), '200 saw /p/a')
    assert.equal(await seen('/outer/inner/a'), '404 messaging.adaptors.http.flow.ApplicationNotFound')
  })

  it('go by Host where virtual hosts share a port', async () => {
    const virtualHost = (name: string, hostAliases: readonly string[]): Promise<unknown> =>
      running.api.send('POST', '/e/test/virtualhosts', { name, port: String(running.port), hostAliases })
    await virtualHost('one', ['one.example', 'uno.example'])
    await virtualHost('two', ['two.example', '*.two.example'])
    await deployed('host-one', bundle({ basePath: '/hosts', virtualHosts: ['one'], routes: to('/one') }))
    await deployed('host-two', bundle({ basePath: '/hosts', virtualHosts: ['two'], routes: to('/two') }))
    const files = {
      ...proxyEndpoint('a', { basePath: '/hosts/both', virtualHosts: ['one', 'two'], routes: to('/both') }),
      ...proxyEndpoint('b', { basePath: '/any', virtualHosts: ['default'], routes: to('/any') }),
    }
    await deployed('host-both', files)
    for (const [host, path, expected] of [
      ['one.example', '/hosts/a', '200 saw /one/a'],
      ['UNO.example:8080', '/hosts/a', '200 saw /one/a'],
      ['two.example', '/hosts/a', '200 saw /two/a'],
      ['x.two.example', '/hosts/a', '200 saw /two/a'],
      ['three.example', '/hosts/a', '404 messaging.adaptors.http.flow.ApplicationNotFound'],
      ['one.example', '/hosts/both/a', '200 saw /both/a'],
      ['two.example', '/hosts/both/a', '200 saw /both/a'],
      ['three.example', '/any/a', '200 saw /any/a'],
    ] as const) {
      assert.equal(await seen(path, { headers: { host } }), expected, `${host}${path}`)
    }
  })

  it('changes what a virtual host answers to with the answer to its change', async () => {
    await running.api.send('PUT', '/e/test/virtualhosts/one', {
      name: 'one',
      port: String(running.port),
      hostAliases: ['eins.example'],
    })
    assert.equal(await seen('/hosts/a', { headers: { host: 'eins.example' } }), '200 saw /one/a')
    assert.equal(
      await seen('/hosts/a', { headers: { host: 'one.example' } }),
      '404 messaging.adaptors.http.flow.ApplicationNotFound',
    )
  })
})
