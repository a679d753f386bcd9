import assert from 'node:assert/strict'
import { connect } from 'node:http2'
import { after, describe, it } from 'node:test'
import type { RouteDestination, RoutePlan } from '../../src/proxy/plan.ts'
import { startBackend, ok } from './backend.ts'
import { answerOf, ask as askH2 } from './h2-client-rig.ts'
import { ask, fieldOf, get, Peer, request, statusOf, type WireMessage } from './peer.ts'
import { condition, proxyPlan, startPlannedGateway, targetPlan } from './planned-gateway.ts'

/* Where a request goes whose proxy has rules, over real sockets. */

const backends = {
  red: await startBackend((request) => ok(`red ${request.start}`)),
  blue: await startBackend((request) => ok(`blue ${request.start}`)),
}
const targets = [targetPlan('red', [backends.red.port]), targetPlan('blue', [backends.blue.port], { pathPrefix: '/b' })]
const to = (target: string): RouteDestination => ({ kind: 'target', target })
const rules = (...rows: readonly (readonly [when: string | null, destination: RouteDestination])[]): RoutePlan => ({
  kind: 'rules',
  rules: rows.map(([when, destination], index) => ({
    name: `rule-${index}`,
    condition: when === null ? null : condition(when),
    to: destination,
  })),
})

const storeTemplate = { parts: [{ variable: 'request.header.x-store' }] }
const aliasTemplate = { parts: ['client-', { variable: 'request.queryparam.alias' }] }
const proxies = [
  proxyPlan(
    rules(
      ['request.verb = "POST"', to('blue')],
      ['proxy.pathsuffix MatchesPath "/blue/**"', to('blue')],
      ['request.header.x-colour = "blue" and request.queryparam.n > 3', to('blue')],
      [null, to('red')],
      ['request.verb = "GET"', to('blue')],
    ),
    { name: 'ordered', basePath: '/ordered' },
  ),
  proxyPlan(rules(['request.verb = "PUT"', to('red')]), { name: 'strict', basePath: '/strict', faults: 'apigee' }),
  proxyPlan(rules(), { name: 'empty', basePath: '/empty' }),
  proxyPlan(rules(['request.queryparam.none is "1"', { kind: 'none' }], [null, to('red')]), {
    name: 'null',
    basePath: '/null',
    faults: 'apigee',
  }),
  proxyPlan({ kind: 'none' }, { name: 'nowhere', basePath: '/nowhere' }),
  proxyPlan(
    { kind: 'fault', summary: 'policy "Sign" (JavaCallout, Sign.xml:1) is not supported' },
    { name: 'stuck', basePath: '/stuck', faults: 'apigee', faultDetail: 'verbose' },
  ),
  proxyPlan(
    {
      kind: 'chosen',
      by: [storeTemplate, aliasTemplate],
      targets: { 'gold\nclient-1': 'red', 'blue\nclient-2': 'blue' },
    },
    { name: 'chosen', basePath: '/chosen', faultDetail: 'verbose' },
  ),
]
const logs = [
  { format: 'native', file: 'native.log' },
  { format: 'edge-system', file: 'system.log' },
  { format: 'edge-access', file: 'access.log' },
]
const listeners = [{ name: 'http', address: '127.0.0.1', port: 0, h2c: true }]
const gateway = await startPlannedGateway({ listeners, logs }, () => ({ targets, proxies }))
const port = gateway.gateway.ports['http'] ?? 0
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backends.red[Symbol.asyncDispose]()
  await backends.blue[Symbol.asyncDispose]()
})

const answer = async (text: string): Promise<string> => {
  const response = await ask(port, text)
  return statusOf(response) === 200 ? response.body : `${statusOf(response)} ${response.body}`
}

