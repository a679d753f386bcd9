import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { oneTarget } from '../support/admin-client.ts'
import { type ManagedTestGateway, startManagedGateway } from '../support/managed-gateway.ts'

/* From a request to a real gateway to what trace clients read of it. */
describe('a debug session of a running gateway', () => {
  let gateway: ManagedTestGateway
  const backend = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    request.resume().on('end', () => response.end('{"pin":"1234","ok":true}'))
  })
  /** Closes what is sent to it without an answer. */
  const broken = createTcpServer((socket) => socket.once('data', () => socket.destroy()))
  const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port

  before(async () => {
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve))
    gateway = await startManagedGateway({
      targets: { t: { url: `http://127.0.0.1:${portOf(backend)}` } },
      proxies: { filed: { basePath: '/filed', target: 't' } },
    })
    const { api } = gateway
    for (const [name, server] of [
      ['orders', backend],
      ['broken', broken],
    ] as const) {
      await api.importBundle(name, oneTarget(name, `<URL>http://127.0.0.1:${portOf(server)}/base</URL>`))
      await api.deploy(name, 1)
    }
    await api.send('POST', '/apis/orders/maskconfigs', { name: 'default', jSONPathsResponse: ['$.pin'] })
  })

  after(async () => {
    await gateway[Symbol.asyncDispose]()
    backend.close()
    broken.close()
  })

  const sessions = (name: string): string => `/e/test/apis/${name}/revisions/1/debugsessions`

  /** As clients do: again and again, until as many are there. */
  async function idsOf(name: string, session: string, count: number): Promise<string[]> {
    const end = Date.now() + 10_000
    for (;;) {
      const { body } = await gateway.api.send('GET', `${sessions(name)}/${session}/data`)
      const ids = JSON.parse(body) as string[]
      if (ids.length >= count || Date.now() > end) return ids
      await delay(10)
    }
  }

  const dataOf = async (name: string, session: string, id: string): Promise<string> =>
    JSON.stringify(JSON.parse((await gateway.api.send('GET', `${sessions(name)}/${session}/data/${id}`)).body))

  test('has a request with its message id, points and bodies, masked', async () => {
    await gateway.api.send('POST', `${sessions('orders')}?session=a`)
    const answer = await fetch(`http://127.0.0.1:${gateway.port}/orders/v1?apikey=k3y&x=1`, {
      method: 'POST',
      headers: { authorization: 'Bearer s3cret' },
      body: 'hello',
    })
    assert.equal(await answer.text(), '{"pin":"1234","ok":true}')
    const id = answer.headers.get('x-apigee-message-id') ?? ''
    assert.deepEqual(await idsOf('orders', 'a', 1), [id])
    const text = await dataOf('orders', 'a', id)
    for (const secret of ['s3cret', 'k3y', '1234']) assert.ok(!text.includes(secret), secret)
    assert.ok(text.includes('hello'))
    assert.ok(text.includes('{\\"pin\\":\\"*****\\",\\"ok\\":true}'))
    const { point } = JSON.parse(text) as {
      point: { id: string; results: { properties?: { property: { name: string; value: string }[] } }[] }[]
    }
    const states = point.flatMap(({ id: kind, results }) =>
      kind === 'StateChange' ? [results[0]?.properties?.property.find(({ name }) => name === 'To')?.value] : [],
    )
    assert.deepEqual(states, [
      'REQ_HEADERS_PARSED',
      'PROXY_REQ_FLOW',
      'TARGET_REQ_FLOW',
      'REQ_SENT',
      'RESP_START',
      'TARGET_RESP_FLOW',
      'PROXY_RESP_FLOW',
      'RESP_SENT',
      'END',
      'PROXY_POST_RESP_SENT',
    ])
  })

  test('has a failure with the text and the code that the client got', async () => {
    await gateway.api.send('POST', `${sessions('broken')}?session=b`)
    const answer = await fetch(`http://127.0.0.1:${gateway.port}/broken`)
    const { fault } = (await answer.json()) as { fault: { faultstring: string; detail: { errorcode: string } } }
    const id = answer.headers.get('x-apigee-message-id') ?? ''
    assert.deepEqual(await idsOf('broken', 'b', 1), [id])
    const text = await dataOf('broken', 'b', id)
    assert.ok(text.includes(`{"name":"error","value":"${fault.faultstring}"}`))
    assert.ok(text.includes(`{"name":"X-Apigee-fault-code","value":"${fault.detail.errorcode}"}`))
    assert.ok(text.includes(JSON.stringify(JSON.stringify({ fault })).slice(1, -1)), "the body is the client's")
  })

  test('takes what its filters let through, and no more than it may', async () => {
    await gateway.api.send('POST', `${sessions('orders')}?session=f&header_x-test=yes&qparam_q=1`)
    const send = async (path: string, test: string): Promise<unknown> =>
      (await fetch(`http://127.0.0.1:${gateway.port}/orders${path}`, { headers: { 'x-test': test } })).text()
    await send('?q=1', 'no')
    await send('?q=2', 'yes')
    for (let at = 0; at < 25; at++) await send('?q=1', 'yes')
    assert.equal((await idsOf('orders', 'f', 20)).length, 20)
    await delay(100)
    assert.equal((await idsOf('orders', 'f', 0)).length, 20)
  })

  test('is there for a proxy of the configuration file', async () => {
    const { port } = gateway
    const send = async (method: string, path: string, body?: object): Promise<Response> =>
      fetch(
        `http://127.0.0.1:${gateway.gateway.managementPort}/api/organizations/acme/environments/test/traces${path}`,
        {
          method,
          headers: { authorization: `Basic ${btoa('admin:a-password-for-tests')}`, 'content-type': 'application/json' },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        },
      )
    const { id } = (await (await send('POST', '', { proxy: 'filed', failuresOnly: false })).json()) as { id: string }
    await (await fetch(`http://127.0.0.1:${port}/filed/x`)).text()
    let count = 0
    for (const end = Date.now() + 10_000; count === 0 && Date.now() < end; await delay(10)) {
      count = ((await (await send('GET', `/${id}`)).json()) as { count: number }).count
    }
    assert.equal(count, 1)
  })
})
