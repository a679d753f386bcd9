import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'

import { startTestGateway, type TestConfig } from '../support/gateway.ts'
import { streamReceiver, until } from './syslog-receiver.ts'

async function configured(t: TestContext, logs: readonly unknown[]): Promise<TestConfig> {
  const backend = createServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1')
  await once(backend, 'listening')
  t.after(() => backend.close())
  return {
    targets: { b: { url: `http://127.0.0.1:${(backend.address() as AddressInfo).port}` } },
    proxies: { p: { basePath: '/', target: 'b' } },
    logs,
  }
}

const lost = (text: string) =>
  Number(/^postern_log_records_lost_total\{sink="outlet:syslog[^"]*"\} (\d+)$/m.exec(text)?.[1] ?? 0)

test('a gateway tells a syslog server what it tells a file, with the id that the client has', async (t) => {
  await using server = await streamReceiver()
  const config = await configured(t, [
    { format: 'native', file: 'postern.log' },
    { format: 'native', syslog: { address: `tcp://127.0.0.1:${server.port}`, appName: 'gw', facility: 'local3' } },
  ])
  await using gateway = await startTestGateway(config)
  const ids: string[] = []
  for (let i = 0; i < 20; i++) {
    const answer = await fetch(`${gateway.origin}/n/${i}`)
    ids.push(answer.headers.get('x-request-id') ?? '')
    await answer.text()
  }
  const accesses = () => server.messages.filter((message) => / gw \d+ access - \{/.test(message))
  await until(
    () => accesses().length === 20,
    () => `${accesses().length} of 20 messages`,
  )
  const logged = await gateway.logLines('postern.log', (line) => line.includes(ids[19] ?? '-'))
  const said = accesses().map((message) => {
    assert.match(message, /^<158>1 /) // local3, info
    return message.slice(message.indexOf('{'))
  })
  assert.deepEqual(
    said,
    logged.filter((line) => line.includes('"type":"access"')),
  )
  assert.deepEqual(
    said.map((line) => (JSON.parse(line) as { id: string }).id),
    ids,
  )
})

test('a syslog server that takes nothing holds no request up, and what it does not take is counted', async (t) => {
  await using server = await streamReceiver(0, null, (socket) => socket.pause())
  const config = await configured(t, [
    { format: 'native', file: 'postern.log' },
    { format: 'native', syslog: { address: `tcp://127.0.0.1:${server.port}` } },
  ])
  await using gateway = await startTestGateway(config)
  const path = `/${'x'.repeat(7000)}`
  for (let sent = 0; lost(gateway.gateway.metricsText()) === 0; sent += 50) {
    assert.ok(sent < 10_000, 'nothing was counted as lost')
    const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(gateway.origin + path)))
    for (const answer of answers) assert.deepEqual([answer.status, await answer.text()], [200, 'ok'])
  }
  await until(
    () => gateway.events.some((event) => event.type === 'warning' && event.code === 'syslog-failing'),
    () => gateway.events.map((event) => event.type).join(),
  )
})
