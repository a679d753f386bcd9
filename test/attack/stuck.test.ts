import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startTestGateway } from '../support/gateway.ts'
import { exchangeRaw } from '../support/raw-client.ts'
import { startScriptedBackend } from '../wire/scripted-backend.ts'

/* I10: nothing waits without an end. */

it('a log file that is a pipe nobody reads stops neither reloads nor the end', async () => {
  const config = { targets: { b: { url: 'http://127.0.0.1:1' } }, proxies: { p: { basePath: '/', target: 'b' } } }
  await using gateway = await startTestGateway(config)
  const pipe = join(gateway.directory, 'pipe')
  execFileSync('mkfifo', [pipe])
  const piped = gateway.reconfigure({ ...config, logs: [{ format: 'native', file: 'pipe' }] })
  await sleep(200)
  const changed = gateway.reconfigure({ ...config, organization: 'other' })
  const done = await Promise.race([Promise.allSettled([piped, changed]), sleep(1500, null)])
  // Whoever is stuck in open() is let go, so that this file can end.
  if (done === null) closeSync(openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK))
  assert.notEqual(done, null, 'the reload hangs in open(), and with it every later one, and the end of the process')
})

it('a request that waits for a connection is answered, also when none gets free', async () => {
  const timeouts = { connect: '300ms', firstByte: '300ms', bodyIdle: '300ms', keepAlive: '300ms' }
  await using backend = await startScriptedBackend(({ socket }) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: any\r\n\r\n')
  })
  await using gateway = await startTestGateway({
    targets: { b: { url: `http://127.0.0.1:${backend.port}`, timeouts, limits: { connections: 1, pending: 10 } } },
    proxies: { p: { basePath: '/', target: 'b' } },
  })
  const port = gateway.gateway.ports['http'] ?? 0
  const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: any\r\n\r\n'
  const tunnel = connect(port, '127.0.0.1')
  tunnel.write(upgrade)
  await new Promise((resolve) => tunnel.once('data', resolve))
  const second = exchangeRaw(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', (received) => received.includes('\r\n\r\n'))
  const answer = await Promise.race([second, sleep(2000, 'no answer, and nothing that would end the waiting')])
  tunnel.destroy()
  assert.match(answer, /^HTTP\/1\.1 50[34] /)
})
