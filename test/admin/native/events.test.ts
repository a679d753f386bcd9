import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ApiError } from '../../../src/admin/api.ts'
import { EventRing } from '../../../src/admin/native/event-ring.ts'
import { eventRoutes } from '../../../src/admin/native/events.ts'
import type { PosternEvent } from '../../../src/observe/events.ts'
import { startManagedGateway } from '../../support/managed-gateway.ts'
import { memoryServices, apiCall, root } from '../support.ts'

const warning = (message: string): PosternEvent => ({ at: 1, worker: -1, type: 'warning', code: 'test', message })

/** A source of events and the route that follows it. */
function source(limits: Parameters<typeof eventRoutes>[1] = {}) {
  let listener: (event: PosternEvent) => void = () => {}
  const [route] = eventRoutes(
    {
      subscribe: (take) => {
        listener = take
        return () => {}
      },
    },
    limits,
  )
  if (route === undefined) throw new Error('there is no route')
  return {
    say: (event: PosternEvent) => listener(event),
    follow: async (query = '', headers: Readonly<Record<string, string>> = {}, user = 'ann') => {
      const services = await memoryServices()
      const answer = await route.handle(apiCall({ query, headers, services, principal: { ...root, user } }))
      await services.store.close()
      if (!('stream' in answer)) throw new Error('there is no stream')
      return answer.stream.getReader()
    },
  }
}

type Reader = ReadableStreamDefaultReader<Uint8Array>

async function next(reader: Reader): Promise<string> {
  const { value } = await reader.read()
  return Buffer.from(value ?? []).toString()
}

describe('events over the native API', { timeout: 20_000 }, () => {
  it('come as they happen, of the types asked for', async () => {
    await using running = await startManagedGateway()
    const { gateway } = running
    const authorization = `Basic ${Buffer.from('admin:a-password-for-tests').toString('base64')}`
    const origin = `http://127.0.0.1:${gateway.managementPort}`
    const answer = await fetch(`${origin}/api/events?types=warning`, { headers: { authorization } })
    assert.equal(answer.headers.get('content-type'), 'text/event-stream')
    const reader = answer.body?.getReader() as Reader
    let text = await next(reader)
    gateway.warn('other-matter', 'one')
    await running.reconfigure({ region: 'elsewhere' })
    gateway.warn('last-matter', 'two')
    while (!text.includes('last-matter')) text += await next(reader)
    assert.match(text, /id: [0-9a-f]{12}-\d+\nevent: warning\ndata: \{.*"code":"other-matter"/)
    assert.doesNotMatch(text, /generation-committed/)
    await reader.cancel()
    const bad = await fetch(`${origin}/api/events?types=A%20b`, { headers: { authorization } })
    assert.equal(bad.status, 400)
    await bad.text()
  })

  it('who comes back gets what was missed, or hears that some is gone', async () => {
    const { say, follow } = source()
    const first = await follow()
    await next(first)
    say(warning('one'))
    const id = /^id: (.*)$/m.exec(await next(first))?.[1] ?? ''
    await first.cancel()
    say(warning('two'))
    const second = await follow('', { 'last-event-id': id })
    assert.doesNotMatch(await next(second), /missed/)
    assert.match(await next(second), /"two"/)
    await second.cancel()
    const stranger = await follow('', { 'last-event-id': 'abcdef-1' })
    assert.match(await next(stranger), /event: missed/)
    await stranger.cancel()
    for (let count = 0; count < 1001; count++) say(warning(`more ${count}`))
    const late = await follow('', { 'last-event-id': id })
    assert.match(await next(late), /event: missed/)
    await late.cancel()
  })

  it('a client that does not read is cut, and there are only so many', async () => {
    const { say, follow } = source({ behind: 2000, clients: 2 })
    const slow = await follow()
    const other = await follow()
    await assert.rejects(follow(), (error) => error instanceof ApiError && error.status === 503)
    for (let count = 0; count < 100; count++) say(warning('x'.repeat(100)))
    await assert.rejects(async () => {
      for (;;) if ((await slow.read()).done) return
    }, /does not read/)
    // Both have made place.
    const third = await follow()
    await third.cancel()
    await other.cancel().catch(() => {})
  })

  it('one user has so many streams, and leaves place for others', async () => {
    const { follow } = source({ ofUser: 2 })
    const streams = [await follow(), await follow()]
    await assert.rejects(follow(), (error) => error instanceof ApiError && error.status === 429)
    streams.push(await follow('', {}, 'bob'))
    await streams[0]?.cancel()
    streams.push(await follow())
    for (const stream of streams) await stream.cancel()
  })

  it('a heartbeat comes while nothing happens', async () => {
    const { follow } = source({ heartbeat: 20 })
    const reader = await follow()
    await next(reader)
    assert.equal(await next(reader), ': still here\n\n')
    await reader.cancel()
  })

  it('the ring holds so many bytes and no more', () => {
    const ring = new EventRing()
    const first = ring.add(warning('first'))
    for (let count = 0; count < 10; count++) ring.add(warning('x'.repeat(1024 * 1024)))
    const id = /^id: (.*)$/m.exec(first.text)?.[1] ?? ''
    const { events, missed } = ring.after(id)
    assert.equal(missed, true)
    assert.ok(events.length <= 4, `${events.length} events`)
  })
})
