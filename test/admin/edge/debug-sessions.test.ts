import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { describe, test } from 'node:test'
import { bodyOf, request, transaction } from '../../traces/samples.ts'
import { basic, readJson, root } from '../support.ts'
import { misspelt, traceRig } from '../trace-support.ts'
import { stamps } from './entity-support.ts'

describe('as the public trace clients do', () => {
  test('a session is made, polled without pause, and each transaction fetched until it is completed', async () => {
    await using gateway = await traceRig()
    const { send, record, origin } = gateway
    // The name is read from the first chunk that comes.
    const created = await new Promise<{ status: number; first: string }>((resolve, reject) => {
      const path =
        '/v1/organizations/acme/environments/test/apis/orders/revisions/3/debugsessions?session=my-1&timeout=60'
      const headers = { authorization: basic('operator'), ...misspelt }
      const call = httpRequest(`${origin}${path}`, { method: 'POST', headers }, (response) => {
        response.once('data', (chunk: Buffer) => resolve({ status: response.statusCode ?? 0, first: chunk.toString() }))
        response.resume()
      })
      call.once('error', reject).end()
    })
    assert.equal(created.status, 201)
    const { name } = JSON.parse(created.first) as { name: string }
    assert.equal(name, 'my-1')

    const ids = async (): Promise<string[]> =>
      readJson(await send(`GET ER/debugsessions/${name}/data`, { headers: { accept: 'application/json' } }))
    for (let poll = 0; poll < 20; poll++) assert.deepEqual(await ids(), [])
    record({ id: 'acme-1-1-1' })
    record({ id: 'acme-1-1-2' })
    assert.deepEqual(await ids(), ['acme-1-1-1', 'acme-1-1-2'])
    for (const id of await ids()) {
      const answer = await send(`GET ER/debugsessions/${name}/data/${id}`, { headers: { accept: 'application/xml' } })
      assert.equal(answer.headers.get('content-type'), 'application/xml')
      const xml = await answer.text()
      assert.ok(xml.includes('<Completed>true</Completed>'))
      assert.ok(
        /<Property name="To">TARGET_REQ_FLOW<.*?<Point id="Error">.*?<Property name="error.cause">PKIX/.test(xml),
      )
      const told: { completed: boolean; point: { id: string }[] } = await readJson(
        await send(`GET ER/debugsessions/${name}/data/${id}`, { headers: { accept: 'application/json' } }),
      )
      assert.equal(told.completed, true)
      assert.equal(told.point[0]?.id, 'Paused')
    }
    assert.deepEqual(await readJson(await send('GET ER/debugsessions')), ['my-1'])
    assert.equal((await send(`DELETE ER/debugsessions/${name}`)).status, 200)
    const gone = await send(`GET ER/debugsessions/${name}/data`)
    assert.equal(gone.status, 404)
    assert.equal((await readJson<{ code: string }>(gone)).code, 'distribution.DebugSessionNotFound')
    assert.deepEqual(await readJson(await send('GET ER/debugsessions')), [])
  })

  test('JSON is what is given where nothing is asked for, XML where it is preferred', async () => {
    await using gateway = await traceRig()
    const { send, record } = gateway
    await send('POST ER/debugsessions?session=s', { headers: misspelt })
    record()
    const type = async (accept: string): Promise<string | null> =>
      (await send('GET ER/debugsessions/s/data/acme-1-2-3', { headers: { accept } })).headers.get('content-type')
    assert.match((await type('*/*')) ?? '', /^application\/json/)
    assert.match((await type('application/json, application/xml')) ?? '', /^application\/json/)
    assert.equal(await type('application/xml, application/json'), 'application/xml')
    assert.equal(await type('text/xml'), 'application/xml')
  })
})

