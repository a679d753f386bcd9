import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { ok, startBackend } from './backend.ts'
import { ask, get, Peer, request, statusOf } from './peer.ts'
import {
  condition,
  type Addition,
  proxyPlan,
  plannedServer,
  startPlannedGateway,
  targetPlan,
} from './planned-gateway.ts'

/* Which listener leads to which proxy, where a request goes after a change, and what servers are called. */

const backend = await startBackend((asked) => ok(`${asked.start} ${asked.lines[0]}`))
/** Reads one request of a connection and does not answer it. */
const slow = await startBackend()
const listeners = ['http', 'one', 'two'].map((name) => ({ name, address: '127.0.0.1', port: 0 }))
const to = (target: string) => ({ kind: 'target', target }) as const
const targets = [targetPlan('a', [backend.port]), targetPlan('b', [backend.port]), targetPlan('c', [backend.port])]
const first: Addition = () => ({
  targets,
  proxies: [
    proxyPlan(to('a'), { name: 'everywhere', basePath: '/all' }),
    proxyPlan(to('a'), { name: 'first', basePath: '/x', listeners: ['one'] }),
    proxyPlan(to('b'), { name: 'second', basePath: '/x', listeners: ['two'] }),
    proxyPlan(to('c'), { name: 'both', basePath: '/y', listeners: ['two', 'one'] }),
    proxyPlan(to('c'), { name: 'rest', basePath: '/', listeners: ['two'] }),
  ],
})
const gateway = await startPlannedGateway({ listeners }, first)
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
  await slow[Symbol.asyncDispose]()
})
const portOf = (listener: string): number => gateway.gateway.ports[listener] ?? 0
const outcome = async (listener: string, path: string): Promise<string> => {
  const response = await ask(portOf(listener), get(path))
  return statusOf(response) === 200 ? response.body : `${statusOf(response)}`
}

describe('a proxy that names listeners', () => {
  const rows = [
    ['/all', 'a.test', 'a.test', 'a.test'],
    ['/x', '404', 'a.test', 'b.test'],
    ['/y', '404', 'c.test', 'c.test'],
    ['/other', '404', '404', 'c.test'],
  ] as const
  it('answers on those alone, and others on every one', async () => {
    await gateway.plan(first)
    for (const [path, ...expected] of rows) {
      for (const [index, { name }] of listeners.entries()) {
        const found = (await outcome(name, path)).split('Host: ').at(-1)
        assert.equal(found, expected[index], `${name} ${path}`)
      }
    }
  })

  it('moves with a change, also for clients that are there', async () => {
    await gateway.plan(first)
    const peer = await Peer.connect(portOf('one'))
    peer.send(get('/x'))
    assert.match((await peer.response()).body, /a\.test/)
    await gateway.plan(() => ({ targets, proxies: [proxyPlan(to('b'), { basePath: '/x', listeners: ['http'] })] }))
    peer.send(get('/x'))
    assert.equal(statusOf(await peer.response()), 404)
    assert.match(await outcome('http', '/x'), /b\.test/)
    peer.destroy()
  })
})

describe('a request that waits while the plan changes', () => {
  const narrow = (name: string, authority: string) =>
    targetPlan(name, [], {
      servers: [
        plannedServer(name, slow.port, {
          authority,
          limits: { connections: 1, streams: 1, pending: 10, responseHeaderBytes: 4096 },
        }),
      ],
    })
  const ruled = (name: string, when: string) =>
    proxyPlan(
      { kind: 'rules', rules: [{ name: 'only', condition: condition(when), to: to(name) }] },
      { name: 'ruled', basePath: '/r' },
    )

  /** Two requests under a rule that sends them to the slow backend's only connection; the second one waits for it. */
  async function waiting(line: (path: string) => string, when: string): Promise<Peer> {
    await gateway.plan(() => ({ targets: [narrow('s', 'before.test')], proxies: [ruled('s', when)] }))
    const busy = await Peer.connect(portOf('http'))
    busy.send(line('/r/1'))
    await (await slow.next()).request()
    const peer = await Peer.connect(portOf('http'))
    peer.send(line('/r/2'))
    // The gateway has read it: an answer on another connection comes after.
    assert.equal(await outcome('http', '/nowhere'), '404')
    after(() => busy.destroy())
    return peer
  }

  it('is sent where the rules of today send it', async () => {
    const peer = await waiting((path) => get(path), 'request.verb = "GET"')
    await gateway.plan(() => ({ targets, proxies: [ruled('b', 'request.path = "/r/2"')] }))
    assert.equal((await peer.response()).body, 'GET /2 HTTP/1.1 Host: b.test')
    peer.destroy()
  })

  const rows = [
    ['fails where no rule holds any more', { targets, proxies: [ruled('a', 'request.verb = "PUT"')] }, 500],
    ['is answered where the route is none now', { proxies: [proxyPlan({ kind: 'none' }, { basePath: '/r' })] }, 200],
    ['fails where its proxy is gone', {}, 404],
  ] as const
  for (const [what, addition, expected] of rows) {
    it(what, async () => {
      const post = (path: string): string => `${request('POST', path, 'Content-Length: 2')}ab`
      const peer = await waiting(post, 'request.verb = "POST"')
      await gateway.plan(() => addition)
      assert.equal(statusOf(await peer.response()), expected)
      peer.destroy()
    })
  }
})

describe('a server', () => {
  it('with an authority of its own is asked as that, under the host policy `target` alone', async () => {
    const servers = [
      plannedServer('t', backend.port, { name: 'x', authority: 'x.test:8080' }),
      plannedServer('t', backend.port, { name: 'y', authority: null }),
    ]
    const target = targetPlan('t', [], { servers, authority: 'target.test', pathPrefix: '/p' })
    await gateway.plan(() => ({
      targets: [target],
      proxies: [
        proxyPlan(to('t'), { basePath: '/own' }),
        proxyPlan(to('t'), { key: 'k', basePath: '/kept', host: 'keep' }),
      ],
    }))
    const peer = await Peer.connect(portOf('http'))
    const seen = new Set<string>()
    for (let n = 0; n < 4; n++) {
      peer.send(get('/own/q'))
      seen.add((await peer.response()).body)
    }
    assert.deepEqual([...seen].sort(), ['GET /p/q HTTP/1.1 Host: target.test', 'GET /p/q HTTP/1.1 Host: x.test:8080'])
    peer.send(get('/kept/q'))
    assert.match((await peer.response()).body, /Host: gateway\.test$/)
    peer.destroy()
    const urls = async (url: string) => gateway.logLines('postern.log', (line) => line.includes(`"url":"${url}"`))
    await urls('http://x.test:8080/p/q')
    await urls('http://target.test/p/q')
  })

  it('that a target has none of is a fault of each request, in the words of the profile', async () => {
    await gateway.plan(() => ({
      targets: [targetPlan('none', [], { servers: [] })],
      proxies: [
        proxyPlan(to('none'), { basePath: '/e', faults: 'apigee' }),
        proxyPlan(to('none'), { key: 'k', basePath: '/n', faultDetail: 'verbose' }),
      ],
    }))
    for (let n = 0; n < 3; n++) {
      const edge = await ask(portOf('http'), get('/e'))
      assert.equal(statusOf(edge), 503)
      assert.match(edge.body, /messaging\.adaptors\.http\.flow\.NoActiveTargets/)
    }
    assert.match((await ask(portOf('http'), get('/n'))).body, /target \\"none\\" has no server/)
  })
})
