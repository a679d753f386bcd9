import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RecordedTransaction } from '../../../src/observe/recording.ts'
import { request, samples, transaction } from '../../traces/samples.ts'
import { readJson } from '../support.ts'
import { traceRig } from '../trace-support.ts'

describe('the native API of debug sessions', () => {
  test('starts one of the configuration file, with filters and limits', async () => {
    await using gateway = await traceRig()
    const { send, ordered, record } = gateway
    const body = {
      proxy: 'filed',
      headers: [{ name: 'X-A', value: '1' }],
      query: [{ name: 'q', value: '2' }],
      statuses: ['5xx', '404', '410-412'],
      failuresOnly: true,
      timeoutSeconds: 60,
      maxTransactions: 2,
      bodyBytes: 100,
    }
    const created = await send('POST T', { body })
    assert.equal(created.status, 201)
    const { id, name } = await readJson<{ id: string; name: string }>(created)
    assert.notEqual(name, '')
    const [order] = ordered.at(-1) ?? []
    assert.deepEqual(
      [order?.session, order?.proxy, order?.revision, order?.statuses, order?.failuresOnly, order?.bodyBytes],
      [
        id,
        'filed',
        null,
        [
          [500, 599],
          [404, 404],
          [410, 412],
        ],
        true,
        100,
      ],
    )
    assert.deepEqual(order?.headers, [['x-a', '1']])
    record()
    const detail = await readJson<Record<string, never>>(await send(`GET T/${id}`, { user: 'viewer' }))
    const [summary] = detail['transactions'] as unknown as Record<string, unknown>[]
    assert.deepEqual(
      [summary?.['id'], summary?.['status'], summary?.['code'], summary?.['faultCode']],
      ['acme-1-2-3', 503, 'missing-intermediate', 'messaging.adaptors.http.flow.SslHandshakeFailed'],
    )
    const one = await readJson<{ transaction: RecordedTransaction; edge: { point: unknown[] } }>(
      await send(`GET T/${id}/transactions/acme-1-2-3`, { user: 'viewer' }),
    )
    assert.deepEqual(one.transaction, { ...samples['untrusted'], sessions: [id] })
    assert.ok(one.edge.point.length > 10)
    assert.equal((await send(`DELETE T/${id}`)).status, 204)
    assert.equal((await send(`GET T/${id}`)).status, 404)
    assert.deepEqual(ordered.at(-1), [])
  })

  test('a session is named by its id, or by its name within its environment', async () => {
    await using gateway = await traceRig()
    const { send } = gateway
    const made = await readJson<{ id: string }>(await send('POST T', { body: { proxy: 'filed', name: 'night' } }))
    const found = await readJson<{ id: string }>(await send('GET T/night', { user: 'viewer' }))
    assert.equal(found.id, made.id)
    const elsewhere = await send('GET /api/organizations/acme/environments/prod/traces/night', { user: 'viewer' })
    assert.equal(elsewhere.status, 404)
    assert.equal((await send('DELETE T/night')).status, 204)
    assert.equal((await send('GET T/night')).status, 404)
  })

  test('says in words what is wrong with a body', async () => {
    await using gateway = await traceRig()
    for (const [body, says] of [
      [{}, 'proxy is missing: a text'],
      [{ proxy: 1 }, 'proxy: is not a text'],
      [{ proxy: '' }, 'proxy: is empty'],
      [{ proxy: 'filed', prox: 1 }, 'there is no prox'],
      [{ proxy: 'filed', maxTransactions: 1000 }, 'maxTransactions: is more than 200'],
      [{ proxy: 'filed', statuses: ['6xx'] }, 'statuses.0: is no status: 503, 5xx or 500-504'],
    ] as const) {
      const answer = await readJson<{ error: { message: string } }>(await gateway.send('POST T', { body }))
      assert.equal(answer.error.message, says)
    }
  })

  const refused: readonly (readonly [body: unknown, status: number, code: string])[] = [
    [{ proxy: 'none' }, 404, 'trace-proxy-unknown'],
    [{ proxy: 'filed', revision: '9' }, 404, 'trace-proxy-unknown'],
    [{}, 400, 'bad-trace'],
    [{ proxy: 'filed', statuses: ['6xx'] }, 400, 'bad-trace'],
    [{ proxy: 'filed', timeoutSeconds: 3601 }, 400, 'bad-trace'],
    [{ proxy: 'filed', maxTransactions: 201 }, 400, 'bad-trace'],
    [{ proxy: 'filed', extra: 1 }, 400, 'bad-trace'],
    [{ proxy: 'filed', name: 'a/b' }, 400, 'bad-trace'],
    [{ proxy: 'filed', showCredentials: true }, 403, 'forbidden'],
  ]
  test('refuses what it cannot start, with a code for each reason', async () => {
    await using gateway = await traceRig()
    for (const [body, status, code] of refused) {
      const answer = await gateway.send('POST T', { body })
      const told = [answer.status, (await readJson<{ error: { code: string } }>(answer)).error.code]
      assert.deepEqual(told, [status, code], JSON.stringify(body))
    }
    assert.deepEqual(gateway.ordered, [])
  })

  test('credentials are shown to administrators alone, and the audit trail says so', async () => {
    await using gateway = await traceRig()
    const { send, services, traces, ordered } = gateway
    const body = { proxy: 'orders', name: 'open', revision: '3', showCredentials: true }
    const { id } = await readJson<{ id: string }>(await send('POST T', { user: 'admin', body }))
    const headers = [['Authorization', 's3cret']] as const
    const sample = transaction([{ at: 0, type: 'request-received', message: request('GET', '/', headers) }])
    traces.recorded([{ ...sample, sessions: [ordered.at(-1)?.[0]?.session ?? ''] }])
    for (const path of [`T/${id}/transactions/acme-1-2-3`, `T/${id}/export`, 'ER/debugsessions/open/data/acme-1-2-3']) {
      assert.ok((await (await send(`GET ${path}`, { user: 'admin' })).text()).includes('s3cret'), path)
      assert.equal((await send(`GET ${path}`)).status, 403, path)
    }
    const find = async (user: string): Promise<unknown[]> =>
      (await readJson<{ found: unknown[] }>(await send('GET /api/traces?requestId=acme-1-2-3', { user }))).found
    assert.deepEqual([(await find('admin')).length, (await find('operator')).length], [1, 0])
    const trail = await services.store.audits({})
    assert.match(JSON.stringify(trail), /credentials shown/)
  })

  test('a request is found by its id, in the organizations of who asks', async () => {
    await using gateway = await traceRig()
    const { send, record } = gateway
    await send('POST T', { body: { proxy: 'orders', name: 'one' } })
    await send('POST T', { body: { proxy: 'orders', name: 'two' } })
    record()
    const find = async (id: string, user: string): Promise<string[]> => {
      const answer = await send(`GET /api/traces?requestId=${id}`, { user })
      return (await readJson<{ found: { trace: { name: string } }[] }>(answer)).found.map(({ trace }) => trace.name)
    }
    assert.deepEqual(await find('acme-1-2-3', 'viewer'), ['one', 'two'])
    assert.deepEqual(await find('none', 'viewer'), [])
    assert.deepEqual(await find('acme-1-2-3', 'other'), [])
    assert.equal((await send('GET /api/traces')).status, 400)
  })

  for (const format of ['xml', 'json'] as const) {
    test(`a session that was exported as ${format} is imported, and shows the same`, async () => {
      await using gateway = await traceRig()
      const { send, record } = gateway
      const { id } = await readJson<{ id: string }>(await send('POST T', { body: { proxy: 'orders', name: 'one' } }))
      record({ id: 'a' })
      record({ id: 'b' }, samples['good'])
      const file = await send(`GET T/${id}/export?format=${format}`)
      assert.equal(file.headers.get('content-disposition'), `attachment; filename="trace-orders-one.${format}"`)
      const text = await file.text()
      const imported = await send('POST T/import', { body: text, headers: { 'content-type': `application/${format}` } })
      assert.equal(imported.status, 201)
      const again = await readJson<{ id: string; ended: string; count: number }>(imported)
      assert.deepEqual([again.ended, again.count], ['imported', 2])
      const edgeOf = async (session: string, transaction: string): Promise<unknown> =>
        (await readJson<{ edge: unknown }>(await send(`GET T/${session}/transactions/${transaction}`))).edge
      for (const each of ['a', 'b']) assert.deepEqual(await edgeOf(again.id, each), await edgeOf(id, each))
      const told = await readJson<{ transactions: Record<string, unknown>[] }>(await send(`GET T/${again.id}`))
      assert.deepEqual(
        told.transactions.map((each) => [each['id'], each['method'], each['status'], each['code']]),
        [
          ['a', 'GET', 503, 'missing-intermediate'],
          ['b', 'GET', 200, ''],
        ],
      )
      const second = await (await send(`GET T/${again.id}/export?format=${format}`)).text()
      assert.equal(second, text)
      assert.deepEqual(await readJson(await send('GET ER/debugsessions')), ['one'])
    })
  }

  test('a file that is none is refused with its place; nothing is kept', async () => {
    await using gateway = await traceRig()
    const { send, traces } = gateway
    const answer = await send('POST T/import', { body: '<DebugSession><Retrieved/></DebugSession>' })
    const { error } = await readJson<{ error: { code: string; message: string } }>(answer)
    assert.deepEqual([answer.status, error.code], [400, 'trace-file'])
    assert.match(error.message, /DebugSession: has no Messages/)
    assert.deepEqual(traces.all(), [])
  })
})