describe('a debug session of Edge', () => {
  test('has its filters and its time from the query, or from a form', async () => {
    await using gateway = await traceRig()
    const { send, ordered } = gateway
    await send('POST ER/debugsessions?session=s&timeout=30&header_X-Test=a%20b&qparam_q=1&header_b=2', {
      headers: misspelt,
    })
    const [order] = ordered.at(-1) ?? []
    assert.deepEqual(order?.headers, [
      ['x-test', 'a b'],
      ['b', '2'],
    ])
    assert.deepEqual(order?.query, [['q', '1']])
    assert.equal(order?.until, Date.UTC(2026, 0, 23) + 30_000)
    const form = await send('POST ER/debugsessions', { headers: misspelt, body: 'session=t&timeout=99999' })
    assert.equal((await readJson<{ timeout: number }>(form)).timeout, 3600)
    assert.match(
      (await readJson<{ name: string }>(await send('POST ER/debugsessions', { headers: misspelt }))).name,
      /^\w+$/,
    )
  })

  test('is unknown when its time is over; the native API has it longer', async () => {
    await using gateway = await traceRig()
    const { send, pass } = gateway
    await send('POST ER/debugsessions?session=s&timeout=30', { headers: misspelt })
    pass(29_999)
    assert.equal((await send('GET ER/debugsessions/s/data')).status, 200)
    pass(1)
    assert.equal((await send('GET ER/debugsessions/s/data')).status, 404)
    const { traces } = await readJson<{ traces: { name: string; ended: string }[] }>(await send('GET T'))
    assert.deepEqual(
      traces.map(({ name, ended }) => [name, ended]),
      [['s', 'timeout']],
    )
  })

  const refused: readonly (readonly [what: string, status: number, code: string])[] = [
    ['POST ER/debugsessions?session=a%2Fb', 400, 'bad-value'],
    ['POST ER/debugsessions?timeout=soon', 400, 'bad-value'],
    [`POST ER/debugsessions?${Array.from({ length: 17 }, (_, at) => `header_a${at}=1`).join('&')}`, 400, 'bad-value'],
    ['POST /v1/o/acme/e/test/apis/orders/revisions/1/debugsessions?session=s', 400, 'distribution.RevisionNotDeployed'],
    [
      'POST /v1/o/acme/e/none/apis/orders/revisions/3/debugsessions',
      404,
      'messaging.config.beans.EnvironmentDoesNotExist',
    ],
    [
      'POST /v1/o/acme/e/test/apis/none/revisions/3/debugsessions',
      404,
      'messaging.config.beans.ApplicationDoesNotExist',
    ],
    ['GET /v1/o/acme/e/test/apis/orders/revisions/1/debugsessions', 400, 'distribution.RevisionNotDeployed'],
    ['GET ER/debugsessions/none/data', 404, 'distribution.DebugSessionNotFound'],
    ['GET ER/debugsessions/none/data/x', 404, 'distribution.DebugSessionNotFound'],
    ['DELETE ER/debugsessions/none', 404, 'distribution.DebugSessionNotFound'],
  ]
  test('is refused with a code for each reason', async () => {
    await using gateway = await traceRig()
    for (const [what, status, code] of refused) {
      const answer = await gateway.send(what, { headers: misspelt })
      assert.deepEqual([answer.status, (await readJson<{ code: string }>(answer)).code], [status, code], what)
    }
    assert.deepEqual(gateway.ordered, [])
  })

  test('of a name that runs is refused; a transaction that is not there is 404', async () => {
    await using gateway = await traceRig()
    const { send } = gateway
    await send('POST ER/debugsessions?session=s', { headers: misspelt })
    assert.equal((await send('POST ER/debugsessions?session=s', { headers: misspelt })).status, 409)
    assert.equal((await send('GET ER/debugsessions/s/data/none')).status, 404)
  })

  test('is started and ended by operators, read by viewers', async () => {
    await using gateway = await traceRig()
    const { send } = gateway
    assert.equal((await send('POST ER/debugsessions?session=s', { headers: misspelt, user: 'viewer' })).status, 403)
    assert.equal((await send('POST ER/debugsessions?session=s', { headers: misspelt })).status, 201)
    assert.equal((await send('GET ER/debugsessions/s/data', { user: 'viewer' })).status, 200)
    assert.equal((await send('DELETE ER/debugsessions/s', { user: 'viewer' })).status, 403)
    assert.equal((await send('GET ER/debugsessions/s/data', { user: 'other' })).status, 403)
  })

  test('masks what the organization and the proxy have configured', async () => {
    await using gateway = await traceRig()
    const { send, services, traces, ordered } = gateway
    await services.change({ principal: root }, async (tx) => {
      await tx.put('mask-config', 'acme', 'default', {
        body: { ...stamps, entity: { variables: ['request.header.x-pin'] } },
      })
      const entity = { jSONPathsRequest: ['$.pin', '$['] }
      await tx.put('mask-config', 'acme/apis/orders', 'default', { body: { ...stamps, entity } })
    })
    await send('POST ER/debugsessions?session=s', { headers: misspelt })
    const headers = [
      ['X-Pin', 's3cret'],
      ['Content-Type', 'application/json'],
    ] as const
    const secret = transaction([
      { at: 0, type: 'request-received', message: request('POST', '/', headers) },
      { at: 0, type: 'request-body', body: bodyOf('{"pin":"s3cret"}') },
    ])
    traces.recorded([{ ...secret, sessions: [ordered.at(-1)?.[0]?.session ?? ''] }])
    const text = await (await send('GET ER/debugsessions/s/data/acme-1-2-3')).text()
    assert.ok(!text.includes('s3cret') && text.includes('*****'))
    const id = traces.all()[0]?.id
    const { maskProblems } = await readJson<{ maskProblems: string[] }>(await send(`GET T/${id}`))
    assert.match(maskProblems.join(), /JSONPath \$\[/)
  })
})
