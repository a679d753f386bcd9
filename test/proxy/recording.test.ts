import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { after, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { RecordedMessage, RecordedTransaction } from '../../src/observe/recording.ts'
import type { RoutePlan } from '../../src/proxy/plan.ts'
import { ok, startBackend } from './backend.ts'
import { answerOf } from './h2-client-rig.ts'
import { ask, get, Peer, request, statusOf } from './peer.ts'
import { condition, plannedServer, proxyPlan, targetPlan } from './planned-gateway.ts'
import { order, slots, startRecordingRig, stepsOf, typesOf } from './recording-rig.ts'

/* What a recorded request tells of itself, over real sockets on both sides. */

const served = new WeakMap<Peer, number>()
const resets = new Set<string>()
const backend = await startBackend(({ start, body }, peer) => {
  const count = (served.get(peer) ?? 0) + 1
  served.set(peer, count)
  if ((start.includes('/die') && count > 1) || (start.includes('/reset') && !resets.has(start))) {
    resets.add(start)
    peer.reset()
    return null
  }
  if (start.includes('/chunked')) {
    return 'HTTP/1.1 200 Fine\r\nX-Backend: 1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n'
  }
  if (start.includes('/upgrade')) return 'HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
  if (start.includes('/early')) return `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${ok('late')}`
  if (start.includes('/cut')) return 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort'
  if (start.includes('/status')) return 'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n'
  return ok(`got ${body}`, 'x-BackEnd: 1', 'X-Request-ID: theirs', 'Keep-Alive: timeout=9')
})
const h2 = createServer()
h2.on('stream', (stream) => {
  stream.on('error', () => {})
  stream.respond({ ':status': 200, 'x-backend': 'h2' })
  stream.pipe(stream)
})
h2.listen(0, '127.0.0.1')
await once(h2, 'listening')
const h2Port = (h2.address() as AddressInfo).port
// A port that nobody listens on.
const unused = await startBackend()
await unused[Symbol.asyncDispose]()

const retries = {
  attempts: 2,
  on: ['connect', 'status'],
  statuses: [[503, 503]],
  methods: ['GET'],
  budgetPercent: 100,
  budgetMinPerSecond: 100,
} as const
const to = (target: string): RoutePlan => ({ kind: 'target', target })
const rules: RoutePlan = {
  kind: 'rules',
  rules: [
    { name: 'by-verb', condition: condition('request.verb = "POST"'), to: { kind: 'target', target: 'h1' } },
    {
      name: 'by-colour',
      condition: condition('request.header.x-colour = "blue" and request.queryparam.n > 3'),
      to: { kind: 'target', target: 'h1' },
    },
    { name: 'nothing', condition: condition('request.queryparam.none = "1"'), to: { kind: 'none' } },
    { name: 'rest', condition: null, to: { kind: 'target', target: 'h1' } },
  ],
}
const parts = {
  targets: [
    targetPlan('h1', [backend.port]),
    targetPlan('h2', [], { servers: [plannedServer('h2', h2Port, { h2c: true })] }),
    targetPlan('dead', [unused.port]),
    targetPlan('pair', [unused.port, backend.port], { retries }),
    targetPlan('flaky', [backend.port, backend.port], { retries: { ...retries, on: ['reset'] } }),
    targetPlan('busy', [backend.port, backend.port], { retries }),
  ],
  proxies: [
    proxyPlan(to('h1'), { name: 'p', key: 'h1', basePath: '/h1' }),
    proxyPlan(to('h2'), { name: 'p', key: 'h2', basePath: '/h2' }),
    proxyPlan(to('dead'), { name: 'p', key: 'dead', basePath: '/dead', faults: 'apigee' }),
    proxyPlan(to('pair'), { name: 'p', key: 'pair', basePath: '/pair' }),
    proxyPlan(to('flaky'), { name: 'p', key: 'flaky', basePath: '/flaky' }),
    proxyPlan(to('busy'), { name: 'p', key: 'busy', basePath: '/busy' }),
    proxyPlan(rules, { name: 'p', key: 'rules', basePath: '/rules' }),
    proxyPlan(to('h1'), { name: 'other', basePath: '/other' }),
  ],
} as const
const rig = await startRecordingRig(parts)
await rig.order([order({ session: 'full', slots: slots(0) }), order()])
after(async () => {
  await rig[Symbol.asyncDispose]()
  await backend[Symbol.asyncDispose]()
  h2.close()
})

const exchangeSteps = ['request-received', 'routed', 'route-chosen', 'server-chosen']

function only<T>(all: readonly T[]): T {
  assert.equal(all.length, 1)
  return all[0] as T
}

function namesOf(message: RecordedMessage | null): readonly string[] {
  return (message?.headers ?? []).map(([name]) => name)
}

function valueOf(message: RecordedMessage | null, name: string): string | undefined {
  return message?.headers.find(([each]) => each === name)?.[1]
}

describe('a request that goes well', () => {
  it('is told step by step, with its heads as they came and went', async () => {
    const response = await ask(
      rig.port,
      request(
        'POST',
        '/h1/a?b=1',
        'x-MiXed:  one ',
        'Connection: keep-alive',
        'X-Forwarded-For: 192.0.2.1',
        'Content-Length: 4',
      ) + 'body',
    )
    assert.equal(statusOf(response), 200)
    const transaction = await rig.of('/h1/a?b=1')
    const types = typesOf(transaction)
    assert.deepEqual(types.slice(0, 4), exchangeSteps)
    assert.deepEqual(
      types.filter((type) => type !== 'waiting' && !exchangeSteps.includes(type)),
      [
        'request-body',
        'connected',
        'request-sent',
        'response-received',
        'response-sent',
        'response-body',
        'ended',
      ].sort((a, b) => types.indexOf(a as never) - types.indexOf(b as never)),
    )
    const received = only(stepsOf(transaction, 'request-received')).message
    assert.deepEqual([received.verb, received.uri], ['POST', '/h1/a?b=1'])
    assert.deepEqual(received.headers, [
      ['Host', 'gateway.test'],
      ['x-MiXed', 'one'],
      ['Connection', 'keep-alive'],
      ['X-Forwarded-For', '192.0.2.1'],
      ['Content-Length', '4'],
    ])
    const { message: sent } = only(stepsOf(transaction, 'request-sent'))
    assert.deepEqual([sent?.verb, sent?.uri], ['POST', '/a?b=1'])
    assert.deepEqual(namesOf(sent), ['Host', 'x-MiXed', 'Content-Length', 'X-Request-ID', 'Via'])
    assert.equal(valueOf(sent, 'X-Request-ID'), transaction.id)
    assert.deepEqual(only(stepsOf(transaction, 'request-body')).body, { text: 'body', bytes: 4 })
    const { message: came, protocol } = only(stepsOf(transaction, 'response-received'))
    assert.equal(protocol, 'HTTP/1.1')
    assert.deepEqual(namesOf(came), ['x-BackEnd', 'X-Request-ID', 'Keep-Alive', 'Content-Length'])
    const { message: answer, code, source } = only(stepsOf(transaction, 'response-sent'))
    assert.deepEqual([answer?.status, answer?.reason, code, source], [200, 'OK', '', ''])
    assert.deepEqual(
      answer?.headers.map(([name, value]) => `${name}: ${value}`),
      response.lines,
    )
    assert.deepEqual(only(stepsOf(transaction, 'response-body')).body, { text: 'got body', bytes: 8 })
    assert.deepEqual(
      [transaction.sessions, transaction.status, transaction.fault, transaction.context, transaction.proxy?.name],
      [['s1'], 200, null, null, 'p'],
    )
    const { listener, basePath, pathSuffix } = only(stepsOf(transaction, 'routed'))
    assert.deepEqual([listener, basePath, pathSuffix], ['http', '/h1', '/a'])
    for (let index = 1; index < transaction.steps.length; index++) {
      assert.ok((transaction.steps[index]?.at ?? 0) >= (transaction.steps[index - 1]?.at ?? 0))
    }
    assert.ok(transaction.totalMs >= (transaction.steps.at(-1)?.at ?? 0) - 1)
  })

  for (const side of ['h1', 'h2'] as const) {
    it(`has its bodies without framing, from an HTTP/2 client to ${side}`, async () => {
      const client = connect(`http://127.0.0.1:${rig.port}`)
      const path = `/${side}/two?x=1`
      const stream = client.request({ ':method': 'POST', ':path': path, 'x-one': '1', te: 'trailers' })
      stream.write('ab')
      stream.end('cd')
      const answer = await answerOf(stream)
      client.destroy()
      const transaction = await rig.of(path)
      const received = only(stepsOf(transaction, 'request-received')).message
      assert.deepEqual([received.verb, received.uri], ['POST', path])
      assert.deepEqual(namesOf(received), ['x-one', 'te'])
      const { message: sent } = only(stepsOf(transaction, 'request-sent'))
      assert.deepEqual([sent?.verb, sent?.uri], ['POST', '/two?x=1'])
      assert.equal(valueOf(sent, side === 'h1' ? 'X-Request-ID' : 'x-request-id'), transaction.id)
      assert.deepEqual(only(stepsOf(transaction, 'request-body')).body, { text: 'abcd', bytes: 4 })
      const { body } = only(stepsOf(transaction, 'response-body'))
      assert.deepEqual([body.text, body.bytes], [answer.body.toString('latin1'), answer.body.length])
      const { message } = only(stepsOf(transaction, 'response-sent'))
      assert.equal(valueOf(message, 'x-backend'), side === 'h1' ? '1' : 'h2')
      assert.equal(message?.status, 200)
      const told = Object.keys(answer.headers).filter((name) => !name.startsWith(':'))
      assert.deepEqual(namesOf(message).toSorted(), told.toSorted())
      assert.equal(only(stepsOf(transaction, 'response-received')).protocol, side === 'h1' ? 'HTTP/1.1' : 'HTTP/2.0')
    })

    it(`has its bodies without framing, chunked from an HTTP/1.1 client to ${side}`, async () => {
      const path = `/${side}/chunked`
      const response = await ask(
        rig.port,
        `${request('POST', path, 'Transfer-Encoding: chunked')}3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n`,
      )
      const transaction = await rig.of(path)
      assert.deepEqual(only(stepsOf(transaction, 'request-body')).body, { text: 'abcde', bytes: 5 })
      const { body } = only(stepsOf(transaction, 'response-body'))
      assert.deepEqual(body, { text: response.body, bytes: response.body.length })
    })
  }

  it('says that its connection was open before', async () => {
    const before = (await rig.next(1)).length
    assert.equal(before, 1)
    await ask(rig.port, get('/h2/first'))
    await ask(rig.port, get('/h2/again'))
    const { story, uses } = only(stepsOf(await rig.of('/h2/again'), 'connected'))
    assert.ok(uses > 0)
    assert.equal(story.address, `127.0.0.1:${h2Port}`)
    assert.equal(story.failure, null)
  })

  it('tells of informational responses', async () => {
    await ask(rig.port, get('/h1/early'))
    const transaction = await rig.of('/h1/early')
    assert.equal(only(stepsOf(transaction, 'informational')).status, 103)
    assert.equal(only(stepsOf(transaction, 'response-received')).message?.status, 200)
  })

  it('tells of a tunnel when it has ended', async () => {
    const peer = await Peer.connect(rig.port)
    peer.send(get('/h1/upgrade', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x'))
    const { start } = await peer.response()
    assert.equal(start, 'HTTP/1.1 101 Go')
    peer.send('bytes')
    peer.destroy()
    const transaction = await rig.of('/h1/upgrade')
    assert.deepEqual(typesOf(transaction).slice(-4), ['response-received', 'tunnel', 'response-sent', 'ended'])
    assert.equal(only(stepsOf(transaction, 'response-sent')).message?.status, 101)
    assert.equal(transaction.fault, null)
  })
})

describe('rules', () => {
  const conditionsOf = (transaction: RecordedTransaction): unknown =>
    stepsOf(transaction, 'condition').map(({ name, expression, result, reads }) => ({
      name,
      expression,
      result,
      reads: reads.map((read) => `${read.name}=${read.value}`),
    }))

  it('are told with what they read, up to the one that holds', async () => {
    await ask(rig.port, get('/rules?n=7', 'X-Colour: blue'))
    const transaction = await rig.of('/rules?n=7')
    assert.deepEqual(conditionsOf(transaction), [
      { name: 'by-verb', expression: '(request.verb equals "POST")', result: false, reads: ['request.verb=GET'] },
      {
        name: 'by-colour',
        expression: '((request.header.x-colour equals "blue") and (request.queryparam.n greaterthan 3))',
        result: true,
        reads: ['request.header.x-colour=blue', 'request.queryparam.n=7'],
      },
    ])
    const { rule, target, none } = only(stepsOf(transaction, 'route-chosen'))
    assert.deepEqual([rule, target, none], ['by-colour', 'h1', false])
  })

  it('that have no condition say nothing, and null is no value', async () => {
    await ask(rig.port, get('/rules?n=1'))
    const transaction = await rig.of('/rules?n=1')
    const [, colour] = stepsOf(transaction, 'condition')
    assert.deepEqual(colour?.reads, [{ name: 'request.header.x-colour', value: null }])
    assert.equal(only(stepsOf(transaction, 'route-chosen')).rule, 'rest')
  })

  it('may send a request nowhere', async () => {
    await ask(rig.port, get('/rules?none=1'))
    const transaction = await rig.of('/rules?none=1')
    const { rule, target, none } = only(stepsOf(transaction, 'route-chosen'))
    assert.deepEqual([rule, target, none], ['nothing', '', true])
    assert.deepEqual(typesOf(transaction).slice(-2), ['response-sent', 'ended'])
    assert.equal(stepsOf(transaction, 'server-chosen').length, 0)
  })
})

describe('a request that fails', () => {
  it('tells the fault, and the answer as the profile renders it', async () => {
    const response = await ask(rig.port, get('/dead/x'))
    assert.equal(statusOf(response), 503)
    const transaction = await rig.of('/dead/x')
    assert.deepEqual(typesOf(transaction).slice(-5), [
      'connect-failed',
      'fault',
      'response-sent',
      'response-body',
      'ended',
    ])
    const { fault, story } = only(stepsOf(transaction, 'connect-failed'))
    assert.equal(fault.kind, 'connect-refused')
    assert.equal(story?.failure?.kind, 'connect-refused')
    const { code, source, message } = only(stepsOf(transaction, 'response-sent'))
    assert.deepEqual([code, source], ['messaging.adaptors.http.flow.ServiceUnavailable', 'target'])
    assert.equal(message?.status, 503)
    assert.equal(only(stepsOf(transaction, 'response-body')).body.text, response.body)
    assert.equal(transaction.fault?.kind, 'connect-refused')
  })

  it('tells each of its tries', async () => {
    assert.equal(statusOf(await ask(rig.port, get('/pair/x'))), 200)
    await ask(rig.port, get('/pair/y'))
    const both = [await rig.of('/pair/x'), await rig.of('/pair/y')]
    // Servers take turns: one of the two requests began with the one that is down.
    const tried = both.find((each) => stepsOf(each, 'connect-failed').length > 0)
    assert.deepEqual(
      stepsOf(tried as RecordedTransaction, 'server-chosen').map(({ server, attempt }) => `${attempt} ${server}`),
      ['1 pair-0', '2 pair-1'],
    )
    assert.equal(stepsOf(tried as RecordedTransaction, 'route-chosen').length, 1)
    assert.equal(tried?.fault, null)
  })

  for (const [why, path] of [
    ['by the plan of its target', '/flaky/reset'],
    ['because an idle connection turned out dead', '/h1/die'],
  ] as const) {
    it(`tells why it is tried again ${why}`, async () => {
      await ask(rig.port, get('/h1/keep'))
      assert.equal(statusOf(await ask(rig.port, get(path))), 200)
      const transaction = await rig.of(path)
      const { fault } = only(stepsOf(transaction, 'try-failed'))
      assert.ok(['response-eof', 'connect-reset'].includes(fault.kind), fault.kind)
      assert.equal(stepsOf(transaction, 'server-chosen').length, 2)
      assert.equal(stepsOf(transaction, 'request-sent').length, 2)
      assert.equal(transaction.fault, null)
    })
  }

  it('tells each answer that was not taken', async () => {
    assert.equal(statusOf(await ask(rig.port, get('/busy/status'))), 503)
    const transaction = await rig.of('/busy/status')
    assert.equal(stepsOf(transaction, 'response-received').length, 3)
    assert.equal(stepsOf(transaction, 'server-chosen').length, 3)
    assert.equal(only(stepsOf(transaction, 'response-sent')).message?.status, 503)
  })

  it('tells of a response that broke off, after the head that the client has', async () => {
    const peer = await Peer.connect(rig.port)
    peer.send(get('/h1/cut'))
    await peer.until('short')
    for (const connection of backend.accepted) connection.destroy()
    await peer.ended
    const transaction = await rig.of('/h1/cut')
    assert.deepEqual(typesOf(transaction).slice(-4), ['response-sent', 'fault', 'response-body', 'ended'])
    assert.deepEqual(only(stepsOf(transaction, 'response-body')).body, { text: 'short', bytes: 5 })
    assert.equal(transaction.fault?.kind, 'response-eof')
  })

  it('is told when the client goes away', async () => {
    const peer = await Peer.connect(rig.port)
    peer.send(`${request('POST', '/h1/gone', 'Content-Length: 100')}part`)
    while (!backend.accepted.some(({ unread }) => unread.includes('part'))) await turn()
    peer.reset()
    const transaction = await rig.of('/h1/gone')
    assert.deepEqual(typesOf(transaction).slice(-3), ['fault', 'request-body', 'ended'])
    assert.deepEqual(only(stepsOf(transaction, 'request-body')).body, { text: 'part', bytes: 4 })
    assert.equal(transaction.fault?.kind, 'client-gone')
  })
})

describe('a request of nobody', () => {
  it('is not recorded: of another proxy, of none, and after the sessions have ended', async () => {
    const before = rig.recorded.length
    await ask(rig.port, get('/other/x'))
    await ask(rig.port, get('/nowhere'))
    await rig.order([])
    await ask(rig.port, get('/h1/after'))
    await rig.order([order()])
    await ask(rig.port, get('/h1/again'))
    await rig.of('/h1/again')
    assert.equal(rig.recorded.length, before + 1)
  })
})