describe('rules', () => {
  const rows: readonly (readonly [asked: string, expected: string])[] = [
    [get('/ordered/x'), 'red GET /x HTTP/1.1'],
    [request('POST', '/ordered/x', 'Content-Length: 0'), 'blue POST /b/x HTTP/1.1'],
    [get('/ordered/blue/x?y=1'), 'blue GET /b/blue/x?y=1 HTTP/1.1'],
    [get('/ordered/bluest'), 'red GET /bluest HTTP/1.1'],
    [get('/ordered?n=4', 'X-Colour: blue'), 'blue GET /b?n=4 HTTP/1.1'],
    [get('/ordered?n=3', 'X-Colour: blue'), 'red GET /?n=3 HTTP/1.1'],
    [get('/ordered?n=4', 'X-Colour: Blue'), 'red GET /?n=4 HTTP/1.1'],
  ]
  it('are tried in their order, and the first that holds decides', async () => {
    for (const [asked, expected] of rows) assert.equal(await answer(asked), expected, asked)
  })

  it('each decide for their own request, on one connection', async () => {
    const peer = await Peer.connect(port)
    peer.send(get('/ordered/a') + get('/ordered/blue/b') + get('/ordered/c'))
    const bodies = [await peer.response(), await peer.response(), await peer.response()].map(({ body }) => body)
    assert.deepEqual(bodies, ['red GET /a HTTP/1.1', 'blue GET /b/blue/b HTTP/1.1', 'red GET /c HTTP/1.1'])
    peer.destroy()
  })

  it('of which none holds are a fault of the proxy, in its own words', async () => {
    const response = await ask(port, get('/strict'))
    assert.equal(statusOf(response), 500)
    assert.deepEqual(JSON.parse(response.body), {
      fault: {
        faultstring: 'Unable to route the message to a Target Endpoint',
        detail: { errorcode: 'messaging.runtime.RouteFailed' },
      },
    })
    assert.equal(fieldOf(response, 'x-apigee-fault-code'), 'messaging.runtime.RouteFailed')
    assert.equal(await answer(request('PUT', '/strict', 'Content-Length: 0')), 'red PUT / HTTP/1.1')
    assert.match(await answer(get('/empty')), /^500 .*route-failed/)
  })
})

describe('a null route', () => {
  it('answers 200 without a body, and with the id line of the profile', async () => {
    const response = await ask(port, get('/null?none=1'))
    assert.equal(response.start, 'HTTP/1.1 200 OK')
    assert.equal(fieldOf(response, 'content-length'), '0')
    assert.match(fieldOf(response, 'x-apigee-message-id') ?? '', /./)
    assert.ok(fieldOf(response, 'date'))
    assert.equal(fieldOf(response, 'content-type'), null)
    assert.equal(await answer(get('/null?none=2')), 'red GET /?none=2 HTTP/1.1')
    assert.match(fieldOf(await ask(port, get('/nowhere')), 'x-request-id') ?? '', /./)
    assert.equal((await ask(port, request('HEAD', '/nowhere'))).start, 'HTTP/1.1 200 OK')
  })

  it('reads the body of a request and drops it; the connection goes on', async () => {
    const peer = await Peer.connect(port)
    const size = 3_000_000
    peer.send(request('POST', '/nowhere', `Content-Length: ${size}`))
    for (let sent = 0; sent < size; sent += 100_000) peer.send(Buffer.alloc(100_000, 'a'))
    assert.equal((await peer.response()).start, 'HTTP/1.1 200 OK')
    peer.send(
      `${request('POST', '/nowhere', 'Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\n\r\n${get('/ordered/next')}`,
    )
    assert.equal((await peer.response()).start, 'HTTP/1.1 200 OK')
    assert.equal((await peer.response()).body, 'red GET /next HTTP/1.1')
    peer.destroy()
  })

  it('says 100 to a client that waits for it, and nothing before the body is there', async () => {
    const peer = await Peer.connect(port)
    peer.send(request('POST', '/nowhere', 'Content-Length: 3', 'Expect: 100-continue'))
    assert.equal((await peer.response()).start, 'HTTP/1.1 100 Continue')
    assert.equal(peer.unread, '')
    peer.send('abc')
    assert.equal((await peer.response()).start, 'HTTP/1.1 200 OK')
    peer.destroy()
  })

  it('refuses a body that is malformed', async () => {
    const response = await ask(port, `${request('POST', '/nowhere', 'Transfer-Encoding: chunked')}zz\r\n`)
    assert.equal(statusOf(response), 400)
  })
})

describe('rules, for clients of HTTP/2', () => {
  it('decide the same, and a null route reads the body as well', async () => {
    const client = connect(`http://127.0.0.1:${port}`)
    const textOf = async (path: string, fields = {}): Promise<string> => {
      const { status, body } = await askH2(client, { ':path': path, ...fields })
      return status === 200 ? body.toString() : `${status} ${body.toString()}`
    }
    assert.equal(await textOf('/ordered/blue/x'), 'blue GET /b/blue/x HTTP/1.1')
    assert.equal(await textOf('/ordered?n=4', { 'X-Colour': 'blue' }), 'blue GET /b?n=4 HTTP/1.1')
    assert.equal(await textOf('/ordered?n=4'), 'red GET /?n=4 HTTP/1.1')
    assert.match(await textOf('/strict'), /^500 .*RouteFailed/)

    const empty = await askH2(client, { ':path': '/null?none=1' })
    assert.deepEqual([empty.status, empty.body.length, empty.headers['content-length']], [200, 0, '0'])
    assert.match(String(empty.headers['x-apigee-message-id']), /./)
    // More than the windows of a stream and of the connection.
    const body = Buffer.alloc(3_000_000, 'a')
    assert.equal((await askH2(client, { ':path': '/nowhere', ':method': 'POST' }, body)).status, 200)
    const waiting = client.request({ ':path': '/nowhere', ':method': 'POST', expect: '100-continue' })
    waiting.once('continue', () => waiting.end('abc'))
    assert.equal((await answerOf(waiting)).status, 200)
    client.destroy()
  })

  it('open no WebSocket where there is no target', async () => {
    const client = connect(`http://127.0.0.1:${port}`)
    await new Promise((resolve) => client.once('remoteSettings', resolve))
    const opened = (path: string) =>
      client.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, 'sec-websocket-version': '13' })
    assert.equal((await answerOf(opened('/nowhere'))).status, 500)
    client.destroy()
    const upgrade = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: x']
    assert.equal((await ask(port, get('/nowhere', ...upgrade))).start, 'HTTP/1.1 200 OK')
  })
})

describe('a proxy with something that cannot be run', () => {
  it('fails every request, and says what it is where details are told', async () => {
    const response = await ask(port, get('/stuck/x'))
    assert.equal(statusOf(response), 500)
    const { fault } = JSON.parse(response.body) as { fault: { detail: Record<string, string> } }
    assert.deepEqual(fault.detail, {
      errorcode: 'messaging.runtime.StepNotSupported',
      reason: 'step-not-supported: policy "Sign" (JavaCallout, Sign.xml:1) is not supported',
    })
    assert.equal(fieldOf(response, 'x-apigee-organization'), 'acme')
    assert.equal(
      fieldOf(response, 'x-apigee-proxy'),
      '/organizations/acme/environments/test/apiproxies/stuck/revisions/3',
    )
  })
})

describe('a target that flow variables choose', () => {
  it('is the one that all values name together', async () => {
    assert.equal(await answer(get('/chosen?alias=1', 'X-Store: gold')), 'red GET /?alias=1 HTTP/1.1')
    assert.equal(await answer(get('/chosen?alias=2', 'X-Store: blue')), 'blue GET /b?alias=2 HTTP/1.1')
  })

  it('is none for values that nobody listed, and for those that are not there', async () => {
    const detailOf = ({ body }: WireMessage): unknown => (JSON.parse(body) as { detail: unknown }).detail
    const unknown = await ask(port, get('/chosen?alias=2', 'X-Store: gold'))
    assert.equal(statusOf(unknown), 500)
    assert.match(unknown.body, /urn:postern:fault:store-unknown/)
    assert.equal(
      detailOf(unknown),
      'proxy "chosen" names its stores by flow variables, and there is none for "gold", "client-2"',
    )
    assert.equal(
      detailOf(await ask(port, get('/chosen?alias=1'))),
      'proxy "chosen" names its stores by flow variables, and {request.header.x-store} has no value',
    )
    for (const name of ['__proto__', 'constructor', 'gold%0Aclient-1']) {
      const response = await ask(port, get(`/chosen?alias=${name}`, `X-Store: ${name}`))
      assert.equal(statusOf(response), 500, name)
    }
  })
})

describe('what is told of it', () => {
  it('names the target that was taken, and none where none was', async () => {
    await ask(port, get('/ordered/blue/log'))
    await ask(port, get('/stuck/log'))
    const last = (path: string) => async (): Promise<Record<string, unknown>> => {
      const lines = await gateway.logLines('native.log', (line) => line.includes(`"path":"${path}"`))
      return JSON.parse(lines.find((line) => line.includes(`"path":"${path}"`)) ?? '') as Record<string, unknown>
    }
    assert.equal((await last('/ordered/blue/log')())['target'], 'blue')
    const stuck = await last('/stuck/log')()
    assert.deepEqual([stuck['proxy'], stuck['target'], stuck['backend']], ['stuck', null, undefined])
  })

  it('has the organization and environment of the proxy', async () => {
    await ask(port, get('/strict/told'))
    const system = await gateway.logLines('system.log', (line) => line.includes('api:strict'))
    assert.match(
      system.find((line) => line.includes('api:strict')) ?? '',
      /org:acme env:test api:strict rev:3 .*verdict:route-failed party:gateway target:- /,
    )
    const access = await gateway.logLines('access.log', (line) => line.includes('/strict/told'))
    assert.match(access.join('\n'), /\/organizations\/acme\/environments\/test\/apiproxies\/strict\/revisions\/3/)
  })

  it('counts the fault by its kind, of no target', async () => {
    await ask(port, get('/strict/counted'))
    assert.match(gateway.gateway.metricsText(), /^postern_faults_total\{target="\(none\)",code="route-failed"\} [1-9]/m)
    assert.match(gateway.gateway.metricsText(), /^postern_requests_total\{proxy="nowhere",code_class="2xx"\} [1-9]/m)
  })
})
